"""The figures of an estimate: name, unit and formula of each. The table and the JSON are made of these."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """How a figure in base units is written for people."""

    NUMBER = auto()
    COUNT = auto()
    FLOP = auto()
    BYTES = auto()
    BITS = auto()
    SECONDS = auto()
    RATE = auto()
    INTENSITY = auto()
    RATIO = auto()
    JOULES = auto()
    KWH = auto()
    """Joules, written in kilowatt-hours."""
    GRAMS = auto()
    DOLLARS = auto()
    WORD = auto()


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure."""

    key: str
    """Field of the section's record, and its key in JSON."""
    label: str
    kind: Kind
    formula: str
    unknown: str = "unknown"
    """Written where there is none."""


_NO_LAYERS = "unknown: its layers are not known"
_NO_MEMORY = "unknown: the memory is not in the GPU table"
_NO_PEAK = "unknown: the GPU's peak in this precision is not in the table"
_NO_WATTS = "unknown: give --watts"
_NO_GRID = "unknown: give --grid-region or --grams-per-kwh"
_NO_PRICE = "unknown: give --gpu-dollars-per-hour"

COMPUTATION = (
    Figure("parameters", "parameters", Kind.NUMBER, "sum over all weights of the text model; a tied embedding once"),
    Figure("active_parameters", "active per token", Kind.NUMBER, "parameters - experts that a token is not sent to"),
    Figure(
        "matrices_flop_per_token", "matrices (Kaplan: 2 N)", Kind.FLOP, "2 x active parameters of the layers' matrices"
    ),
    Figure("unembedding_flop_per_sample", "unembedding", Kind.FLOP, "2 x hidden size x vocabulary, per sampled token"),
    Figure(
        "attention_flop_per_token",
        "attention at the full context",
        Kind.FLOP,
        "sum over layers of 2 x heads x (query + value dimensions) x positions seen",
        _NO_LAYERS,
    ),
    Figure("decode_flop_per_token", "one decoded token", Kind.FLOP, "matrices + unembedding + attention"),
    Figure("prefill_flop", "the whole prompt", Kind.FLOP, "matrices x prompt + causal attention + one unembedding"),
    Figure("prefill_flop_per_token", "one prompt token, mean", Kind.FLOP, "the whole prompt / prompt tokens"),
    Figure("lecture_two_n_flop_per_token", "lecture: 2 N, per token", Kind.FLOP, "2 x active parameters"),
    Figure(
        "lecture_slide_flop",
        "lecture: slide's form, context",
        Kind.FLOP,
        "2 x layers x (4 d^2 + 8 n d^2), n = context, d = hidden size",
        _NO_LAYERS,
    ),
    Figure(
        "lecture_slide_flop_per_token", "lecture: slide's, per token", Kind.FLOP, "slide's form / context", _NO_LAYERS
    ),
)

MEMORY = (
    Figure("weights_bytes", "weights", Kind.BYTES, "sum over weights of bits / 8, scales and zero points included"),
    Figure("weights_bits_per_parameter", "bits per parameter", Kind.BITS, "weights x 8 / parameters"),
    Figure(
        "cache_bytes_per_token",
        "KV cache per token",
        Kind.BYTES,
        "sum over layers of cached elements (2 x heads of keys x dimension; MLA: latent + rotary) x bits / 8",
        _NO_LAYERS,
    ),
    Figure(
        "cache_bytes_per_sequence",
        "KV cache per sequence",
        Kind.BYTES,
        "per token x context; at most the window where a layer has one; plus recurrent states",
        _NO_LAYERS,
    ),
    Figure("cache_bytes_of_batch", "KV cache of the batch", Kind.BYTES, "batch x per sequence", _NO_LAYERS),
)

FIT = (
    Figure("memory_bytes", "memory", Kind.BYTES, "of the GPU table", _NO_MEMORY),
    Figure("usable_bytes", "usable", Kind.BYTES, "memory x gpu memory utilization", _NO_MEMORY),
    Figure("weights_bytes", "weights", Kind.BYTES, "weights / GPUs, and what every GPU keeps whole"),
    Figure("overhead_bytes", "overhead", Kind.BYTES, "as given"),
    Figure("left_bytes", "left for the KV cache", Kind.BYTES, "usable - weights - overhead", _NO_MEMORY),
    Figure(
        "sequence_bytes",
        "KV cache per sequence",
        Kind.BYTES,
        "cache per sequence / GPUs, at least a head of keys each",
        _NO_LAYERS,
    ),
    Figure("tokens", "tokens that fit", Kind.COUNT, "floor(left / cache per token)", "not one number: layers differ"),
    Figure("sequences", "sequences that fit", Kind.COUNT, "floor(left / cache per sequence)"),
    Figure("weights_fit", "weights fit", Kind.WORD, "left >= 0", _NO_MEMORY),
    Figure("batch_fits", "the batch fits", Kind.WORD, "sequences that fit >= batch"),
    Figure(
        "gpus_for_weights",
        "GPUs that the weights take",
        Kind.COUNT,
        "pipeline x the least tensor-parallel size that divides the heads and leaves no less than 0",
        "no tensor-parallel size is enough",
    ),
    Figure(
        "gpus_for_batch",
        "GPUs that the batch takes",
        Kind.COUNT,
        "the same, and room for the batch",
        "no tensor-parallel size is enough",
    ),
)

