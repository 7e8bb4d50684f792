"""How much of a server's energy prefill, decode and idleness took: a regression over windows of some ten seconds.

    joules = idle watts x seconds + s x steps + p x prompt tokens + d x decode tokens + c x (cache in use x steps)

fitted by non-negative least squares over the last hour. A step costs what it costs whatever is in it, chiefly the
reading of the weights: without the term for steps a token of a small batch looks like one of a great batch, and the
fit is beautiful and wrong. Without the term for the cache, what decode spends on reading long contexts is booked to the
prompts that made them. Steps are shared between the phases as ``model.moved`` shares their weights; cache reads are
decode's. Idle is what flows without any work, all the time, not only while nothing runs.

How sure it is comes from the jackknife over ten stretches of the hour, each of them left out once: unlike the standard
errors of textbooks that holds although errors of neighbouring windows are alike, and it sees a law that changes in
time. Where the fit is not good it says nothing, and why.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING

from pentameter.energy_sums import Sums, merged
from pentameter.nnls import condition, nnls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pentameter.energy_sums import Span

PARTS = ("idle", "prefill", "decode")
UNATTRIBUTED = "unattributed"
"""Measured joules that no fit could split."""
MEMORY_SECONDS = 3600.0
BLOCK_SECONDS = 60.0
"""Windows are added up in blocks, so that an hour is sixty sums whatever the window."""
GROUPS = 10
STUDENT_95 = 2.262
"""Student's 97.5 % quantile of ``GROUPS`` - 1 = 9 degrees of freedom (Fisher and Yates, table III)."""

LEAST_SECONDS = 1200.0
"""With less, so few requests of each size have come that the jackknife is too sure: claims after ten minutes were up to
14 % off in simulations."""
MOST_CONDITION = 60.0
"""Simulated servers that never rest stand above 160, and their fits, though with an R^2 of 0.98, put idle power where
steps belong; others stand below 80, and from 60 on noise of the readings' moments biases them by a tenth."""
LEAST_R2 = 0.98
LEAST_IDLE = 0.01
"""Boards idle at a tenth of their limit: a fit that gives all energy to the work is none."""
MOST_ERROR = {"idle": 0.05, "prefill": 0.04, "decode": 0.04}
"""A part is known when the half-width of its 95 % interval is at most this share of it: less than half of the
10 % that are promised, for what the law leaves out and the readings blur is some 5 % of prefill in simulations. There
one claim in a thousand is off by more than 10 %, after the traffic has changed its kind, and none by 12 %."""
MOST_ERROR_OF_ALL = 0.005
"""A part with a half-width of at most this share of all energy is too small to be known, and harms no other."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What the last hour says."""

    r2: float
    """Share of the variance of the windows' energy that the fit explains; 1 where it meets them, alike or not."""
    condition: float
    """Scaled condition number of the regression."""
    windows: int
    coefficients: tuple[float, ...] = ()
    """Idle watts, joules per step, per prompt token, per decode token, per step with a full cache; empty where the fit
    is rejected."""
    idle_watts: float | None = None
    """None where it is not known well enough."""
    joules_per_token: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Phase -> (joules per token, standard error), of the hour's mean token; a phase that is not known is missing."""


@dataclass(frozen=True, slots=True)
class EnergySplit:
    """What is known of a server's energy by phase."""

    fit: Fit | None = None
    """None while there are too few windows for one, or they are all alike."""
    silent: str = "few_windows"
    """Why windows are not split: ``few_windows``, ``ill_conditioned``, ``poor_fit``, ``uncertain``; empty where they
    are. Where it is ``uncertain``, a part that is certain by itself may be told nevertheless."""
    grown: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """Joules since the last snapshot: of each part, and those ``unattributed``."""


