"""The state of the GPUs between readings: energy, what held the clocks down, what profiling counters measured.

A part of the meter with the same rule: readings come in by ``take``, nothing here waits, reads a clock or does I/O.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from pentameter.energy_account import EnergyAccount
from pentameter.gpu_sources import GpuPicture, GpuSources
from pentameter.readings import GpusReading
from pentameter.throttling import ThrottleAccount
from pentameter.windows import Continuity, Track
from pentameter.world import Gpu, Rolled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pentameter.gpu_sources import Admitted
    from pentameter.readings import GpuReading
    from pentameter.records import ToldGpus
    from pentameter.windows import Window
    from pentameter.world import GpuSpec

PROFILED = ("dram_active", "tensor_active")
"""Shares of time that the hardware measures, by the name of the reading's field without ``_ratio``."""


_NONE: Mapping[str, int] = MappingProxyType({})
NO_GPUS = GpuPicture(GpusReading(0.0, 0.0, ()))

MODULES = ("GH200",)
"""Names of products whose counter is of the whole module: processor, its memory and GPU (Zeus, pull request 172)."""


class GpuMeter:
    """Keeps the accounts of GPUs.

    A board has one account, by its UUID, however often a reading lists it: several engines may share it, and MIG shows
    the board's counter on each of its instances.
    """

    def __init__(
        self,
        windows: Sequence[Window],
        find_spec: Callable[[str], GpuSpec | None],
        named: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    ) -> None:
        self._windows = tuple(windows)
        self._sources = GpuSources(named)
        self._find_spec = find_spec
        new_track = partial(Track, self._windows)
        self._accounts: defaultdict[str, EnergyAccount] = defaultdict(EnergyAccount)
        self._tracks: defaultdict[str, Track] = defaultdict(new_track)
        self._profiles: defaultdict[str, Track] = defaultdict(new_track)
        self._profiled: defaultdict[str, dict[str, float]] = defaultdict(dict)
        self._throttling: defaultdict[str, ThrottleAccount] = defaultdict(ThrottleAccount)
        self._throttled: defaultdict[str, dict[str, float]] = defaultdict(dict)
        """What the last snapshot had."""
        self.picture = NO_GPUS
        """As of the last look."""

    def take(self, reading: GpusReading, source: str = "nvml") -> bool:
        """Take in what ``nvml`` or ``dcgm`` read; say whether an energy counter fell."""
        boards: dict[str, GpuReading] = {}
        for gpu in reading.gpus:
            boards.setdefault(gpu.uuid, gpu)
        return self._count(self._sources.take(source, replace(reading, gpus=tuple(boards.values()))))

    def take_told(self, server: str, told: ToldGpus) -> bool:
        """Take in what a plugin said; ``server`` is empty where nobody knows which server it is."""
        return self._count(self._sources.take_told(server, told))

    def lose(self, source: str) -> None:
        """Note that a source is down: what it said last is true no more."""
        self._sources.lose(source)
        for uuid, speaker in self.picture.sources.items():
            if speaker == source:
                self._throttling[uuid].break_off()

    def look(self, now: float, *, by_default: bool = True) -> GpuPicture:
        """Return who speaks of which GPU now, and whose each is; for ``by_default`` see ``GpuClaims``."""
        self.picture = self._sources.picture(now, by_default=by_default) or NO_GPUS
        return self.picture

    def _count(self, admitted: Admitted) -> bool:
        reset = False
        for reading in (admitted.reading, admitted.profiles):
            for gpu in reading.gpus:
                self._take_profile(gpu, reading.monotonic)
        for gpu in admitted.reading.gpus:
            moment = admitted.reading.monotonic if gpu.read_at is None else gpu.read_at
            reset |= self._take_energy(gpu, moment)
            self._throttling[gpu.uuid].take(
                moment, gpu.clock_reasons, gpu.clock_reasons_known, gpu.power_capped_seconds
            )
        return reset

    def _take_energy(self, gpu: GpuReading, monotonic: float) -> bool:
        account, track = self._accounts[gpu.uuid], self._tracks[gpu.uuid]
        resets = account.anomalies["reset"]
        account.take(monotonic, gpu.energy_joules, gpu.power_watts, self._limit(gpu))
        if account.since is not None:
            if track.time is None:
                track.observe(account.since, dict.fromkeys(_totals(account), 0.0), {}, Continuity.SAME)
            track.observe(monotonic, _totals(account), {}, Continuity.SAME)
        return account.anomalies["reset"] > resets

    def _limit(self, gpu: GpuReading) -> float | None:
        """Return the most watts that a board may draw, or None.

        Not less than the product's: the limit that is read may be a minute old, and may have been raised since. Of a
        module the limit is the GPU's, the counter is not.
        """
        if energy_scope(gpu.name) != "gpu":
            return None
        spec = self._find_spec(gpu.name)
        known = [watts for watts in (gpu.power_limit_watts, spec.tdp_watts if spec else None) if watts]
        return max(known, default=None)

    def _take_profile(self, gpu: GpuReading, monotonic: float) -> None:
        """Add up shares times the seconds that they are means of, so that any window's mean is one division."""
        seconds = gpu.profiled_seconds
        shares = {name: getattr(gpu, f"{name}_ratio") for name in PROFILED}
        if seconds is None or seconds <= 0 or all(share is None for share in shares.values()):
            return
        totals = self._profiled[gpu.uuid]
        if not totals:
            totals.update({f"{name}{kind}_seconds": 0.0 for name in PROFILED for kind in ("", "_profiled")})
            self._profiles[gpu.uuid].observe(monotonic - seconds, totals, {}, Continuity.SAME)
        for name, share in shares.items():
            if share is not None:
                totals[f"{name}_seconds"] += share * seconds
                totals[f"{name}_profiled_seconds"] += seconds
        self._profiles[gpu.uuid].observe(monotonic, totals, {}, Continuity.SAME)

    def gpus(self, named: Mapping[str, int] = _NONE) -> tuple[Gpu, ...]:
        """Return the GPUs of the last look, each with the server that it is counted to.

        ``named`` says how many GPUs of a server must be there before their energy is drained for it.
        """
        picture = self.picture
        gpus = tuple(
            Gpu(
                gpu,
                Rolled.of(self._tracks[gpu.uuid], self._windows) if self._accounts[gpu.uuid].method else Rolled(),
                self._find_spec(gpu.name),
                self._profile(gpu, picture.reading.monotonic),
                picture.ownership.owners.get(gpu.uuid, ""),
                energy_method=self._accounts[gpu.uuid].method,
                energy_scope=energy_scope(gpu.name),
                energy_bases=_bases(self._accounts[gpu.uuid]),
                source=picture.sources.get(gpu.uuid, ""),
                throttled=self._newly_throttled(gpu.uuid),
                throttled_bases=dict(self._throttling[gpu.uuid].bases),
            )
            for gpu in picture.reading.gpus
        )
        return self._with_server_ticks(gpus, named)

    def _profile(self, gpu: GpuReading, now: float) -> Rolled:
        """Return what was measured of a GPU, of every window in which anything was.

        Ratios come once per interval of the hardware's: a reading without one takes nothing away.
        """
        if not gpu.profiling_source:
            return Rolled()
        track = self._profiles[gpu.uuid]
        rolled = Rolled.of(track, self._windows)
        young = {window.label for window in self._windows if now - (track.time or now) < window.seconds}
        return replace(rolled, windows={label: one for label, one in rolled.windows.items() if label in young})

    def _newly_throttled(self, uuid: str) -> dict[str, float]:
        seconds, before = self._throttling[uuid].seconds, self._throttled[uuid]
        self._throttled[uuid] = dict(seconds)
        return {reason: total - before.get(reason, 0.0) for reason, total in seconds.items()}

    def _with_server_ticks(self, gpus: tuple[Gpu, ...], named: Mapping[str, int]) -> tuple[Gpu, ...]:
        """Drain the GPUs of a server only together: a sum over some of them would lose the others' joules."""
        incomplete = {gpu.server for gpu in gpus if not gpu.energy_method}
        seen = Counter(gpu.server for gpu in gpus)
        incomplete |= {server for server, number in named.items() if seen[server] < number}
        return tuple(
            gpu
            if gpu.server in incomplete
            else replace(gpu, server_tick=self._tracks[gpu.reading.uuid].drain("server"))
            for gpu in gpus
        )


def energy_scope(name: str) -> str:
    """Say what a product's energy counter is of: the ``gpu``, or the ``module`` that holds it.

    >>> energy_scope("NVIDIA GH200 480GB"), energy_scope("NVIDIA H200")
    ('module', 'gpu')
    """
    return "module" if any(module in name for module in MODULES) else "gpu"


def _bases(account: EnergyAccount) -> tuple[str, ...]:
    known = (("measured", account.has_counter), ("integrated", account.has_integral))
    return tuple(basis for basis, there in known if there)


def _totals(account: EnergyAccount) -> dict[str, float]:
    return {
        "energy_joules": account.joules,
        "measured_joules": account.measured,
        "integrated_joules": account.integrated,
        "audited/counter_joules": account.audited_counter,
        "audited/integral_joules": account.audited_integral,
        "audited/seconds": account.audited_seconds,
        **{f"anomaly/{kind}": float(number) for kind, number in account.anomalies.items()},
    }
