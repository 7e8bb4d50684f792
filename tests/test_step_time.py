"""Time of prefill and decode, from rows of single steps."""

import pytest

from builders import finished
from pentameter.records import StepRow
from pentameter.step_time import LEAST, LOOK_BACK, MOST_SECONDS, STALE, DecodeLine, StepTime

BUDGET = 100


def decode(requests, seconds, *, left=1):
    return StepRow(seconds, seconds, requests, 0, 0, 0.0, left)


def mixed(requests, seconds, prompt, *, first=1, left=1):
    return StepRow(seconds, seconds, requests, first, prompt, seconds, left)


def prefill(seconds, prompt, *, ttft=None, left=1):
    return StepRow(seconds, 0.0, 0, 1, prompt, seconds if ttft is None else ttft, left)


def silent(seconds, *, left=1):
    """Return a step without outputs: a part of a prompt, or nothing."""
    return StepRow(seconds, 0.0, 0, 0, 0, 0.0, left)


REST = silent(0.0, left=0)


def totals(*rows, budget=BUDGET, lanes=1, requests=()):
    time = StepTime()
    for request in requests:
        time.take_request(request)
    time.take(rows, budget, lanes=lanes)
    time.take([REST], budget)
    return time.totals


def seconds(prefill=0.0, decode=0.0, unsplit=0.0):
    return pytest.approx({"prefill": prefill, "decode": decode, "unsplit": unsplit})


def test_64_requests_that_decode_share_the_time():
    """Each has 1000 in, 200 out, 0.1 s of prefill, 200 steps of 20 ms: by the GPU's time 62 % are the input's."""
    one_request_in_three_steps = [mixed(64, 0.12, 50)] * 64 + [decode(64, 0.02)] * 136
    found = totals(*one_request_in_three_steps)
    assert found == seconds(prefill=64 * 0.1, decode=200 * 0.02)
    assert round(100 * found["prefill"] / sum(found.values())) == 62


def test_a_step_of_one_kind_is_that_kinds_whole():
    assert totals(REST, prefill(0.3, 80), decode(1, 0.02), decode(1, 0.03, left=0)) == seconds(0.3, 0.05)


def test_time_without_work_is_no_step():
    """An hour of rest; then a first token 0.2 s after its request's arrival."""
    later = StepRow(3600.0, 0.0, 0, 1, 50, 0.2, 1)
    assert totals(prefill(0.1, 50), decode(1, 0.02, left=0), later, decode(1, 0.02)) == seconds(0.3, 0.04)


def test_a_first_token_that_waited_elsewhere_took_no_longer_than_the_engine_was_awake():
    """It arrived 5 s ago, was held up on its way in, and the engine began to work for it 0.3 s ago."""
    assert totals(REST, StepRow(0.3, 0.0, 0, 1, 50, 5.0, 1)) == seconds(prefill=0.3)


def test_the_way_in_is_learnt_from_finished_requests_and_taken_off():
    known = finished(ttft=0.25, queue=0.05, prefill=0.16)  # 0.04 s on the way
    later = StepRow(9.0, 0.0, 0, 1, 50, 0.24, 1)
    assert totals(REST, later, requests=[known]) == seconds(prefill=0.2)


def test_a_preempted_request_teaches_nothing_of_the_way_in():
    known = finished(ttft=5.0, queue=0.0, prefill=1.0, preemptions=1)
    assert totals(REST, StepRow(9.0, 0.0, 0, 1, 50, 0.24, 1), requests=[known]) == seconds(prefill=0.24)


def test_parts_of_a_prompt_that_nothing_else_runs_beside_are_prefills():
    parts = [silent(0.1), silent(0.1), StepRow(0.1, 0.0, 0, 1, 250, 0.9, 1)]
    assert totals(decode(1, 0.02, left=0), *parts, decode(1, 0.02)) == seconds(prefill=0.3, decode=0.04)
    assert totals(prefill(0.0, 1), *parts) == seconds(prefill=0.3)


def test_the_tokens_of_a_long_prompt_are_put_back_into_the_steps_that_computed_them():
    """10 decode, so 90 tokens of a prompt fit into a step: 200 take the last step and the two before it."""
    alone = [decode(10, 0.02)] * 20
    found = totals(*alone, decode(10, 0.11), decode(10, 0.11), mixed(10, 0.05, 200))
    assert found == seconds(prefill=0.09 + 0.09 + 0.03, decode=23 * 0.02)


