"""The ``/metrics`` page, character by character as prometheus_client writes it for vLLM.

The same state gives the same bytes. What never changes (names, labels, HELP lines, ``_created`` times) is
put together once.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from pentameter.simulator import families
from pentameter.simulator.counters import EngineCounters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pentameter.simulator.counters import CountingHistogram
    from pentameter.simulator.families import Family
    from pentameter.simulator.presets import Preset

    Writer = Callable[[Sequence[EngineCounters]], str]

START_UP_SECONDS = 42.5
"""From the start of the process to the first request: loading weights, capturing graphs."""
HTTP_HANDLER = "/v1/chat/completions"


def go_float(value: float) -> str:
    """Write a number as Go does: exponents from a million on, the shortest digits that round-trip.

    >>> go_float(7706), go_float(0.25), go_float(8.88e10)
    ('7706.0', '0.25', '8.88e+10')
    """
    if value == float("inf"):
        return "+Inf"
    text = repr(float(value))
    dot = text.find(".")
    if value > 0 and dot > len("999999"):
        digits = f"{text[0]}.{text[1:dot]}{text[dot + 1 :]}".rstrip("0.")
        return f"{digits}e+{dot - 1:02d}"
    return text


def series(name: str, labels: Mapping[str, str]) -> str:
    """Write a sample without its value, the labels in alphabetical order."""
    inside = ",".join(f'{key}="{_escape(value)}"' for key, value in sorted(labels.items()))
    return f"{name}{{{inside}}} " if inside else f"{name} "


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _head(name: str, kind: str, help_text: str) -> str:
    return f"# HELP {name} {help_text}\n# TYPE {name} {kind}\n"


class Page:
    """Renders the pages of one server; ``wall_at_zero`` is the Unix time of simulated time 0."""

    def __init__(self, preset: Preset, wall_at_zero: float) -> None:
        self._model_name = preset.model.name
        self._engines = [str(index) for index in range(preset.engines)]
        self._created = wall_at_zero - preset.warm_up_seconds
        self._writers: list[Writer] = [
            self._fixed(self._process()),
            *(self._counter(family) for family in families.COUNTERS_OF_WORK),
            *(self._gauge(family) for family in families.GAUGES),
            *(self._counter(family) for family in families.COUNTERS),
            self._fixed(self._rejections()),
            *(self._histogram(family, preset) for family in families.HISTOGRAMS),
            self._fixed(self._cache_config(preset)),
            self._http_requests(),
        ]

    def render(self, counters: Sequence[EngineCounters]) -> bytes:
        """Return the page for the present state of the engines, in their order."""
        return "".join(writer(counters) for writer in self._writers).encode()

    # ------------------------------------------------------------------ families without an engine

    def _fixed(self, text: str) -> Writer:
        return lambda _: text

    def _process(self) -> str:
        name = "process_start_time_seconds"
        started = go_float(round(self._created - START_UP_SECONDS, 2))
        return f"{_head(name, 'gauge', 'Unix time at which the process started.')}{name} {started}\n"

    def _rejections(self) -> str:
        family = families.REJECTIONS
        labels = [{"model_name": self._model_name, family.label: value} for value in family.values]
        lines = [series(family.name + "_total", each) + "0.0\n" for each in labels]
        head = _head(family.name + "_total", "counter", family.help)
        return head + "".join(lines) + self._created_lines(family, labels)

    def _cache_config(self, preset: Preset) -> str:
        family = families.CACHE_CONFIG
        labels = families.cache_config_labels(preset)
        lines = [series(family.name, labels | {"engine": engine}) + "1.0\n" for engine in self._engines]
        return _head(family.name, "gauge", family.help) + "".join(lines)

    def _http_requests(self) -> Writer:
        """Count what the HTTP layer sees: an answer is one request, at its end, even one that its client gave up."""
        labels = {"handler": HTTP_HANDLER, "method": "POST", "status": "2xx"}
        help_text = "HTTP requests by handler, method and class of status."
        start = _head("http_requests_total", "counter", help_text) + series("http_requests_total", labels)
        created = _head("http_requests_created", "gauge", help_text)
        created += series("http_requests_created", labels) + go_float(self._created) + "\n"
        return lambda engines: f"{start}{go_float(sum(engine.ended for engine in engines))}\n{created}"

    # ------------------------------------------------------------------ families of the engines

    def _children(self, family: Family) -> list[tuple[int, str, dict[str, str]]]:
        """Return engine, label value and labels of each child, label before engine as in vLLM."""
        children = []
        for value in family.values or ("",):
            extra = {family.label: value} if family.label else {}
            for index, engine in enumerate(self._engines):
                labels = {"engine": engine, "model_name": self._model_name} | extra
                children.append((index, value, labels))
        return children

    def _created_lines(self, family: Family, children: Sequence[Mapping[str, str]]) -> str:
        name, moment = family.name + "_created", go_float(self._created)
        lines = (series(name, labels) + moment + "\n" for labels in children)
        return _head(name, "gauge", family.help) + "".join(lines)

    def _gauge(self, family: Family) -> Writer:
        return self._values(family, _head(family.name, "gauge", family.help), family.name, "")

    def _counter(self, family: Family) -> Writer:
        name = family.name + "_total"
        created = self._created_lines(family, [labels for _, _, labels in self._children(family)])
        return self._values(family, _head(name, "counter", family.help), name, created)

    def _values(self, family: Family, head: str, name: str, tail: str) -> Writer:
        starts = [(index, value, series(name, labels)) for index, value, labels in self._children(family)]

        def write(engines: Sequence[EngineCounters]) -> str:
            parts = [head]
            for index, value, start in starts:
                number = getattr(engines[index], family.field)
                parts.append(f"{start}{go_float(number[value] if value else number)}\n")
            parts.append(tail)
            return "".join(parts)

        return write

    def _histogram(self, family: Family, preset: Preset) -> Writer:
        head = _head(family.name, "histogram", family.help)
        created = self._created_lines(family, [labels for _, _, labels in self._children(family)])
        like: CountingHistogram = getattr(EngineCounters(preset.model.max_model_len), family.field)
        bounds = (*like.bounds, float("inf"))
        starts = []
        for index, _, labels in self._children(family):
            les = [series(family.name + "_bucket", labels | {"le": go_float(bound)}) for bound in bounds]
            ends = [series(family.name + suffix, labels) for suffix in ("_count", "_sum")]
            starts.append((index, les, ends))

        def write(engines: Sequence[EngineCounters]) -> str:
            parts = [head]
            for index, les, (count, total) in starts:
                histogram: CountingHistogram = getattr(engines[index], family.field)
                cumulative = accumulate(histogram.buckets)
                parts += [f"{le}{go_float(number)}\n" for le, number in zip(les, cumulative, strict=True)]
                parts.append(f"{count}{go_float(histogram.count)}\n{total}{go_float(histogram.sum)}\n")
            parts.append(created)
            return "".join(parts)

        return write
