"""The account of one engine's finished requests: totals, histograms, rolling quantiles, verdicts."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from pentameter.adapters import ADAPTER_OUTPUTS, MOST_ADAPTERS, OTHER_ADAPTERS
from pentameter.record_histograms import SCORE_BOUNDS, CumulativeHistogram, latency_bounds
from pentameter.rolling_sketch import RollingSketch
from pentameter.slo import OBJECTIVES, SCORE_CAP, Verdict, judge
from pentameter.step_time import STEP_SECONDS, STEP_TOKENS, StepTime
from pentameter.windows import Continuity, Track

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pentameter.readings import Histogram
    from pentameter.records import FinishedRequest, IterationFacts
    from pentameter.slo import Judgement, Slo
    from pentameter.windows import Window

QUANTILES = (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99))
LATENCIES = ("ttft", "tpot", "e2e", "queue", "prefill", "decode")
EXPORTED = ("ttft", "tpot", "e2e")
"""Latencies with an aggregatable histogram."""


class RequestBook:
    """Follows the requests of one engine (or of a whole server, where records do not say which engine)."""

    def __init__(self, windows: Sequence[Window], slos: Sequence[Slo], since: float) -> None:
        self.slos = tuple(slos)
        self.track = Track(windows)
        self._windows = tuple(windows)
        self._sketches = {name: RollingSketch(windows) for name in (*LATENCIES, "inter_token")}
        self._histograms = {
            name: CumulativeHistogram(
                latency_bounds(name, [slo.thresholds[name] for slo in slos if name in slo.thresholds])
            )
            for name in EXPORTED
        }
        self._scores = {slo.name: CumulativeHistogram(SCORE_BOUNDS) for slo in slos}
        self._counters: defaultdict[str, float] = defaultdict(float)
        for slo in slos:
            for key in ("good", "bad", "good_tokens", *(f"missed/{o}" for o in slo.thresholds)):
                self._counters[f"slo/{slo.name}/{key}"] = 0.0
        self._counters["finished"] = 0.0
        self._ended_before: float | None = None
        self._steps = StepTime()
        self._adapters: set[str] = set()
        self.track.observe(since, self._counters, {}, Continuity.SAME)

    def add(self, request: FinishedRequest, now: float) -> list[tuple[Slo, Judgement]]:
        """Enter a finished request; return the verdicts on it."""
        self._counters["finished"] += 1
        self._steps.take_request(request)
        for name in LATENCIES:
            seconds = getattr(request, name)
            if seconds is not None:
                self._sketches[name].add(now, seconds)
        for name, histogram in self._histograms.items():
            seconds = getattr(request, name)
            if seconds is not None:
                histogram.observe(seconds)
        judgements = [(slo, judge(slo, request)) for slo in self.slos]
        for slo, judgement in judgements:
            self._count(slo, judgement, request.output_tokens)
        return judgements

    def add_unseen(self, count: float, *, aborted: bool) -> None:
        """Enter requests that left no record: aborted by their clients, or rejected before any work."""
        for slo in self.slos:
            policy = slo.policy.aborted if aborted else slo.policy.rejected
            if policy == "bad":
                self._counters[f"slo/{slo.name}/bad"] += count
                self._scores[slo.name].observe(SCORE_CAP, int(count))
            else:
                self._counters[f"slo/{slo.name}/unjudged/{'aborted' if aborted else 'rejected'}"] += count

    def add_gaps(self, facts: IterationFacts, now: float) -> None:
        """Enter the times between outputs that the plugin saw."""
        if facts.gaps:
            self._sketches["inter_token"].add_counts(now, facts.gaps, facts.gap_sum)

    def add_steps(self, facts: IterationFacts, budget: float | None, lanes: int) -> None:
        """Enter the time that steps took by phase, and the tokens of those whose steps are told.

        Without the most tokens of a step nothing is entered: long prompts would be taken for decodes.
        """
        if facts.steps is None or budget is None:
            return
        self._steps.take(facts.steps, budget, lanes=lanes)
        self._counters[STEP_TOKENS] += facts.sums.get("generation_tokens", 0.0)
        for phase, seconds in self._steps.totals.items():
            self._counters[f"{STEP_SECONDS}/{phase}"] = seconds

    def add_adapters(self, facts: IterationFacts) -> None:
        """Enter the outputs by LoRA adapter; of too many names, those that come last under one."""
        if facts.adapters is None:
            return
        for name, number in {"": 0, **facts.adapters}.items():
            known = name in self._adapters or len(self._adapters) < MOST_ADAPTERS
            account = name if known else OTHER_ADAPTERS
            self._adapters.add(account)
            self._counters[f"{ADAPTER_OUTPUTS}/{account}"] += number

    def note_ended(self, total: float) -> None:
        """Note how many requests vLLM itself has counted as finished: what the records are held against.

        In one track with the records, so that both are of the same seconds.
        """
        if self._ended_before is None:
            self._ended_before = total
        self._counters["ended"] = total - self._ended_before

    def observe(self, now: float) -> None:
        """Let the windows take note of this moment."""
        self.track.observe(now, self._counters, {}, Continuity.SAME)

    def latencies(self, now: float) -> Iterator[tuple[str, str, str, float]]:
        """Yield (latency, window, stat, seconds) of what enough requests have shown."""
        for name, sketch in self._sketches.items():
            for window in self._windows:
                average = sketch.mean(window.label, now)
                if average is None:
                    continue
                yield name, window.label, "mean", average
                values = sketch.quantiles(window.label, [q for _, q in QUANTILES], now)
                for (stat, _), value in zip(QUANTILES, values, strict=True):
                    if value is not None:
                        yield name, window.label, stat, value

    def histograms(self) -> Mapping[str, Histogram]:
        """Return the histograms since the start, by latency."""
        return {name: histogram.reading() for name, histogram in self._histograms.items()}

    def scores(self) -> Mapping[str, Histogram]:
        """Return the histograms of the SLO score since the start, by SLO."""
        return {name: histogram.reading() for name, histogram in self._scores.items()}

    def unjudged(self) -> Mapping[str, frozenset[str]]:
        """Return, by SLO, the reasons for which it has left a request unjudged."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for key in self._counters:
            parts = key.split("/")
            if parts[-2:-1] in (["unjudged"], ["unknown"]):
                found["/".join(parts[1:-2])].add(parts[-1])
        return {name: frozenset(reasons) for name, reasons in found.items()}

    def _count(self, slo: Slo, judgement: Judgement, output_tokens: int) -> None:
        counters, prefix = self._counters, f"slo/{slo.name}/"
        if judgement.verdict in (Verdict.GOOD, Verdict.BAD):
            counters[prefix + judgement.verdict.value] += 1
            assert judgement.score is not None
            self._scores[slo.name].observe(judgement.score)
            if judgement.verdict is Verdict.GOOD:
                counters[prefix + "good_tokens"] += output_tokens
            for objective, margin in judgement.margins.items():
                if margin > 1:
                    counters[f"{prefix}missed/{objective}"] += 1
        else:
            kind = "unjudged" if judgement.verdict is Verdict.EXCLUDED else "unknown"
            counters[f"{prefix}{kind}/{judgement.reason}"] += 1


assert set(EXPORTED) <= set(OBJECTIVES)
