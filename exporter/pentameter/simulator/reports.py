"""What the engine tells its front end at the end of each step: the one origin of the page and of the records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pentameter.simulator.traffic import Request


class Finished(NamedTuple):
    """A request that was served to its end; times are simulated seconds.

    There is no front end between client and engine, so that queue + prefill + decode = e2e.
    """

    number: int
    arrival: float
    scheduled: float
    """For the first time."""
    first_token: float
    time: float
    """Of the last token."""
    prompt_tokens: int
    output_tokens: int
    max_tokens: int
    cached_tokens: int
    """Of the prompt, at the first scheduling."""
    preemptions: int
    reason: str

    @property
    def request_id(self) -> str:
        """Return the client's id."""
        return f"chatcmpl-{self.number:08x}"

    @property
    def queue(self) -> float:
        """Return the time from arrival to the first scheduling."""
        return self.scheduled - self.arrival

    @property
    def prefill(self) -> float:
        """Return the time from the first scheduling to the first token; a preemption on the way is in it."""
        return self.first_token - self.scheduled

    @property
    def ttft(self) -> float:
        """Return the time from arrival to the first token."""
        return self.first_token - self.arrival

    @property
    def decode(self) -> float:
        """Return the time from the first to the last token."""
        return self.time - self.first_token

    @property
    def inference(self) -> float:
        """Return the time from the first scheduling to the last token."""
        return self.time - self.scheduled

    @property
    def e2e(self) -> float:
        """Return the time from arrival to the last token."""
        return self.time - self.arrival

    @property
    def tpot(self) -> float:
        """Return the mean time per token after the first; like vLLM, 0 where there is none."""
        return self.decode / (self.output_tokens - 1) if self.output_tokens > 1 else 0.0


class Abandoned(NamedTuple):
    """A request that its client gave up; vLLM tells nobody of it."""

    number: int
    arrival: float
    time: float
    """At which the client left."""
    ttft: float | None
    """None where the first token had not come."""
    prompt_tokens: int
    output_tokens: int
    """What the client had received."""


class FirstToken(NamedTuple):
    """A prefill that ended with a request's first token."""

    arrival: float
    prompt_tokens: int
    cached_tokens: int


@dataclass(slots=True)
class Step:
    """One step of an engine, as its front end learns of it."""

    start: float
    end: float
    decoded: int = 0
    """Requests that got another token; the gap before it was the whole step."""
    first_tokens: list[FirstToken] = field(default_factory=list)
    resumed_gaps: list[float] = field(default_factory=list)
    """Times without a token of the requests that came back from a preemption and got another one."""
    preemptions: int = 0
    """Of the requests with a token in this step, since their last one: before it, vLLM does not learn of them."""
    prefix_queries: int = 0
    prefix_hits: int = 0
    flops: float = 0.0
    read_bytes: float = 0.0
    written_bytes: float = 0.0
    finished: list[Finished] = field(default_factory=list)
    abandoned: list[Abandoned] = field(default_factory=list)
    running: int = 0
    waiting: int = 0
    kv_usage: float = 0.0

    @property
    def generated(self) -> int:
        """Return the tokens generated, one per request with an output."""
        return self.decoded + len(self.first_tokens) + len(self.resumed_gaps)

    def finish(self, request: Request) -> None:
        """Note that the request got its last token with this step."""
        assert request.scheduled_at is not None
        self.finished.append(
            Finished(
                number=request.number,
                arrival=request.arrival,
                scheduled=request.scheduled_at,
                first_token=request.first_token_at,
                time=self.end,
                prompt_tokens=request.prompt_tokens,
                output_tokens=request.output_tokens,
                max_tokens=request.max_tokens,
                cached_tokens=request.cached_tokens,
                preemptions=request.preemptions,
                reason=request.finished_reason,
            )
        )

    def abandon(self, request: Request, time: float) -> None:
        """Note that the request's client left, during this step or with its last output."""
        ttft = request.first_token_at - request.arrival if request.generated else None
        self.abandoned.append(
            Abandoned(request.number, request.arrival, time, ttft, request.prompt_tokens, request.generated)
        )
