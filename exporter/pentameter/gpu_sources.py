"""Which source is believed of each GPU: the plugin inside vLLM, then this machine's NVML, then dcgm-exporter.

All of them show the same counter in the board. Two of them are never added up: of each GPU (by UUID) only the best
source that speaks of it is counted, and where that changes, no joule is counted a second time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pentameter.gpu_claims import GpuClaims, Ownership
from pentameter.readings import GpusReading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pentameter.readings import GpuReading
    from pentameter.records import ToldGpus

PLUGIN = "plugin"
ORDER = (PLUGIN, "nvml", "dcgm", "simulator")
"""The best first: the plugin knows whose the GPU is, NVML is read at the moment, dcgm-exporter every 30 s. The demo's
simulator speaks of GPUs that nobody else has."""

SILENCE_SECONDS = 10.0
"""A plugin that has been silent for ten of its readings no longer hides what others say."""

CATCH_UP_SECONDS = 60.0
"""Two of dcgm-exporter's steps: how far behind another source's view of a counter may be."""

MOST_GPUS = 256
"""Anybody in the same network namespace can speak of GPUs; more are not heard."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """What is to be counted of a reading."""

    reading: GpusReading
    """The GPUs of which the source is believed."""
    profiles: GpusReading
    """Further GPUs of which it is believed as to the profiling ratios alone; the other fields are not to be counted."""


@dataclass(frozen=True, slots=True)
class GpuPicture:
    """All GPUs at one moment, each from its best source."""

    reading: GpusReading
    sources: Mapping[str, str] = field(default_factory=dict)
    """UUID -> ``plugin``, ``nvml`` or ``dcgm``."""
    ownership: Ownership = field(default_factory=Ownership)

    def of(self, server: str) -> GpusReading:
        """Return the GPUs of a server."""
        owners = self.ownership.owners
        return replace(self.reading, gpus=tuple(gpu for gpu in self.reading.gpus if owners.get(gpu.uuid) == server))


@dataclass(frozen=True, slots=True)
class _Seen:
    gpu: GpuReading
    monotonic: float
    wall: float
    driver: str | None
    speaker: str
    """The plugin's instance; empty for the other sources."""


@dataclass(frozen=True, slots=True)
class _Counted:
    source: str
    monotonic: float
    energy: float | None


