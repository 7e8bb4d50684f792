"""Rows of single engines and GPUs under the boards of computation and memory; those of time: ``boards.each_engine``."""

from __future__ import annotations

from boards.kit import Row, query, rate, select, timeseries
from boards.many import foremost
from boards.parts import FINISHED, FLAG, GPU, GPUS, MODEL, PEAKS, WHO, of_gpus

STEP = "$__rate_interval"
EACH = "Replica by replica (choose a few at the top)"

_MFU, _MBU = "pentameter_mfu_ratio", "pentameter_mbu_ratio"
_ENGINE = "cluster, namespace, instance, engine"
_USAGE = select("pentameter_kv_cache_usage_ratio")
_PREEMPTIONS = select("pentameter_preemption_ratio")


def bound(phase: str) -> str:
    """Return 1 for each engine whose phase is limited by computing, 0 where it is by memory."""
    return select("pentameter_roofline_bound", phase=phase, bound="compute")


def _foremost(gauge: str) -> str:
    return foremost(gauge, gauge, _ENGINE)


COMPUTATION = Row(
    EACH,
    (
        timeseries(
            "MFU of each engine, by basis",
            [query(_foremost(select(_MFU, phase="all")), f"{{{{basis}}}} {WHO}")],
            unit="percentunit",
            text="model: our own count. vllm: vLLM's estimate, which ignores the causal mask and holds an FP8 model"
            " against the 16-bit peak. measured: time in which tensor pipes were active, an upper end. Of many engines,"
            " those that rose highest.",
            needs=f"{PEAKS}, or {FLAG}",
        ),
        timeseries(
            "What limits each engine's phases",
            [
                query(bound("prefill"), f"prefill {WHO}"),
                query(bound("decode"), f"decode {WHO}"),
            ],
            unit="none",
            text="1: computing. 0: memory bandwidth.",
            needs=PEAKS,
            decimals=0,
            steps=True,
            most=1,
        ),
        timeseries(
            "FLOPs per GPU by phase",
            [
                query(
                    rate("pentameter_model_flops_total", STEP, phase="=~prefill|decode", basis="model"),
                    f"{{{{phase}}}} {WHO}",
                )
            ],
            unit="flops",
            text="Operations per second that the model's own work took on one GPU of the engine.",
            needs=MODEL,
        ),
        timeseries(
            "FLOPs per GPU by basis",
            [query(rate("pentameter_model_flops_total", STEP, phase="all"), f"{{{{basis}}}} {WHO}")],
            unit="flops",
            text="Our own count beside vLLM's.",
            needs=f"{MODEL}, or {FLAG}",
        ),
        timeseries(
            "Time with a kernel on the GPU",
            [
                query(
                    foremost(
                        of_gpus("pentameter_gpu_utilization_ratio"),
                        select("pentameter_gpu_utilization_ratio"),
                        "cluster, namespace, instance, gpu",
                    ),
                    GPU,
                )
            ],
            unit="percentunit",
            text="A share of time, not of computing power: 100 % of it may be 3 % MFU.",
            needs=GPUS,
            most=1,
        ),
        timeseries(
            "Engine steps",
            [query(rate("pentameter_engine_steps_total", STEP), WHO)],
            unit="suffix: steps/s",
            text="Steps that made output. Few tokens per step and many steps: the batch is small.",
        ),
    ),
    collapsed=True,
)

MEMORY = Row(
    EACH,
    (
        timeseries(
            "KV cache in use of each engine",
            [query(_foremost(_USAGE), WHO)],
            unit="percentunit",
            text="Of many engines, those that were fullest.",
            most=1,
        ),
        timeseries(
            "Preemptions per request of each engine",
            [query(_foremost(_PREEMPTIONS), WHO)],
            unit="percentunit",
            text="May exceed 100 %: a request can be preempted again and again.",
            needs=FINISHED,
        ),
        timeseries(
            "MBU of each engine, by basis",
            [query(_foremost(select(_MBU, phase="all")), f"{{{{basis}}}} {WHO}")],
            unit="percentunit",
            text="model: our own count, without activations. vllm: vLLM's estimate. measured: time in which the memory"
            " was active.",
            needs=f"{PEAKS}, or {FLAG}",
        ),
        timeseries(
            "MBU of each engine's decode step",
            [query(select("pentameter_decode_step_mbu_ratio"), WHO)],
            unit="percentunit",
            text="Bytes of a decode step over its time, idle time left out.",
            needs=PEAKS,
        ),
        timeseries(
            "Bytes read and written by basis, per GPU",
            [
                query(
                    rate("pentameter_memory_read_bytes_total", STEP, phase="all"),
                    f"read {{{{what}}}}, {{{{basis}}}} {WHO}",
                ),
                query(
                    rate("pentameter_memory_written_bytes_total", STEP, phase="all"),
                    f"written {{{{what}}}}, {{{{basis}}}} {WHO}",
                ),
            ],
            unit="Bps",
            text="Our own count beside vLLM's, which does not tell weights and cache apart.",
            needs=f"{MODEL}, or {FLAG}",
        ),
        timeseries(
            "Prefix cache hits of each engine",
            [query(select("pentameter_prefix_cache_hit_ratio"), WHO)],
            unit="percentunit",
            text="Share of the looked up prompt tokens that were found, by vLLM's own count.",
            most=1,
            needs="prefix caching and requests in the window",
        ),
    ),
    collapsed=True,
)
