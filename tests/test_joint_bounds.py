"""Bounds of attainment from histograms: the textbook cases, and random servers whose exact share must lie within."""

import math
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pentameter.joint_bounds import attainment_bounds
from pentameter.readings import Histogram
from pentameter.slo import Policy, Slo
from pentameter.windows import Interval

INF = math.inf
IDLE = {"running": 0.0, "waiting": 0.0}


def slo(policy=None, **thresholds):
    return Slo("one", thresholds, policy=policy or Policy())


def split(kept, missed, at=1.0):
    """Return a histogram with a bound at the threshold; its sum says nothing more."""
    return Histogram((at, INF), (kept, kept + missed), 1e9)


def interval(finished, *, errors=0.0, aborts=0.0, before=IDLE, seconds=60.0, preemptions=0.0, **histograms):
    deltas = {
        "request_success/stop": finished,
        "request_success/error": errors,
        "request_success/abort": aborts,
        "preemptions": preemptions,
    }
    return Interval(seconds, deltas, histograms, before, IDLE)


def bounds(*args, **kwargs):
    found = attainment_bounds(*args, **kwargs)
    return found and pytest.approx(found, abs=1e-12)


@pytest.mark.parametrize(("kept", "lower", "upper"), [(95, 0.90, 0.95), (90, 0.80, 0.90)])
def test_two_objectives_may_be_missed_by_the_same_requests_or_by_different_ones(kept, lower, upper):
    seen = interval(100, ttft=split(kept, 100 - kept), tpot=split(kept, 100 - kept))
    assert bounds(slo(ttft=1, tpot=1), seen) == (lower, upper)


def test_three_objectives_add_up_at_worst_and_the_worst_one_decides_at_best():
    seen = interval(100, ttft=split(97, 3), tpot=split(90, 10), e2e=split(95, 5))
    assert bounds(slo(ttft=1, tpot=1, e2e=1), seen) == (0.82, 0.90)


def test_the_bounds_stay_between_0_and_1():
    seen = interval(10, ttft=split(3, 7), tpot=split(4, 6))
    assert bounds(slo(ttft=1, tpot=1), seen) == (0.0, 0.3)


def test_where_nothing_is_missed_the_bounds_meet():
    seen = interval(10, ttft=split(10, 0), tpot=split(10, 0))
    assert attainment_bounds(slo(ttft=1, tpot=1), seen) == (1.0, 1.0)


def test_a_threshold_between_two_bounds_counts_its_bucket_for_and_against():
    e2e = Histogram((1.0, 2.0, INF), (60.0, 90.0, 100.0), 1e9)
    assert bounds(slo(e2e=1.5), interval(100, e2e=e2e)) == (0.6, 0.9)


def test_requests_that_were_running_at_the_beginning_may_have_been_late_or_in_time():
    # 40 finished, 10 of them may have had their first token earlier. Of 50 first tokens seen, 45 were in time.
    seen = interval(40, before={"running": 10.0, "waiting": 3.0}, ttft=split(45, 5))
    assert bounds(slo(ttft=1), seen) == (1 - 15 / 40, 1.0)
    # With 22 of 50 in time, at least 40 - 22 - 10 of those that finished were late.
    seen = interval(40, before={"running": 10.0, "waiting": 3.0}, ttft=split(22, 28))
    assert bounds(slo(ttft=1), seen) == (1 - 38 / 40, 1 - 8 / 40)


def test_a_preempted_request_waits_with_its_first_token_behind_it():
    before = {"running": 10.0, "waiting": 3.0}
    seen = interval(40, before=before, preemptions=2.0, ttft=split(45, 5))
    assert bounds(slo(ttft=1), seen) == (1 - 17 / 40, 1.0)
    seen = interval(40, before=before, preemptions=200.0, ttft=split(45, 5))
    assert bounds(slo(ttft=1), seen) == (1 - 18 / 40, 1.0)


def test_what_finishes_is_counted_whole_in_the_interval_and_needs_no_gauges():
    assert bounds(slo(e2e=1), interval(40, before={}, e2e=split(30, 10))) == (0.75, 0.75)
    assert attainment_bounds(slo(ttft=1), interval(40, before={}, ttft=split(30, 10))) is None


