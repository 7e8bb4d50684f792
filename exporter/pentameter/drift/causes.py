"""Why a token costs more than it did: the ratio of two times, as a product of ratios by cause.

A server that costs ``p`` dollars per second, works for a share ``u`` of its time, with ``n`` requests in the batch
while it does, each of which makes ``s`` tokens per second, pays

    p / (u n s)    dollars per token.

So ``d ln($/token) = d ln p - d ln u - d ln n - d ln s`` holds exactly, and the ratio of now and then is the product of
the ratios by cause: ``price``, ``idle``, ``load`` and ``efficiency``. For energy, power takes the place of the price.
For carbon two more come: the building (PUE) and the grid's intensity.

``load`` and ``efficiency`` are two sides of batching: in a larger batch every request is slower. Whether a server has
become slower *at the same load* is what ``loads`` tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pentameter.drift.tally import Tally

WHOLE = "all"
IT_SCOPES = ("it", "gpu")
"""The widest first."""


def cost(then: Tally, now: Tally) -> dict[str, float]:
    """Return the ratio of dollars per token by cause and in all; nothing where a part of it is unknown.

    >>> from pentameter.drift.tally import Tally
    >>> def hour(dollars, active, running, tokens):
    ...     sums = {"dollars": dollars, "active": active, "running": running, "tokens": tokens}
    ...     return Tally(3600.0, {key: (amount, 3600.0) for key, amount in sums.items()})
    >>> yesterday, today = hour(4, 3600, 36000, 1e6), hour(5, 1800, 9000, 0.25e6)
    >>> cost(yesterday, today)  # dearer, idle for half of the time, half the batch: 4 dollars per million become 20
    {'price': 1.25, 'idle': 2.0, 'load': 2.0, 'efficiency': 1.0, 'all': 5.0}
    """
    return _ratios(_with_use(then, {"price": then.rate("dollars")}), _with_use(now, {"price": now.rate("dollars")}))


def energy(then: Tally, now: Tally) -> dict[str, float]:
    """Return the ratio of joules per token by cause and in all, of the widest scope without the building that is known.

    The same scope at both times: a host that is measured at one of them only would pass for a change.
    """
    for scope in IT_SCOPES:
        key = f"joules/{scope}"
        found = _ratios(_with_use(then, {"power": then.rate(key)}), _with_use(now, {"power": now.rate(key)}))
        if found:
            return found
    return {}


def carbon(then: Tally, now: Tally) -> dict[str, float]:
    """Return the ratio of grams per token by cause and in all: ``d ln(g/token) = d ln(J/token) + d ln(PUE) +
    d ln(g/kWh)``. ``pue`` is missing where the building is not known at both times.
    """
    for inner, outer in (("it", "facility"), ("it", "it"), ("gpu", "gpu")):
        found = _ratios(_carbon_parts(then, inner, outer), _carbon_parts(now, inner, outer))
        if found:
            return found
    return {}


def _carbon_parts(tally: Tally, inner: str, outer: str) -> dict[str, float | None]:
    power, whole, grams = tally.rate(f"joules/{inner}"), tally.rate(f"joules/{outer}"), tally.rate(f"grams/{outer}")
    parts: dict[str, float | None] = {"power": power, "grid": _over(grams, whole)}
    if inner != outer:
        parts["pue"] = _over(whole, power)
    return _with_use(tally, parts)


def _with_use(tally: Tally, parts: dict[str, float | None]) -> dict[str, float | None]:
    """Add what a token takes of time: 1 / (u n s), cause by cause; the product is seconds per token."""
    active, running, tokens = tally.rate("active"), tally.rate("running"), tally.rate("tokens")
    return parts | {
        "idle": _over(1.0, active),
        "load": _over(active, running),
        "efficiency": _over(running, tokens),
    }


def _over(above: float | None, below: float | None) -> float | None:
    return None if above is None or below is None else above / below


def _ratios(then: Mapping[str, float | None], now: Mapping[str, float | None]) -> dict[str, float]:
    ratios: dict[str, float] = {}
    whole = 1.0
    for cause, value in now.items():
        ratio = _over(value, then[cause])
        if ratio is None:
            return {}
        ratios[cause] = ratio
        whole *= ratio
    return ratios | {WHOLE: whole}
