"""What the pages of all grid providers have in common: figures and moments, checked before they are believed."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pentameter.sources import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_GRAMS_PER_KWH = 2000.0
"""Above what any grid emits: a plant on lignite emits 1000 to 1200 g/kWh. More is another unit or a mistake."""

MOST_PAGE_BYTES = 1024 * 1024
"""The largest page that a provider may send; theirs have 100 kB at most."""


def grams_per_kwh(value: object, factor: float = 1.0) -> float:
    """Return a carbon intensity in g/kWh: the number that was sent times ``factor``.

    Raises ``SourceError("malformed")`` for what is no finite number, or not within 0 to 2000 g/kWh.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise malformed(f"the carbon intensity is {_short(value)}, not a number")
    try:
        grams = float(value) * factor
    except OverflowError:  # of an integer with hundreds of digits
        grams = math.inf
    if not 0 <= grams <= MOST_GRAMS_PER_KWH:
        raise malformed(f"a carbon intensity of {grams:g} g/kWh is not plausible")
    return grams


def moment(value: object) -> float:
    """Return the Unix time of an ISO 8601 moment with its time zone, such as ``2018-01-20T12:00Z``.

    Raises ``SourceError("malformed")`` for anything else: a moment without a zone could be anywhere in a day.
    """
    try:
        parsed = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise malformed(f"{_short(value)} is not a moment with its time zone")
    return parsed.timestamp()


def same(page: Mapping[str, Any], key: str, wanted: str) -> None:
    """Raise ``SourceError("malformed")`` unless the page says under this key what was asked for, in any case."""
    found = page.get(key)
    if not isinstance(found, str) or found.casefold() != wanted.casefold():
        raise malformed(f"the answer is of {key} {_short(found)}, not of {wanted}")


def records(value: object) -> list[Mapping[str, Any]]:
    """Return a list of objects that is not empty; raises ``SourceError("malformed")`` for anything else."""
    if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
        raise malformed("the answer has no data")
    return value


def malformed(message: str) -> SourceError:
    """Return the error for a page that is not as its provider documents it."""
    return SourceError("malformed", message)


def _short(value: object) -> str:
    """Quote what stands in a page, cut short: it goes into the log."""
    return repr(value)[:60]
