"""Reading of a shipped table."""

from __future__ import annotations

import csv
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def rows(table: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a table by column."""
    text = files("pentameter.facts").joinpath(table).read_text(encoding="utf-8")
    yield from csv.DictReader(text.splitlines())
