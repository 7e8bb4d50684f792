"""How long an engine computed prompts and how long it decoded, from what its front end learnt of every step.

The time of a step is the time between its outputs and those of the step before. Where a request decoded in both, that
is the gap between its two outputs, on the engine's own clock; else the time between the two on the front end's, which
knows when it was told. A step that follows rest began with its oldest request: it took that request's time to first
token, less what requests usually spend on their way in (time to first token - queue - prefill of finished ones).

A step of decodes alone is decode's, one of prefills alone prefill's. Of a step with both, decode's part is what a step
of as many decodes costs alone, as a line over the number of decodes through the last of those; the rest is prefill's. A
prompt that is longer than what a step has room for has been computed in the steps before too, which show no sign of it:
its tokens are put back into these as the scheduler must have laid them out, all the room that the decodes leave. So a
step is booked only when later ones have passed, or when the engine rests.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pentameter.records import FinishedRequest, StepRow

PHASES = ("prefill", "decode", "unsplit")
STEP_SECONDS, STEP_TOKENS = "step_seconds", "step_tokens"
"""Names of the accounts: seconds by phase, and the tokens that were generated in the steps they are of."""

LOOK_BACK = 64
"""Steps that a prompt may span: 128 k tokens at 2048 a step."""

MEMORY = 256
"""Decode steps that the line remembers, as the mean age of an exponential forgetting: seconds, in which contexts grow
little."""

LEAST = 8
"""Decode steps before the line says anything."""

STALE = 2048
"""Steps with both, without one of decodes alone among them, after which the line says nothing any more: a minute, in
which the load may have become another."""

MOST_WAITING = 1024
"""Steps with both that wait for the line: half a minute."""

MOST_SECONDS = 60.0
"""A longer step is none: the server was halted, or a clock was set."""


@dataclass(slots=True)
class _Step:
    """Steps up to one with outputs; several where the others made none."""

    seconds: float
    decoded: int
    prompt_tokens: float
    room: float
    """Prompt tokens that fit in."""
    begins: bool
    """It follows rest: no prompt reaches back beyond it."""


class DecodeLine:
    """What a step of n decodes costs: a + b n through the last such steps, by least squares, with a and b >= 0.

    Sums fade by 1 - 1 / ``MEMORY`` with every step, so that the line follows growing contexts.
    """

    def __init__(self) -> None:
        self._seen = 0
        self._weight = self._n = self._t = self._nn = self._nt = 0.0

    def add(self, decoded: float, seconds: float) -> None:
        """Take in a step of decodes alone."""
        keep = 1.0 - 1.0 / MEMORY
        self._seen += 1
        self._weight = keep * self._weight + 1.0
        self._n = keep * self._n + decoded
        self._t = keep * self._t + seconds
        self._nn = keep * self._nn + decoded * decoded
        self._nt = keep * self._nt + decoded * seconds

    def seconds(self, decoded: float) -> float | None:
        """Return what a step of so many decodes costs; None while too few have been seen."""
        if self._seen < LEAST:
            return None
        n, t = self._n / self._weight, self._t / self._weight
        spread = self._nn / self._weight - n * n
        slope = (self._nt / self._weight - n * t) / spread if spread > 1e-9 * n * n else 0.0
        slope = min(max(slope, 0.0), t / n)
        return t + slope * (decoded - n)


class StepTime:
    """Follows the steps of one engine.

    ``totals`` are seconds so far: ``prefill``, ``decode``, and ``unsplit``: steps with both before the line is known.
    """

    def __init__(self) -> None:
        self.totals = dict.fromkeys(PHASES, 0.0)
        self._line = DecodeLine()
        self._pending: deque[_Step] = deque()
        self._mixed: deque[_Step] = deque()
        self._since_decode = 0
        self._way_in: float | None = None
        self._rested = True
        self._silent = math.inf
        """Seconds since the last step with an output, or since the engine rested; unknown at first."""
        self._steps = 0
        """Steps since then."""

    def take_request(self, request: FinishedRequest) -> None:
        """Learn from a finished request how long requests are on their way in."""
        if request.ttft is None or request.queue is None or request.prefill is None or request.preemptions:
            return
        way = max(0.0, request.ttft - request.queue - request.prefill)
        self._way_in = way if self._way_in is None else self._way_in + (way - self._way_in) / 8

    def take(self, rows: Iterable[StepRow], budget: float | None = None, *, lanes: int = 1) -> None:
        """Take in steps, in order.

        Args:
            rows: what the front end learnt.
            budget: the most tokens of a step; None where nobody says: a prompt then counts to its last step alone.
            lanes: batches under way at one time (pipeline stages): with several, the gap of a request spans as many
                steps.
        """
        for row in rows:
            if not row.since:  # the first of a process, or a clock that went back
                self._book_all(keep=0)
                self._silent, self._steps, self._rested = math.inf, 0, True
            self._silent += row.since
            self._steps += 1
            if row.decoded or row.first:
                self._enter(row, budget or math.inf, lanes)
                self._silent, self._steps, self._rested = 0.0, 0, False
            if not row.left:
                self._silent, self._steps, self._rested = 0.0, 0, True
            self._book_all(keep=0 if self._rested else LOOK_BACK)

    def _enter(self, row: StepRow, budget: float, lanes: int) -> None:
        """Note a step with outputs, and those without before it."""
        seconds = self._silent
        if row.decoded and row.gap and lanes == 1 and (self._steps == 1 or self._rested):
            seconds = row.gap
        elif self._rested:
            seconds = min(seconds, max(0.0, row.ttft - (self._way_in or 0.0)))
        step = _Step(seconds, row.decoded, row.computed, self._steps * budget - row.decoded, self._rested)
        self._pending.append(step)
        excess = step.prompt_tokens - step.room
        for one, before in pairwise(reversed(self._pending)):
            if excess <= 0 or one.begins:
                break
            laid = max(0, min(excess, before.room - before.prompt_tokens))
            before.prompt_tokens += laid
            excess -= laid

    def _book_all(self, *, keep: int) -> None:
        while len(self._pending) > keep:
            self._book(self._pending.popleft())

    def _book(self, step: _Step) -> None:
        totals = self.totals
        if step.seconds > MOST_SECONDS:
            return
        if not step.decoded:
            totals["prefill"] += step.seconds
        elif not step.prompt_tokens:
            totals["decode"] += step.seconds
            self._line.add(step.decoded, step.seconds)
            self._since_decode = 0
        else:
            self._mixed.append(step)
            self._since_decode += 1
        self._split()

    def _split(self) -> None:
        """Divide the steps with both; they wait for the line, but not for ever."""
        totals, mixed = self.totals, self._mixed
        while mixed and self._since_decode < STALE and (alone := self._line.seconds(mixed[0].decoded)) is not None:
            step = mixed.popleft()
            decode = min(alone, step.seconds)
            totals["decode"] += decode
            totals["prefill"] += step.seconds - decode
        while len(mixed) > MOST_WAITING:
            totals["unsplit"] += mixed.popleft().seconds
