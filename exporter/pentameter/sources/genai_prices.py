"""API prices from the data inside the optional package genai-prices: no network, read once."""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from pentameter.cost.book import ApiPrice
from pentameter.sources import SourceError
from pentameter.units import KILO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

ORIGIN = "genai-prices"


def package_prices(today: date) -> tuple[ApiPrice, ...]:
    """Return the price of every model that is priced by text tokens, on a day.

    A price that depends on the length of the prompt is that of short ones. Left out are models without a price for
    input or output tokens, and those whose price depends on the hour: one figure would be wrong for a part of each day.
    The package tells no day on which a price was looked up, so ``as_of`` stays empty.

    Raises ``SourceError``: ``not_installed``, or ``invalid`` for a version of it that is laid out differently.
    """
    try:
        data = importlib.import_module("genai_prices.data")
        release = version("genai-prices")
    except (ImportError, PackageNotFoundError) as error:
        message = f"economics.market.genai_prices needs a package ({error}): pip install 'pentameter[genai-prices]'"
        raise SourceError("not_installed", message) from error
    try:
        return tuple(row for provider in data.providers for row in _rows(provider, today, f"genai-prices {release}"))
    except (AttributeError, TypeError, ValueError) as error:
        message = f"the data of genai-prices {release} is laid out as Pentameter does not know it: {error}"
        raise SourceError("invalid", message) from error


def _rows(provider: Any, today: date, source: str) -> Iterator[ApiPrice]:  # noqa: ANN401 - an optional package's class
    for model in provider.models:
        prices = _in_force(model.prices, today)
        read, made = _price(prices, "input_mtok"), _price(prices, "output_mtok")
        if read is None or made is None:
            continue
        yield ApiPrice(
            provider=provider.name,
            model=model.id,
            input=read,
            output=made,
            cached_input=_price(prices, "cache_read_mtok"),
            status="deprecated" if model.deprecated else "listed",
            source=source,
            origin=ORIGIN,
            context_tier=_tier(prices),
        )


def _in_force(prices: Any, today: date) -> Any:  # noqa: ANN401
    """Return a model's prices of a day; None where there are none, or some are for certain hours of the day.

    As the package has it: the last in force counts, and the first where none is.
    """
    if not isinstance(prices, list):
        return prices
    found = prices[0].prices if prices else None
    for one in prices:
        if one.constraint is None:
            found = one.prices
        elif not hasattr(one.constraint, "start_date"):
            return None
        elif one.constraint.start_date <= today:
            found = one.prices
    return found


def _price(prices: Any, kind: str) -> float | None:  # noqa: ANN401
    """Return dollars per million tokens; of a price in steps the first."""
    price = getattr(prices, kind, None)
    return None if price is None else float(getattr(price, "base", price))


def _tier(prices: Any) -> str:  # noqa: ANN401
    """Return the length of prompts up to which the price holds: ``<=200k``; empty for a price of any length."""
    steps = [getattr(getattr(prices, kind), "tiers", ()) for kind in ("input_mtok", "output_mtok")]
    starts = [tier.start for tiers in steps for tier in tiers]
    return f"<={min(starts) / KILO:g}k" if starts else ""
