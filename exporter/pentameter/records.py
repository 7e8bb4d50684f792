"""Frozen records of single requests, and of what vLLM says of itself beyond its metrics page.

They come from OpenTelemetry spans and from Pentameter's plugin inside vLLM. Durations are in seconds, tokens in tokens;
``None`` is what the sender does not know.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pentameter.readings import GpusReading


@dataclass(frozen=True, slots=True)
class FinishedRequest:
    """One request that has ended (one sequence of it, where a client asks for several)."""

    origin: str
    """``plugin`` or ``otlp``."""
    arrival_wall: float
    e2e: float
    """Arrival to the last token, or to the end of a request that brought none."""
    output_tokens: int
    prompt_tokens: int = 0
    ttft: float | None = None
    """Arrival to the first token; None when there was none."""
    decode: float | None = None
    """First to last token; 0 for one token."""
    queue: float | None = None
    prefill: float | None = None
    cached_tokens: int | None = None
    preemptions: int | None = None
    finish_reason: str = ""
    """vLLM's word (stop, length, abort, error, ...), or empty where the sender does not say."""
    request_id: str = ""
    """The client's id of the request; empty where the sender does not say."""
    sender: str = ""
    """What the sender calls the server, to tell several servers apart; empty where it does not say."""
    model_name: str = ""
    engine: str = ""

    @property
    def tpot(self) -> float | None:
        """Return the time per output token after the first, or None for a request of fewer than two tokens."""
        if self.decode is None or self.output_tokens < 2:
            return None
        return self.decode / (self.output_tokens - 1)


class StepRow(NamedTuple):
    """One step of an engine, as its front end learnt of it; the plugin's ``StepLog`` says more."""

    since: float
    """Seconds since the step before, on the front end's clock; 0 where that is not known."""
    gap: float
    """Shortest time between two outputs of a request that the step ended, in seconds of the engine's clock; 0: none."""
    decoded: int
    """Requests that decoded."""
    first: int
    """Prefills that the step completed."""
    computed: int
    """Prompt tokens that these computed in all their steps."""
    ttft: float
    """Longest time to first token; 0 where there is none."""
    left: int
    """Requests running, or waiting for room, after it."""


@dataclass(frozen=True, slots=True)
class IterationFacts:
    """What the steps of one engine did between two messages of the plugin, added up."""

    model_name: str
    engine: str
    sender: str = ""
    sums: Mapping[str, float] = field(default_factory=dict)
    """Increases by concept: steps, generation_tokens, prompt_tokens_computed, preemptions, and others."""
    gauges: Mapping[str, float] = field(default_factory=dict)
    """Latest values by concept: running, waiting, kv_cache_usage."""
    gaps: Mapping[int, int] = field(default_factory=dict)
    """Times between two outputs of a request, as counts by bucket of ``pentameter.sketch``."""
    gap_sum: float = 0.0
    steps: tuple[StepRow, ...] | None = None
    """Every step in order; None where the sender does not tell them."""
    adapters: Mapping[str, int] | None = None
    """Outputs by LoRA adapter, first ones left out; ``""``: the base model's. None where the sender does not tell."""


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What ``vllm_config`` says of an engine: model, dtype, quantisation, parallelism, limits."""

    model_name: str
    engine: str
    sender: str = ""
    facts: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToldGpus:
    """What NVML says, inside vLLM, of the GPUs that this vLLM uses on its node."""

    model_name: str
    instance: str
    """Random word of the plugin's start: it tells two vLLM servers of one model apart."""
    reading: GpusReading
    """A GPU's ``index`` is the one inside vLLM's container."""
    sender: str = ""
    engines: Mapping[str, str] = field(default_factory=dict)
    """UUID -> the engine that it serves; without those that serve several, or nobody knows which."""
    expected: int | None = None
    """GPUs of the whole server; more than are in the reading where it spans nodes."""


@dataclass(frozen=True, slots=True)
class RecordsReading:
    """What a source of records received since it was last read."""

    monotonic: float
    wall: float
    requests: tuple[FinishedRequest, ...] = ()
    iterations: tuple[IterationFacts, ...] = ()
    configs: tuple[EngineConfig, ...] = ()
    gpus: tuple[ToldGpus, ...] = ()
    counts: Mapping[str, float] = field(default_factory=dict)
    """Running totals of the source itself by outcome, such as accepted, malformed, too_large, dropped."""
