"""Frozen records that cross the I/O border: what a source saw, in base units, at one moment.

``monotonic`` is the only clock that windows use; ``wall`` serves people (timestamps, start times).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pentameter.cost.book import PriceBook


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
    clock_reasons: int | None = None
    """NVML's bitmask of what holds the clocks down now (``throttling`` names the bits)."""
    clock_reasons_known: int | None = None
    """The bits that this board can set at all."""
    power_capped_seconds: float | None = None
    """Time for which the power limit held the clocks down, by the driver's own count since it was loaded."""
    compute_capability: str | None = None
    mig_enabled: bool | None = None
    memory_bus_width_bits: int | None = None
    memory_clock_max_hz: float | None = None
    dram_active_ratio: float | None = None
    """Bytes moved to and from the GPU's memory over what it could have moved, the mean over ``profiled_seconds``."""
    tensor_active_ratio: float | None = None
    """Share of cycles in which the tensor cores were at work, whatever the precision, the mean over
    ``profiled_seconds``: not yet a share of the FLOP/s peak."""
    profiled_seconds: float | None = None
    """The time that ends with this reading and that the two ratios stand for. Every moment is in one reading only:
    ratio x seconds may be added up. None where there is neither ratio."""
    profiling_source: str = ""
    """Who measures the ratios: ``gpm`` (NVML), ``dcgm``, or nobody. A reading that comes too soon for new ratios, or is
    the first, has a source and no ratios."""
    read_at: float | None = field(default=None, compare=False)
    """When energy and power were read, on the monotonic clock of the whole reading; None: with it. GPUs are read one
    after another, and a driver that is slow with the first makes the last seconds younger."""


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
    rapl_joules: float | None = None
    """What the processors and their memory used since the source's first reading, as far as it was counted; None where
    RAPL could never be read."""
    rapl_seconds: float = 0.0
    """The time that these joules are of: it stands still while RAPL cannot be read."""
    rapl_gaps: int = 0
    """Times since the first reading that energy was left out because it was not certain."""
    rapl_problem: str = ""
    """Why RAPL cannot be read now, for people; empty where it can, or where nobody asked."""


@dataclass(frozen=True, slots=True)
class GridReading:
    """The grid's carbon intensity, as a live provider tells it."""

    region: str
    """The provider's zone: ``PL``, ``CAISO_NORTH``, ``GB``."""
    grams_per_kwh: float
    """CO2 or its equivalents, as ``factor_type`` says."""
    source: str
    """The provider."""
    factor_type: str
    """``lifecycle`` with fuel supply and construction, ``direct`` or ``operational`` without."""
    average_or_marginal: str
    """``average`` of all that is consumed, or ``marginal``: of one more kWh. The two are never mixed."""
    estimated: bool | None
    """A model's or a forecast's value rather than a measured one; None where the provider does not say."""
    valid_from: float
    """Unix time at which the period begins that the value is of."""
    valid_to: float
    """Unix time at which it ends."""
    monotonic: float
    """When the value was asked for."""
    wall: float
    trouble: str = ""
    """Why it could not be renewed at the last attempt, in one word; empty while it is the provider's latest."""

    def age_seconds(self, monotonic: float) -> float:
        """Return the time since the end of the value's period; 0 within it.

        The wall clock is looked at once, when the value arrives; a step of it later changes no age.
        """
        return max(0.0, self.wall - self.valid_to + monotonic - self.monotonic)


@dataclass(frozen=True, slots=True)
class ModelReading:
    """A served model's own configuration, as it was found in files."""

    server: str
    model_name: str
    """As it was asked for: a path or a Hugging Face name; empty where the configuration was pasted."""
    config: Mapping[str, object]
    """The content of ``config.json``, with what lies in files beside it about the quantisation."""
    origin: str
    """``configured``, ``file``, ``cache`` or ``table``."""
    stored_bytes: float | None = None
    """Of all tensors in the model's files."""
    parameters: int | None = None
    """Elements of all tensors in the model's files, where none is packed."""
    monotonic: float = 0
    wall: float = 0


@dataclass(frozen=True, slots=True)
class LanguageReading:
    """How many tokens a served model's own tokenizer makes of one text in several languages."""

    server: str
    model_name: str
    """As the server names the model that it loaded; adapters share its tokenizer."""
    tokens: Mapping[str, int]
    """Tokens of the whole text by language, as far as it was counted; a language that is not counted yet is missing."""
    english_words: int
    """Of the same text."""
    monotonic: float
    """When the server was last found to be of the same model and to count as before; the counts may be older."""
    wall: float


@dataclass(frozen=True, slots=True)
class PricesReading:
    """The price book in force, and the labels of the node."""

    book: PriceBook
    labels: Mapping[str, str]
    monotonic: float
    wall: float
    trouble: str = ""
    """Why a part of it is not the latest, in one word; empty while all of it is."""
    message: str = ""
    """The same for the log."""
