"""How what a server cost is divided between the tokens that went in and those that came out.

A measured method says which share of the cost the input bears; the rest is the output's. What a server costs while it
idles is in the total and so in every token. A prompt token that the cache supplied took no prefill and bears nothing,
as in OpenCost's example; only fixed ratios of prices can give it a price. Whatever the method,

    input $ x computed prompt tokens + cached $ x cached ones + output $ x generated ones = total.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Tokens(NamedTuple):
    """Tokens of some time, or rates of them."""

    computed: float
    """Of prompts, less the cached ones."""
    cached: float
    generated: float

    @property
    def all(self) -> float:
        """Return their sum."""
        return self.computed + self.cached + self.generated


class UnitCosts(NamedTuple):
    """Dollars per token; None for a kind that has no token."""

    input: float | None
    cached_input: float | None
    output: float | None


@dataclass(frozen=True, slots=True)
class Ratios:
    """Fixed ratios of prices."""

    output_to_input: float
    cached_to_input: float = 0.0


def share(prefill: float, decode: float) -> float | None:
    """Return the input's share of the cost: prefill / (prefill + decode), whatever measures the two; None for 0 / 0.

    - ``gpu_time``: seconds of the engine's steps that computed prompts, and that decoded.
    - ``flops``: floating-point operations of the two. Decode waits for memory, so that it costs more than these say.
    - ``request_time``: seconds that requests spent in the two, the split that OpenCost describes. Requests that decode
      share the engine and requests that prefill hardly do, so this gives too little to the input, the less the greater
      the batch:

    >>> round(share(0.1, 4.0), 3)  # 0.1 s of prefill, then 4 s of decode, by the request's own time
    0.024
    >>> round(share(0.1, 4.0 / 64), 3)  # the same by the GPU's, which decoded 64 requests in these 4 s
    0.615
    """
    total = prefill + decode
    return prefill / total if total > 0 else None


def ratio_share(tokens: Tokens, ratios: Ratios) -> float | None:
    """Return the share of the input, cached tokens included, where tokens cost by fixed ratios; None without tokens.

    >>> ratio_share(Tokens(computed=80.0, cached=0.0, generated=20.0), Ratios(4.0))
    0.5
    """
    bought = tokens.computed + ratios.cached_to_input * tokens.cached
    return share(bought, ratios.output_to_input * tokens.generated)


def measured_costs(total: float, tokens: Tokens, input_share: float) -> UnitCosts:
    """Return what a token of each kind costs where the input bears a share of the total: OpenCost's arithmetic.

    input = total x share / computed; output = total x (1 - share) / generated; cached = 0. None of all where a part of
    the cost has no token to bear it: what the others cost would not add up to the total.

    >>> [round(1e6 * dollars, 3) for dollars in measured_costs(3.20, Tokens(11.2e6, 0.8e6, 3e6), 0.5)]
    [0.143, 0.0, 0.533]
    """
    if (input_share > 0 and tokens.computed <= 0) or (input_share < 1 and tokens.generated <= 0):
        return UnitCosts(None, None, None)
    return UnitCosts(
        _each(total * input_share, tokens.computed),
        _each(0.0, tokens.cached),
        _each(total * (1.0 - input_share), tokens.generated),
    )


def ratio_costs(total: float, tokens: Tokens, ratios: Ratios) -> UnitCosts:
    """Return what a token of each kind costs where prices stand in fixed ratios to that of a computed prompt token x.

    x = total / (computed + c x cached + k x generated); cached = c x; output = k x.
    """
    weight = tokens.computed + ratios.cached_to_input * tokens.cached + ratios.output_to_input * tokens.generated
    if weight <= 0:
        return UnitCosts(None, None, None)
    unit = total / weight
    return UnitCosts(
        unit if tokens.computed > 0 else None,
        unit * ratios.cached_to_input if tokens.cached > 0 else None,
        unit * ratios.output_to_input if tokens.generated > 0 else None,
    )


def _each(dollars: float, tokens: float) -> float | None:
    return dollars / tokens if tokens > 0 else None
