"""Everything the dimensions may know at one moment, frozen: the only input of the formulas."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pentameter.carbon.basis import CarbonBasis
from pentameter.cost.book import PriceBook
from pentameter.cost.plan import CostPlan
from pentameter.market.basis import MarketBasis
from pentameter.model.spec import Precision

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pentameter.capacity.estimate import Capacity
    from pentameter.carbon.intensity import GridIntensity
    from pentameter.drift.book import Drift
    from pentameter.energy_split import EnergySplit
    from pentameter.model.parallel import Parallel
    from pentameter.model.spec import ModelSpec
    from pentameter.readings import EngineReading, GpuReading, Histogram, HostReading, LanguageReading
    from pentameter.slo import Slo
    from pentameter.windows import Interval, Track, Window


@dataclass(frozen=True, slots=True)
class GpuSpec:
    """What a GPU can do at best."""

    gpu: str
    nvml_names: tuple[str, ...]
    peak_flops: float
    """Dense FP16/BF16 FLOP/s with FP32 accumulation."""
    memory_bandwidth: float
    """Bytes per second."""
    other_peaks: tuple[tuple[Precision, float], ...] = ()
    """Dense FLOP/s (or OP/s) in the other precisions that it has; pairs, so that the whole stays hashable."""
    memory_bytes: float | None = None
    """As NVML reports it, the error correction on or off as shipped."""
    tdp_watts: float | None = None
    verified: str = ""
    """What the figures were compared with: ``datasheet``, ``second-source``; empty for one that is not of the table."""

    @property
    def peaks(self) -> Mapping[Precision, float]:
        """Return the dense peak of each precision, in FLOP/s; one that is missing is unknown, or not offered."""
        return {Precision.BITS16: self.peak_flops, **dict(self.other_peaks)}


@dataclass(frozen=True, slots=True)
class Peaks:
    """What one GPU of an engine can do at best."""

    flops: Mapping[Precision, float] = field(default_factory=dict)
    """Dense FLOP/s; empty where nobody knows."""
    bandwidth: float | None = None
    """Bytes per second."""
    flops_source: str = ""
    """``table``, ``configured`` or empty."""
    bandwidth_source: str = ""
    """``table``, ``configured``, ``nvml`` (clock and bus width) or empty."""
    gpu: str = ""
    """Name in the table."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """The model of an engine, and how the server runs it."""

    spec: ModelSpec
    parallel: Parallel
    kv_bits: float
    """Per cached element."""
    origin: str = ""
    """Where the model's configuration was found: ``configured``, ``plugin``, ``file``, ``cache``, ``table``."""
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    max_model_len: int | None = None
    block_size: int | None = None
    kv_cache_dtype: str = "auto"
    speculative: bool = False
    contexts: str = "page"
    """Where the lengths of the contexts come from: ``records`` (exact, when a request ends) or ``page``."""


@dataclass(frozen=True, slots=True)
class UnknownModel:
    """Why the model of an engine is not known."""

    reason: str
    """One word: ``not_found`` or ``unsupported``."""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Rolled:
    """What was accumulated over each window, and since the last snapshot."""

    windows: Mapping[str, Interval] = field(default_factory=dict)
    """Window label -> interval; a window that covers nothing yet is missing."""
    tick: Interval | None = None
    """Since the last snapshot: what the exported counters grow by."""

    @classmethod
    def of(cls, track: Track, windows: Iterable[Window]) -> Rolled:
        """Return what a track saw over each window, and since the last call."""
        intervals = ((window.label, track.interval(window)) for window in windows)
        return cls({label: interval for label, interval in intervals if interval}, track.drain())


@dataclass(frozen=True, slots=True)
class Engine:
    """One vLLM engine whose server answered at the last scrape."""

    server: str
    reading: EngineReading
    rolled: Rolled
    peaks: Peaks = Peaks()
    version: str | None = None
    flow: Rolled = Rolled()
    """Requests ``arrived`` and ``aborted``, inferred, ``ended``, and ``rejected`` before they reached an engine."""
    stalled_seconds: float | None = None
    """For how long requests have been held without one ending."""
    model: ServedModel | None = None
    unknown_model: UnknownModel | None = None
    work: Rolled = Rolled()
    """What the model's work cost, by our own accounting: the keys of ``work_meter``."""

    @property
    def labels(self) -> tuple[str, str, str]:
        """Return (server, model_name, engine)."""
        return (self.server, self.reading.model_name, self.reading.engine)


@dataclass(frozen=True, slots=True)
class Served:
    """What the records of finished requests say of one engine.

    ``engine`` is empty where a server has several and the records do not say which.
    """

    server: str
    model_name: str
    engine: str
    rolled: Rolled
    """Counters ``finished``, ``slo/NAME/good``, ``slo/NAME/bad`` and others of ``request_book``."""
    latencies: tuple[tuple[str, str, str, float], ...] = ()
    """(latency, window, stat, seconds)."""
    histograms: Mapping[str, Histogram] = field(default_factory=dict)
    """By latency, since the start."""
    scores: Mapping[str, Histogram] = field(default_factory=dict)
    """Histograms of the SLO score by SLO, since the start."""
    unjudged: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """SLO -> the reasons for which it has ever left a request unjudged."""

    @property
    def labels(self) -> tuple[str, str, str]:
        """Return (server, model_name, engine)."""
        return (self.server, self.model_name, self.engine)


