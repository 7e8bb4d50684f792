"""Which API prices a server is held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pentameter.cost.book import ApiPrice


@dataclass(frozen=True, slots=True)
class Rival:
    """An API that servers are compared with."""

    price: ApiPrice
    token_ratio: float = 1.0
    """Tokens that it counts for one of the served model."""


@dataclass(frozen=True, slots=True)
class MarketBasis:
    """What is known of the market."""

    prices: tuple[ApiPrice, ...] = ()
    """Rows that are shown."""
    rivals: tuple[Rival, ...] = ()
    """Rows that every server is compared with: each makes series for each server."""


def vintage(price: ApiPrice) -> str:
    """Return which of two prices of one model it is: ``baseline``, that of the lecture, or ``current``."""
    return "baseline" if price.baseline else "current"
