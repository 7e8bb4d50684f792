"""The GPUs of a node through the page of its dcgm-exporter: no access to the GPUs is needed, only to a port.

The exporter collects every 30 seconds unless it was started otherwise, and serves the last collection in between: the
energy counter moves in such steps, and what is read is up to that old. The page does not say when it was collected. A
page like the one before is therefore no new reading: it is returned as of the time of the first that looked so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pentameter.readings import GpuReading, GpusReading
from pentameter.sources import SourceError
from pentameter.sources.dcgm_names import (
    DRIVER,
    INDEX,
    INSTANCE,
    KNOWN_PREFIX,
    MEMORY_FREE,
    MODEL,
    NAMESPACE,
    POD,
    PROFILED,
    UUID,
    Field,
    field_of,
    is_blank,
    label,
)
from pentameter.sources.http_get import Credentials, HttpClient
from pentameter.sources.prometheus_text import MalformedPageError, TextParser

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STALE_SECONDS = 300.0
"""For how long a page may stay as it is: a GPU draws power even when it is idle, so its counter must move."""

_SLACK = 0.01
"""How far outside of 0 to 1 rounding may take a share."""


@dataclass(frozen=True, slots=True)
class _Series:
    """What one row of the page is to us; without a field it only shows that DCGM writes here."""

    field: Field | None = None
    uuid: str = ""
    index: int = -1
    name: str = ""
    instance: str = ""
    driver: str = ""


@dataclass(slots=True)
class _Board:
    index: int
    name: str
    values: dict[str, float] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)
    split: bool = False


class DcgmSource:
    """Reads one dcgm-exporter; blocking.

    Of the GPUs on the page it takes those named by UUID and those whose rows bear the pod and the namespace; without
    any of these, all. The labels of pods are there only where the exporter was started to look them up.

    A board that MIG has split has rows for its instances, and DCGM copies the board's energy and power onto each: they
    are neither added up nor given to one of them, so such a board has neither, unless the page has rows of whole boards
    too. Nor has it the ratios, which are those of parts of different sizes.
    """

    name = "dcgm"
    server = ""

    def __init__(
        self,
        url: str,
        *,
        uuids: Sequence[str] = (),
        pod: str | None = None,
        namespace: str | None = None,
        timeout: float = 5.0,
        max_bytes: int = 16 * 1024 * 1024,
        credentials: Credentials | None = None,
    ) -> None:
        self.url = url.rstrip("/").removesuffix("/metrics")
        self._uuids = tuple(uuids)
        self._pod = pod
        self._namespace = namespace
        self._client = HttpClient(self.url, timeout=timeout, max_bytes=max_bytes, credentials=credentials)
        self._parser = TextParser(self._resolve)
        self._last: GpusReading | None = None
        """The first of the pages that look like the last one; its profile is given once, with itself."""

    def read(self) -> GpusReading:
        """Return what the page says of the GPUs that are ours.

        The ratios that DCGM measured (its profiling fields, which the exporter must be told to collect) are taken to
        stand for the time since the page before this one. Whether they cover all of it depends on the release of DCGM:
        its documentation says that they are means over the time between two collections. They come with the first
        reading of a page that is not the source's first.

        Raises ``SourceError`` with a reason of ``HttpClient.get``, or ``not_metrics``, ``malformed``,
        ``no_dcgm_metrics``, ``no_device`` (none of its GPUs is ours) or ``stale`` (the page has not changed for
        ``STALE_SECONDS``).
        """
        try:
            answer = self._client.get("/metrics")
            boards, driver = self._boards(_text(answer.body, answer.content_type))
        except SourceError:
            # What was missed meanwhile is unknown: the next page is a first one.
            self._last = None
            raise
        last = self._last
        gpus = tuple(_reading(uuid, board) for uuid, board in sorted(boards.items(), key=lambda item: item[1].index))
        missing = {f"{uuid}/handle": "not_found" for uuid in self._uuids if uuid not in boards}
        troubles = {f"{uuid}/{name}": why for uuid, board in boards.items() for name, why in board.troubles.items()}
        reading = GpusReading(answer.monotonic, answer.wall, gpus, driver, missing | troubles)
        if last is not None and (last.gpus, last.field_errors) == (reading.gpus, reading.field_errors):
            return self._repeated(last, answer.monotonic)
        self._last = reading
        seconds = None if last is None else answer.monotonic - last.monotonic
        return replace(reading, gpus=tuple(_profiled(gpu, seconds) for gpu in gpus))

    def close(self) -> None:
        """Drop the connection."""
        self._client.close()

    def _repeated(self, last: GpusReading, now: float) -> GpusReading:
        """Return a reading once more: its counters as of then, and without the ratios, which were given already."""
        counting = any(gpu.energy_joules is not None for gpu in last.gpus)
        if counting and now - last.monotonic > STALE_SECONDS:
            raise SourceError("stale", f"the page has not changed for {now - last.monotonic:.0f} s: DCGM hangs")
        return replace(last, gpus=tuple(_profiled(gpu, None) for gpu in last.gpus))

    def _resolve(self, name: str, labels: Mapping[str, str]) -> _Series | None:
        if not name.startswith(KNOWN_PREFIX):
            return None
        uuid = label(labels, UUID)
        ours = (
            (not self._uuids or uuid in self._uuids)
            and self._pod in (None, label(labels, POD))
            and self._namespace in (None, label(labels, NAMESPACE))
        )
        if not uuid or not ours:
            return _Series()
        index = labels.get(INDEX, "")
        return _Series(
            field=field_of(name),
            uuid=uuid,
            index=int(index) if index.isdecimal() else -1,
            name=labels.get(MODEL, ""),
            instance=labels.get(INSTANCE, ""),
            driver=labels.get(DRIVER, ""),
        )

    def _boards(self, text: str) -> tuple[dict[str, _Board], str | None]:
        try:
            rows = self._parser.parse(text)
        except MalformedPageError as error:
            raise SourceError("malformed", str(error)) from error
        if not rows:
            raise SourceError("no_dcgm_metrics", "the page has no DCGM fields; is this a dcgm-exporter's port?")
        boards: dict[str, _Board] = {}
        driver = ""
        for series, value in rows:
            if not series.uuid:
                continue
            board = boards.setdefault(series.uuid, _Board(series.index, series.name))
            driver = driver or series.driver
            if series.instance:
                board.split = True
            elif series.field is not None:
                _note(board, series.field, value)
        if not boards:
            raise SourceError("no_device", "no GPU on the page has the UUID, pod and namespace that are asked for")
        return boards, driver or None


def _text(body: bytes, content_type: str) -> str:
    if "html" in content_type or body.lstrip()[:1] == b"<":
        raise SourceError("not_metrics", "got markup instead of metrics")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SourceError("not_metrics", "got binary data instead of metrics") from error


def _note(board: _Board, known: Field, value: float) -> None:
    """Take a value in; a GPU that pods share has a row for each of them, all the same."""
    scaled = value * known.scale
    if is_blank(value):
        board.troubles[known.name] = "not_supported"
    elif not math.isfinite(value) or value < -_SLACK or (known.share and scaled > 1 + _SLACK):
        board.troubles[known.name] = "implausible"
    else:
        board.values[known.name] = min(max(scaled, 0.0), 1.0) if known.share else scaled
        board.troubles.pop(known.name, None)


def _reading(uuid: str, board: _Board) -> GpuReading:
    values: dict[str, Any] = dict(board.values)
    free = values.pop(MEMORY_FREE, None)
    used, reserved = values.get("memory_used_bytes"), values.get("memory_reserved_bytes")
    if "memory_total_bytes" not in values and not (free is None or used is None or reserved is None):
        # DCGM counts what the driver reserves as neither used nor free.
        values["memory_total_bytes"] = free + used + reserved
    if board.split:
        for name in PROFILED:
            values.pop(name, None)
        board.troubles |= {name: "mig_enabled" for name in ("energy_joules", *PROFILED) if name not in values}
    split = True if board.split else None
    reading = GpuReading(uuid=uuid, index=board.index, name=board.name, mig_enabled=split)
    return replace(reading, **values)


def _profiled(gpu: GpuReading, seconds: float | None) -> GpuReading:
    """Return the reading with the time that its ratios stand for; without them where that is unknown."""
    if gpu.dram_active_ratio is None and gpu.tensor_active_ratio is None:
        return gpu
    if seconds is None:
        return replace(gpu, dram_active_ratio=None, tensor_active_ratio=None, profiling_source="dcgm")
    return replace(gpu, profiled_seconds=seconds, profiling_source="dcgm")
