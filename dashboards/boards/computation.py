"""The board of computation: how much of what the GPUs could compute is done, and what holds back the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boards.kit import Board, Column, Row, query, rate, select, stat, table, target, timeseries
from boards.parts import FLAG, GPU, GPUS, MODEL, PEAKS, TOKENS_PER_SECOND, WHO, of_gpus

if TYPE_CHECKING:
    from grafana_foundation_sdk.models import dashboard

_MFU = "pentameter_mfu_ratio"
_RIDGE = "pentameter_roofline_ridge_flops_per_byte"
_INFO = "pentameter_model_info"
# A rate over a window that began before the first scrape is too small to divide by.
_PER_STEP = (
    f"({select('pentameter_tokens_per_second', phase='generation')}"
    f" and ignoring (phase, window) ({select('pentameter_engine_steps_total')} offset $window))"
    f" / ignoring (phase, window) ({rate('pentameter_engine_steps_total')} > 0)"
)
_MODEL_LABELS = {
    "server": "Server",
    "engine": "Engine",
    "model_name": "Model",
    "architecture": "Architecture",
    "quantization": "Quantisation",
    "kv_cache_dtype": "KV cache",
    "tensor_parallel_size": "Tensor parallel",
    "pipeline_parallel_size": "Pipeline parallel",
    "contexts": "Contexts from",
}


def _bound(phase: str) -> str:
    return select("pentameter_roofline_bound", phase=phase, bound="compute")


def _parameters(kind: str) -> Column:
    labels = ", ".join(_MODEL_LABELS)
    size = select("pentameter_model_parameters", kind=kind)
    figure = f"{select(_INFO)} * on (cluster, namespace, instance, server, model_name, engine) group_left () {size}"
    return Column(f"Parameters, {kind}", f"max by ({labels}) ({figure})", "short")


def _limit(title: str, phase: str) -> dashboard.Panel:
    return stat(
        title,
        [query(_bound(phase), WHO)],
        unit="none",
        text="By the phase's own work against the roofline. Prefill should be limited by computing; decode is by memory"
        " unless very many sequences decode at once.",
        span=4,
        needs=PEAKS,
        graph=False,
        values={"1": ("compute", "blue"), "0": ("memory", "purple")},
    )


FINE = Row(
    "Is it fine?",
    (
        stat(
            "MFU",
            [query(select(_MFU, phase="all", basis="model"), WHO)],
            unit="percentunit",
            text="Share of what the GPUs could compute in all of the window, idle time included. A server that mostly"
            " decodes has a low one by nature: the lecture's 20 to 45 % are of training.",
            span=4,
            decimals=1,
            needs=PEAKS,
        ),
        stat(
            "Prefill MFU",
            [query(select(_MFU, phase="prefill", basis="model"), WHO)],
            unit="percentunit",
            text="The part of MFU that computes prompts.",
            span=4,
            decimals=1,
            needs=PEAKS,
        ),
        _limit("Prefill is limited by", "prefill"),
        _limit("Decode is limited by", "decode"),
        stat(
            "Output tokens per step",
            [query(_PER_STEP, WHO)],
            unit="short",
            text="Mean number of sequences that an engine's step makes a token for: the batch that decode shares the"
            " weights among.",
            span=4,
            decimals=1,
        ),
        stat(
            "Models that are not understood",
            [query(f"count ({select('pentameter_model_unknown')}) or vector(0)", "models")],
            unit="none",
            text="Where a model is not understood, all figures of basis=model are left out; the label reason says why.",
            span=4,
            decimals=0,
            steps={1: "orange"},
        ),
    ),
)

UTILISATION = Row(
    "Use of the GPUs' computing power",
    (
        timeseries(
            "MFU by phase",
            [query(select(_MFU, phase="=~prefill|decode", basis="model"), f"{{{{phase}}}} {WHO}")],
            unit="percentunit",
            text="The two phases are shares of the same whole and add up to all.",
            needs=PEAKS,
        ),
        timeseries(
            "MFU by basis",
            [query(select(_MFU, phase="all"), f"{{{{basis}}}} {WHO}")],
            unit="percentunit",
            text="model: our own count. vllm: vLLM's estimate, which ignores the causal mask and holds an FP8 model"
            " against the 16-bit peak. measured: time in which tensor pipes were active, an upper end.",
            needs=f"{PEAKS}, or {FLAG}",
        ),
        timeseries(
            "FLOPs per GPU by phase",
            [
                query(
                    rate("pentameter_model_flops_total", phase="=~prefill|decode", basis="model"),
                    f"{{{{phase}}}} {WHO}",
                )
            ],
            unit="flops",
            needs=MODEL,
        ),
        timeseries(
            "FLOPs per GPU by basis",
            [query(rate("pentameter_model_flops_total", phase="all"), f"{{{{basis}}}} {WHO}")],
            unit="flops",
            text="Our own count beside vLLM's.",
            needs=f"{MODEL}, or {FLAG}",
        ),
        timeseries(
            "What comes of it: output tokens, all and good",
            [
                query(select("pentameter_tokens_per_second", phase="generation"), f"all {WHO}"),
                query(select("pentameter_goodput_tokens_per_second"), f"kept {{{{slo}}}} {WHO}"),
            ],
            unit=TOKENS_PER_SECOND,
            text="Work for a request that came too late was done all the same.",
        ),
        timeseries(
            "Output tokens per step over time",
            [query(_PER_STEP, WHO)],
            unit="short",
            text="A greater batch uses the same reading of the weights for more tokens: MFU rises with it.",
        ),
    ),
)

ROOFLINE = Row(
    "Roofline",
    (
        timeseries(
            "Arithmetic intensity against the ridge",
            [
                query(select("pentameter_arithmetic_intensity_flops_per_byte", basis="model"), f"{{{{phase}}}} {WHO}"),
                target(
                    f"max by (precision) ({select(_RIDGE, precision='=~16bit|fp8')})",
                    "ridge, {{precision}}",
                ),
            ],
            unit="suffix: FLOP/B",
            text="Below the ridge memory bandwidth is the limit, above it computing. The lecture has 50 to 200 for"
            " prefill and 1 to 10 for decode; a large prefill batch is far above, a large decode batch too.",
            needs=PEAKS,
            logarithmic=True,
            height=9,
        ),
        timeseries(
            "Computing and memory bandwidth in use",
            [
                query(select(_MFU, phase="all", basis="model"), f"MFU {WHO}"),
                query(select("pentameter_mbu_ratio", phase="all", basis="model"), f"MBU {WHO}"),
            ],
            unit="percentunit",
            text="The greater of the two is the nearer limit. Where both are low, the GPU waits: for requests, for the"
            " processor, or for other GPUs.",
            needs=PEAKS,
            height=9,
        ),
        timeseries(
            "What limits each phase",
            [
                query(_bound("prefill"), f"prefill {WHO}"),
                query(_bound("decode"), f"decode {WHO}"),
            ],
            unit="none",
            text="1: computing. 0: memory bandwidth.",
            needs=PEAKS,
            steps=True,
            most=1,
            height=6,
        ),
        timeseries(
            "Time with a kernel on the GPU",
            [query(of_gpus("pentameter_gpu_utilization_ratio"), GPU)],
            unit="percentunit",
            text="A share of time, not of computing power: 100 % of it may be 3 % MFU.",
            needs=GPUS,
            most=1,
            height=6,
        ),
    ),
)

DETAILS = Row(
    "Details: models, peaks, steps",
    (
        table("Models", _MODEL_LABELS, (_parameters("total"), _parameters("active")), needs=MODEL, height=6),
        table(
            "Peaks of one GPU",
            {"server": "Server", "engine": "Engine", "precision": "Precision"},
            (
                Column(
                    "Peak",
                    f"max by (server, engine, precision) ({select('pentameter_gpu_peak_flops_per_second')})",
                    "flops",
                ),
                Column(
                    "Ridge, FLOPs per byte",
                    f"max by (server, engine, precision) ({select(_RIDGE)})",
                    "none",
                    decimals=0,
                ),
            ),
            span=12,
            needs=PEAKS,
        ),
        timeseries(
            "Engine steps",
            [query(rate("pentameter_engine_steps_total"), WHO)],
            unit="suffix: steps/s",
            text="Steps that made output.",
        ),
    ),
    collapsed=True,
)

BOARD = Board(
    slug="computation",
    title="Computation and roofline",
    description="How much of what the GPUs can compute is done, by phase, and whether computing or memory limits it.",
    rows=(FINE, UTILISATION, ROOFLINE, DETAILS),
)