def test_a_longer_interval_that_saw_all_first_tokens_needs_no_strays():
    before = {"running": 10.0, "waiting": 0.0}
    short = interval(40, before=before, e2e=split(0, 40, at=5.0), ttft=split(40, 0))
    # Nobody knows how long the longest took: it was above the highest finite bound.
    long = interval(400, before=before, seconds=1000.0, ttft=split(498, 2))
    assert bounds(slo(ttft=1), short, [long]) == (0.75, 1.0)
    short = interval(40, before=before, e2e=split(40, 0, at=5.0), ttft=split(40, 0))
    assert bounds(slo(ttft=1), short, [long]) == (0.95, 1.0)


def test_a_longer_interval_tells_of_late_first_tokens_too():
    before = {"running": 30.0, "waiting": 0.0}
    short = interval(40, before=before, e2e=split(40, 0, at=5.0), ttft=split(20, 20))
    long = interval(60, before=before, seconds=1000.0, ttft=split(25, 75))
    assert bounds(slo(ttft=1), short, [long]) == (0.0, 25 / 40)


def test_a_histogram_that_missed_some_requests_says_nothing_of_them():
    # After a restart with other buckets 40 had finished, and 30 of them were counted.
    seen = interval(40, before={"running": 10.0, "waiting": 0.0}, e2e=split(30, 0, at=5.0), ttft=split(40, 0))
    assert bounds(slo(e2e=5), seen) == (0.75, 1.0)
    long = interval(400, before=IDLE, seconds=1000.0, ttft=split(498, 2))
    assert bounds(slo(ttft=1), seen, [long]) == (0.75, 1.0)


@pytest.mark.parametrize(("seconds", "lower"), [(65.9, 0.75), (66.0, 0.95)])
def test_a_longer_interval_must_begin_before_the_longest_request_and_a_second_more(seconds, lower):
    before = {"running": 10.0, "waiting": 0.0}
    short = interval(40, before=before, e2e=split(40, 0, at=5.0), ttft=split(40, 0))
    long = interval(400, before=before, seconds=seconds, ttft=split(498, 2))
    assert bounds(slo(ttft=1), short, [long]) == (lower, 1.0)


def test_a_longer_interval_in_which_the_counting_broke_off_is_not_used():
    before = {"running": 10.0, "waiting": 0.0}
    short = interval(40, before=before, e2e=split(40, 0, at=5.0), ttft=split(40, 0))
    long = interval(400, before={}, seconds=1000.0, ttft=split(498, 2))
    assert bounds(slo(ttft=1), short, [long]) == (0.75, 1.0)


def test_the_longest_gap_is_at_least_the_mean_gap_and_at_most_the_whole_decode_time():
    seen = interval(100, before={}, tpot=split(70, 30), decode=split(10, 90))
    assert bounds(slo(inter_token=1), seen) == (0.1, 0.7)


def test_so_many_requests_at_most_have_a_long_gap_as_there_were_long_gaps_and_requests_at_the_beginning():
    before = {"running": 4.0, "waiting": 0.0}
    seen = interval(100, before=before, tpot=split(99, 1), decode=split(10, 90), inter_token=split(5000, 7))
    assert bounds(slo(inter_token=1), seen) == (0.89, 0.99)


def test_gaps_of_a_longer_interval_need_no_strays():
    before = {"running": 4.0, "waiting": 0.0}
    histograms = {"tpot": split(100, 0), "decode": split(10, 90), "e2e": split(100, 0, at=5.0)}
    short = interval(100, before=before, inter_token=split(5000, 7), **histograms)
    long = interval(1000, before=before, seconds=300.0, inter_token=split(50_000, 8))
    assert bounds(slo(inter_token=1), short, [long]) == (0.92, 1.0)


def test_a_threshold_on_gaps_between_two_bounds_counts_its_bucket_for_and_against():
    between_bounds = Histogram((0.5, 2.0, INF), (60.0, 90.0, 100.0), 1e9)
    # 10 certainly and 30 possibly above a mean gap of 1 s; 100 whole decode times tell nothing.
    seen = interval(100, before={}, tpot=between_bounds, decode=between_bounds)
    assert bounds(slo(inter_token=1), seen) == (0.6, 0.9)
    gaps = Histogram((0.5, 2.0, INF), (5000.0, 5030.0, 5040.0), 1e9)
    assert bounds(slo(inter_token=1), interval(100, tpot=split(100, 0), inter_token=gaps)) == (0.6, 1.0)