@dataclass(frozen=True, slots=True)
class CapacityOf:
    """What one SLO's goodput capacity is known to be."""

    server: str
    model_name: str
    engine: str
    slo: Slo
    capacity: Capacity

    @property
    def labels(self) -> tuple[str, str, str]:
        """Return (server, model_name, engine)."""
        return (self.server, self.model_name, self.engine)


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU that answered at the last reading."""

    reading: GpuReading
    rolled: Rolled
    spec: GpuSpec | None = None
    profile: Rolled = Rolled()
    """``dram_active_seconds``, ``tensor_active_seconds`` and the ``..._profiled_seconds`` that each was watched for."""
    server: str = ""
    """The server that it is counted to; empty when none or unknown."""
    server_tick: Interval | None = None
    """Since the last snapshot in which the server's whole energy was known: what the server's counters grow by."""
    energy_method: str = ""
    """Where its energy comes from now: ``counter``, ``integrated`` (power x time), or empty: nobody knows it."""
    energy_scope: str = "gpu"
    """What its energy is of: the ``gpu``, or the ``module`` with its processor."""
    energy_bases: tuple[str, ...] = ()
    """What its energy so far came from: ``measured``, ``integrated``, or either."""
    source: str = ""
    """Who speaks of it: ``plugin``, ``nvml``, ``dcgm``."""
    throttled: Mapping[str, float] = field(default_factory=dict)
    """Reason -> the seconds since the last snapshot for which it held the clocks down; of what the board can tell."""
    throttled_bases: Mapping[str, str] = field(default_factory=dict)
    """Reason -> how that is known: ``counter``, ``sampled``."""


@dataclass(frozen=True, slots=True)
class HostPart:
    """What a server's part of its machine uses, without the GPUs."""

    joules: Mapping[str, float] = field(default_factory=dict)
    """By basis, since the last snapshot: ``measured``, ``model``."""
    watts: Mapping[str, float] = field(default_factory=dict)
    """Mean power by window; a window of which it is not known is missing."""
    power: float | None = None
    """Watts now."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One vLLM server with the GPUs it uses: the unit that draws power and costs money.

    ``model_name`` and ``engine`` are empty where the server has several: then a figure covers them all,
    because nothing says which GPU serves which engine.
    """

    server: str
    model_name: str
    engine: str
    engines: tuple[Engine, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    gpu_count: int | None = None
    cost: CostPlan = field(default_factory=CostPlan)
    time: Rolled = Rolled()
    """Seconds for which it cost money by state: the keys of ``idle_meter.STATES``, and ``warmup`` as part of the
    unobserved ones."""
    serving_gpus: int | None = None
    """GPUs that take part in serving: as configured, else by vLLM's own parallelism, else those that are visible."""
    host: HostPart | None = None
    """Its part of the machine; None where nobody knows it."""
    gpu_names: tuple[str, ...] = ()
    """Its GPUs by their names in the table, one for each; known through an outage of theirs, empty where unknown."""
    pue: float | None = None
    """Power usage effectiveness of the building: all its energy over that of its machines."""
    joules_before: float = 0.0
    """Joules of GPUs or host from earlier snapshots in which the other's were unknown: neither paid nor in the
    building's part yet."""
    energy_shares: Mapping[str, float] = field(default_factory=lambda: {"unobserved": 1.0})
    """Which share of the energy since the last snapshot was used in which state: the keys of ``idle_meter.STATES``."""
    energy_split: EnergySplit | None = None
    """Its GPUs' energy by phase; None while their energy is not known."""
    drift: Drift | None = None
    """How it has changed; None where nobody follows it."""
    price_unknown: str = ""
    """Why the price book does not tell the price of its GPUs, in one word; empty where it does, or is not asked."""

    @property
    def labels(self) -> tuple[str, str, str]:
        """Return (server, model_name, engine)."""
        return (self.server, self.model_name, self.engine)

    def token_rate(self, window: str, *concepts: str) -> float | None:
        """Return tokens per second of all engines, the concepts added up; None when any is unknown."""
        total = 0.0
        for engine in self.engines:
            interval = engine.rolled.windows.get(window)
            if interval is None:
                return None
            for concept in concepts:
                rate = interval.rate(concept)
                if rate is None:
                    return None
                total += rate
        return total if self.engines else None

    def request_rate(self, window: str) -> float | None:
        """Return finished requests per second of all engines; None when any is unknown."""
        total = 0.0
        for engine in self.engines:
            interval = engine.rolled.windows.get(window)
            finished = interval.total("request_success") if interval else None
            if interval is None or finished is None:
                return None
            total += finished / interval.seconds
        return total if self.engines else None

    def gpu_watts(self, window: str) -> float | None:
        """Return the mean power of all GPUs over a window, from their energy.

        None when any GPU's energy is unknown: a sum over half of the GPUs is a wrong sum.
        """
        total = 0.0
        for gpu in self.gpus:
            interval = gpu.rolled.windows.get(window)
            rate = interval.rate("energy_joules") if interval else None
            if rate is None:
                return None
            total += rate
        return total if self.gpus else None


@dataclass(frozen=True, slots=True)
class World:
    """One moment."""

    windows: tuple[str, ...]
    engines: tuple[Engine, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    served: tuple[Served, ...] = ()
    slos: tuple[Slo, ...] = ()
    capacities: tuple[CapacityOf, ...] = ()
    host: HostReading | None = None
    host_rolled: Rolled = Rolled()
    grid: GridIntensity | None = None
    """Of the place where the GPUs are; location-based, average."""
    carbon: CarbonBasis = field(default_factory=CarbonBasis)
    elapsed_seconds: float | None = None
    """Time since the last snapshot, for what accrues with time alone."""
    market: MarketBasis = field(default_factory=MarketBasis)
    driver_version: str | None = None
    languages: Mapping[str, LanguageReading] = field(default_factory=dict)
    """Tokens by language, as each server's tokenizer counts them; a server of which they are not known is missing."""
    book: PriceBook = field(default_factory=PriceBook)
    """The prices in force."""
