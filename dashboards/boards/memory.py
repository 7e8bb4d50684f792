"""The board of memory: what fills it, what moves through it, and what a smaller format would free."""

from __future__ import annotations

from boards import figures, replicas
from boards.dimensions import MEMORY_PARTS
from boards.kit import (
    Board,
    Column,
    Row,
    bars,
    judged,
    query,
    rate,
    select,
    stat,
    table,
    target,
    timeseries,
)
from boards.kv_cache import CACHE, PREFIXES, STEP, hit_ratio, of_state, waste
from boards.many import foremost
from boards.money import MODEL as MODEL_NAME
from boards.parts import FINISHED, GPU, GPUS, MODEL, PEAKS, of_gpus

_MBU = "pentameter_mbu_ratio"
_ENGINE = "cluster, namespace, instance, engine"
_USAGE = select("pentameter_kv_cache_usage_ratio")
_LIMIT = f"scalar(max({select('pentameter_kv_cache_waste_reference_ratio')}))"


def _moved(way: str, by: str) -> str:
    """Return bytes per second per GPU, of the engine of each model that moves the most."""
    moved = rate(f"pentameter_memory_{way}_bytes_total", STEP, phase="!=all", basis="model")
    return f"max by (model_name, {by}) (sum by (model_name, {_ENGINE}, {by}) ({moved}))"


def _format(title: str, series: str, unit: str, decimals: int | None = None, *, least: bool = False) -> Column:
    how = "min" if least else "max"
    return Column(title, f"{how} by (model_name, format) ({select(series)})", unit, decimals)


FINE = Row(
    "Is it fine?",
    (
        stat(
            "Fullest KV cache",
            [query(f"max ({_USAGE})", "in use")],
            unit="percentunit",
            text="Share of the KV cache in use, of the fullest engine. Near 100 % new requests wait and running ones"
            " are preempted; orange where the shipped alert fires. Cached blocks that no request uses count as free.",
            span=4,
            decimals=1,
            steps={0.95: "orange"},
        ),
        stat(
            "Room for more requests",
            [query(f"sum by (model_name) ({select('pentameter_kv_cache_free_sequences')})", MODEL_NAME)],
            unit="locale",
            text="Sequences that still fit beside those that run, of the mean length of those that finished lately.",
            span=4,
            decimals=0,
            needs=FINISHED,
        ),
        stat(
            "Preemptions per request",
            [query(f"max ({select('pentameter_preemption_ratio')})", "preemptions")],
            unit="percentunit",
            text="Of the worst engine. Any at all means that the KV cache is too small for the load; orange where the"
            " shipped alert would fire.",
            span=4,
            decimals=1,
            steps={0.05: "orange"},
            needs=FINISHED,
        ),
        stat(
            "KV cache wasted",
            judged(f"max ({waste()})", _LIMIT, "waste", "waste", most=True),
            unit="percentunit",
            text="Share of the allocated cache that holds nothing. Green up to the 4 % that PagedAttention's authors"
            " report at most; before paging 40 to 70 % was lost by the lecture's account.",
            span=4,
            decimals=2,
            needs="running requests, and a known model",
        ),
        stat(
            "MBU of a decode step",
            [query(f"max ({select('pentameter_decode_step_mbu_ratio')})", "decode step")],
            unit="percentunit",
            text="The lecture's figure: bytes of a decode step over its time, idle time left out, of the best engine."
            " Its example, 14 GB in 14 ms at 2 TB/s, is 50 %.",
            span=4,
            decimals=1,
            needs=PEAKS,
        ),
        stat(
            "Prompts from the cache",
            [query(hit_ratio(), MODEL_NAME)],
            unit="percentunit",
            text="Share of the prompt tokens that the prefix cache supplied, so that they need not be computed.",
            span=4,
            decimals=1,
            needs="prefix caching and finished requests",
        ),
    ),
)


