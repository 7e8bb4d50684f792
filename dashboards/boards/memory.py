"""The board of memory: what fills it, what moves through it, and what a smaller format would free."""

from __future__ import annotations

from boards.kit import Board, Column, Row, judged, query, rate, select, stat, table, target, timeseries
from boards.kv_cache import CACHE, PREFIXES
from boards.parts import FINISHED, FLAG, GPU, GPUS, MODEL, PEAKS, SAVING, WHO, WHOSE, of_gpus

_CACHE = "pentameter_kv_cache_bytes"
_MBU = "pentameter_mbu_ratio"


def _sum(series: str, **matchers: str) -> str:
    return f"sum ({select(series, **matchers)})"


def _format(title: str, series: str, unit: str, decimals: int | None = None) -> Column:
    return Column(title, f"max by (server, engine, format) ({select(series)})", unit, decimals)


FINE = Row(
    "Is it fine?",
    (
        stat(
            "KV cache in use, fullest engine",
            [query(f"max ({select('pentameter_kv_cache_usage_ratio')})", "in use")],
            unit="percentunit",
            text="Near 100 % new requests wait and running ones are preempted. Cached blocks that no request uses count"
            " as free.",
            span=4,
            decimals=1,
            steps={0.85: "orange", 0.95: "red"},
        ),
        stat(
            "KV cache wasted",
            judged(
                select("pentameter_kv_cache_waste_ratio"),
                select("pentameter_kv_cache_waste_reference_ratio"),
                WHO,
                "waste",
                most=True,
            ),
            unit="percentunit",
            text="Share of the allocated cache that holds nothing. Green up to the 4 % that PagedAttention's authors"
            " report at most; before paging 40 to 70 % was lost by the lecture's account.",
            span=4,
            decimals=2,
            needs=f"running requests and {MODEL}",
        ),
        stat(
            "Sequences that still fit",
            [query(select("pentameter_kv_cache_free_sequences"), WHO)],
            unit="short",
            text="Beside those that run, of the mean length of those that finished lately.",
            span=4,
            decimals=0,
            needs=FINISHED,
        ),
        stat(
            "Preemptions per request, worst engine",
            [query(f"max ({select('pentameter_preemption_ratio')})", "preemptions")],
            unit="percentunit",
            text="Any at all means that the KV cache is too small for the load.",
            span=4,
            decimals=1,
            steps={0.001: "orange", 0.05: "red"},
            needs=FINISHED,
        ),
        stat(
            "MBU of a decode step",
            [query(select("pentameter_decode_step_mbu_ratio"), WHO)],
            unit="percentunit",
            text="The lecture's figure: bytes of a decode step over its time, idle time left out. Its example, 14 GB in"
            " 14 ms at 2 TB/s, is 50 %.",
            span=4,
            decimals=1,
            needs=PEAKS,
        ),
        stat(
            "Prefix cache hits",
            [query(select("pentameter_prefix_cache_hit_ratio"), WHO)],
            unit="percentunit",
            text="Share of the prompt tokens looked up that were found.",
            span=4,
            decimals=1,
            needs="prefix caching and requests in the window",
        ),
    ),
)


BANDWIDTH = Row(
    "Memory bandwidth",
    (
        timeseries(
            "MBU by phase",
            [
                query(select(_MBU, phase="=~prefill|decode", basis="model"), f"{{{{phase}}}} {WHO}"),
                query(select("pentameter_decode_step_mbu_ratio"), f"decode step {WHO}"),
            ],
            unit="percentunit",
            text="The phases are shares of all time and add up; the decode step's is of the time at work.",
            needs=PEAKS,
        ),
        timeseries(
            "MBU by basis",
            [query(select(_MBU, phase="all"), f"{{{{basis}}}} {WHO}")],
            unit="percentunit",
            text="model: our own count, without activations. vllm: vLLM's estimate. measured: time in which the memory"
            " was active.",
            needs=f"{PEAKS}, or {FLAG}",
        ),
        timeseries(
            "Bytes read per GPU",
            [
                query(
                    rate("pentameter_memory_read_bytes_total", phase="=~prefill|decode", basis="model"),
                    f"{{{{phase}}}}: {{{{what}}}} {WHO}",
                )
            ],
            unit="Bps",
            text="Where the cache outweighs the weights, a larger batch no longer makes tokens cheaper.",
            needs=MODEL,
        ),
        timeseries(
            "Bytes written per GPU",
            [
                query(
                    rate("pentameter_memory_written_bytes_total", phase="=~prefill|decode", basis="model"),
                    f"{{{{phase}}}}: {{{{what}}}} {WHO}",
                )
            ],
            unit="Bps",
            needs=MODEL,
        ),
    ),
)

