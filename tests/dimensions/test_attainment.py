"""SLA attainment: verdicts, what is configured, and when records may be called exact."""

import math

import pytest

from builders import deployment, engine, found, names, served, slo, value, verdicts, world
from pentameter.dimensions import attainment
from pentameter.dimensions.attainment import is_covered, tally
from pentameter.readings import Histogram
from pentameter.windows import Interval

CHAT = slo(ttft=0.5, tpot=0.1)


def moment(*records, engines=(), slos=(CHAT,), **more):
    return world(deployment(*engines), served=tuple(records), slos=slos, **more)


def measured(*records, **more):
    return list(attainment.samples(moment(*records, **more)))


def grown(*records, **more):
    return list(attainment.increments(moment(*records, **more)))


def exact(*records, **more):
    return value(measured(*records, **more), "slo_attainment_ratio", bound="exact", slo="chat")


# ------------------------------------------------------------------ attainment


def test_attainment_is_the_good_among_the_judged():
    assert exact(served(verdicts(good=19, bad=1))) == 0.95


def test_nothing_judged_is_no_attainment():
    assert exact(served(verdicts())) is None
    assert exact(served({**verdicts(), "finished": 4.0, "slo/chat/unjudged/aborted": 4.0})) is None


def test_a_request_without_verdict_takes_the_exactness_away():
    assert exact(served(verdicts(good=99, unknown=1))) is None


def test_requests_left_out_by_the_policy_are_neither_in_numerator_nor_denominator():
    counted = verdicts(good=3, bad=1, **{"slo/chat/unjudged/aborted": 96.0})
    assert exact(served({**counted, "finished": 100.0})) == 0.75


def test_requests_without_a_record_that_count_as_bad_are_in_the_denominator():
    # 90 good among 90 finished, and 10 rejected.
    assert exact(served({**verdicts(good=90, bad=10, ended=90.0), "finished": 90.0})) == 0.9


def test_each_slo_of_a_model_has_its_own_attainment():
    strict = slo("strict", ttft=0.1)
    one = served({**verdicts(good=9, bad=1), **verdicts("strict", good=5, bad=5)})
    samples = measured(one, slos=(CHAT, strict))
    assert value(samples, "slo_attainment_ratio", slo="chat") == 0.9
    assert value(samples, "slo_attainment_ratio", slo="strict") == 0.5


def test_an_slo_says_nothing_of_a_model_that_it_is_not_for():
    other = slo("other", model="x-*", ttft=1.0)
    samples = measured(served({**verdicts(good=1), **verdicts("other", good=1)}), slos=(CHAT, other))
    assert found(samples, "slo_attainment_ratio", slo="other") == []
    assert found(samples, "slo_target_ratio", slo="other") == []
    assert grown(served({}, tick=verdicts("other", good=1)), slos=(other,)) == []


def test_each_engine_and_each_window_has_its_own_attainment():
    first = served(verdicts(good=8, bad=2))
    first.rolled.windows["5m"] = Interval(300.0, verdicts(good=30, bad=10))
    second = served(verdicts(good=1, bad=1), name="1")
    samples = measured(first, second)
    assert value(samples, "slo_attainment_ratio", engine="0", window="1m") == 0.8
    assert value(samples, "slo_attainment_ratio", engine="0", window="5m") == 0.75
    assert value(samples, "slo_attainment_ratio", engine="1", window="1m") == 0.5


# ------------------------------------------------------------------ coverage


@pytest.mark.parametrize(
    ("records", "of", "covered"),
    [
        (100, None, True),
        (0, 0, True),
        (100, 100, True),
        (103, 100, True),
        (90, 100, True),
        (89, 100, False),
        (900, 1000, True),
        (899, 1000, False),
        (15, 20, True),
        (14, 20, False),
        (0, 1, False),
        (1, 5, False),
        (2, 5, False),
        (3, 6, True),
        (5, 10, True),
        (4, 10, False),
    ],
)
def test_records_speak_for_all_if_few_are_missing_and_more_came_than_are_missing(records, of, covered):
    assert is_covered(float(records), None if of is None else float(of)) is covered


@pytest.mark.parametrize("share", [0.01, 0.1, 0.2, 0.4])
@pytest.mark.parametrize("of", [10, 60, 1000])
def test_sampled_tracing_is_not_called_exact(share, of):
    assert exact(served(verdicts(good=math.floor(share * of), ended=float(of)))) is None


def test_stragglers_do_not_take_the_exactness_away():
    assert exact(served(verdicts(good=95, ended=100.0))) == 1.0


def test_coverage_is_the_records_over_the_requests_that_vllm_counted():
    assert value(measured(served(verdicts(good=20, ended=80.0))), "request_record_coverage_ratio") == 0.25
    assert value(measured(served(verdicts(good=9, ended=8.0))), "request_record_coverage_ratio") == 1.0


