"""The snapshot as Prometheus text or OpenMetrics: a view, computing nothing."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from pentameter.catalogue import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.metrics_core import Metric as Family

    from pentameter.metric import Metric, Sample
    from pentameter.snapshot import Snapshot


MAX_FORMATS = 8
"""Pages kept of one snapshot: a client names its format as it likes, and must not fill our memory with it."""


def _family(metric: Metric) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    return kind(metric.name, metric.documentation, labels=metric.labels)


class SnapshotCollector(Collector):
    """Makes families anew from the latest snapshot, so that what has gone is gone."""

    def __init__(self, latest: Callable[[], Snapshot | None]) -> None:
        self._latest = latest

    def describe(self) -> Iterator[Family]:
        """Yield every metric of the catalogue: a name used twice fails at registration."""
        for metric in CATALOGUE:
            yield _family(metric)

    def collect(self) -> Iterator[Family]:
        """Yield the families that have samples, in the order of the catalogue."""
        snapshot = self._latest()
        if snapshot is None:
            return
        by_metric: defaultdict[str, list[Sample]] = defaultdict(list)
        for sample in snapshot.samples:
            by_metric[sample.metric.name].append(sample)
        for metric in CATALOGUE:
            samples = by_metric.get(metric.name)
            if samples:
                family = _family(metric)
                for sample in samples:
                    family.add_metric(sample.labels, sample.value)
                yield family


class Exposition:
    """Renders the page; keeps the text of a snapshot, because several scrapers read the same one."""

    def __init__(self, latest: Callable[[], Snapshot | None]) -> None:
        self._latest = latest
        self._registry = CollectorRegistry()
        self._registry.register(SnapshotCollector(latest))
        # Of the exporter itself, as every exporter shows: process_resident_memory_bytes and others.
        self._own = CollectorRegistry()
        ProcessCollector(registry=self._own)
        self._rendered: dict[str, bytes] = {}
        self._rendered_sequence = -1

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return the page and its content type for an Accept header."""
        encode, content_type = _negotiated(accept)
        snapshot = self._latest()
        sequence = snapshot.sequence if snapshot else -1
        if sequence != self._rendered_sequence or len(self._rendered) >= MAX_FORMATS:
            self._rendered, self._rendered_sequence = {}, sequence
        body = self._rendered.get(content_type)
        if body is None:
            body = self._rendered[content_type] = encode(self._registry)
        own: bytes = encode(self._own)
        return body.removesuffix(b"# EOF\n") + own, content_type


def _negotiated(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    """Return encoder and content type for an Accept header; for a nonsensical version, the plain text format."""
    try:
        return choose_encoder(accept)
    except TypeError:
        return choose_encoder("")