def test_without_gaps_and_decode_times_nothing_is_said_of_the_longest_gap():
    assert attainment_bounds(slo(inter_token=1), interval(100, tpot=split(99, 1))) is None


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        # The ten late ones are the ten failed ones, or ten of the others.
        (Policy(failed="bad"), (0.8, 0.9)),
        (Policy(failed="exclude"), (80 / 90, 1.0)),
    ],
)
def test_failed_requests_count_as_the_policy_says(policy, expected):
    assert bounds(slo(policy, e2e=1), interval(90, errors=10, e2e=split(90, 10))) == expected


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Policy(aborted="bad"), (0.8, 0.9)),
        (Policy(aborted="exclude"), (80 / 90, 1.0)),
        (Policy(aborted="late"), (0.8, 1.0)),
    ],
)
def test_recorded_aborts_count_as_the_policy_says(policy, expected):
    assert bounds(slo(policy, e2e=1), interval(90, aborts=10, e2e=split(90, 10))) == expected


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Policy(one_token="judge"), (0.7, 0.7)),
        (Policy(one_token="bad"), (0.5, 0.7)),
        # 80 are judged, and 30 or 10 of them are late.
        (Policy(one_token="exclude"), (50 / 80, 70 / 80)),
    ],
)
def test_requests_of_one_token_count_as_the_policy_says(policy, expected):
    tokens = Histogram((1.0, 2.0, INF), (20.0, 20.0, 100.0), 1e9)
    seen = interval(100, tpot=split(70, 30), request_generation_tokens=tokens)
    assert bounds(slo(policy, tpot=1), seen) == expected


def test_all_requests_of_one_token_are_bad_where_they_count_as_bad_and_the_others_may_be_good():
    tokens = Histogram((1.0, INF), (50.0, 100.0), 1e9)
    seen = interval(100, tpot=split(70, 30), request_generation_tokens=tokens)
    assert bounds(slo(Policy(one_token="bad"), tpot=1), seen) == (0.2, 0.5)


@pytest.mark.parametrize(
    "histograms",
    [{}, {"request_generation_tokens": Histogram((1.0, INF), (20.0, 90.0), 1e9)}],
    ids=["absent", "incomplete"],
)
def test_where_nobody_counts_requests_of_one_token_they_may_be_any(histograms):
    seen = interval(100, tpot=split(70, 30), **histograms)
    assert bounds(slo(Policy(one_token="bad"), tpot=1), seen) == (0.0, 0.7)
    assert bounds(slo(Policy(one_token="judge"), tpot=1), seen) == (0.7, 0.7)


@pytest.mark.parametrize(("objective", "expected"), [("inter_token", (0.8, 0.8)), ("e2e", (1.0, 1.0))])
def test_requests_of_one_token_are_others_only_to_objectives_on_later_tokens(objective, expected):
    tokens = Histogram((1.0, INF), (20.0, 100.0), 1e9)
    seen = interval(100, decode=split(100, 0), e2e=split(100, 0), request_generation_tokens=tokens)
    assert bounds(slo(Policy(one_token="bad"), **{objective: 1}), seen) == expected


def test_without_a_bound_at_one_token_all_short_requests_may_be_of_one():
    tokens = Histogram((2.0, INF), (20.0, 100.0), 1e9)
    seen = interval(100, tpot=split(100, 0), request_generation_tokens=tokens)
    assert bounds(slo(Policy(one_token="bad"), tpot=1), seen) == (0.8, 1.0)


def test_failed_requests_may_be_those_of_one_token():
    tokens = Histogram((1.0, INF), (20.0, 100.0), 1e9)
    seen = interval(90, errors=10, tpot=split(100, 0), request_generation_tokens=tokens)
    assert bounds(slo(Policy(one_token="bad"), tpot=1), seen) == (0.7, 0.8)


