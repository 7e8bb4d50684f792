"""The shipped price tables: what GPUs are offered for, and what APIs ask.

``gpu_prices.csv`` holds the table of the lecture (October 2025), rows of public catalogues with their regions, and,
kept apart by ``kind``, what others modelled or averaged. ``api_prices.csv`` holds the lecture's table as its baseline,
and what was asked for the same models and for newer ones a year later. Every row has its source and its day; where a
source is not exact, the earliest day that it can be of, so that no price looks younger than it is.
"""

from __future__ import annotations

from pentameter.cost.book import PriceBook
from pentameter.cost.price_rows import api_price, gpu_offer
from pentameter.facts.tables import rows


def shipped_book() -> PriceBook:
    """Return all shipped prices."""
    return PriceBook(
        tuple(gpu_offer(row, "shipped") for row in rows("gpu_prices.csv")),
        tuple(api_price(row, "shipped") for row in rows("api_prices.csv")),
    )
