"""The estimate on made-up servers whose capacity is known."""

from dataclasses import replace

import pytest

from capacity.made import day, noisy_day, on_the_line, window
from pentameter.capacity.estimate import Limits, begins_with_backlog, estimate, is_usable

KNEE = 10.0
LIMITS = Limits(target=0.9)


def said(windows, limits=LIMITS):
    return estimate(windows, [1.0] * len(windows), limits)


def test_nothing_is_known_of_nothing():
    assert said([]).state == "unknown"
    assert said([]).highest_rate is None


def test_far_below_the_knee_only_what_was_carried_is_known():
    answer = said(day(4.0, KNEE))
    assert answer.state == "lower_bound"
    assert (answer.estimate, answer.upper, answer.binding) == (None, None, "")
    # The highest band of 1.1 has more than 6 of 288 windows: about 4 / 1.1, less 1 / sqrt(1100) and 3 %.
    assert 3.3 < answer.lower < 4.0
    assert (answer.windows, answer.highest_rate) == (288, pytest.approx(4.0, rel=0.01))


def test_near_the_knee_the_line_is_prolonged_to_it():
    answer = said(day(8.0, KNEE))
    assert answer.state == "extrapolated"
    assert answer.estimate == pytest.approx(KNEE, rel=0.02)
    assert answer.lower < KNEE < answer.upper
    assert answer.binding == "tpot"
    assert answer.reach == pytest.approx(1.25, abs=0.03)


def test_beyond_1_3_times_the_load_seen_nothing_is_extrapolated():
    assert said(day(7.5, KNEE)).state == "lower_bound"
    assert said(day(7.9, KNEE)).state == "extrapolated"


def test_beyond_the_knee_it_is_observed_and_the_line_plays_no_part():
    windows = [replace(w, severity=0.2, margins={"tpot": 0.2}) for w in day(13.0, KNEE)]
    answer = said(windows)
    assert answer.state == "observed"
    assert answer.estimate == pytest.approx(KNEE, rel=0.01)
    assert 0.85 * KNEE < answer.lower < KNEE < answer.upper < 1.2 * KNEE
    assert answer.reach < 1


@pytest.mark.parametrize("target", [0.5, 0.8, 0.95, 0.99])
def test_the_target_decides_where_the_knee_is(target):
    # Attainment falls from 1 at 0 to 0 at 20 requests/s: the target is reached at 20 * (1 - target).
    rates = [0.1 * i for i in range(1, 200)]
    windows = [window(r, good=1 - r / 20, severity=1.0) for r in rates for _ in range(3)]
    answer = said(windows, Limits(target=target))
    assert answer.state == "observed"
    assert answer.estimate == pytest.approx(20 * (1 - target), abs=0.15)


def test_a_target_missed_at_any_load_is_no_capacity():
    answer = said([window(r / 10, good=0.8, severity=1.5) for r in range(10, 100)])
    assert (answer.state, answer.lower, answer.estimate) == ("unknown", None, None)
    assert answer.windows == 90


def test_a_handful_of_windows_proves_a_lower_bound_but_no_estimate():
    assert said([window(5.0, severity=0.9)] * 5).state == "unknown"
    answer = said([window(5.0, severity=0.9)] * 6)
    assert answer.state == "lower_bound"
    # 1500 requests a window: 5 * (1 - 1 / sqrt(1500)) * 0.97.
    assert answer.lower == pytest.approx(5 * (1 - 1500**-0.5) * 0.97)
    few = day(8.0, KNEE, count=19)
    assert said(few).state != "extrapolated"


def test_a_bad_window_or_two_is_no_knee():
    windows = day(4.0, KNEE)
    windows[-1] = replace(windows[-1], good=0)
    assert said(windows).state == "lower_bound"


def test_a_few_requests_more_than_allowed_are_no_knee_either():
    # Six windows of 150 requests at 88 %: 225 effective ones, whose upper limit is 0.91.
    windows = day(0.4, 1.0) + [window(0.5, good=0.88, severity=1.1)] * 6
    assert said(windows).state != "observed"
    assert said(windows + [window(0.5, good=0.5, severity=1.1)] * 6).state == "observed"


