"""From an entry of the plugin's messages to what vLLM's GPUs are and do; nothing in it is believed unseen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pentameter.readings import GpuReading, GpusReading
from pentameter.records import ToldGpus
from pentameter.sources.plugin_values import UnsoundError, label, mapping, number, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_GPUS = 64
"""Of one vLLM on one node: DGX and HGX boards have 8, GB200 trays 4, and the largest servers 16."""

OLDEST_SECONDS = 10.0
"""Twice what a message waits at most, plus the reading itself."""

_MOST_JOULES = 1e15
"""A hundred kilowatts for three hundred years."""
_MOST_WATTS = 1e5
_MOST_BYTES = 1e15
_MOST_HERTZ = 1e12
_MOST_INDEX = 4096
_MOST_SECONDS = 1e11
"""More than 64 bits of nanoseconds hold."""
_LONGEST_UUID = 128
MOST_MONOTONIC = 1e12

_RANGES: Mapping[str, tuple[float, float]] = {
    "energy_joules": (0.0, _MOST_JOULES),
    "power_watts": (0.0, _MOST_WATTS),
    "power_limit_watts": (0.0, _MOST_WATTS),
    "memory_total_bytes": (0.0, _MOST_BYTES),
    "memory_used_bytes": (0.0, _MOST_BYTES),
    "memory_reserved_bytes": (0.0, _MOST_BYTES),
    "utilization_ratio": (0.0, 1.0),
    "memory_utilization_ratio": (0.0, 1.0),
    "temperature_celsius": (-273.0, 1000.0),
    "memory_clock_max_hz": (0.0, _MOST_HERTZ),
    "power_capped_seconds": (0.0, _MOST_SECONDS),
    "read_at": (0.0, MOST_MONOTONIC),
}
"""Field of ``GpuReading`` -> the least and the most that it can be, in its unit."""

_MASKS = ("clock_reasons", "clock_reasons_known")


def told_gpus(entry: Mapping[str, Any], whose: Mapping[str, str], instance: str) -> ToldGpus:
    """Return what an entry of kind ``gpus`` says; raises ``UnsoundError``.

    The times are the sender's own words, and ``wall`` is 0: ``timed`` puts them right.
    """
    listed = entry.get("gpus")
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST_GPUS:
        raise UnsoundError("gpus")
    gpus: dict[str, GpuReading] = {}
    engines: dict[str, str] = {}
    for item in listed:
        fields = mapping(item)
        gpu = _gpu(fields)
        if gpu.uuid in gpus:
            raise UnsoundError("one GPU twice")
        gpus[gpu.uuid] = gpu
        if engine := label(fields.get("engine", "")):
            engines[gpu.uuid] = engine
    expected, driver = entry.get("expected"), entry.get("driver")
    reading = GpusReading(
        monotonic=float(number(entry.get("monotonic"), 0.0, MOST_MONOTONIC)),
        wall=0.0,
        gpus=tuple(sorted(gpus.values(), key=lambda gpu: gpu.index)),
        driver_version=None if driver is None else label(driver),
    )
    return ToldGpus(
        instance=instance,
        reading=reading,
        engines=engines,
        expected=None if expected is None else whole(expected),
        **whose,
    )


def timed(told: ToldGpus, now: float, wall: float) -> ToldGpus:
    """Return what was told with its times by our clocks, ``now`` and ``wall``.

    The kernel's monotonic clock is the sender's too. A reading that claims to be older than ``OLDEST_SECONDS``, or from
    the future, comes from another clock, and counts as of now.
    """
    claimed = told.reading.monotonic
    shift = 0.0 if 0 <= now - claimed <= OLDEST_SECONDS else now - claimed

    def own_moment(gpu: GpuReading) -> GpuReading:
        within = not shift and gpu.read_at is not None and claimed <= gpu.read_at <= now
        return gpu if within else replace(gpu, read_at=None)

    reading = replace(
        told.reading,
        monotonic=claimed + shift,
        wall=wall - (now - claimed - shift),
        gpus=tuple(map(own_moment, told.reading.gpus)),
    )
    return replace(told, reading=reading)


def _gpu(fields: Mapping[str, Any]) -> GpuReading:
    uuid = label(fields.get("uuid"))
    if not 0 < len(uuid) <= _LONGEST_UUID:
        raise UnsoundError("uuid")
    numbers: dict[str, Any] = {
        name: float(number(fields[name], *limits)) for name, limits in _RANGES.items() if fields.get(name) is not None
    }
    capability, bus, mig = (fields.get(name) for name in ("compute_capability", "memory_bus_width_bits", "mig_enabled"))
    reasons: dict[str, Any] = {name: whole(fields[name]) for name in _MASKS if fields.get(name) is not None}
    if mig is not None and not isinstance(mig, bool):
        raise UnsoundError("mig_enabled")
    return GpuReading(
        uuid=uuid,
        index=int(number(whole(fields.get("index")), 0, _MOST_INDEX)),
        name=label(fields.get("name")),
        compute_capability=None if capability is None else label(capability),
        memory_bus_width_bits=None if bus is None else whole(bus),
        mig_enabled=mig,
        **numbers,
        **reasons,
    )