BANDWIDTH = Row(
    "Memory bandwidth: what moves",
    (
        timeseries(
            "MBU by phase",
            [query(figures.mbu("model_name, phase", basis="model"), f"{{{{phase}}}} {MODEL_NAME}")],
            unit="percentunit",
            text="Bytes moved over what the GPUs' memory could move in all of the window. The phases are shares of all"
            " time and add up. Engines are weighted by the peak of their GPU.",
            span=8,
            needs=PEAKS,
        ),
        timeseries(
            "Bytes read per GPU",
            [query(_moved("read", "what"), f"{{{{what}}}} {MODEL_NAME}")],
            unit="Bps",
            text="weights: read by every step, however many sequences share it. kv: the cache of every sequence. Where"
            " the cache outweighs the weights, a larger batch no longer makes tokens cheaper. Of the busiest engine.",
            span=8,
            needs=MODEL,
        ),
        timeseries(
            "Bytes written per GPU",
            [query(_moved("written", "phase"), f"{{{{phase}}}} {MODEL_NAME}")],
            unit="Bps",
            text="Keys and values that new tokens leave in the cache, of the busiest engine.",
            span=8,
            needs=MODEL,
        ),
    ),
)

PARTS = Row(
    "What fills the GPUs",
    (
        bars(
            "GPU memory by part, now",
            [query(expression, name, instant=True) for name, expression in MEMORY_PARTS.items()],
            unit="bytes",
            text="All chosen servers together. vLLM sets the KV cache aside when it starts, used or not. other:"
            " activations, CUDA graphs, the driver, and whatever else runs there.",
            height=9,
            needs=f"{MODEL}, and {GPUS}",
        ),
        timeseries(
            "GPU memory by part over time",
            [
                query(MEMORY_PARTS["weights"], "weights"),
                query(of_state("capacity"), "KV cache"),
                query(MEMORY_PARTS["other"], "other"),
                target(f"sum ({of_gpus('pentameter_gpu_memory_total_bytes')})", "all memory"),
            ],
            unit="bytes",
            text="All chosen servers together. What grows without end leaks.",
            stacked=True,
            span=8,
            height=9,
            needs=f"{MODEL}, and {GPUS}",
        ),
        timeseries(
            "Memory in use by GPU",
            [
                query(
                    foremost(
                        f"({of_gpus('pentameter_gpu_memory_used_bytes')})"
                        " / on (cluster, namespace, instance, gpu) group_left ()"
                        f" ({select('pentameter_gpu_memory_total_bytes')} > 0)",
                        select("pentameter_gpu_memory_used_bytes"),
                        "cluster, namespace, instance, gpu",
                    ),
                    GPU,
                )
            ],
            unit="percentunit",
            text="Share of each GPU's memory; of many GPUs, those with the most in use.",
            most=1,
            span=8,
            height=9,
            needs=GPUS,
        ),
    ),
)


FORMATS = Row(
    "What if: weights in another format",
    (
        table(
            "Formats compared",
            {"model_name": "Model", "format": "Format"},
            (
                _format("Weights", "pentameter_quantization_weights_bytes", "bytes"),
                _format("Least time per output token", "pentameter_quantization_tpot_floor_seconds", "s"),
                _format("Sequences that fit", "pentameter_quantization_sequences", "short", 0, least=True),
            ),
            text="The least time is what the memory bandwidth allows for the present batch and lengths. Of several"
            " engines, the worst one's. Nothing is said of accuracy.",
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
            {"model_name": "Model", "server": "Server", "engine": "Engine"},
            tuple(
                Column(title, f"max by (server, engine, model_name) ({select(series)})", unit)
                for title, series, unit in (
                    ("Weights", "pentameter_weights_bytes", "bytes"),
                    ("Weights per GPU", "pentameter_weights_per_gpu_bytes", "bytes"),
                    ("KV per token", "pentameter_kv_cache_bytes_per_token", "bytes"),
                    ("Tokens in the cache", "pentameter_kv_cache_capacity_tokens", "short"),
                    ("Peak bandwidth", "pentameter_gpu_peak_memory_bandwidth_bytes_per_second", "Bps"),
                )
            ),
            text="Tokens in the cache: how many fit at once. Peak bandwidth: of one GPU's memory.",
            widths={"Server": 150, "Engine": 75},
            height=6,
            needs=MODEL,
        ),
    ),
    collapsed=True,
)

BOARD = Board(
    slug="memory",
    title="Memory and KV cache",
    description="What fills the GPUs' memory, how much of its bandwidth is used, and how many sequences still fit.",
    rows=(FINE, CACHE, PARTS, BANDWIDTH, PREFIXES, FORMATS, replicas.MEMORY, DETAILS),
)