def test_requests_of_one_token_that_are_left_out_do_not_dilute_the_failed_ones():
    tokens = Histogram((1.0, INF), (30.0, 100.0), 1e9)
    seen = interval(90, errors=10, tpot=split(100, 0), request_generation_tokens=tokens)
    # 60 to 70 are judged, and the 10 that failed are bad.
    assert bounds(slo(Policy(one_token="exclude"), tpot=1), seen) == (60 / 70, 70 / 80)


def test_preempted_requests_are_left_out_as_far_as_they_may_be():
    seen = interval(100, preemptions=10, e2e=split(70, 30))
    assert bounds(slo(Policy(preempted="exclude"), e2e=1), seen) == (60 / 90, 70 / 90)
    assert bounds(slo(Policy(preempted="judge"), e2e=1), seen) == (0.7, 0.7)


def test_strays_may_have_been_preempted_before_the_interval():
    seen = interval(100, preemptions=10, before={"running": 5.0, "waiting": 0.0}, e2e=split(70, 30))
    assert bounds(slo(Policy(preempted="exclude"), e2e=1), seen) == (55 / 85, 70 / 85)


def test_preempted_requests_that_may_be_good_are_not_left_out_at_best():
    seen = interval(90, errors=10, preemptions=30, e2e=split(100, 0))
    assert bounds(slo(Policy(preempted="exclude"), e2e=1), seen) == (60 / 70, 0.9)


def test_requests_of_one_token_and_preempted_ones_may_be_different_ones():
    tokens = Histogram((1.0, INF), (20.0, 100.0), 1e9)
    seen = interval(100, preemptions=10, tpot=split(70, 30), request_generation_tokens=tokens)
    assert bounds(slo(Policy(one_token="exclude", preempted="exclude"), tpot=1), seen) == (40 / 70, 1.0)


def test_nothing_is_said_before_a_request_has_finished():
    assert attainment_bounds(slo(ttft=1), interval(0, ttft=split(5, 0))) is None
    assert attainment_bounds(slo(ttft=1), Interval(60.0, {}, {"ttft": split(5, 0)}, IDLE)) is None


def test_a_missing_histogram_leaves_the_whole_unsaid():
    assert attainment_bounds(slo(ttft=1, tpot=1), interval(10, ttft=split(10, 0))) is None


def test_nothing_is_said_where_the_policy_may_leave_all_out():
    assert attainment_bounds(slo(Policy(failed="exclude"), e2e=1), interval(0, errors=4, e2e=split(4, 0))) is None


@dataclass(frozen=True)
class Request:
    """One request of a random server, in ticks; ``gaps`` are the times between its tokens."""

    arrival: int
    wait: int
    gaps: tuple[int, ...]
    preempted: int | None
    """The gap, of those that there are, in which it waits again."""
    end: str

    @property
    def first(self):
        return self.arrival + self.wait

    @property
    def finish(self):
        return self.first + sum(self.gaps)

    @property
    def tokens(self):
        return 1 + len(self.gaps)

    @property
    def tpot(self):
        return sum(self.gaps) / len(self.gaps) if self.gaps else 0.0

    def outputs(self):
        """Return (moment, gap before it) of every token after the first."""
        moment = self.first
        for gap in self.gaps:
            moment += gap
            yield moment, gap

    def waiting_again(self):
        """Return the two ends of the time for which it is preempted."""
        if self.preempted is None or not self.gaps:
            return None
        which = self.preempted % len(self.gaps)
        begin = self.first + sum(self.gaps[:which])
        return begin, begin + self.gaps[which]

    def state(self, now):
        """Return running, waiting or nothing; it runs from its first token only, to leave the bounds no slack."""
        if not self.arrival <= now < self.finish:
            return None
        again = self.waiting_again()
        return "waiting" if now < self.first or (again and again[0] <= now < again[1]) else "running"