def test_windows_that_weigh_nothing_do_not_count():
    old, new = day(13.0, KNEE), day(4.0, KNEE)
    answer = estimate(old + new, [0.0] * len(old) + [1.0] * len(new), LIMITS)
    assert answer == said(new)


def test_a_full_kv_cache_is_foreseen_though_latencies_show_nothing():
    # The peak is 98 % at 9.8 requests/s, the mean 95 % at 0.95 / 0.08 = 11.9.
    windows = [replace(w, severity=0.3, margins={"tpot": 0.3}) for w in day(8.5, 1000.0)]
    windows = [replace(w, kv_peak=w.rate / 10, kv_mean=0.08 * w.rate) for w in windows]
    answer = said(windows)
    assert (answer.state, answer.binding) == ("extrapolated", "kv_cache")
    assert answer.estimate == pytest.approx((9.8 * 0.95 / 0.08) ** 0.5, rel=0.02)
    assert answer.lower <= 9.8
    assert answer.upper >= 11.8


def test_the_seats_of_the_batch_are_known_only_when_somebody_says_so():
    windows = [replace(w, severity=0.3, margins={"tpot": 0.3}) for w in day(8.5, 1000.0)]
    windows = [replace(w, running_peak=10 * w.rate, running_mean=8 * w.rate) for w in windows]
    assert said(windows).state == "lower_bound"
    answer = said(windows, Limits(max_num_seqs=100))
    assert (answer.state, answer.binding) == ("extrapolated", "max_num_seqs")
    assert answer.estimate == pytest.approx((9.9 * 95 / 8) ** 0.5, rel=0.02)


def test_what_ran_out_is_named_when_the_knee_is_observed():
    def beyond(**facts):
        return [replace(w, **facts) if w.rate > KNEE else w for w in day(13.0, KNEE)]

    assert said(beyond()).binding == "tpot"
    assert said(beyond(margins={"tpot": 0.5, "ttft": 3.0})).binding == "ttft"
    assert said(beyond(kv_peak=1.0, kv_mean=0.9)).binding == "kv_cache"
    assert said(beyond(kv_peak=1.0, kv_mean=0.4)).binding == "tpot"
    full = beyond(running_peak=64.0, running_mean=60.0)
    assert said(full).binding == "tpot"
    assert said(full, Limits(max_num_seqs=64)).binding == "max_num_seqs"


def test_all_thresholds_together_may_be_harder_than_any_one():
    windows = [replace(w, margins={"tpot": 0.5, "ttft": 0.8 * w.severity}) for w in day(8.0, KNEE)]
    answer = said(windows)
    assert answer.estimate == pytest.approx(KNEE, rel=0.02)
    assert answer.binding == "ttft"


def test_a_limit_that_may_be_near_silences_the_estimate():
    # The TTFT's medians jump about so much that its line may reach the threshold anywhere.
    jumps = [0.95, 0.2, 0.9, 0.3, 0.97, 0.25, 0.9]
    windows = [replace(w, margins={"tpot": w.severity, "ttft": jumps[int(w.rate * 2) % 7]}) for w in day(8.0, KNEE)]
    assert said(windows).state == "lower_bound"


def test_a_resource_that_may_run_out_earlier_silences_the_estimate_as_well():
    # Latency gives out at 10; the cache is full for moments at 7.8 already, on average only at 14.
    windows = [replace(w, kv_peak=min(1.0, w.rate / 8), kv_mean=0.95 * w.rate / 14) for w in day(8.0, KNEE)]
    assert said(windows).state == "lower_bound"


def test_a_limit_without_an_upper_end_is_no_estimate():
    windows = [replace(w, severity=0.3, margins={"tpot": 0.3}, kv_peak=w.rate / 10) for w in day(8.5, KNEE)]
    assert said(windows).state == "lower_bound"


def test_what_has_been_carried_refutes_no_capacity_a_fifth_above():
    answer = said(day(9.7, KNEE))
    assert answer.state == "extrapolated"
    assert answer.upper >= 1.2 * answer.highest_rate


