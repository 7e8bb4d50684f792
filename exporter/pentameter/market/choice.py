"""From all API prices to those that servers are compared with."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pentameter.cost.dates import unix_time
from pentameter.market.basis import MarketBasis, Rival

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pentameter.cost.book import ApiPrice

LISTED, RETIRED = "listed", "retired"
MOST_RIVALS = 200
"""Each makes about ten series for every server."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What servers are compared with, and how many tokens it counts."""

    compare: tuple[str, ...] = ()
    """Names or shell patterns of ``model`` or ``provider/model``; empty: all of the price book that are sold now."""
    baseline: bool = False
    """Compare with the lecture's prices too."""
    token_ratio: float = 1.0
    token_ratios: tuple[tuple[str, float], ...] = ()
    """(pattern, ratio); the first that fits comes before ``token_ratio``."""
    package: tuple[ApiPrice, ...] = ()
    """Prices of the package genai-prices: they renew shipped ones, and thousands of others can be named."""

    def basis(self, book: Iterable[ApiPrice], wall: float) -> MarketBasis:
        """Return which prices are shown, and which are compared with, at a moment of Unix time.

        Compared with are ``MOST_RIVALS`` at most, the first of the book, and none but these are shown of the package.
        """
        rows, others = self._rows(_on(wall, row) for row in book)
        rivals = [row for row in rows if self._is_compared(row)][:MOST_RIVALS]
        named = [row for row in others if self._is_named(row)][: MOST_RIVALS - len(rivals)]
        return MarketBasis((*rows, *named), tuple(Rival(row, self._ratio(row)) for row in (*rivals, *named)))

    def matches(self, book: Iterable[ApiPrice]) -> int:
        """Return how many prices servers would be compared with if any number were."""
        rows, others = self._rows(book)
        return sum(map(self._is_compared, rows)) + sum(map(self._is_named, others))

    def unmatched(self, book: Iterable[ApiPrice]) -> list[str]:
        """Return the patterns that fit no price, or, of those to compare with, none that is compared with."""
        rows, others = self._rows(book)
        compared = [*filter(self._is_compared, rows), *others]
        wanted = [(pattern, compared) for pattern in self.compare]
        wanted += [(pattern, [*rows, *others]) for pattern, _ in self.token_ratios]
        return [pattern for pattern, prices in wanted if not any(fits(pattern, row) for row in prices)]

    def _rows(self, book: Iterable[ApiPrice]) -> tuple[list[ApiPrice], list[ApiPrice]]:
        """Return the book with renewed prices, and the package's rows that are not in it."""
        alike = defaultdict(list)
        for row in self.package:
            alike[_spelling(row)].append(row)
        rows = list(book)
        known = {_spelling(row) for row in rows if not row.baseline}
        # Of two models that are spelt alike nobody knows which one is meant.
        newer = {key: found[0] for key, found in alike.items() if len(found) == 1 and key in known}
        # Of one name there is one price, or two series would have the same labels.
        taken = {row.key for row in rows}
        others = [row for row in self.package if _spelling(row) not in newer and row.key not in taken]
        return [_renewed(row, newer) for row in rows], others

    def _is_compared(self, price: ApiPrice) -> bool:
        if price.baseline and not self.baseline:
            return False
        # The lecture's rows are asked for as a whole; what is no longer sold otherwise is no alternative.
        return self._is_named(price) if self.compare else price.baseline or price.status == LISTED

    def _is_named(self, price: ApiPrice) -> bool:
        return any(fits(pattern, price) for pattern in self.compare)

    def _ratio(self, price: ApiPrice) -> float:
        return next((ratio for pattern, ratio in self.token_ratios if fits(pattern, price)), self.token_ratio)


def fits(pattern: str, price: ApiPrice) -> bool:
    """Say whether a price is meant by a name or shell pattern of its model, or of provider/model; case does not count.

    >>> from pentameter.cost.book import ApiPrice
    >>> price = ApiPrice("Together AI", "DeepSeek-V3", input=1.25, output=1.25)
    >>> [fits(pattern, price) for pattern in ("deepseek-v3", "together ai/*", "together*", "*-v3.1")]
    [True, True, True, False]
    """
    names = (price.model, f"{price.provider}/{price.model}")
    return any(fnmatchcase(name.casefold(), pattern.casefold()) for name in names)


def _on(wall: float, price: ApiPrice) -> ApiPrice:
    """Return a price as it stands at a moment: no longer sold from the day on which its provider ends it."""
    over = price.deprecation_date and unix_time(price.deprecation_date) <= wall
    return replace(price, status=RETIRED) if over else price


def _renewed(row: ApiPrice, package: Mapping[tuple[str, str], ApiPrice]) -> ApiPrice:
    """Return a shipped row at the package's price for the same provider's model of a name that is spelt alike.

    It keeps its name and loses its date, because the package tells none. The lecture's rows, those no longer sold, and
    those of the user's own file or URL stay as they are.
    """
    found = package.get(_spelling(row))
    if found is None or row.baseline or row.origin != "shipped" or row.status != LISTED:
        return row
    return replace(found, provider=row.provider, model=row.model, deprecation_date=row.deprecation_date)


def _spelling(price: ApiPrice) -> tuple[str, str]:
    """Return provider and model so that ``GPT-5 mini`` and ``openai/gpt-5-mini`` are one: without the maker's name."""
    return price.provider.casefold(), re.sub(r"[\s._-]+", "-", price.model.rpartition("/")[2].casefold())
