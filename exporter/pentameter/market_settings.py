"""From the settings to the APIs that servers are held against; reads the shipped table, and the package if asked to."""

from __future__ import annotations

from datetime import UTC, date, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING

from pentameter.facts.prices import shipped_book
from pentameter.market.choice import MOST_RIVALS, Choice, fits
from pentameter.sources import SourceError
from pentameter.sources.genai_prices import package_prices

if TYPE_CHECKING:
    from pentameter.config_economics import Economics


def settings_to_market(economics: Economics, today: date | None = None) -> Choice:
    """Return what is compared with, at the package's prices of ``today`` where they are asked for.

    Raises ``ValueError`` where genai-prices is asked for and not installed, for a name that fits no price, and for more
    APIs than can be compared with; not with prices from a file or URL of the user's, because nobody knows beforehand
    whose they are.
    """
    settings = economics.market
    try:
        package = package_prices(today or datetime.now(tz=UTC).date()) if settings.genai_prices else ()
    except SourceError as error:
        raise ValueError(str(error)) from error
    choice = Choice(
        compare=settings.compare,
        baseline=settings.baseline,
        token_ratio=settings.token_ratio,
        token_ratios=tuple(settings.token_ratios.items()),
        package=package,
    )
    if economics.prices.api_file is None and economics.prices.api_url is None:
        _check(choice)
    return choice


def _check(choice: Choice) -> None:
    book = shipped_book().apis
    found = choice.matches(book)
    if found > MOST_RIVALS:
        message = f"economics.market: {found} APIs to compare with, at most {MOST_RIVALS}: each makes about ten series"
        raise ValueError(message)
    for pattern in choice.unmatched(book):
        if any(fits(pattern, row) for row in book):
            message = f"economics.market: {pattern!r} has a price of the lecture only: set economics.market.baseline"
            raise ValueError(message)
        models = {row.model.casefold(): row.model for row in (*book, *choice.package)}
        near = get_close_matches(pattern.rpartition("/")[2].casefold(), models, n=5, cutoff=0.5)
        message = f"economics.market: {pattern!r} is no API model of the price book"
        if near:
            message += f"; like it are {', '.join(models[name] for name in near)}"
        raise ValueError(message)