def test_what_is_proved_is_not_taken_back_by_an_extrapolation():
    answer = said(day(9.7, KNEE) + [on_the_line(9.7, KNEE)] * 40)
    assert answer.state == "extrapolated"
    assert answer.lower == pytest.approx(9.7 * (1 - 2910**-0.5) * 0.97)


@pytest.mark.parametrize("promised", [6.0, 7.5])
def test_a_line_that_promises_less_than_has_been_carried_is_not_believed(promised):
    # 0.75 of the highest load, and 0.94 of it but less than what 40 more windows there prove.
    windows = [replace(on_the_line(w.rate, promised, at=w.start), good=w.judged) for w in day(8.0, KNEE)]
    windows += [replace(on_the_line(8.0, promised), good=2400)] * 40
    answer = said(windows)
    assert (answer.state, answer.estimate) == ("lower_bound", None)
    assert answer.lower > 7.5


def test_where_attainment_hardly_depends_on_the_load_there_is_no_estimate():
    flat = [replace(w, good=round(0.915 * w.judged)) for w in day(8.5, KNEE)]
    assert said(flat).state in {"lower_bound", "unknown"}
    assert said(flat).estimate is None


def test_a_window_that_begins_with_a_queue_is_left_out():
    queued = replace(window(1.0), waiting_at_start=11.0)
    limits = Limits(backlog_seconds=10.0)
    assert begins_with_backlog(queued, limits)
    assert not begins_with_backlog(replace(queued, waiting_at_start=10.0), limits)
    assert not begins_with_backlog(replace(queued, waiting_at_start=None), limits)
    # Five waiting requests are none, however slow the traffic.
    assert not begins_with_backlog(replace(window(0.1), waiting_at_start=5.0), limits)


def test_the_backlog_of_an_overload_does_not_lower_the_capacity():
    after = [replace(window(5.0, good=0.0, severity=9.0), waiting_at_start=500.0)] * 30
    assert said(day(13.0, KNEE) + after) == said(day(13.0, KNEE))


def test_a_window_of_which_too_much_is_undecided_is_left_out():
    counted = window(1.0)
    assert is_usable(replace(counted, undecided=15), LIMITS)
    assert not is_usable(replace(counted, undecided=16), LIMITS)
    assert not is_usable(replace(counted, judged=0, good=0, severity=None), LIMITS)


def test_burstiness_and_mix_are_told():
    windows = [replace(w, dispersion=3.0 if w.rate > 2.0 else 1.0, prompt_tokens=500.0) for w in day(4.0, KNEE)]
    answer = said(windows)
    assert (answer.dispersion, answer.output_tokens, answer.prompt_tokens) == pytest.approx((3.0, 200.0, 500.0))
    assert said(day(4.0, KNEE)).prompt_tokens is None
    assert said(day(4.0, KNEE)).dispersion is None


@pytest.mark.parametrize("start", [1.4, 2.0, 4.0])
@pytest.mark.parametrize("peak", [0.3, 0.6, 0.75, 0.85, 0.95, 1.1, 1.3])
@pytest.mark.parametrize("knee", [1.5, 12.0])
def test_the_lower_bound_is_never_above_a_planted_truth(start, peak, knee):
    for seed in range(3):
        answer = said(noisy_day(seed, peak * knee, knee, start))
        assert answer.state != "unknown"
        assert answer.lower < knee
        if answer.estimate is not None:
            assert answer.lower <= answer.estimate <= answer.upper
            assert answer.upper > knee
            assert answer.estimate == pytest.approx(knee, rel=0.1 if answer.state == "observed" else 0.25)


def test_the_order_of_the_windows_does_not_matter():
    windows = noisy_day(1, 11.0, KNEE, 2.0)
    assert said(windows[::-1]) == said(windows)


def test_equal_windows_are_no_trouble():
    assert said([on_the_line(5.0, KNEE)] * 50).state == "lower_bound"
    assert said([window(5.0, good=0.0, severity=8.0)] * 50).state == "unknown"
