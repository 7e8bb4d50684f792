"""The inbox of the OTLP receivers: what came by HTTP and gRPC waits here, bounded, until the daemon reads it.

When it is full the newest spans are turned away, and their sender is told how many (a partial success, which OTLP
forbids to send again). Asking for the whole body again, as a retryable status would, would bring the spans of others
and everything already forwarded a second time.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pentameter.records import RecordsReading
from pentameter.sources import SourceAbsent
from pentameter.sources.otlp_spans import decode
from pentameter.sources.otlp_wire import WireError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pentameter.records import FinishedRequest
    from pentameter.sources.otlp_forward import OtlpForwarder

CAPACITY = 16_384
"""Records that wait at most: three seconds at 5,000 per second, and about 10 MB."""
PER_READ = 4096
"""Records handed over at most at a time, so that what was held up does not hold up the event loop."""

SPAN_OUTCOMES = {
    "accepted": "llm_request spans that became records",
    "malformed": "llm_request spans that lack or garble what a record needs",
    "dropped": "llm_request spans turned away because the inbox was full",
    "ignored": "spans of another name",
}
BODY_OUTCOMES = {
    "taken": "bodies decoded",
    "malformed_body": "bodies that are not OTLP, or not gzip where they say so",
    "too_large": "bodies larger than allowed, packed or unpacked",
    "unsupported_media_type": "bodies that are not application/x-protobuf, or neither plain nor gzip",
    "refused_address": "bodies from another machine where only this one is let in",
    "slow": "bodies that did not arrive in time",
    "incomplete": "bodies whose sender went away before their end, or, over gRPC, that had far more than allowed",
    "overloaded": "bodies turned away because too many were under way",
    "loop": "bodies that this process itself had forwarded",
    "forwarded": "bodies that the upstream collector took",
    "forward_refused": "bodies that the upstream collector refused",
    "forward_dropped": "bodies given up because the upstream collector is slow or dead",
}
"""Every outcome that is counted, and of what: a body is either taken or one of the seven after it, and is forwarded
or not besides."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a body."""

    outcome: Literal["taken", "malformed_body"]
    rejected: int = 0
    """llm_request spans in it that were not accepted."""
    message: str = ""
    """Why, for the sender."""


class OtlpInbox:
    """Takes bodies from any thread and is read as a source; building it does no I/O."""

    name = "otlp"
    server = ""

    def __init__(
        self,
        forward: OtlpForwarder | None = None,
        *,
        capacity: int = CAPACITY,
        per_read: int = PER_READ,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._forward = forward
        self._capacity = capacity
        self._per_read = per_read
        self._monotonic = monotonic
        self._wall = wall
        self._lock = threading.Lock()
        self._waiting: deque[FinishedRequest] = deque()
        self._counts: Counter[str] = Counter()

    def offer(self, body: bytes) -> Receipt:
        """Take one unpacked body; safe from any thread, and never raises for what is in it.

        It is forwarded whatever is made of it here: the collector upstream may know more of OTLP than this decoder.
        """
        if self._forward is not None:
            self._forward.put(body)
        try:
            decoded = decode(body)
        except WireError as error:
            self.count("malformed_body")
            return Receipt("malformed_body", 0, str(error))
        with self._lock:
            room = max(0, self._capacity - len(self._waiting))
            accepted = decoded.requests[:room]
            self._waiting.extend(accepted)
            dropped = len(decoded.requests) - len(accepted)
            spans = {"accepted": len(accepted), "dropped": dropped}
            self._counts.update(taken=1, malformed=decoded.malformed, ignored=decoded.ignored, **spans)
        why = decoded.complaint or ("the receiver is full" if dropped else "")
        return Receipt("taken", decoded.malformed + dropped, why)

    def count(self, outcome: str) -> None:
        """Count a body that a receiver turned away; safe from any thread."""
        assert outcome in BODY_OUTCOMES, outcome
        with self._lock:
            self._counts[outcome] += 1

    def is_own(self, mark: str) -> bool:
        """Say whether a body that bears this mark was sent by our own forwarder."""
        return self._forward is not None and mark == self._forward.mark

    def read(self) -> RecordsReading:
        """Hand over what came since; raises ``SourceAbsent`` (``no_sender``) while nothing ever has."""
        forwarded = self._forward.counts() if self._forward is not None else {}
        with self._lock:
            if not self._counts:
                raise SourceAbsent("no_sender", "nobody has sent OTLP spans yet")
            waiting = self._waiting
            requests = tuple(waiting.popleft() for _ in range(min(self._per_read, len(waiting))))
            counts = {outcome: float(self._counts[outcome]) for outcome in (*SPAN_OUTCOMES, *BODY_OUTCOMES)}
        return RecordsReading(
            monotonic=self._monotonic(),
            wall=self._wall(),
            requests=requests,
            counts={**counts, **{outcome: float(value) for outcome, value in forwarded.items()}},
        )

    def close(self) -> None:
        """Let the forwarder send what it still can, and end it."""
        if self._forward is not None:
            self._forward.close()