class GpuSources:
    """Sorts the readings of all sources.

    Args:
        named: server -> the GPUs that the settings name for it, as in ``GpuClaims``.
    """

    def __init__(self, named: Mapping[str, tuple[str, ...]]) -> None:
        self._claims = GpuClaims(named)
        self._seen: dict[str, dict[str, _Seen]] = {}
        self._counted: dict[str, _Counted] = {}
        self._field_errors: dict[str, Mapping[str, str]] = {}

    def take(self, source: str, reading: GpusReading) -> Admitted:
        """Take in what ``nvml`` or ``dcgm`` read; return what of it is to be counted."""
        self._field_errors[source] = reading.field_errors
        return self._take(source, reading, "")

    def take_told(self, server: str, told: ToldGpus) -> Admitted:
        """Take in what a plugin said; ``server`` is empty where nobody knows which server it is."""
        self._claims.take(server, told)
        return self._take(PLUGIN, told.reading, told.instance)

    def lose(self, source: str) -> None:
        """Note that a source is down: what it said last is true no more."""
        self._field_errors.pop(source, None)
        for uuid in list(self._seen):
            self._forget(uuid, source)

    def picture(self, now: float, *, by_default: bool = True) -> GpuPicture | None:
        """Return what is known of this moment; None where there is no GPU. For ``by_default`` see ``GpuClaims``."""
        chosen = {uuid: source for uuid in self._seen if (source := self._believed(uuid, now))}
        if not chosen:
            return None
        seen = [self._seen[uuid][source] for uuid, source in chosen.items()]
        indices = {uuid: index for uuid in chosen if (index := self._index(uuid)) is not None}
        gpus = tuple(
            replace(self._profiled(one.gpu, now), index=indices.get(one.gpu.uuid, one.gpu.index)) for one in seen
        )
        latest = max(seen, key=lambda one: one.monotonic)
        reading = GpusReading(
            monotonic=latest.monotonic,
            wall=latest.wall,
            gpus=tuple(sorted(gpus, key=lambda gpu: (gpu.index, gpu.uuid))),
            driver_version=next((one.driver for one in seen if one.driver), None),
            field_errors={place: reason for told in self._field_errors.values() for place, reason in told.items()},
        )
        ownership = self._claims.ownership(reading.gpus, indices, now, by_default=by_default)
        return GpuPicture(reading, chosen, ownership)

    def _take(self, source: str, reading: GpusReading, speaker: str) -> Admitted:
        now = reading.monotonic
        self._forget_what_is_gone(source, reading, speaker)
        counted, profiled = [], []
        for gpu in reading.gpus:
            if gpu.uuid not in self._seen and len(self._seen) >= MOST_GPUS:
                continue
            one = _Seen(gpu, now, reading.wall, reading.driver_version, speaker)
            self._seen.setdefault(gpu.uuid, {})[source] = one
            if self._believed(gpu.uuid, now) == source:
                if self._continues(source, gpu, now):
                    counted.append(gpu)
            elif self._profiler(gpu.uuid, now) == source:
                profiled.append(gpu)
        return Admitted(replace(reading, gpus=tuple(counted)), replace(reading, gpus=tuple(profiled)))

    def _forget_what_is_gone(self, source: str, reading: GpusReading, speaker: str) -> None:
        here = {gpu.uuid for gpu in reading.gpus}
        for uuid in list(self._seen):
            one = self._seen[uuid].get(source)
            if one is not None and one.speaker == speaker and uuid not in here:
                self._forget(uuid, source)
                continue
            told = self._seen[uuid].get(PLUGIN)
            if told is not None and reading.monotonic - told.monotonic > CATCH_UP_SECONDS:
                self._forget(uuid, PLUGIN)

    def _forget(self, uuid: str, source: str) -> None:
        self._seen[uuid].pop(source, None)
        if not self._seen[uuid]:
            del self._seen[uuid]

    def _believed(self, uuid: str, now: float) -> str:
        """Return the best source that speaks of a GPU; empty where none does any more."""
        return next((source for source in ORDER if self._speaks(uuid, source, now)), "")

    def _speaks(self, uuid: str, source: str, now: float) -> bool:
        one = self._seen[uuid].get(source)
        # The other sources have a health of their own: whoever watches it calls ``lose``.
        return one is not None and (source != PLUGIN or now - one.monotonic <= SILENCE_SECONDS)

    def _profiler(self, uuid: str, now: float) -> str:
        """Return the best source that measures profiling ratios of a GPU."""
        seen = self._seen[uuid]
        return next((s for s in ORDER if self._speaks(uuid, s, now) and seen[s].gpu.profiling_source), "")

    def _profiled(self, gpu: GpuReading, now: float) -> GpuReading:
        """Return a reading with the profile of whoever measures one; several do not measure for each other."""
        source = self._profiler(gpu.uuid, now)
        if not source:
            return gpu
        profile = self._seen[gpu.uuid][source].gpu
        return replace(
            gpu,
            dram_active_ratio=profile.dram_active_ratio,
            tensor_active_ratio=profile.tensor_active_ratio,
            profiled_seconds=profile.profiled_seconds,
            profiling_source=profile.profiling_source,
        )

    def _index(self, uuid: str) -> int | None:
        """Return the index that the settings mean: vLLM's container may number its GPUs from zero."""
        for source in ORDER[1:]:
            one = self._seen[uuid].get(source)
            if one is not None:
                return one.gpu.index
        return None

    def _continues(self, source: str, gpu: GpuReading, now: float) -> bool:
        """Say whether a reading goes on from what was counted before, and remember that it does.

        One from before it does not; nor does one of another source whose counter is behind: it is an older view of the
        same counter, and what it grows by up to there has been counted already.
        """
        moment = now if gpu.read_at is None else gpu.read_at
        before = self._counted.get(gpu.uuid)
        if before is not None:
            if moment <= before.monotonic:
                return False
            behind = before.energy is not None and gpu.energy_joules is not None and gpu.energy_joules < before.energy
            if behind and source != before.source and moment - before.monotonic <= CATCH_UP_SECONDS:
                return False
        energy = gpu.energy_joules if gpu.energy_joules is not None or before is None else before.energy
        self._counted.pop(gpu.uuid, None)
        self._counted[gpu.uuid] = _Counted(source, moment, energy)
        if len(self._counted) > MOST_GPUS:
            del self._counted[next(iter(self._counted))]
        return True