PARTS = Row(
    "What fills the GPUs",
    (
        timeseries(
            "GPU memory by part",
            [
                query(_sum("pentameter_weights_bytes"), "weights"),
                query(_sum(_CACHE, state="capacity"), "KV cache"),
                query(_sum("pentameter_gpu_memory_overhead_bytes"), "activations and other"),
                target(f"sum ({of_gpus('pentameter_gpu_memory_total_bytes')})", "memory of the GPUs"),
            ],
            unit="decbytes",
            text="All chosen engines together. vLLM reserves the KV cache when it starts, used or not.",
            stacked=True,
            needs=f"{MODEL} and {GPUS}",
        ),
        timeseries(
            "Memory in use by GPU",
            [
                query(
                    f"({of_gpus('pentameter_gpu_memory_used_bytes')})"
                    " / on (cluster, namespace, instance, gpu) group_left ()"
                    f" ({select('pentameter_gpu_memory_total_bytes')} > 0)",
                    GPU,
                )
            ],
            unit="percentunit",
            most=1,
            needs=GPUS,
        ),
    ),
)


FORMATS = Row(
    "What if: weights in another format",
    (
        table(
            "Formats compared",
            {"server": "Server", "engine": "Engine", "format": "Format"},
            (
                _format("Weights", "pentameter_quantization_weights_bytes", "decbytes"),
                _format("Least time per output token", "pentameter_quantization_tpot_floor_seconds", "s"),
                _format("Sequences that fit", "pentameter_quantization_sequences", "short", 0),
            ),
            text="The least time is what the memory bandwidth allows for the present batch and lengths. Nothing is said"
            " of accuracy.",
            height=6,
            needs=f"{MODEL} and {FINISHED}",
        ),
    ),
)

DETAILS = Row(
    "Details: sizes",
    (
        table(
            "Sizes",
            {"server": "Server", "engine": "Engine", "model_name": "Model"},
            tuple(
                Column(title, f"max by (server, engine, model_name) ({select(series)})", unit)
                for title, series, unit in (
                    ("Weights", "pentameter_weights_bytes", "decbytes"),
                    ("Weights per GPU", "pentameter_weights_per_gpu_bytes", "decbytes"),
                    ("KV cache per token", "pentameter_kv_cache_bytes_per_token", "decbytes"),
                    ("Tokens that the KV cache holds", "pentameter_kv_cache_capacity_tokens", "short"),
                    ("Peak bandwidth of a GPU", "pentameter_gpu_peak_memory_bandwidth_bytes_per_second", "Bps"),
                )
            ),
            height=6,
            needs=MODEL,
        ),
        timeseries(
            "Energy saved by the prefix cache, at least",
            [query(rate("pentameter_prefix_cache_saved_joules_total"), WHOSE)],
            unit="watt",
            needs=f"{SAVING}, and the GPUs' power limit",
        ),
        timeseries(
            "Bytes read and written by basis",
            [
                query(
                    rate("pentameter_memory_read_bytes_total", phase="all"),
                    f"read {{{{what}}}}, {{{{basis}}}} {WHO}",
                ),
                query(
                    rate("pentameter_memory_written_bytes_total", phase="all"),
                    f"written {{{{what}}}}, {{{{basis}}}} {WHO}",
                ),
            ],
            unit="Bps",
            text="Per GPU.",
            needs=f"{MODEL}, or {FLAG}",
        ),
    ),
    collapsed=True,
)

BOARD = Board(
    slug="memory",
    title="Memory and KV cache",
    description="What fills the GPUs' memory, how much of its bandwidth is used, and how many sequences still fit.",
    rows=(FINE, CACHE, BANDWIDTH, PARTS, PREFIXES, FORMATS, DETAILS),
)