def page(requests, now, bounds):
    """Return what vLLM would have counted up to a moment: observations by histogram, counters, gauges."""
    done = [r for r in requests if r.finish <= now and r.end != "vanished"]
    seen = {
        "ttft": [r.wait for r in requests if r.first <= now],
        "inter_token": [gap for r in requests for moment, gap in r.outputs() if moment <= now],
        "tpot": [r.tpot for r in done],
        "decode": [sum(r.gaps) for r in done],
        "e2e": [r.finish - r.arrival for r in done],
        "request_generation_tokens": [r.tokens for r in done],
    }
    histograms = {
        key: Histogram((*bounds, INF), tuple(float(sum(v <= b for v in values)) for b in (*bounds, INF)), sum(values))
        for key, values in seen.items()
    }
    counters = {f"request_success/{end}": sum(r.end == end for r in done) for end in ("stop", "error", "abort")}
    counters["preemptions"] = sum(bool((again := r.waiting_again()) and again[1] <= now) for r in requests)
    states = [r.state(now) for r in requests]
    return histograms, counters, {"running": states.count("running"), "waiting": states.count("waiting")}


def between(requests, start, end, bounds):
    before, after = page(requests, start, bounds), page(requests, end, bounds)
    histograms = {
        key: Histogram(
            one.bounds,
            tuple(b - a for a, b in zip(before[0][key].counts, one.counts, strict=True)),
            one.sum - before[0][key].sum,
        )
        for key, one in after[0].items()
    }
    deltas = {key: count - before[1][key] for key, count in after[1].items()}
    return Interval(float(end - start), deltas, histograms, before[2], after[2])


def verdict(objective, request):
    """Return True for a good request, False for a bad one, None for one that is left out."""
    policy = objective.policy
    measured = {
        "ttft": request.wait,
        "tpot": request.tpot,
        "inter_token": max(request.gaps, default=0),
        "e2e": request.finish - request.arrival,
    }
    missed = any(measured[key] > threshold for key, threshold in objective.thresholds.items())
    single = request.tokens == 1 and bool({"tpot", "inter_token"} & objective.thresholds.keys())
    left_out = {
        "abort": policy.aborted == "exclude" or (policy.aborted == "late" and not missed),
        "error": policy.failed == "exclude",
        "stop": (policy.preempted == "exclude" and request.waiting_again() is not None)
        or (policy.one_token == "exclude" and single),
    }[request.end]
    if left_out:
        return None
    return request.end == "stop" and not missed and not (policy.one_token == "bad" and single)


TICKS = st.integers(0, 12)
REQUESTS = st.lists(
    st.builds(
        Request,
        arrival=st.integers(0, 60),
        wait=TICKS,
        gaps=st.lists(TICKS, max_size=4).map(tuple),
        preempted=st.one_of(st.none(), st.integers(0, 3)),
        end=st.sampled_from(["stop", "stop", "stop", "error", "abort", "vanished"]),
    ),
    max_size=25,
)
POLICIES = st.builds(
    Policy,
    aborted=st.sampled_from(["late", "bad", "exclude"]),
    failed=st.sampled_from(["bad", "exclude"]),
    one_token=st.sampled_from(["judge", "bad", "exclude"]),
    preempted=st.sampled_from(["judge", "exclude"]),
)
OBJECTIVES = st.dictionaries(
    st.sampled_from(["ttft", "tpot", "inter_token", "e2e"]), st.sampled_from([1.0, 3.0, 4.5, 9.0, 20.0]), min_size=1
)


@settings(max_examples=200)
@given(REQUESTS, POLICIES, OBJECTIVES, st.integers(0, 50), st.integers(1, 30))
def test_the_exact_share_of_a_random_server_always_lies_within_the_bounds(requests, policy, thresholds, start, length):
    objective = Slo("one", thresholds, policy=policy)
    end, layout = start + length, (1.0, 2.0, 5.0, 9.0, 30.0, 100.0)
    intervals = [between(requests, begin, end, layout) for begin in (start, start - 8, start - 35, -1)]
    found = attainment_bounds(objective, intervals[0], intervals[1:])
    verdicts = [verdict(objective, r) for r in requests if start < r.finish <= end and r.end != "vanished"]
    judged = [one for one in verdicts if one is not None]
    if found is None:
        return
    assert 0 <= found[0] <= found[1] <= 1
    if judged:
        assert found[0] - 1e-9 <= sum(judged) / len(judged) <= found[1] + 1e-9
