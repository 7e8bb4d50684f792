"""What a vLLM metrics page says: from samples to a ``VllmReading``. Pure: text in, reading out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pentameter.readings import EngineReading, Histogram, VllmReading
from pentameter.sources import SourceError
from pentameter.sources.prometheus_text import MalformedPageError, TextParser, strip_exemplars
from pentameter.sources.vllm_names import (
    CACHE_CONFIG_INFO,
    COUNTERS,
    GAUGES,
    GENERATING,
    HISTOGRAMS,
    HTTP_REQUESTS,
    KNOWN_PREFIX,
    SERVER_COUNTERS,
    START_TIME,
    Concept,
    canonical_name,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_ENGINE = "0"
"""The engine of servers that write no engine label: the V0 engine and llm-d's simulator."""

_COUNTER, _SERVER_COUNTER, _GAUGE, _INFO, _START, _BUCKET, _SUM, _COUNT = range(8)


@dataclass(frozen=True, slots=True, eq=False)
class _Series:
    """What one series is to us. Compared by identity: a page reader keeps one object per series."""

    kind: int
    key: str
    rank: int = 0
    """0 for the newest name of the concept; an older name is used where no newer one is present."""
    engine: tuple[str, str, str] = ("", "", "")
    """Model name, engine, and the replica that Ray Serve adds."""
    bound: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> object:
        labels = tuple(sorted(self.labels.items()))
        return (self.kind, self.key, self.rank, self.engine, self.bound, labels)


def _table() -> dict[str, tuple[int, Concept, int]]:
    """Return sample name -> (kind, concept, rank)."""
    table = {}
    for kind, concepts in ((_COUNTER, COUNTERS), (_SERVER_COUNTER, SERVER_COUNTERS), (_GAUGE, GAUGES)):
        for concept in concepts:
            for rank, name in enumerate(concept.names):
                table[name] = (kind, concept, rank)
                if kind != _GAUGE:
                    # Ray's exporter leaves the suffix out.
                    table[name.removesuffix("_total")] = (kind, concept, rank)
    for concept in HISTOGRAMS:
        for rank, name in enumerate(concept.names):
            table[name + "_bucket"] = (_BUCKET, concept, rank)
            table[name + "_sum"] = (_SUM, concept, rank)
            table[name + "_count"] = (_COUNT, concept, rank)
    return table


_TABLE = _table()


def _resolve(raw_name: str, labels: Mapping[str, str]) -> _Series | None:
    """Say what a series is, or None when it is of no use here."""
    name = canonical_name(raw_name)
    if name == HTTP_REQUESTS:
        answered = labels.get("status") == "2xx" and labels.get("handler") in GENERATING
        return _Series(_SERVER_COUNTER, f"answers{labels['handler']}") if answered else None
    if not name.startswith(KNOWN_PREFIX):
        return _Series(_START, "") if name == START_TIME and not labels else None
    if "server" in labels:
        # production-stack's router repeats its backends' figures under vLLM's own names.
        return None
    engine = (labels.get("model_name", ""), labels.get("engine", DEFAULT_ENGINE), labels.get("ReplicaId", ""))
    if name == CACHE_CONFIG_INFO:
        return _Series(_INFO, "", engine=engine, labels=dict(labels))
    entry = _TABLE.get(name)
    if entry is None:
        return None
    kind, concept, rank = entry
    key = f"{concept.key}/{labels.get(concept.label, '')}" if concept.label else concept.key
    bound = float(labels["le"]) if kind == _BUCKET else 0.0
    return _Series(kind, key, rank, engine, bound)


@dataclass(slots=True)
class _Builder:
    """What has been collected of one engine; ``key -> rank -> value``."""

    counters: dict[str, dict[int, float]] = field(default_factory=dict)
    gauges: dict[str, dict[int, float]] = field(default_factory=dict)
    buckets: dict[tuple[str, int], list[tuple[float, float]]] = field(default_factory=dict)
    sums: dict[tuple[str, int], float] = field(default_factory=dict)
    counts: dict[tuple[str, int], float] = field(default_factory=dict)
    info: Mapping[str, str] = field(default_factory=dict)


