"""At what traffic a server of one's own costs what an API asks.

A server costs the same whether it works or not, an API is paid by the token: the ratio of the two falls as one over the
traffic. Everything here holds for a fixed mix of input, cached and output tokens.
"""

from __future__ import annotations

from pentameter.units import HOURS_PER_MONTH


def self_hosting_ratio(own_dollars: float, api_dollars: float) -> float | None:
    """Return own cost / the API's for the same traffic: below 1 self-hosting is cheaper; None where the API is free."""
    return own_dollars / api_dollars if api_dollars > 0 else None


def break_even_tokens(own_dollars: float, api_dollars: float, tokens: float) -> float | None:
    """Return the tokens for which an API would ask what the server costs in the same time.

    own dollars / (API dollars / tokens), where ``api_dollars`` is what the API asks for ``tokens``. None where it asks
    nothing.

    >>> round(break_even_tokens(own_dollars=3.95, api_dollars=78.84, tokens=15e6))  # an hour of an H100 at 3.95 dollars
    751522
    """
    ratio = self_hosting_ratio(own_dollars, api_dollars)
    return None if ratio is None else ratio * tokens


def per_month(per_hour: float) -> float:
    """Return an hourly figure over a month of 730 hours.

    >>> round(per_month(3.95), 2)  # dollars
    2883.5
    """
    return per_hour * HOURS_PER_MONTH


def ratio_at(tokens: float, break_even: float) -> float:
    """Return own cost / the API's at another traffic of the same mix: break-even / traffic.

    The lecture: beyond 100 million tokens a month self-hosting saves 50 to 80 %, a ratio of 0.5 to 0.2. A server that
    breaks even at 549 million tokens a month costs more than five times the API there:

    >>> round(ratio_at(100e6, break_even=548.6e6), 2)
    5.49
    """
    return break_even / tokens
