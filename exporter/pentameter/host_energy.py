"""Energy of the machine that holds the GPUs and the building around it: measured, or by a model that was asked for.

Without a reading and without a configured model there is no figure: machines that hold the same GPUs differ by a factor
of two, and an unknown host is not one that draws nothing. RAPL sees processors and memory only; a model is of the whole
machine without its GPUs, so it may well say more than is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pentameter.units import GIGA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pentameter.readings import HostReading
    from pentameter.windows import Interval

MEASURED = "measured"
MODEL = "model"

IDLE_WATTS_PER_CPU = 0.74
MAX_WATTS_PER_CPU = 3.5
WATTS_PER_GB = 0.392
"""Cloud Carbon Footprint's means for AWS: ``MIN_WATTS_AVG`` and ``MAX_WATTS_AVG`` of a virtual CPU (a hardware thread),
from SPECpower, and ``MEMORY_COEFFICIENT`` (0.000392 kWh per GB and hour), from two makers' data sheets. It charges only
memory beyond the 81 GB that SPECpower's machines had per processor; here all is charged, at most 32 W more for each.
"""

LEAST_COVERED = 0.8
"""Share of an interval that must have been measured before its mean may stand for the whole, where no model fills in.
The same as ``windows.STRETCH`` allows: a window is at most a quarter longer than what it knows of."""

_ROUNDING_SECONDS = 1e-3
"""Seconds are sums of differences; less than this is no time that was missed."""


@dataclass(frozen=True, slots=True)
class HostPlan:
    """What is configured of the machine; ``config_energy.HostEnergy`` says what each means."""

    idle_watts: float | None = None
    max_watts: float | None = None
    estimate: bool = False
    gpus: int | None = None
    share: float | None = None


@dataclass(frozen=True, slots=True)
class HostModel:
    """Power of the machine without its GPUs: watts = idle_watts + watts_per_busy_cpu x busy CPUs.

    The line between idle and full is that of Fan, Weber and Barroso (2007) and of Cloud Carbon Footprint. It is linear,
    so that the joules of parts of a time add up to those of the whole.
    """

    idle_watts: float
    watts_per_busy_cpu: float

    def joules(self, interval: Interval) -> float | None:
        """Return idle_watts x seconds + watts_per_busy_cpu x busy CPU seconds; None where the latter are unknown."""
        busy = interval.delta("cpu_busy_seconds")
        return None if busy is None else self.idle_watts * interval.seconds + self.watts_per_busy_cpu * busy


def model_of(plan: HostPlan, host: HostReading) -> HostModel | None:
    """Return the model that was asked for, or None.

    Of own figures: watts_per_busy_cpu = (max_watts - idle_watts) / CPUs. Of published means: idle = 0.74 W x CPUs +
    0.392 W x GB (10^9 bytes) of memory; per busy CPU 3.5 - 0.74 W. AWS's p5.48xlarge (8 H100, 192 CPUs, 2 TiB) so draws
    1004 to 1534 W without its GPUs; EcoLogits 0.11 takes 1200 W for it.
    """
    if plan.idle_watts is not None:
        most = plan.idle_watts if plan.max_watts is None else plan.max_watts
        return HostModel(plan.idle_watts, (most - plan.idle_watts) / host.cpu_count)
    if plan.estimate:
        idle = IDLE_WATTS_PER_CPU * host.cpu_count + WATTS_PER_GB * host.memory_total_bytes / GIGA
        return HostModel(idle, MAX_WATTS_PER_CPU - IDLE_WATTS_PER_CPU)
    return None


def host_counters(host: HostReading) -> dict[str, float]:
    """Return what the track of the host is to be shown of a reading."""
    counters = {"cpu_busy_seconds": host.cpu_busy_seconds}
    if host.rapl_joules is not None:
        counters |= {"rapl_joules": host.rapl_joules, "rapl_seconds": host.rapl_seconds}
    return counters


def host_joules(host: HostReading, interval: Interval | None, model: HostModel | None) -> Mapping[str, float]:
    """Return the energy of the whole machine without its GPUs over an interval, by basis: ``measured``, ``model``.

    measured = increase of rapl_joules; model = the model's joules x the share of the interval that was not measured.
    The two are of different times and may be added. A basis that is not there at all is missing; one that has nothing
    to tell (no new reading: ``interval`` is None) is 0, because a counter must not leave the page.
    """
    parts: dict[str, float] = {}
    if host.rapl_joules is not None:
        parts[MEASURED] = (interval.delta("rapl_joules") or 0.0) if interval else 0.0
    if model is not None:
        parts[MODEL] = _modelled(interval, model) or 0.0 if interval else 0.0
    return parts


def host_watts(interval: Interval, model: HostModel | None) -> float | None:
    """Return the mean power of the whole machine without its GPUs over an interval, in watts.

    (measured joules + modelled joules) / seconds; without a model measured joules / measured seconds, where these are
    at least ``LEAST_COVERED`` of the interval. None when neither is known.
    """
    covered, measured = _covered(interval), interval.delta("rapl_joules")
    if measured is not None and (covered >= LEAST_COVERED * interval.seconds) and model is None:
        return measured / covered
    if model is None:
        return None
    modelled = _modelled(interval, model)
    return None if modelled is None else ((measured or 0.0) + modelled) / interval.seconds


def _covered(interval: Interval) -> float:
    """Return for how many seconds of the interval RAPL counted."""
    return min(interval.delta("rapl_seconds") or 0.0, interval.seconds)


def _modelled(interval: Interval, model: HostModel) -> float | None:
    """Return the model's joules for the part of an interval that was not measured."""
    missed = interval.seconds - _covered(interval)
    if missed < _ROUNDING_SECONDS:
        return 0.0
    whole = model.joules(interval)
    return None if whole is None else whole * missed / interval.seconds


def host_share(plan: HostPlan, gpus: int | None, visible: int | None) -> float | None:
    """Return the share of the machine that a server with so many GPUs is charged with, 0 to 1.

    The configured share, else the server's GPUs / the machine's (configured, else visible). None when either is
    unknown, or when a server had more GPUs than its machine.
    """
    if plan.share is not None:
        return plan.share
    machine = plan.gpus or visible
    if not gpus or not machine or gpus > machine:
        return None
    return gpus / machine


def overhead(gpu: float | None, host: float | None, pue: float | None) -> float | None:
    """Return what the building spends beside the machine: (pue - 1) x (gpu + host), of joules or of watts.

    With it gpu + host + overhead = pue x (gpu + host), the facility's. None when any of the three is unknown.

    >>> round(overhead(3600.0, 1400.0, 1.15), 9)
    750.0
    """
    if gpu is None or host is None or pue is None:
        return None
    return (pue - 1) * (gpu + host)
