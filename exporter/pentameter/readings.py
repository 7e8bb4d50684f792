"""Frozen records that cross the I/O border: what a source saw, in base units, at one moment.

``monotonic`` is the only clock that windows use; ``wall`` serves people (timestamps, start times).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Histogram:
    """A cumulative histogram as one page shows it.

    ``bounds`` ascend and end with +Inf; ``counts[i]`` is the number of observations <= ``bounds[i]``.
    """

    bounds: tuple[float, ...]
    counts: tuple[float, ...]
    sum: float

    @property
    def count(self) -> float:
        """Return the number of observations."""
        return self.counts[-1]


@dataclass(frozen=True, slots=True)
class EngineReading:
    """One vLLM engine (a data-parallel rank) on one page.

    Keys are concepts of ``sources.vllm_names``, never raw sample names; a labelled counter is
    keyed ``concept/label value``, for example ``request_success/stop``.
    """

    model_name: str
    engine: str
    counters: Mapping[str, float]
    gauges: Mapping[str, float]
    histograms: Mapping[str, Histogram]
    cache_config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VllmReading:
    """One scrape of one vLLM server."""

    server: str
    monotonic: float
    wall: float
    start_time: float | None
    engines: tuple[EngineReading, ...]
    server_counters: Mapping[str, float]
    version: str | None = None


@dataclass(frozen=True, slots=True)
class GpuReading:
    """One GPU at one moment; a field that the board or driver does not offer is ``None``."""

    uuid: str
    index: int
    name: str
    energy_joules: float | None = None
    """Hardware counter since the driver was loaded."""
    power_watts: float | None = None
    power_limit_watts: float | None = None
    memory_total_bytes: float | None = None
    memory_used_bytes: float | None = None
    memory_reserved_bytes: float | None = None
    utilization_ratio: float | None = None
    """Share of TIME in which at least one kernel ran; it is not a share of the compute peak."""
    memory_utilization_ratio: float | None = None
    """Share of TIME in which memory was read or written; it is not a share of the bandwidth."""
    temperature_celsius: float | None = None
    compute_capability: str | None = None
    mig_enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class GpusReading:
    """All GPUs that one source sees at one moment."""

    monotonic: float
    wall: float
    gpus: tuple[GpuReading, ...]
    driver_version: str | None = None
    field_errors: Mapping[str, str] = field(default_factory=dict)
    """Per-field trouble that is no failure, ``"GPU-uuid/field" -> reason``."""


@dataclass(frozen=True, slots=True)
class HostReading:
    """The machine beside the GPUs."""

    monotonic: float
    wall: float
    cpu_count: int
    cpu_busy_seconds: float
    """Sum over cores of the time not idle since boot."""
    memory_total_bytes: float
    memory_used_bytes: float
