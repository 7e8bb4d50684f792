"""How many positions the queries of a sequence see: what attention costs, and what it reads.

Positions count from 1. A causal query at position i sees the positions 1 to i, its own included; with a sliding window
of w the last min(i, w); in chunks of w (Llama 4) those since its chunk began, ((i - 1) mod w) + 1. Sums over a run of
positions are differences of a prefix sum in closed form, so they do not depend on how the run was cut into steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pentameter.model.spec import Attention, ModelSpec


class Reach(NamedTuple):
    """How far a query sees: everything before it unless there is a window."""

    window: int | None = None
    chunked: bool = False


def reach(attention: Attention) -> Reach:
    """Return how far the queries of an attention layer see."""
    return Reach(attention.window, attention.chunked and attention.window is not None)


def reaches(spec: ModelSpec) -> frozenset[Reach]:
    """Return the reaches that occur in a model: none, one, or for hybrid models several."""
    return frozenset(reach(layer.attention) for layer in spec.layers if layer.attention is not None)


def seen(reach: Reach, start: float, end: float) -> float:
    """Return the positions that the queries at start + 1 to end see, summed; 0 where there are none (end <= start).

    Exact for whole numbers up to 2^53; fractions (means over requests) are continued along the same curve.

    >>> seen(Reach(), 0, 4)  # 1 + 2 + 3 + 4
    10.0
    >>> seen(Reach(3), 2, 6)  # 3 + 3 + 3 + 3
    12.0
    >>> seen(Reach(3, chunked=True), 2, 6)  # 3, then 1 + 2 + 3
    9.0
    """
    if end <= start:
        return 0.0
    return _up_to(reach, end) - _up_to(reach, start)


def prefill_seen(reach: Reach, prompt_tokens: float, cached_tokens: float) -> float:
    """Return the positions that the computed part of a prompt sees, summed; what the prefix cache held asks nothing."""
    return seen(reach, cached_tokens, prompt_tokens)


def decode_seen(reach: Reach, prompt_tokens: float, output_tokens: float) -> float:
    """Return the positions that the decode steps of one request see, summed.

    The first output token is sampled by the prefill and the last is never fed back: n output tokens take n - 1 steps.
    """
    return seen(reach, prompt_tokens, prompt_tokens + output_tokens - 1)


def prefill_read(reach: Reach, prompt_tokens: float, cached_tokens: float, chunk_tokens: float) -> float:
    """Return the positions of the cache that a prefill in chunks reads: for each chunk once what its queries see.

    A chunk of the positions s + 1 to e reads e positions; with a sliding window of w at most (e - s) + w - 1; with
    chunked attention those since the attention's chunk of position s + 1 began. A lower bound: a kernel whose tiles
    do not stay in the GPU's own caches reads more. Raises ValueError for chunks of no tokens, which would never end.
    """
    if chunk_tokens <= 0:
        raise ValueError(f"chunks of {chunk_tokens} tokens")
    total, start = 0.0, cached_tokens
    while start < prompt_tokens:
        end = min(start + chunk_tokens, prompt_tokens)
        total += _distinct(reach, start, end)
        start = end
    return total


def _distinct(reach: Reach, start: float, end: float) -> float:
    window = reach.window
    if window is None:
        return end
    if reach.chunked:
        return end - start // window * window
    return min(end, end - start + window - 1)


def _up_to(reach: Reach, end: float) -> float:
    """Return the sum over the positions 1 to end."""
    window = reach.window
    if window is None or end <= window:
        return _triangle(end)
    if reach.chunked:
        chunks, rest = divmod(end, window)
        return chunks * _triangle(window) + _triangle(rest)
    return _triangle(window) + (end - window) * window


def _triangle(number: float) -> float:
    return number * (number + 1) / 2