class PageReader:
    """Reads one server's pages; keeps the parser's table of series between them."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._parser: TextParser[_Series] = TextParser(self._intern)
        self._interned: dict[object, _Series] = {}

    def read(self, body: bytes, content_type: str, *, monotonic: float, wall: float) -> VllmReading:
        """Return what the page says.

        Raises ``SourceError`` with the reason ``not_metrics``, ``truncated``, ``malformed``,
        ``duplicate_series``, ``invalid_value`` or ``no_vllm_metrics``. A page is taken whole or not at
        all: half a page would be read as a fall of half the counters.
        """
        samples = self._samples(body, content_type)
        builders: dict[tuple[str, str, str], _Builder] = {}
        server_counters: dict[str, float] = {}
        start_time = None
        seen: set[int] = set()
        for series, value in samples:
            _check(series, value, seen)
            if series.kind == _START:
                start_time = value
            elif series.kind == _SERVER_COUNTER:
                server_counters[series.key] = value
            else:
                _file(builders.setdefault(series.engine, _Builder()), series, value)
        engines = _engines(builders)
        if not engines:
            raise SourceError("no_vllm_metrics", "the page has no vLLM engine metrics; is this vLLM's port?")
        return VllmReading(self._server, monotonic, wall, start_time, engines, server_counters)

    def _intern(self, name: str, labels: Mapping[str, str]) -> _Series | None:
        """Keep one object per thing measured, however its labels are ordered, so that a twin is noticed."""
        series = _resolve(name, labels)
        return series and self._interned.setdefault(series.identity, series)

    def _samples(self, body: bytes, content_type: str) -> list[tuple[_Series, float]]:
        text = body.decode("utf-8", errors="replace")
        kind = content_type.partition(";")[0].strip().lower()
        if kind == "text/html" or text[:200].lstrip()[:1] == "<":
            raise SourceError("not_metrics", f"got a {kind or 'markup'} page instead of metrics")
        if "\0" in text[:1000]:
            raise SourceError("not_metrics", "got binary data instead of metrics")
        open_metrics = kind == "application/openmetrics-text" or text.rstrip().endswith("# EOF")
        if open_metrics:
            text = strip_exemplars(text)
        if not text.endswith("\n") and not text.endswith("# EOF"):
            raise SourceError("truncated", "the page ends in the middle of a line")
        if kind == "application/openmetrics-text" and not text.rstrip().endswith("# EOF"):
            raise SourceError("truncated", "the OpenMetrics page lacks its # EOF")
        try:
            return self._parser.parse(text)
        except MalformedPageError as error:
            raise SourceError("malformed", str(error)) from error


def _check(series: _Series, value: float, seen: set[int]) -> None:
    """Refuse what no honest page holds in a series that we use."""
    if id(series) in seen:
        raise SourceError("duplicate_series", f"{series.key or 'a series'} appears twice with the same labels")
    seen.add(id(series))
    if not math.isfinite(value) or (value < 0 and series.kind not in (_GAUGE, _INFO, _SUM)):
        raise SourceError("invalid_value", f"{series.key or 'a series'} has the value {value}")


def _file(builder: _Builder, series: _Series, value: float) -> None:
    key = (series.key, series.rank)
    if series.kind == _COUNTER:
        builder.counters.setdefault(series.key, {})[series.rank] = value
    elif series.kind == _GAUGE:
        builder.gauges.setdefault(series.key, {})[series.rank] = value
    elif series.kind == _BUCKET:
        builder.buckets.setdefault(key, []).append((series.bound, value))
    elif series.kind == _SUM:
        builder.sums[key] = value
    elif series.kind == _COUNT:
        builder.counts[key] = value
    elif series.kind == _INFO:
        builder.info = series.labels


def _engines(builders: Mapping[tuple[str, str, str], _Builder]) -> tuple[EngineReading, ...]:
    """Make the engines' readings.

    The cache configuration carries no model name before 0.9, and the V0 engine wrote no engine label:
    such a builder holds no counters of its own and belongs to the engine of the same rank.
    """
    replicas = {replica for _, _, replica in builders}
    infos = {engine: builder.info for (_, engine, _), builder in builders.items() if builder.info}
    engines = []
    for (model, engine, replica), builder in sorted(builders.items()):
        if not builder.counters and not builder.gauges:
            continue
        label = f"{replica}/{engine}" if replica and len(replicas) > 1 else engine
        engines.append(
            EngineReading(
                model,
                label,
                {key: ranks[min(ranks)] for key, ranks in builder.counters.items()},
                {key: ranks[min(ranks)] for key, ranks in builder.gauges.items()},
                _histograms(builder),
                builder.info or infos.get(engine, {}),
            )
        )
    return tuple(engines)


def _histograms(builder: _Builder) -> dict[str, Histogram]:
    histograms: dict[str, Histogram] = {}
    for (key, rank), buckets in sorted(builder.buckets.items(), key=lambda item: (item[0][0], -item[0][1])):
        buckets.sort()
        bounds, counts = zip(*buckets, strict=True)
        total, count = builder.sums.get((key, rank)), builder.counts.get((key, rank))
        if bounds[-1] != math.inf or total is None or count is None:
            raise SourceError("truncated", f"the histogram {key} lacks its +Inf bucket, sum or count")
        if count != counts[-1] or list(counts) != sorted(counts):
            raise SourceError("invalid_value", f"the buckets of the histogram {key} do not add up")
        histograms[key] = Histogram(bounds, counts, total)
    return histograms
