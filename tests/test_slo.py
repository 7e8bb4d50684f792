"""The verdict on one request: thresholds, the policy of the denominator, what records leave open."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import finished, slo
from pentameter.slo import OBJECTIVES, SCORE_CAP, Slo, Verdict, judge

GOOD, BAD, UNKNOWN, EXCLUDED = Verdict.GOOD, Verdict.BAD, Verdict.UNKNOWN, Verdict.EXCLUDED
CHAT = {"ttft": 0.5, "tpot": 0.125}


def verdict(request, policy=None, **thresholds):
    return judge(slo(policy=policy, **(thresholds or CHAT)), request).verdict


def reason(request, policy=None, **thresholds):
    return judge(slo(policy=policy, **(thresholds or CHAT)), request).reason


def aborted(*args, **fields):
    return finished(*args, reason="abort", **fields)


# ------------------------------------------------------------------ thresholds


@pytest.mark.parametrize(
    ("thresholds", "request_", "expected"),
    [
        # Powers of two, so that "exactly on the threshold" is exact.
        ({"ttft": 0.5}, finished(ttft=0.5), GOOD),
        ({"ttft": 0.5}, finished(ttft=0.5000001), BAD),
        ({"tpot": 0.125}, finished(9, decode=1.0), GOOD),
        ({"tpot": 0.125}, finished(9, decode=1.0000001), BAD),
        ({"e2e": 2.0}, finished(ttft=0.5, decode=1.5), GOOD),
        ({"e2e": 2.0}, finished(ttft=0.5, decode=1.5000001), BAD),
        ({"inter_token": 0.5}, finished(3, decode=0.5), GOOD),
        ({"inter_token": 0.5}, finished(3, decode=1.0000001), BAD),
    ],
)
def test_a_request_on_the_threshold_keeps_it_and_one_above_misses_it(thresholds, request_, expected):
    assert verdict(request_, **thresholds) is expected


@pytest.mark.parametrize(
    ("ttft", "decode", "expected"),
    [(0.4, 0.9, GOOD), (0.6, 0.9, BAD), (0.4, 1.1, BAD), (0.6, 1.1, BAD)],
)
def test_all_thresholds_must_be_kept_together(ttft, decode, expected):
    assert verdict(finished(9, ttft=ttft, decode=decode)) is expected


def test_time_per_output_token_is_over_the_tokens_after_the_first():
    # 101 tokens, 100 gaps, 5 s: 50 ms each (not 5 s / 101 = 49.5 ms).
    assert judge(slo(tpot=0.05), finished(101, decode=5.0)).score == pytest.approx(1.0)
    assert verdict(finished(101, decode=5.0), tpot=0.0499) is BAD


def test_the_score_is_the_worst_share_of_what_is_allowed():
    judgement = judge(slo(ttft=0.5, tpot=0.125), finished(9, ttft=0.125, decode=0.75))
    assert judgement.score == 0.75
    assert judgement.margins == {"ttft": 0.25, "tpot": 0.75}
    assert judgement.reason == ""


def test_what_is_not_asked_has_no_margin_and_no_say():
    judgement = judge(slo(ttft=0.5), finished(9, ttft=0.25, decode=1000.0))
    assert (judgement.verdict, judgement.score, judgement.margins) == (GOOD, 0.5, {"ttft": 0.5})


def test_the_score_is_capped_but_margins_tell_how_late_it_was():
    judgement = judge(slo(ttft=0.5), finished(ttft=500.0))
    assert (judgement.verdict, judgement.score) == (BAD, 16.0)
    assert judgement.margins == {"ttft": 1000.0}


# ------------------------------------------------------------------ one token


ONE = finished(1, ttft=0.4, decode=0.0)


def test_a_request_of_one_token_is_judged_on_the_other_thresholds_as_by_vllms_benchmark():
    # vllm bench serve: `if output_len > 1: tpot = ...` else 0, which keeps every threshold.
    assert verdict(ONE) is GOOD
    assert judge(slo(**CHAT), ONE).margins == {"ttft": 0.8}
    assert verdict(finished(1, ttft=0.6, decode=0.0)) is BAD
    assert (judge(slo(tpot=0.001), ONE).verdict, judge(slo(tpot=0.001), ONE).score) == (GOOD, 0.0)


def test_a_request_of_one_token_is_bad_where_the_policy_says_so_as_in_aiperf():
    # AIPerf: a metric that a request does not have is not met.
    judgement = judge(slo(policy={"one_token": "bad"}, **CHAT), ONE)
    assert (judgement.verdict, judgement.score, judgement.reason) == (BAD, SCORE_CAP, "")


def test_a_request_of_one_token_can_be_left_out():
    judgement = judge(slo(policy={"one_token": "exclude"}, **CHAT), ONE)
    assert (judgement.verdict, judgement.score, judgement.reason) == (EXCLUDED, None, "one_token")


@pytest.mark.parametrize("objective", ["tpot", "inter_token"])
@pytest.mark.parametrize(("policy", "expected"), [("judge", GOOD), ("bad", BAD), ("exclude", EXCLUDED)])
def test_the_policy_for_one_token_is_for_every_threshold_on_later_tokens(objective, policy, expected):
    assert verdict(ONE, {"one_token": policy}, ttft=0.5, **{objective: 0.1}) is expected


@pytest.mark.parametrize("policy", ["judge", "bad", "exclude"])
def test_the_policy_for_one_token_does_not_matter_where_nothing_is_asked_of_later_tokens(policy):
    assert verdict(ONE, {"one_token": policy}, ttft=0.5) is GOOD
    assert verdict(ONE, {"one_token": policy}, e2e=0.3) is BAD


@pytest.mark.parametrize("policy", ["bad", "exclude"])
def test_two_tokens_are_not_one(policy):
    assert verdict(finished(2, ttft=0.4, decode=0.1), {"one_token": policy}) is GOOD


# ------------------------------------------------------------------ aborted


def test_an_aborted_request_that_was_in_time_until_then_is_left_out():
    request = aborted(5, ttft=0.4, decode=0.4)
    assert verdict(request) is EXCLUDED
    assert reason(request) == "aborted"


@pytest.mark.parametrize(
    "request_",
    [
        aborted(5, ttft=0.6, decode=0.1),
        aborted(5, ttft=0.1, decode=0.6),
        aborted(0, ttft=None, decode=None, e2e=0.6),
    ],
    ids=["first token late", "tokens slow", "no first token and past its time"],
)
def test_an_aborted_request_that_was_late_already_is_bad(request_):
    judgement = judge(slo(**CHAT), request_)
    assert (judgement.verdict, judgement.score) == (BAD, SCORE_CAP)


def test_an_aborted_request_that_waited_too_long_has_missed_the_first_token():
    # It had waited 0.6 s of 0.5 s: the first token, had it come, would have been at least so late.
    judgement = judge(slo(**CHAT), aborted(0, ttft=None, decode=None, e2e=0.75))
    assert judgement.margins == {"ttft": 1.5}


def test_an_aborted_request_that_had_waited_exactly_as_long_as_allowed_was_not_late():
    assert verdict(aborted(0, ttft=None, decode=None, e2e=0.5)) is EXCLUDED


def test_an_aborted_request_past_the_end_to_end_time_is_bad():
    assert verdict(aborted(5, ttft=0.1, decode=3.0), e2e=2.0) is BAD
    assert verdict(aborted(0, ttft=None, decode=None, e2e=3.0), e2e=2.0) is BAD


def test_without_a_threshold_on_the_first_token_waiting_for_it_is_not_late():
    assert verdict(aborted(0, ttft=None, decode=None, e2e=100.0), tpot=0.1) is EXCLUDED


@pytest.mark.parametrize(("policy", "expected"), [("bad", BAD), ("exclude", EXCLUDED)])
def test_aborted_requests_can_all_be_bad_or_all_be_left_out(policy, expected):
    for request in (aborted(5, ttft=0.1, decode=0.1), aborted(5, ttft=99.0, decode=0.1)):
        assert verdict(request, {"aborted": policy}) is expected


# ------------------------------------------------------------------ failed, preempted


@pytest.mark.parametrize(
    "request_",
    [finished(20, reason="error"), finished(0, ttft=None, decode=None, e2e=0.1), finished(0, ttft=None, decode=None)],
)
def test_a_failed_request_or_one_without_any_token_is_bad_however_fast_it_was(request_):
    judgement = judge(slo(**CHAT), request_)
    assert (judgement.verdict, judgement.score) == (BAD, SCORE_CAP)


def test_a_request_that_was_never_to_have_a_token_is_judged_by_its_whole_time():
    embedding = finished(0, ttft=None, decode=None, e2e=0.3)
    assert verdict(embedding, e2e=0.5) is GOOD
    assert verdict(embedding, e2e=0.2) is BAD


def test_failed_requests_can_be_left_out():
    request = finished(20, reason="error")
    assert verdict(request, {"failed": "exclude"}) is EXCLUDED
    assert reason(request, {"failed": "exclude"}) == "failed"


def test_a_failure_is_not_hidden_by_the_policy_for_one_token_or_for_preempted_requests():
    request = finished(1, decode=0.0, reason="error", preemptions=1)
    assert verdict(request, {"one_token": "exclude", "preempted": "exclude"}) is BAD


@pytest.mark.parametrize(
    ("preemptions", "policy", "expected"),
    [(1, "judge", GOOD), (1, "exclude", EXCLUDED), (0, "exclude", GOOD), (0, "judge", GOOD)],
)
def test_preempted_requests_are_judged_or_left_out(preemptions, policy, expected):
    request = finished(9, ttft=0.1, decode=0.1, preemptions=preemptions)
    assert verdict(request, {"preempted": policy}) is expected
    assert reason(request, {"preempted": policy}) == ("preempted" if expected is EXCLUDED else "")


def test_a_preempted_request_that_was_late_is_bad_where_it_counts():
    request = finished(9, ttft=9.0, preemptions=3)
    assert verdict(request) is BAD
    assert verdict(request, {"preempted": "exclude"}) is EXCLUDED


# ------------------------------------------------------------------ what records leave open


def test_the_longest_gap_is_not_in_a_record_and_only_sometimes_decided():
    # 11 tokens in 1 s: the longest gap is between 0.1 s (all equal) and 1 s (one holds it all).
    request = finished(11, decode=1.0)
    assert verdict(request, inter_token=0.09) is BAD
    assert verdict(request, inter_token=1.0) is GOOD
    assert verdict(request, inter_token=0.5) is UNKNOWN
    assert reason(request, inter_token=0.5) == "inter_token"
    # A mean gap of exactly 0.5 s: all are equal and keep it, or one is longer.
    assert verdict(finished(3, decode=1.0), inter_token=0.5) is UNKNOWN


def test_an_undecided_gap_does_not_matter_when_something_else_is_missed():
    judgement = judge(slo(inter_token=0.5, ttft=0.05), finished(11, decode=1.0))
    assert (judgement.verdict, judgement.score, judgement.reason) == (BAD, 2.0, "")


def test_an_undecided_gap_is_undecided_though_all_else_is_kept():
    judgement = judge(slo(inter_token=0.5, ttft=1.0), finished(11, decode=1.0))
    assert (judgement.verdict, judgement.score) == (UNKNOWN, None)


def test_with_two_tokens_the_only_gap_is_the_time_per_output_token():
    assert verdict(finished(2, decode=0.5), inter_token=0.5) is GOOD
    assert verdict(finished(2, decode=0.6), inter_token=0.5) is BAD


@given(st.lists(st.floats(0.001, 10), min_size=1, max_size=20), st.floats(0.001, 10))
def test_what_is_decided_about_the_longest_gap_is_true(gaps, threshold):
    decode = sum(gaps)
    found = verdict(finished(len(gaps) + 1, decode=decode), inter_token=threshold)
    if found is not UNKNOWN and abs(max(gaps) - threshold) > 1e-9:
        assert (found is GOOD) == (max(gaps) <= threshold)


@pytest.mark.parametrize(
    ("fields", "objective"),
    [({"ttft": None}, "ttft"), ({"decode": None}, "tpot"), ({"decode": None}, "inter_token")],
)
def test_a_record_that_lacks_what_is_asked_has_no_verdict(fields, objective):
    request = finished(9, e2e=1.0, **fields)
    judgement = judge(slo(e2e=2.0, **{objective: 0.5}), request)
    assert (judgement.verdict, judgement.score, judgement.reason) == (UNKNOWN, None, objective)
    assert judge(slo(e2e=0.5, **{objective: 0.5}), request).verdict is BAD


# ------------------------------------------------------------------ whatever comes


@given(
    thresholds=st.dictionaries(st.sampled_from(OBJECTIVES), st.floats(0.001, 100), min_size=1),
    policy=st.fixed_dictionaries(
        {
            "aborted": st.sampled_from(["late", "bad", "exclude"]),
            "failed": st.sampled_from(["bad", "exclude"]),
            "one_token": st.sampled_from(["judge", "bad", "exclude"]),
            "preempted": st.sampled_from(["judge", "exclude"]),
        }
    ),
    request=st.builds(
        finished,
        st.integers(0, 5),
        ttft=st.none() | st.floats(0, 1000),
        decode=st.none() | st.floats(0, 1000),
        e2e=st.floats(0, 1000),
        reason=st.sampled_from(["stop", "length", "abort", "error", ""]),
        preemptions=st.none() | st.integers(0, 2),
    ),
)
def test_score_verdict_and_reason_always_agree(thresholds, policy, request):
    judgement = judge(slo(policy=policy, **thresholds), request)
    judged = judgement.verdict in (GOOD, BAD)
    assert (judgement.score is not None) == judged
    assert (judgement.reason == "") == judged
    if judged:
        assert 0 <= judgement.score <= SCORE_CAP
        assert (judgement.score <= 1) == (judgement.verdict is GOOD)
    assert judgement.margins.keys() <= thresholds.keys()


def test_nine_in_ten_is_the_target_unless_another_is_set():
    assert Slo("chat", {"ttft": 1.0}).target == 0.9


@pytest.mark.parametrize(
    ("pattern", "model", "expected"),
    [
        ("*", "meta-llama/Llama-3.1-8B", True),
        ("*", "", True),
        ("llama-*", "llama-8b", True),
        ("llama-*", "Llama-8b", False),
        ("llama-8b", "llama-8b-lora", False),
        ("meta-llama/*", "meta-llama/Llama-3.1-8B", True),
        ("qwen[23]-*", "qwen3-4b", True),
    ],
)
def test_an_slo_is_for_the_models_that_match_its_pattern(pattern, model, expected):
    assert slo(model=pattern, ttft=1.0).is_for(model) is expected
