"""The account of one engine's finished requests."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import finished, slo
from pentameter.adapters import MOST_ADAPTERS
from pentameter.records import IterationFacts, StepRow
from pentameter.request_book import RequestBook
from pentameter.sketch import index_of
from pentameter.slo import Verdict
from pentameter.windows import Window

MINUTE, HOUR = Window("1m", 60.0), Window("1h", 3600.0)


def book(*slos, windows=(MINUTE,)):
    return RequestBook(windows, slos, 0.0)


def entered(*requests, slos=(), time=10.0):
    made = book(*slos)
    for request in requests:
        made.add(request, time)
    made.observe(time)
    return made


def deltas(made):
    return made.track.interval(MINUTE).deltas


def latencies(made, now=10.0):
    return {(name, window, stat): seconds for name, window, stat, seconds in made.latencies(now)}


def bucket(histogram, bound):
    return histogram.counts[histogram.bounds.index(bound)]


# ------------------------------------------------------------------ counters


def test_an_empty_book_has_seen_nothing_of_everything():
    made = book(slo(ttft=0.5, tpot=0.1))
    made.observe(10.0)
    assert deltas(made) == {
        "finished": 0.0,
        "slo/chat/good": 0.0,
        "slo/chat/bad": 0.0,
        "slo/chat/good_tokens": 0.0,
        "slo/chat/missed/ttft": 0.0,
        "slo/chat/missed/tpot": 0.0,
    }


def test_verdicts_misses_and_good_tokens_are_counted():
    requests = [
        finished(11, ttft=0.1, decode=0.5),  # good: 50 ms per token
        finished(21, ttft=0.2, decode=1.0),  # good
        finished(11, ttft=0.9, decode=0.5),  # first token late
        finished(11, ttft=0.1, decode=2.0),  # tokens slow: 200 ms
        finished(11, ttft=0.9, decode=2.0),  # both
        finished(11, ttft=0.1, decode=0.5, reason="abort"),
        finished(11, ttft=None, decode=0.5),  # nobody knows
    ]
    assert deltas(entered(*requests, slos=[slo(ttft=0.5, tpot=0.1)])) == {
        "finished": 7.0,
        "slo/chat/good": 2.0,
        "slo/chat/bad": 3.0,
        "slo/chat/good_tokens": 32.0,
        "slo/chat/missed/ttft": 2.0,
        "slo/chat/missed/tpot": 2.0,
        "slo/chat/unjudged/aborted": 1.0,
        "slo/chat/unknown/ttft": 1.0,
    }


def test_a_threshold_that_is_just_kept_is_not_missed_by_a_request_that_is_bad_for_another():
    counted = deltas(entered(finished(11, ttft=0.5, decode=2.0), slos=[slo(ttft=0.5, tpot=0.1)]))
    assert (counted["slo/chat/missed/ttft"], counted["slo/chat/missed/tpot"]) == (0, 1)


def test_each_slo_keeps_its_own_account():
    made = entered(finished(ttft=0.1), finished(ttft=0.3), slos=[slo("a", ttft=0.2), slo("b", ttft=0.4)])
    counted = deltas(made)
    assert (counted["slo/a/good"], counted["slo/a/bad"]) == (1, 1)
    assert (counted["slo/b/good"], counted["slo/b/bad"]) == (2, 0)


def test_the_verdicts_on_a_request_are_returned():
    made = book(slo("a", ttft=0.2), slo("b", ttft=0.05))
    verdicts = made.add(finished(ttft=0.1), 1.0)
    assert [(of.name, judgement.verdict) for of, judgement in verdicts] == [("a", Verdict.GOOD), ("b", Verdict.BAD)]


def test_the_reasons_for_having_left_requests_unjudged_are_remembered():
    made = entered(
        finished(11, reason="abort"),
        finished(11, decode=1.0),
        slos=[slo("a", inter_token=0.5), slo("b", ttft=1.0, policy={"aborted": "bad"})],
    )
    assert made.unjudged() == {"a": {"aborted", "inter_token"}}


REQUESTS = st.builds(
    finished,
    st.integers(0, 4),
    ttft=st.none() | st.floats(0, 4),
    decode=st.none() | st.floats(0, 4),
    e2e=st.floats(0, 8),
    reason=st.sampled_from(["stop", "length", "abort", "error"]),
    preemptions=st.none() | st.integers(0, 1),
)
SLOS = (
    slo("plain", ttft=1.0, tpot=1.0),
    slo("gaps", inter_token=1.0, e2e=4.0),
    slo("strict", ttft=1.0, tpot=1.0, policy={"aborted": "bad", "one_token": "bad"}),
    slo(
        "lenient",
        tpot=0.5,
        policy={"aborted": "exclude", "failed": "exclude", "one_token": "exclude", "preempted": "exclude"},
    ),
)


@settings(max_examples=60)
@given(st.lists(REQUESTS, max_size=30))
def test_every_finished_request_is_good_bad_unknown_or_unjudged_and_scores_agree(requests):
    made = entered(*requests, slos=SLOS)
    counted = deltas(made)
    assert counted["finished"] == len(requests)
    for one in SLOS:
        prefix = f"slo/{one.name}/"
        good, bad = counted[prefix + "good"], counted[prefix + "bad"]
        others = sum(
            value for key, value in counted.items() if key.startswith((prefix + "unjudged/", prefix + "unknown/"))
        )
        assert good + bad + others == len(requests)
        score = made.scores()[one.name]
        assert score.count == good + bad
        assert bucket(score, 1.0) == good
        assert counted[prefix + "good_tokens"] <= sum(request.output_tokens for request in requests)
        assert all(counted[f"{prefix}missed/{objective}"] <= bad for objective in one.thresholds)


# ------------------------------------------------------------------ requests without a record


def test_unseen_aborts_are_unjudged_unless_every_abort_is_bad():
    # Whether an unseen abort was late, nobody can say.
    made = book(slo("late", ttft=1.0), slo("bad", ttft=1.0, policy={"aborted": "bad"}))
    made.add_unseen(3.0, aborted=True)
    made.observe(10.0)
    counted = deltas(made)
    assert (counted["slo/late/bad"], counted["slo/late/unjudged/aborted"]) == (0, 3)
    assert counted["slo/bad/bad"] == 3
    assert "slo/bad/unjudged/aborted" not in counted
    assert counted["finished"] == 0


def test_rejected_requests_are_bad_unless_left_out():
    made = book(slo("bad", ttft=1.0), slo("out", ttft=1.0, policy={"rejected": "exclude"}))
    made.add_unseen(2.0, aborted=False)
    made.observe(10.0)
    counted = deltas(made)
    assert counted["slo/bad/bad"] == 2
    assert (counted["slo/out/bad"], counted["slo/out/unjudged/rejected"]) == (0, 2)
    assert made.unjudged() == {"out": {"rejected"}}


def test_unseen_bad_requests_have_the_worst_score_so_that_the_histogram_still_gives_the_attainment():
    made = entered(finished(ttft=0.5), slos=[slo(ttft=1.0)])
    made.add_unseen(3.0, aborted=False)
    score = made.scores()["chat"]
    assert (bucket(score, 1.0), bucket(score, 8.0), score.count, score.sum) == (1, 1, 4, 0.5 + 3 * 16)


# ------------------------------------------------------------------ histograms and quantiles


def test_histograms_have_a_bound_at_every_threshold_and_count_what_keeps_it():
    made = entered(
        *(finished(11, ttft=ttft, decode=1.0) for ttft in (0.1, 0.125, 0.1250001, 3.0)),
        slos=[slo("a", ttft=0.125), slo("b", ttft=0.7, tpot=0.33), slo("c", e2e=1.125)],
    )
    histograms = made.histograms()
    assert set(histograms) == {"ttft", "tpot", "e2e"}
    assert (bucket(histograms["ttft"], 0.125), bucket(histograms["ttft"], 0.7)) == (2, 3)
    assert bucket(histograms["tpot"], 0.33) == 4
    assert bucket(histograms["e2e"], 1.125) == 2
    assert [histogram.count for histogram in histograms.values()] == [4, 4, 4]
    assert histograms["ttft"].sum == pytest.approx(3.3500001)


def test_what_a_record_lacks_is_in_no_histogram_and_in_no_mean():
    made = entered(finished(1, ttft=None, decode=0.0, e2e=2.0), finished(1, ttft=0.5, decode=0.0))
    assert {name: histogram.count for name, histogram in made.histograms().items()} == {"ttft": 1, "tpot": 0, "e2e": 2}
    shown = latencies(made)
    assert shown["ttft", "1m", "mean"] == 0.5
    assert ("tpot", "1m", "mean") not in shown
    assert ("queue", "1m", "mean") not in shown


def test_quantiles_are_within_one_percent_and_wait_for_enough_requests():
    # TTFT 1 ms to 100 ms: the smallest value that 95 of 100 do not exceed is 95 ms.
    made = entered(*(finished(11, ttft=n / 1000, decode=n / 100, queue=n / 2000) for n in range(1, 101)))
    shown = latencies(made)
    assert shown["ttft", "1m", "mean"] == pytest.approx(0.0505)
    assert shown["ttft", "1m", "p50"] == pytest.approx(0.050, rel=0.01)
    assert shown["ttft", "1m", "p90"] == pytest.approx(0.090, rel=0.01)
    assert shown["ttft", "1m", "p95"] == pytest.approx(0.095, rel=0.01)
    assert shown["ttft", "1m", "p99"] == pytest.approx(0.099, rel=0.01)
    assert shown["tpot", "1m", "p50"] == pytest.approx(0.050, rel=0.01)
    assert shown["queue", "1m", "p50"] == pytest.approx(0.025, rel=0.01)
    few = latencies(entered(*(finished(ttft=0.1) for _ in range(15))))
    assert {stat for name, _, stat in few if name == "ttft"} == {"mean", "p50", "p90"}


def test_gaps_between_tokens_come_from_the_plugins_counts():
    made = book()
    made.add_gaps(IterationFacts("m", "0", gaps={index_of(0.02): 99, index_of(0.5): 1}, gap_sum=2.48), 10.0)
    made.add_gaps(IterationFacts("m", "0"), 10.0)
    shown = latencies(made)
    assert shown["inter_token", "1m", "mean"] == pytest.approx(0.0248)
    assert shown["inter_token", "1m", "p99"] == pytest.approx(0.02, rel=0.01)


def test_what_is_too_old_for_a_window_has_left_it():
    made = book(windows=(MINUTE, HOUR))
    made.add(finished(ttft=9.0), 10.0)
    made.add(finished(ttft=1.0), 200.0)
    made.observe(200.0)
    shown = latencies(made, 200.0)
    assert shown["ttft", "1m", "mean"] == 1.0
    assert shown["ttft", "1h", "mean"] == 5.0


def test_histograms_and_scores_never_fall():
    made = book(slo(ttft=1.0), windows=(MINUTE,))
    made.add(finished(ttft=0.5), 0.0)
    made.observe(10_000.0)
    assert made.histograms()["ttft"].count == 1
    assert made.scores()["chat"].count == 1


# ------------------------------------------------------------------ steps

REST = StepRow(0.0, 0.0, 0, 0, 0, 0.0, 0)
TOLD = IterationFacts(
    "m", "0", sums={"generation_tokens": 41.0}, steps=(*[StepRow(0.02, 0.02, 2, 0, 0, 0.0, 2)] * 20, REST)
)


def test_the_time_of_steps_is_in_the_account_with_the_tokens_that_they_made():
    made = book()
    made.add_steps(TOLD, 2048, 1)
    made.observe(10.0)
    told = {key: value for key, value in deltas(made).items() if key.startswith("step_")}
    assert told == pytest.approx(
        {"step_seconds/prefill": 0.0, "step_seconds/decode": 0.4, "step_seconds/unsplit": 0.0, "step_tokens": 41.0}
    )


@pytest.mark.parametrize(("facts", "budget"), [(IterationFacts("m", "0"), 2048), (TOLD, None)])
def test_without_steps_or_their_room_there_is_no_such_account(facts, budget):
    made = book()
    made.add_steps(facts, budget, 1)
    made.observe(10.0)
    assert not [key for key in deltas(made) if key.startswith("step_")]


def test_a_finished_request_teaches_the_way_in_to_the_steps():
    made = book()
    made.add(finished(ttft=0.25, queue=0.05, prefill=0.16), 1.0)
    made.add_steps(IterationFacts("m", "0", steps=(REST, StepRow(9.0, 0.0, 0, 1, 50, 0.24, 1), REST)), 2048, 1)
    made.observe(10.0)
    assert deltas(made)["step_seconds/prefill"] == pytest.approx(0.2)


def outputs_by_adapter(*told):
    made = book()
    for outputs in told:
        made.add_adapters(IterationFacts("m", "0", adapters=outputs))
    made.observe(10.0)
    prefix = "adapter_outputs/"
    return {key.removeprefix(prefix): value for key, value in deltas(made).items() if key.startswith(prefix)}


def test_outputs_by_adapter_are_added_up():
    assert outputs_by_adapter({"poet": 3, "": 1}, {"poet": 4}) == {"": 1, "poet": 7}
    assert outputs_by_adapter({}) == {"": 0}
    assert outputs_by_adapter(None) == {}


def test_of_many_adapters_the_last_share_an_account():
    found = outputs_by_adapter({f"adapter {n}": 1 for n in range(80)}, {"adapter 70": 1, "adapter 0": 1})
    assert len(found) == MOST_ADAPTERS + 1
    assert found["other"] == 80 - (MOST_ADAPTERS - 1) + 1
    assert found["adapter 0"] == 2
