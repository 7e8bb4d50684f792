"""The users' own tables of prices, and the labels of their node: text that is checked before it is believed.

An error names the file, the line and the column. A table is taken whole or not at all: a row that was left out would
let a shipped price stand in for the user's own.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, TypeVar

from pentameter.cost.price_rows import (
    API_COLUMNS,
    API_NEEDED,
    GPU_COLUMNS,
    GPU_NEEDED,
    RowError,
    api_price,
    gpu_offer,
)
from pentameter.sources import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pentameter.cost.book import ApiPrice, GpuOffer

MOST_BYTES = 4 * 1024 * 1024
"""The largest table that is read; the whole shipped one has 30 kB."""

_LABEL = re.compile(r'([^\s="]+)=(?:"([^"\\]*)"|([^\s"]*))')

_RowT = TypeVar("_RowT", "GpuOffer", "ApiPrice")


def gpu_table(body: bytes, place: str, origin: str) -> tuple[GpuOffer, ...]:
    """Return a table of GPU prices; raises ``SourceError("malformed")``."""
    return _table(body, place, GPU_COLUMNS, GPU_NEEDED, lambda row: gpu_offer(row, origin))


def api_table(body: bytes, place: str, origin: str) -> tuple[ApiPrice, ...]:
    """Return a table of API prices; raises ``SourceError("malformed")``."""
    return _table(body, place, API_COLUMNS, API_NEEDED, lambda row: api_price(row, origin))


def node_labels(body: bytes, place: str) -> dict[str, str]:
    """Return labels from lines KEY="VALUE", as Kubernetes' downward API writes them, or KEY=VALUE.

    Raises ``SourceError("malformed")``.
    """
    labels = {}
    for number, line in enumerate(_text(body, place).splitlines(), 1):
        if line.strip():
            match = _LABEL.fullmatch(line.strip())
            if match is None:
                raise _malformed(f'{place}, line {number}: is not KEY="VALUE"')
            labels[match[1]] = match[2] or match[3] or ""
    return labels


def _table(
    body: bytes, place: str, columns: Sequence[str], needed: Sequence[str], read: Callable[[Mapping[str, str]], _RowT]
) -> tuple[_RowT, ...]:
    lines: dict[tuple[str, ...], int] = {}
    table = []
    for line, row in _rows(body, place, columns, needed):
        try:
            found = read(row)
        except RowError as error:
            raise _malformed(f"{place}, line {line}, column {error.column}: {error}") from error
        before = lines.setdefault(found.key, line)
        if before != line:
            raise _malformed(f"{place}, line {line}: is of the same as line {before}")
        table.append(found)
    return tuple(table)


def _rows(
    body: bytes, place: str, columns: Sequence[str], needed: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a table by column, each with the number of its line; empty lines are nothing."""
    reader = csv.reader(_text(body, place).splitlines(keepends=True), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header, place, columns, needed)
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise _malformed(f"{place}, line {reader.line_num}: {len(cells)} cells, the header has {len(header)}")
            yield reader.line_num, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise _malformed(f"{place}, line {reader.line_num}: {error}") from error


def _check_header(header: Sequence[str], place: str, columns: Sequence[str], needed: Sequence[str]) -> None:
    missing = [name for name in needed if name not in header]
    if missing:
        raise _malformed(f"{place}, line 1: no column {', '.join(missing)}")
    strange = [name for name in header if name not in columns]
    if strange:
        known = ", ".join(columns)
        raise _malformed(f"{place}, line 1: {strange[0][:40]!r} is no column of this table, which has {known}")
    if len(set(header)) < len(header):
        raise _malformed(f"{place}, line 1: a column stands twice")


def _text(body: bytes, place: str) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _malformed(f"{place} is not UTF-8: {error.reason} at byte {error.start}") from error


def _malformed(message: str) -> SourceError:
    return SourceError("malformed", message)
