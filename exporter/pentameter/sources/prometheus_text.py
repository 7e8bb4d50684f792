"""A fast reader of the Prometheus text format, for pages that are read again and again.

``prometheus_client.parser`` is the reference, and what an unusual line is handed to: escapes, quoted
UTF-8 names, time stamps, tabs. The speed has two causes. Ordinary lines need one regular expression. And
a page repeats itself from scrape to scrape except for the numbers, so everything left of the value is
looked up in a table, and the caller's verdict on that series (what it is, or that it is of no interest)
is computed once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Generic, TypeVar

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SeriesT = TypeVar("SeriesT")

MAX_KNOWN_SERIES = 100_000
"""The table is emptied beyond this size: a server whose labels never repeat must not fill our memory."""

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
_LABELS = re.compile(r'(?:[a-zA-Z_][a-zA-Z0-9_]*="[^"\\\n]*"(?:,(?=[^}])|(?=\})))*\}', re.ASCII)
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="([^"\\\n]*)"', re.ASCII)
_COUNTER = " counter"


class MalformedPageError(ValueError):
    """A line is not a sample; the message names the line."""


class TextParser(Generic[SeriesT]):
    """Parses one server's pages.

    ``resolve(name, labels)`` is asked once per series; what it returns stands for the series in the
    result, and None leaves the series out.
    """

    def __init__(self, resolve: Callable[[str, Mapping[str, str]], SeriesT | None]) -> None:
        self._resolve = resolve
        self._known: dict[str, SeriesT | None] = {}
        self._bare_counters: set[str] = set()

    def parse(self, text: str) -> list[tuple[SeriesT, float]]:
        """Return (series, value) in the order of the page.

        Equal to what ``prometheus_client.parser`` makes of the page, its habit included of writing
        ``_total`` behind a counter that lacks it. Raises ``MalformedPageError`` at the first bad line.
        """
        if len(self._known) > MAX_KNOWN_SERIES:
            self._known.clear()
        known = self._known
        page = _PageLabels()
        found: list[tuple[SeriesT, float]] = []
        for line in text.split("\n"):
            if not line:
                continue
            if line[0] == "#":
                if line.endswith(_COUNTER):
                    self._note_counter(line)
                continue
            head, _, tail = line.rpartition(" ")
            try:
                series = known[head] if head in known else self._first_sight(head, page)
                if series is not None:
                    found.append((series, float(tail)))
                    if "_" in tail:  # float() takes digit groups, the format does not
                        raise _malformed(line)
            except _UnusualLine:
                found += self._unusual(line)
            except ValueError as error:
                raise _malformed(line) from error
        return found

    def _note_counter(self, line: str) -> None:
        name = line.removeprefix("# TYPE ").removesuffix(_COUNTER)
        if not name.endswith("_total") and name not in self._bare_counters:
            self._bare_counters.add(name)
            self._known.clear()

    def _first_sight(self, head: str, page: _PageLabels) -> SeriesT | None:
        """Resolve a series and remember the verdict."""
        name, brace, label_text = head.partition("{")
        series = self._resolve(self._name(page.name(name)), page.labels(label_text) if brace else {})
        self._known[head] = series
        return series

    def _unusual(self, line: str) -> list[tuple[SeriesT, float]]:
        """Read a line as the reference does; nothing is remembered of it."""
        try:
            samples = [s for family in text_string_to_metric_families(line) for s in family.samples]
        except (ValueError, IndexError) as error:
            raise _malformed(line) from error
        resolved = ((self._resolve(self._name(s.name), s.labels), float(s.value)) for s in samples)
        return [(series, value) for series, value in resolved if series is not None]

    def _name(self, name: str) -> str:
        return name + "_total" if name in self._bare_counters else name


class _UnusualLine(Exception):  # noqa: N818 - a signal inside this module
    """The line is not of the ordinary form; the reference decides."""


class _PageLabels:
    """Names and label sets already checked on this page: both repeat from line to line."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._label_sets: dict[str, dict[str, str]] = {}

    def name(self, text: str) -> str:
        if text not in self._names:
            if not _NAME.fullmatch(text):
                raise _UnusualLine
            self._names.add(text)
        return text

    def labels(self, text: str) -> dict[str, str]:
        labels = self._label_sets.get(text)
        if labels is None:
            pairs = _LABEL.findall(text)
            labels = dict(pairs)
            if not _LABELS.fullmatch(text) or len(labels) != len(pairs) or "__name__" in labels:
                raise _UnusualLine
            self._label_sets[text] = labels
        return labels


def _malformed(line: str) -> MalformedPageError:
    return MalformedPageError(f"not a sample: {line[:80]!r}")


def strip_exemplars(text: str) -> str:
    """Return an OpenMetrics page without exemplars, which the text format does not know."""
    if " # {" not in text:
        return text
    return "\n".join(line if line.startswith("#") else line.partition(" # {")[0] for line in text.split("\n"))