PHASE = (
    Figure("tokens", "tokens", Kind.COUNT, "prefill: the prompt; decode: one per sequence of the batch"),
    Figure("flop", "work", Kind.FLOP, "FLOPs of the tokens, of all GPUs"),
    Figure(
        "moved_bytes_per_gpu",
        "traffic per GPU",
        Kind.BYTES,
        "weights read once (of experts those that the tokens are expected to touch) + cache read + cache written",
    ),
    Figure("compute_seconds", "compute", Kind.SECONDS, "work / GPUs / peak FLOP/s x pipeline stages", _NO_PEAK),
    Figure("traffic_seconds", "traffic", Kind.SECONDS, "traffic per GPU / peak bandwidth x pipeline stages"),
    Figure("floor_seconds", "time floor", Kind.SECONDS, "max(compute, traffic)"),
    Figure("seconds", "time at the given MFU, MBU", Kind.SECONDS, "max(compute / MFU given, traffic / MBU given)"),
    Figure("tokens_per_second", "tokens per second", Kind.RATE, "tokens / time"),
    Figure("intensity_flop_per_byte", "arithmetic intensity", Kind.INTENSITY, "work / GPUs / traffic per GPU"),
    Figure(
        "ridge_flop_per_byte",
        "ridge",
        Kind.INTENSITY,
        "peak FLOP/s of the precisions computed in / peak bandwidth",
        _NO_PEAK,
    ),
    Figure("bound", "bound by", Kind.WORD, "compute if intensity >= ridge, else memory", _NO_PEAK),
    Figure("mfu_ratio", "MFU", Kind.RATIO, "compute / (pipeline stages x time)", _NO_PEAK),
    Figure("mbu_ratio", "MBU", Kind.RATIO, "traffic / (pipeline stages x time)"),
    Figure("joules_per_token", "energy per token", Kind.JOULES, "watts x GPUs x time / tokens", _NO_WATTS),
    Figure("joules_per_million_tokens", "energy per million tokens", Kind.KWH, "1e6 x energy per token", _NO_WATTS),
    Figure(
        "grams_per_million_tokens",
        "CO2e per million tokens",
        Kind.GRAMS,
        "energy per million tokens in kWh x grams per kWh",
        _NO_GRID,
    ),
    Figure(
        "dollars_per_million_tokens",
        "cost per million tokens",
        Kind.DOLLARS,
        "1e6 x dollars per GPU and hour x GPUs x time / 3600 / tokens",
        _NO_PRICE,
    ),
)

REQUEST = (
    Figure("ttft_seconds", "time to first token", Kind.SECONDS, "time of the prefill"),
    Figure(
        "decode_seconds",
        "time of the other tokens",
        Kind.SECONDS,
        "max(compute, traffic) of output - 1 decode steps of the batch, contexts growing from prompt + 1",
    ),
    Figure("e2e_seconds", "end to end", Kind.SECONDS, "time to first token + time of the other tokens"),
    Figure("joules", "energy", Kind.JOULES, "watts x GPUs x (prefill + decode / batch)", _NO_WATTS),
    Figure("grams", "CO2e", Kind.GRAMS, "energy in kWh x grams per kWh", _NO_GRID),
    Figure("dollars", "cost", Kind.DOLLARS, "dollars per second of all GPUs x (prefill + decode / batch)", _NO_PRICE),
    Figure(
        "joules_per_million_tokens",
        "energy per million tokens, prompt and output",
        Kind.KWH,
        "1e6 x energy / (prompt + output)",
        _NO_WATTS,
    ),
    Figure(
        "grams_per_million_tokens",
        "CO2e per million tokens, prompt and output",
        Kind.GRAMS,
        "1e6 x CO2e / (prompt + output)",
        _NO_GRID,
    ),
    Figure(
        "dollars_per_million_tokens",
        "cost per million tokens, prompt and output",
        Kind.DOLLARS,
        "1e6 x cost / (prompt + output)",
        _NO_PRICE,
    ),
)

QUANTIZATION = (
    Figure("format", "format", Kind.WORD, "fp16; fp8: layers' matrices in 8 bits; int4: in 4.16 with scales"),
    Figure("weights_bytes", "weights", Kind.BYTES, "sum over weights of bits / 8"),
    Figure("tpot_seconds", "time per output token", Kind.SECONDS, "as the time of the decode step"),
    Figure("sequences", "sequences that fit", Kind.COUNT, "floor(left / cache per sequence)"),
)

SECTIONS = {
    "computation": COMPUTATION,
    "memory": MEMORY,
    "fit": FIT,
    "prefill": PHASE,
    "decode": PHASE,
    "request": REQUEST,
    "quantization": QUANTIZATION,
}


def formulas() -> dict[str, str]:
    """Return the formula of each figure by section.key."""
    return {f"{section}.{figure.key}": figure.formula for section, figures in SECTIONS.items() for figure in figures}
