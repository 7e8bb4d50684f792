"""The formulas of the lecture (G. Neubig, "Measuring Efficiency in LLM Inference") as it writes them, with its figures.

Nothing here is used for live figures: ``flops``, ``kv`` and ``moved`` are. These are for comparison with the slides,
and each example says whether the slide's figure comes out. ``docs/methodology.md`` tells what to make of the rest.
"""

from __future__ import annotations


def slide_flops(layers: int, dimension: int, tokens: int) -> float:
    """Return 2 L (4 d^2 + 8 n d^2), the slide's "Kaplan et al." form for a sequence of n tokens.

    The slide's arithmetic comes out:

    >>> round(slide_flops(32, 4096, 2048) / 1e12, 1)  # LLaMA-2 7B, slide: 17.6 TFLOPs
    17.6
    >>> round(slide_flops(32, 4096, 2048) / 2048 / 1e9, 1)  # slide: 8.6 GFLOPs per token
    8.6

    The form does not: the number of tokens multiplies only the feed-forward part (8 d^2), so that the projections of
    attention (4 d^2) are paid for one token of the 2,048, attention itself and the unembedding for none. Kaplan's own
    2 N with N = 12 L d^2 is 2 L (4 d^2 + 8 d^2) for each token: 12.9 GFLOPs here.

    >>> round(2 * 32 * (4 + 8) * 4096**2 / 1e9, 1)
    12.9
    """
    return 2.0 * layers * (4 * dimension**2 + 8 * tokens * dimension**2)


def two_n(parameters: float) -> float:
    """Return 2 N, operations per token.

    >>> two_n(7e9) / 1e9  # the slide's N
    14.0
    >>> round(two_n(6_738_415_616) / 1e9, 2)  # LLaMA-2 7B's own number of parameters
    13.48
    """
    return 2.0 * parameters


def kv_cache_bytes(layers: int, heads: int, head_dimension: int, tokens: float, batch: float, element: float) -> float:
    """Return 2 L h d_h n b bytes, where h is the number of key and value heads and ``element`` bytes per element.

    LLaMA-2 7B, batch 8, 2,048 tokens: the slide says 4.3 GB, which is one byte per element. At FP16 it is

    >>> kv_cache_bytes(32, 32, 128, 2048, 8, 2)
    8589934592.0
    >>> kv_cache_bytes(32, 32, 128, 2048, 8, 1)
    4294967296.0
    """
    return 2.0 * layers * heads * head_dimension * tokens * batch * element


def tokens_that_fit(memory_bytes: float, weight_bytes: float, cache_bytes_per_token: float) -> float:
    """Return the tokens for whose cache the memory beside the weights is enough.

    The slide's "24 GB GPU: about 20K tokens" comes out at FP16, so with twice the cache per token of its 4.3 GB; at one
    byte per element it would be 38K:

    >>> round(tokens_that_fit(24e9, 14e9, kv_cache_bytes(32, 32, 128, 1, 1, 2)))
    19073
    >>> round(tokens_that_fit(24e9, 14e9, kv_cache_bytes(32, 32, 128, 1, 1, 1)))
    38147
    """
    return (memory_bytes - weight_bytes) / cache_bytes_per_token


def mbu(model_bytes: float, seconds_per_token: float, peak_bandwidth: float) -> float:
    """Return (model bytes / time per token) / peak bandwidth, a ratio; one decode step reads the whole model.

    >>> mbu(14e9, 14e-3, 2e12)  # LLaMA 7B on an A100, slide: 50 %
    0.5

    The same step uses 0.3 % of the A100's 312 TFLOP/s, which is why the slide measures decode by MBU:

    >>> round(two_n(7e9) / 14e-3 / 312e12, 4)
    0.0032
    """
    return model_bytes / seconds_per_token / peak_bandwidth


def model_bytes(parameters: float, bytes_per_parameter: float) -> float:
    """Return parameters x bytes each, without scales and whatever stays in more bits.

    >>> [model_bytes(7e9, each) / 1e9 for each in (4, 2, 1, 0.5)]  # slide: FP32 28, FP16 14, INT8 7, INT4 3.5 GB
    [28.0, 14.0, 7.0, 3.5]
    """
    return parameters * bytes_per_parameter


def weights_intensity(tokens: float, bytes_per_parameter: float) -> float:
    """Return FLOPs per byte of weights read when so many tokens pass them at once: 2 n / bytes per parameter.

    At FP16 it is the number of tokens, so the slide's "prefill 50-200" is of prompts of 50 to 200 tokens (2,048 tokens
    have 2,048), and its "decode 1-10" of batches of 1 to 10 sequences:

    >>> weights_intensity(2048, 2), weights_intensity(1, 2), weights_intensity(10, 2)
    (2048.0, 1.0, 10.0)
    """
    return 2.0 * tokens / bytes_per_parameter
