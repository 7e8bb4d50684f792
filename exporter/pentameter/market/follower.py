"""Keeps the comparison up to date with the price book and the calendar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.market.basis import MarketBasis
from pentameter.market.choice import Choice
from pentameter.units import SECONDS_PER_DAY

if TYPE_CHECKING:
    from pentameter.cost.book import ApiPrice


class MarketFollower:
    """What is known of the market; it is worked out anew when the book changes and when a day begins."""

    def __init__(self, choice: Choice | None = None) -> None:
        self._choice = choice or Choice()
        self._seen: tuple[tuple[ApiPrice, ...], float] | None = None
        self.basis = MarketBasis()

    def choose(self, choice: Choice) -> None:
        """Take in what changed settings say; it holds from the next ``take`` on."""
        self._choice, self._seen = choice, None

    def take(self, book: tuple[ApiPrice, ...], wall: float) -> None:
        """Take in the price book that is in force at a moment of Unix time."""
        day = wall // SECONDS_PER_DAY
        if self._seen is None or self._seen[1] != day or self._seen[0] is not book:
            self._seen = (book, day)
            self.basis = self._choice.basis(book, wall)
