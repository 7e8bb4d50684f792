"""The snapshot as Prometheus text or OpenMetrics: a view, computing nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from pentameter.catalogue import CATALOGUE
from pentameter.page_writer import PageWriter, families, family_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.metrics_core import Metric as Family

    from pentameter.snapshot import Snapshot


MAX_FORMATS = 8
"""Pages kept of one snapshot: a client names its format as it likes, and must not fill our memory with it."""


class SnapshotCollector(Collector):
    """Makes families anew from the latest snapshot, so that what has gone is gone."""

    def __init__(self, latest: Callable[[], Snapshot | None]) -> None:
        self._latest = latest

    def describe(self) -> Iterator[Family]:
        """Yield every metric of the catalogue: a name used twice fails at registration."""
        for metric in CATALOGUE:
            yield family_of(metric)

    def collect(self) -> Iterator[Family]:
        """Return the families that have samples, in the order of the catalogue."""
        snapshot = self._latest()
        return families(snapshot.samples if snapshot else ())


class Exposition:
    """Renders the page; keeps the text of a snapshot, because several scrapers read the same one."""

    def __init__(self, latest: Callable[[], Snapshot | None]) -> None:
        self._latest = latest
        # Registered so that a name used twice fails at the start; pages are written by the writers below.
        CollectorRegistry().register(SnapshotCollector(latest))
        self._writers: dict[str, PageWriter] = {}
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
            samples = snapshot.samples if snapshot else ()
            body = self._rendered[content_type] = self._writer(content_type, encode).write(samples).encode()
        own: bytes = encode(self._own)
        return body + own, content_type

    def _writer(self, content_type: str, encode: Callable[[Collector], bytes]) -> PageWriter:
        if content_type not in self._writers and len(self._writers) >= MAX_FORMATS:
            self._writers.clear()
        return self._writers.setdefault(content_type, PageWriter(encode))


def _negotiated(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    """Return encoder and content type for an Accept header; for a nonsensical version, the plain text format."""
    try:
        return choose_encoder(accept)
    except TypeError:
        return choose_encoder("")
