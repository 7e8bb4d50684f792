"""What single requests took, by whoever's book, and plain arithmetic on it that shares nothing with Pentameter's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Timing(NamedTuple):
    """One request; seconds."""

    ttft: float
    tpot: float
    """0 for a request of one token, which keeps any threshold on it: the rule of vLLM's client."""
    output_tokens: int


class Threshold(NamedTuple):
    """An SLO: the most seconds allowed."""

    ttft: float
    tpot: float


def client_id(request_id: str) -> str:
    """Return the id that a client gave by ``X-Request-Id``, of the one that vLLM's completions made of it.

    >>> client_id("cmpl-bench-17-0")
    'bench-17'
    """
    return request_id.removeprefix("cmpl-").rpartition("-")[0]


def per_further_token(decode: float, output_tokens: int) -> float:
    """Return the TPOT of a decode time: first to last token, over the tokens after the first."""
    return decode / (output_tokens - 1) if output_tokens > 1 else 0.0


def good(timings: Iterable[Timing], threshold: Threshold, ttft_offset: float = 0.0) -> int:
    """Return how many keep both thresholds, after the offset is taken off every TTFT."""
    return sum(timing.ttft - ttft_offset <= threshold.ttft and timing.tpot <= threshold.tpot for timing in timings)


def order_statistic(values: Iterable[float], q: float) -> float:
    """Return the value at rank ceil(q n) of n: the smallest that at least the share q does not exceed.

    >>> order_statistic([4.0, 1.0, 3.0, 2.0], 0.5), order_statistic([4.0, 1.0, 3.0, 2.0], 0.51)
    (2.0, 3.0)
    """
    ranked = sorted(values)
    return ranked[max(math.ceil(q * len(ranked)), 1) - 1]