def test_nothing_is_put_back_beyond_a_rest():
    found = totals(*[decode(1, 0.02)] * 20, REST, prefill(0.1, 500), decode(1, 0.02))
    assert found == seconds(prefill=0.1, decode=21 * 0.02)


def test_two_prompts_that_end_in_one_step_reach_back_as_far_as_both_need():
    steps = [decode(10, 0.02)] * 20 + [decode(10, 0.11), mixed(10, 0.11, 180, first=2)]
    assert totals(*steps) == seconds(prefill=2 * 0.09, decode=22 * 0.02)


def test_what_a_mixed_step_costs_its_decodes_follows_their_number():
    """10 ms and 1 ms for each decode: 0.06 s for 50, seen or not."""
    alone = [decode(n, 0.01 + 0.001 * n) for n in range(1, 21)]
    found = totals(*alone, mixed(50, 0.16, 30))
    assert found["prefill"] == pytest.approx(0.1)


def test_a_mixed_step_is_never_more_than_whole():
    assert totals(*[decode(4, 0.02)] * 20, mixed(4, 0.015, 10)) == seconds(decode=0.415)


def test_mixed_steps_wait_until_enough_decodes_were_alone():
    rows = [mixed(8, 0.12, 50)] * 5 + [decode(8, 0.02)] * LEAST
    assert totals(*rows) == seconds(prefill=0.5, decode=0.1 + LEAST * 0.02)


def test_where_decodes_are_never_alone_nothing_is_divided():
    found = totals(*[mixed(8, 0.12, 50)] * 2000)
    assert found["prefill"] == found["decode"] == 0
    assert found["unsplit"] > 100


def test_what_decodes_cost_long_ago_divides_nothing():
    time = StepTime()
    time.take([decode(8, 0.02)] * 20, BUDGET)
    time.take([mixed(8, 0.12, 50)] * (STALE + 2000), BUDGET)
    assert time.totals["prefill"] == pytest.approx(0.1 * (STALE - 1))
    assert time.totals["unsplit"] > 0


def test_a_step_is_told_when_no_later_one_can_change_it():
    time = StepTime()
    time.take([decode(1, 0.02)] * (LOOK_BACK + 5), BUDGET)
    assert time.totals["decode"] == pytest.approx(5 * 0.02)


def test_the_engines_own_clock_is_believed_where_the_front_end_was_held_up():
    late = [StepRow(since, 0.02, 3, 0, 0, 0.0, 1) for since in (0.05, 0.0, 0.01, 0.02)]
    assert totals(*late) == seconds(decode=0.08)


def test_with_several_batches_under_way_a_step_is_shorter_than_the_gap_that_it_ends():
    assert totals(prefill(0.1, 5), *[StepRow(0.01, 0.02, 3, 0, 0, 0.0, 1)] * 6, lanes=2)["decode"] == pytest.approx(
        0.06
    )


def test_a_halted_server_does_not_compute():
    assert totals(decode(1, 0.02), decode(1, MOST_SECONDS + 1)) == seconds(decode=0.02)


def test_before_the_first_output_nothing_is_known_of_the_time():
    assert totals(silent(0.0), silent(0.1), StepRow(0.1, 0.0, 0, 1, 250, 0.35, 1)) == seconds(prefill=0.35)


def test_the_line_forgets():
    line = DecodeLine()
    for cost in (0.01,) * 1000 + (0.03,) * 3000:
        line.add(8, cost)
    assert line.seconds(8) == pytest.approx(0.03, rel=1e-3)


def test_the_line_never_falls_with_the_number_of_decodes():
    line = DecodeLine()
    for n in range(1, 50):
        line.add(n, 0.1 - 0.001 * n)
    assert line.seconds(100) == line.seconds(1) > 0


def test_a_new_process_begins_anew():
    """The old one was killed at work; the first row of the new one, a minute later, has no time before it."""
    killed = [decode(10, 0.02)] * 20
    again = [StepRow(0.0, 0.0, 0, 0, 0, 0.0, 1), StepRow(0.1, 0.0, 0, 1, 150, 0.25, 1), decode(1, 0.02)]
    assert totals(*killed, *again) == seconds(prefill=0.25, decode=20 * 0.02 + 0.02)
