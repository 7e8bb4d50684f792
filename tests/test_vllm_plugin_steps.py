"""Rows of single steps, from vLLM's stat objects."""

import math

import pytest

from fakes.vllm_stats import RELEASES, details, iteration, scheduler
from pentameter.vllm_plugin_steps import MOST_ADAPTERS, MOST_ROWS, StepLog


def rows(*steps):
    log = StepLog()
    for wall, (scheduler_stats, iteration_stats) in steps:
        log.take(scheduler_stats, iteration_stats, wall)
    return log.cut()["steps"]


@pytest.mark.parametrize("release", RELEASES)
def test_a_row_says_when_a_step_was_what_it_did_and_who_is_left(release):
    first = scheduler(release, running=3), iteration(release, at=100.0, gaps=[0.5])
    second = (
        scheduler(release, running=4, waiting=2),
        iteration(release, at=100.25, gaps=[0.25, 0.25, 0.5], ttfts=[1.5, 0.75], prompt=640),
    )
    assert rows((0.0, first), (0.0, second)) == [
        [0, 500_000, 1, 0, 0, 0, 3],
        [250_000, 250_000, 3, 2, 640, 1_500_000, 6],
    ]


def test_prompt_tokens_from_the_cache_were_not_computed():
    assert rows((0.0, (scheduler(), iteration(ttfts=[1.0], prompt=640, cached=600))))[0][4] == 40


def test_a_step_without_outputs_has_the_time_at_which_it_was_told():
    early = scheduler(running=1), iteration(at=100.0, gaps=[0.5])
    assert rows((100.1, early), (100.5, (scheduler(running=1), None))) == [
        [0, 500_000, 1, 0, 0, 0, 1],
        [500_000, 0, 0, 0, 0, 0, 1],
    ]


def test_an_abort_is_no_step():
    assert rows((1.0, (None, iteration(gaps=[0.5])))) == []


def test_a_request_that_is_back_from_a_preemption_was_prefilled_again():
    assert rows((0.0, (scheduler(), iteration(gaps=[0.5, 9.0], preempted=1))))[0][2:4] == [1, 1]


def test_where_vllm_tells_the_prompt_tokens_of_the_step_itself_they_are_taken():
    told = details(prefills=1, decodes=1, prefill_tokens=256)
    assert rows((0.0, (scheduler(details=told), iteration(gaps=[0.5]))))[0][4] == 256


def test_a_step_for_other_engines_sake_is_none():
    assert rows((0.0, (scheduler(details=details(dummy=True)), None))) == []


def test_those_who_wait_for_something_else_than_room_do_not_keep_the_engine_awake():
    assert rows((0.0, (scheduler(deferred=3), None)))[0][6] == 0


def test_a_clock_that_goes_back_says_nothing():
    steps = [(at, (scheduler(running=1), None)) for at in (100.0, 90.0, 90.5)]
    assert [row[0] for row in rows(*steps)] == [0, 0, 500_000]


@pytest.mark.parametrize("gap", [-1.0, math.nan, math.inf])
def test_a_gap_that_is_no_duration_says_nothing(gap):
    assert rows((0.0, (scheduler(), iteration(gaps=[gap]))))[0][1:3] == [0, 1]


def test_no_row_is_told_twice_and_too_many_are_forgotten():
    log = StepLog()
    for at in range(MOST_ROWS + 3):
        log.take(scheduler(running=1), None, float(at))
    assert len(log.cut()["steps"]) == MOST_ROWS
    assert log.cut()["steps"] == []


# ------------------------------------------------------------------ adapters


def adapters(*steps, lora=True):
    """Return the outputs by adapter of steps given as (requests that decode, adapters past their first token after)."""
    log = StepLog(lora=lora)
    for decoding, after in steps:
        state = scheduler(running=9)
        state.running_lora_adapters = after
        log.take(state, iteration(gaps=[0.02] * decoding), 0.0)
    return log.cut().get("adapters")


def test_outputs_are_of_the_adapters_that_had_one_in_the_step_before_and_else_of_the_base_model():
    """Two of poet and one of lawyer decode beside two of the base model; then lawyer's has ended."""
    told = adapters((0, {"poet": 2, "lawyer": 1}), (5, {"poet": 2, "lawyer": 0}), (4, {"poet": 2}))
    assert told == {"poet": 4, "lawyer": 1, "": 4}


def test_a_request_that_was_aborted_had_no_output():
    assert adapters((0, {"poet": 2}), (1, {"poet": 1})) == {"poet": 1}


def test_without_adapters_nothing_is_said_of_them():
    assert adapters((3, {}), lora=False) is None
    assert adapters((3, {})) == {"": 3}


def test_too_many_adapters_are_added_up():
    names = {f"adapter {n}": 1 for n in range(100)}
    told = adapters((0, names), (100, {}))
    assert len(told) == MOST_ADAPTERS
    assert told["other"] == 100 - (MOST_ADAPTERS - 1)