class PhaseSplit:
    """Learns from each window, and splits it."""

    def __init__(self) -> None:
        self._blocks: deque[Sums] = deque()
        self.fit: Fit | None = None
        self.silent = "few_windows"

    def take(self, span: Span) -> dict[str, float]:
        """Take in a window; return its joules by part, or as unattributed. They add up to the measured ones.

        What the fit puts to the parts is scaled to what was measured. Windows come in order of time and need not
        touch. One of no length or of no energy is not one to learn from.
        """
        if span.seconds <= 0 or span.joules <= 0:
            return {UNATTRIBUTED: span.joules}
        self._remember(span)
        self._refit()
        if self.fit is None or self.silent:
            return {UNATTRIBUTED: span.joules}
        fitted = span.parts(self.fit.coefficients)
        scale = span.joules / sum(fitted)
        return {part: scale * joules for part, joules in zip(PARTS, fitted, strict=True)}

    def _remember(self, span: Span) -> None:
        blocks = self._blocks
        if not blocks or span.end - blocks[-1].begin > BLOCK_SECONDS:
            blocks.append(Sums())
        blocks[-1].add(span)
        while blocks[0].end <= span.end - MEMORY_SECONDS:
            blocks.popleft()

    def _refit(self) -> None:
        whole = merged(self._blocks)
        self.fit = None
        self.silent = "few_windows"
        if whole.total.seconds < LEAST_SECONDS or len(self._blocks) < GROUPS:
            return
        coefficients = nnls(whole.products, whole.moments)
        self.silent = "ill_conditioned"
        if coefficients is None:
            return
        number = condition(whole.products)
        self.fit = Fit(whole.r2(coefficients), number, whole.windows)
        if number > MOST_CONDITION:
            return
        self.silent = "poor_fit"
        works = whole.total.prefill_steps + whole.total.decode_steps > 0
        if works and self.fit.r2 < LEAST_R2:  # the noise of an idle board is not for a fit to explain
            return
        if coefficients[0] * whole.total.seconds < LEAST_IDLE * whole.total.joules:
            return
        errors = self._errors(whole)
        self.silent = "uncertain"
        if errors is None:
            return
        self._judge(whole, coefficients, errors)

    def _errors(self, whole: Sums) -> list[float] | None:
        """Return the jackknife's standard errors of the hour's three parts in joules (Tukey 1958), or None."""
        blocks = list(self._blocks)
        edges = [group * len(blocks) // GROUPS for group in range(GROUPS + 1)]
        groups = [merged(blocks[low:high]) for low, high in pairwise(edges)]
        found = []
        for group in range(GROUPS):
            rest = merged(groups[:group] + groups[group + 1 :])
            coefficients = nnls(rest.products, rest.moments)
            if coefficients is None:
                return None
            found.append(whole.total.parts(coefficients))
        columns = list(zip(*found, strict=True))
        means = [sum(column) / GROUPS for column in columns]
        return [
            math.sqrt((GROUPS - 1) / GROUPS * sum((x - mean) ** 2 for x in column))
            for column, mean in zip(columns, means, strict=True)
        ]

    def _judge(self, whole: Sums, coefficients: tuple[float, ...], errors: Sequence[float]) -> None:
        """Tell what is known well enough, and split windows where nothing is left that is not."""
        assert self.fit is not None
        parts = whole.total.parts(coefficients)
        scale = whole.total.joules / sum(parts)
        tokens = {"prefill": whole.total.prefill_tokens, "decode": whole.total.decode_tokens}
        reaches = dict(zip(PARTS, (STUDENT_95 * error for error in errors), strict=True))
        known = {
            part: (joules, error)
            for part, joules, error in zip(PARTS, parts, errors, strict=True)
            if reaches[part] <= MOST_ERROR[part] * joules and joules > 0
        }
        self.fit = Fit(
            self.fit.r2,
            self.fit.condition,
            whole.windows,
            coefficients,
            coefficients[0] if "idle" in known else None,
            {
                phase: (scale * known[phase][0] / number, scale * known[phase][1] / number)
                for phase, number in tokens.items()
                if phase in known and number > 0
            },
        )
        if all(part in known or reaches[part] <= MOST_ERROR_OF_ALL * sum(parts) for part in PARTS):
            self.silent = ""