def test_without_finished_requests_or_without_a_page_there_is_no_coverage():
    assert found(measured(served(verdicts(ended=0.0))), "request_record_coverage_ratio") == []
    assert found(measured(served(verdicts(good=5))), "request_record_coverage_ratio") == []


# ------------------------------------------------------------------ counters


def test_counters_grow_by_the_verdicts_since_the_last_snapshot():
    tick = {**verdicts(good=7, bad=2, tokens=500), "slo/chat/missed/ttft": 2.0, "slo/chat/missed/tpot": 1.0}
    samples = grown(served({}, tick=tick))
    assert value(samples, "slo_requests_total", slo="chat", verdict="good") == 7
    assert value(samples, "slo_requests_total", slo="chat", verdict="bad") == 2
    assert value(samples, "slo_good_tokens_total", slo="chat") == 500
    assert value(samples, "slo_objective_misses_total", objective="ttft") == 2
    assert value(samples, "slo_objective_misses_total", objective="tpot") == 1


def test_without_news_every_counter_stands_still_but_stays():
    samples = grown(served({}, unjudged={"chat": frozenset({"aborted", "inter_token"})}))
    assert {sample.value for sample in samples} == {0.0}
    assert names(samples) == {
        "slo_requests_total",
        "slo_good_tokens_total",
        "slo_objective_misses_total",
        "slo_unjudged_requests_total",
    }
    assert len(found(samples, "slo_unjudged_requests_total")) == 2


def test_the_unjudged_are_counted_by_reason_whether_left_out_or_undecided():
    tick = {"slo/chat/unjudged/aborted": 3.0, "slo/chat/unknown/inter_token": 2.0, "slo/chat/unknown/ttft": 1.0}
    samples = grown(served({}, tick=tick, unjudged={"chat": frozenset({"aborted", "inter_token", "ttft"})}))
    counted = {
        reason: value(samples, "slo_unjudged_requests_total", reason=reason)
        for reason in ("aborted", "inter_token", "ttft")
    }
    assert counted == {"aborted": 3, "inter_token": 2, "ttft": 1}


def test_attainment_from_the_counters_is_the_exact_one():
    seen = verdicts(good=19, bad=6)
    counters = grown(served({}, tick=seen))
    good, bad = (value(counters, "slo_requests_total", verdict=verdict) for verdict in ("good", "bad"))
    assert good / (good + bad) == exact(served(seen)) == 0.76


def test_a_tally_counts_every_undecided_request_of_its_slo_and_no_other():
    deltas = {
        **verdicts(good=3, bad=2, tokens=40),
        **verdicts("chat2", good=100, bad=100),
        "slo/chat/unknown/ttft": 1.0,
        "slo/chat/unknown/inter_token": 4.0,
        "slo/chat2/unknown/ttft": 9.0,
        "slo/chat/unjudged/aborted": 7.0,
    }
    counts = tally(CHAT, Interval(10.0, deltas))
    assert (counts.good, counts.bad, counts.unknown, counts.good_tokens, counts.judged) == (3, 2, 5, 40, 10)


# ------------------------------------------------------------------ configuration and score


def test_target_thresholds_and_policy_are_exported_for_every_engine_known():
    one = slo(target=0.95, ttft=0.5, e2e=30.0, policy={"aborted": "bad", "rejected": "exclude", "preempted": "exclude"})
    samples = measured(engines=[engine(), engine(name="1")], slos=(one,))
    assert found(samples, "slo_target_ratio") == [0.95, 0.95]
    assert value(samples, "slo_threshold_seconds", engine="1", objective="ttft") == 0.5
    assert value(samples, "slo_threshold_seconds", engine="1", objective="e2e") == 30
    chosen = {"aborted": "bad", "failed": "bad", "rejected": "exclude", "one_token": "judge", "preempted": "exclude"}
    assert value(samples, "slo_policy_info", engine="0", slo="chat", **chosen) == 1


def test_what_is_configured_is_exported_once_where_page_and_records_both_speak():
    samples = measured(served(verdicts(good=1, ended=1.0)))
    assert found(samples, "slo_target_ratio") == [0.9]


def test_where_only_records_speak_the_configuration_is_there_for_them():
    assert found(measured(served(verdicts(good=1), name="")), "slo_target_ratio", engine="") == [0.9]


def test_the_score_histogram_is_handed_on_whole():
    score = Histogram((1.0, math.inf), (3.0, 4.0), 19.0)
    samples = measured(served(scores={"chat": score}))
    assert [sample.histogram for sample in samples if sample.metric is attainment.SCORE] == [score]


def test_without_slos_there_is_only_coverage():
    assert names(measured(served(verdicts(good=10, ended=10.0)), slos=())) == {"request_record_coverage_ratio"}
