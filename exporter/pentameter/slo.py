"""Service level objectives: what is asked of a request, and the verdict on one.

An SLO is a conjunction: a request is good when it keeps every threshold (Zhong et al. 2024, DistServe, section 2;
``vllm bench serve --goodput`` judges alike). Comparisons are inclusive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pentameter.records import FinishedRequest

OBJECTIVES = ("ttft", "tpot", "inter_token", "e2e")

_OF_LATER_TOKENS = frozenset({"tpot", "inter_token"})
"""What a request of one token has not."""

SCORE_CAP = 16.0
"""Score of a request that is bad whatever its latency, and the most that any request scores: a sum of scores stays
finite."""


class Verdict(Enum):
    """What becomes of a request in the account of one SLO."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"
    """Its record does not hold what would decide."""
    EXCLUDED = "excluded"
    """Left out of numerator and denominator by the policy."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Which requests count, and how: the denominator."""

    aborted: Literal["late", "bad", "exclude"] = "late"
    """By the client. ``late``: bad when a threshold was already missed, else left out."""
    failed: Literal["bad", "exclude"] = "bad"
    rejected: Literal["bad", "exclude"] = "bad"
    """Turned away by admission control before any work."""
    one_token: Literal["judge", "bad", "exclude"] = "judge"
    """Neither time per output token nor gap. ``judge``: on the other thresholds, as vLLM's benchmark does."""
    preempted: Literal["judge", "exclude"] = "judge"


@dataclass(frozen=True, slots=True)
class Slo:
    """One named objective."""

    name: str
    thresholds: Mapping[str, float]
    """Objective -> most seconds allowed."""
    target: float = 0.9
    """Share of requests that shall be good."""
    model: str = "*"
    """Shell pattern of the model names that it is for."""
    policy: Policy = field(default_factory=Policy)

    def is_for(self, model_name: str) -> bool:
        """Say whether the SLO is for a model."""
        return fnmatchcase(model_name, self.model)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one request."""

    verdict: Verdict
    score: float | None = None
    """max(value / threshold): at most 1 for a good request; None where it is not judged."""
    reason: str = ""
    """Why it is not judged: aborted, failed, one_token, preempted, inter_token."""
    margins: Mapping[str, float] = field(default_factory=dict)
    """Objective -> value / threshold, of those that are measured."""


def judge(slo: Slo, request: FinishedRequest) -> Judgement:
    """Return the verdict of an SLO on a finished request.

    ``score`` = max over the thresholds of measured seconds / allowed seconds, at most ``SCORE_CAP``; good means score
    <= 1. Records hold no single gaps between tokens. The longest gap of a request lies between its mean gap (the
    TPOT) and its whole decode time: a request whose TPOT is above an inter-token threshold is bad, one whose decode
    time is not above it keeps it, and between the two the verdict is unknown unless another threshold is missed.
    """
    policy = slo.policy
    margins = dict(_margins(slo, request))
    score = min(SCORE_CAP, max(margins.values(), default=0.0))
    missed = score > 1
    if request.finish_reason == "abort":
        if policy.aborted == "bad" or (policy.aborted == "late" and missed):
            return _bad(margins)
        return _excluded("aborted", margins)
    if request.finish_reason == "error":
        return _failed(policy, margins)
    if request.preemptions and policy.preempted == "exclude":
        return _excluded("preempted", margins)
    if request.output_tokens == 1 and not _OF_LATER_TOKENS.isdisjoint(slo.thresholds):
        if policy.one_token == "bad":
            return _bad(margins)
        if policy.one_token == "exclude":
            return _excluded("one_token", margins)
    if missed:
        return Judgement(Verdict.BAD, score, "", margins)
    lacking = slo.thresholds.keys() - margins.keys()
    if request.output_tokens == 0 and lacking:
        # Asked for a first token, it brought none. (An embedding, which has none either, is judged by e2e alone.)
        return _failed(policy, margins)
    if request.output_tokens == 1:
        lacking -= _OF_LATER_TOKENS
    if lacking:
        return Judgement(Verdict.UNKNOWN, None, min(lacking), margins)
    return Judgement(Verdict.GOOD, score, "", margins)


def _failed(policy: Policy, margins: Mapping[str, float]) -> Judgement:
    return _bad(margins) if policy.failed == "bad" else _excluded("failed", margins)


def _bad(margins: Mapping[str, float]) -> Judgement:
    return Judgement(Verdict.BAD, SCORE_CAP, "", margins)


def _excluded(reason: str, margins: Mapping[str, float]) -> Judgement:
    return Judgement(Verdict.EXCLUDED, None, reason, margins)


def _margins(slo: Slo, request: FinishedRequest) -> Iterator[tuple[str, float]]:
    for objective, threshold in slo.thresholds.items():
        seconds = _inter_token(request, threshold) if objective == "inter_token" else getattr(request, objective)
        if objective == "ttft" and seconds is None and request.finish_reason == "abort":
            # Its first token, had the client waited for it, would have been at least so late.
            seconds = request.e2e
        if seconds is not None:
            yield objective, seconds / threshold


def _inter_token(request: FinishedRequest, threshold: float) -> float | None:
    """Return what decides about the longest gap: its least possible value if too long, its greatest if not."""
    if request.tpot is None or request.decode is None:
        return None
    if request.tpot > threshold:
        return request.tpot
    return request.decode if request.decode <= threshold else None
