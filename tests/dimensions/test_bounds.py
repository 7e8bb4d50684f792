"""Attainment and goodput between the bounds that vLLM's histograms allow."""

import math

import pytest

from builders import deployment, engine, found, names, served, slo, value, verdicts, world
from pentameter.dimensions import bounds
from pentameter.readings import Histogram
from pentameter.windows import Interval
from pentameter.world import Rolled

CHAT = slo(ttft=0.5, tpot=0.1)
INF = math.inf
NOTHING_BEFORE = {"running": 0.0, "waiting": 0.0}


def page(*, finished=100.0, late=10.0, slow=5.0, seconds=10.0, flow=None, before=NOTHING_BEFORE, **labels):
    """Return an engine of whose finished requests so many had a late first token, and so many were slow after it."""
    histograms = {
        "ttft": Histogram((0.5, INF), (finished - late, finished), 0.0),
        "tpot": Histogram((0.1, INF), (finished - slow, finished), 0.0),
        "e2e": Histogram((1.0, INF), (finished, finished), 0.0),
    }
    one = engine({}, seconds=seconds, flow=flow, stalled=0.0, **labels)
    deltas = {"request_success/stop": finished, "preemptions": 0.0}
    interval = Interval(seconds, deltas, histograms, gauges_before=before)
    return type(one)(one.server, one.reading, Rolled({"1m": interval}), flow=one.flow, stalled_seconds=0.0)


def measured(*engines, records=(), slos=(CHAT,)):
    return list(bounds.samples(world(deployment(*engines), served=tuple(records), slos=slos)))


def between(samples, name="slo_attainment_ratio", **labels):
    return value(samples, name, bound="lower", **labels), value(samples, name, bound="upper", **labels)


def test_misses_overlap_wholly_at_best_and_not_at_all_at_worst():
    # 10 % late, 5 % slow: 85 % to 90 % kept both.
    assert between(measured(page()), slo="chat", window="1m") == pytest.approx((0.85, 0.90))


def test_the_bounds_of_the_goodput_are_those_shares_of_the_finished_requests_per_second():
    assert between(measured(page()), "goodput_bound_requests_per_second") == pytest.approx((8.5, 9.0))


def test_without_a_finished_request_there_are_no_bounds():
    assert measured(page(finished=0.0, late=0.0, slow=0.0)) == []


def test_without_the_histogram_of_an_objective_there_are_no_bounds():
    assert measured(engine({"request_success/stop": 10.0})) == []


def test_each_engine_and_slo_has_its_own_bounds():
    other = slo("other", ttft=0.5)
    samples = measured(page(), page(late=50.0, name="1"), slos=(CHAT, other, slo("none", model="x", ttft=0.5)))
    assert between(samples, slo="other", engine="0") == pytest.approx((0.9, 0.9))
    assert between(samples, slo="other", engine="1") == pytest.approx((0.5, 0.5))
    assert found(samples, "slo_attainment_ratio", slo="none") == []


def test_a_longer_window_may_narrow_a_shorter_one():
    # All 100 may have had their first token before the short window; in the long one all first tokens were in time.
    one = page(before={"running": 100.0, "waiting": 0.0}, late=0.0)
    alone = between(measured(one), window="1m")
    good = Histogram((0.5, INF), (500.0, 500.0), 0.0)
    histograms = {**one.rolled.windows["1m"].histograms, "ttft": good}
    one.rolled.windows["5m"] = Interval(100.0, {"request_success/stop": 500.0}, histograms, NOTHING_BEFORE)
    assert alone == pytest.approx((0.0, 0.95))
    assert between(measured(one), window="1m") == pytest.approx((0.95, 0.95))


# ------------------------------------------------------------------ requests in no histogram


FLOW = {"arrived": 150.0, "ended": 100.0, "rejected": 20.0, "aborted": 5.0}


@pytest.mark.parametrize(
    ("policy", "unseen"),
    [
        ({}, 20),
        ({"rejected": "exclude"}, 0),
        ({"aborted": "bad"}, 25),
        ({"aborted": "bad", "rejected": "exclude"}, 5),
    ],
)
def test_rejected_and_aborted_requests_are_bad_where_the_policy_says_so(policy, unseen):
    samples = measured(page(flow=FLOW), slos=(slo(ttft=0.5, policy=policy),))
    assert between(samples) == pytest.approx((90 / (100 + unseen), 90 / (100 + unseen)))
    # They make the share smaller, and the good requests per second no fewer.
    assert between(samples, "goodput_bound_requests_per_second") == pytest.approx((9.0, 9.0))


@pytest.mark.parametrize(
    ("policy", "others"),
    [
        ({"preempted": "exclude"}, {}),
        ({"one_token": "exclude"}, {}),
        ({"failed": "exclude"}, {"error": 1.0}),
        ({"aborted": "exclude"}, {"abort": 1.0}),
        ({"aborted": "late"}, {"abort": 1.0}),
    ],
)
def test_where_finished_requests_may_be_left_out_their_share_makes_no_least_goodput(policy, others):
    # Half of 100 requests may be left out and 45 of the others good: 90 % of those judged, but not 9 per second.
    one = page()
    one.rolled.windows["1m"].deltas.update({f"request_success/{reason}": count for reason, count in others.items()})
    samples = measured(one, slos=(slo(ttft=0.5, tpot=0.1, policy=policy),))
    lower, upper = between(samples, "goodput_bound_requests_per_second")
    assert lower is None
    assert upper is not None
    assert None not in between(samples)


@pytest.mark.parametrize("reason", ["error", "abort"])
def test_the_least_goodput_is_there_where_the_policy_counts_everything(reason):
    one = page()
    one.rolled.windows["1m"].deltas[f"request_success/{reason}"] = 1.0
    policy = {"aborted": "bad", "failed": "bad", "one_token": "bad"}
    assert None not in between(measured(one, slos=(slo(ttft=0.5, policy=policy),)), "goodput_bound_requests_per_second")


# ------------------------------------------------------------------ beside records


def test_the_bounds_stand_beside_the_exact_value():
    assert len(names(measured(page(), records=[served(verdicts(good=87, bad=13))]))) == 2


def test_records_that_leave_some_verdicts_open_narrow_the_bounds():
    # 86 good, 12 bad, 2 open: 86 % to 88 %, inside of 85 % to 90 %.
    samples = measured(page(), records=[served(verdicts(good=86, bad=12, unknown=2))])
    assert between(samples) == pytest.approx((0.86, 0.88))


def test_the_two_may_meet_in_a_point():
    samples = measured(page(), records=[served(verdicts(good=90, bad=8, unknown=2))])
    assert between(samples) == pytest.approx((0.90, 0.90))


def test_the_histograms_bound_holds_where_it_is_the_tighter_one():
    samples = measured(page(), records=[served(verdicts(good=50, bad=5, unknown=45))])
    assert between(samples) == pytest.approx((0.85, 0.90))


def test_records_of_half_of_the_requests_narrow_nothing():
    samples = measured(page(), records=[served(verdicts(good=43, bad=6, unknown=1))])
    assert between(samples) == pytest.approx((0.85, 0.90))


def test_records_of_another_engine_narrow_nothing():
    samples = measured(page(), records=[served(verdicts(good=86, bad=12, unknown=2), name="1")])
    assert between(samples) == pytest.approx((0.85, 0.90))


def test_where_the_two_do_not_meet_nothing_is_said():
    assert measured(page(), records=[served(verdicts(good=10, bad=88, unknown=2))]) == []
