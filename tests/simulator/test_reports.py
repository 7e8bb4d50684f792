"""What a step tells is what happened in it (steps of one second)."""

from __future__ import annotations

import pytest

from pentameter.simulator.reports import Finished, FirstToken
from pentameter.simulator.traffic import Request
from simulator.small import LATER, engine_of, small_preset


def watched(*requests, **preset):
    engine = engine_of(small_preset(**preset))
    steps = []
    engine.observer = steps.append
    for each in requests:
        engine.advance_to(each.arrival)
        engine.submit(each)
    engine.advance_to(LATER)
    return steps


def test_a_record_holds_the_moments_of_a_request_and_its_figures():
    waits = Request(2, 0.5, 40, 3, 3)
    (record,) = watched(Request(1, 0.0, 32, 2, 100), waits, max_num_seqs=1)[-1].finished
    assert record == Finished(2, 0.5, 2.0, 3.0, 5.0, 40, 3, 3, 0, 0, "length")
    assert (record.queue, record.prefill, record.ttft, record.decode) == (1.5, 1.0, 2.5, 2.0)
    assert (record.inference, record.e2e, record.tpot) == (3.0, 4.5, 1.0)
    assert record.request_id == "chatcmpl-00000002"


def test_one_token_takes_no_time_per_further_token():
    (record,) = watched(Request(1, 0.0, 32, 1, 100))[-1].finished
    assert (record.tpot, record.decode, record.reason) == (0.0, 0.0, "stop")


def test_each_step_tells_its_own_work():
    first, second, third = watched(Request(1, 0.0, 32, 3, 100), Request(2, 0.5, 16, 1, 100))
    assert (first.start, first.end, first.decoded, first.generated) == (0.0, 1.0, 0, 1)
    assert first.first_tokens == [FirstToken(0.0, 32, 0)]
    assert (first.running, first.waiting, first.finished) == (1, 1, [])
    assert (second.decoded, second.generated, second.first_tokens) == (1, 2, [FirstToken(0.5, 16, 0)])
    assert [each.number for each in second.finished] == [2]
    assert (second.prefix_queries, second.running, second.waiting) == (16, 1, 0)
    assert [each.number for each in third.finished] == [1]
    assert third.kv_usage == 0.0


def test_a_request_that_comes_back_from_a_preemption_tells_of_it_with_its_next_token():
    steps = watched(*(Request(number, 0.0, 64, 20, 100) for number in (1, 2)), blocks=10, max_num_batched_tokens=256)
    (back,) = [step for step in steps if step.preemptions]
    # The second stood still from 2.0 until the first had finished at 20.0, and prefilled again by 21.0.
    assert (back.end, back.resumed_gaps, back.first_tokens) == (21.0, [19.0], [])
    assert (back.generated, steps[-1].finished[0].preemptions) == (1, 1)


def test_the_steps_of_a_day_add_up_to_the_counters(drained):
    counters, steps = drained.counters, drained.steps
    assert sum(step.generated for step in steps) == counters.generation_tokens
    assert sum(step.preemptions for step in steps) == counters.preemptions
    assert sum(step.prefix_hits for step in steps) == counters.prefix_hits
    assert sum(step.flops for step in steps) == pytest.approx(counters.flops)
    assert all(step.start < step.end for step in steps)
