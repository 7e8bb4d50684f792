"""Clients that give up: vLLM frees what they held and says nothing of them (steps of one second)."""

from __future__ import annotations

from pentameter.simulator.reports import Abandoned
from pentameter.simulator.traffic import Request
from simulator.small import LATER, engine_of, small_preset


def request(number=1, prompt=32, output=10, arrival=0.0, **whims):
    return Request(number, arrival, prompt, output, 100, **whims)


def serving(*requests, **preset):
    """Return an engine to which the requests have come, and the list of whom its clients abandon."""
    engine = engine_of(small_preset(**preset))
    abandoned = []
    engine.observer = lambda step: abandoned.extend(step.abandoned)
    for each in requests:
        engine.advance_to(each.arrival)
        engine.submit(each)
    return engine, abandoned


def ends(counters):
    """Return the number of requests that each account of ends knows."""
    per_request = (counters.e2e, counters.queue, counters.tpot, counters.request_prompt_tokens)
    return {*(histogram.count for histogram in per_request), sum(counters.request_success.values())}


def test_a_client_whose_patience_ends_in_the_queue_is_gone_with_the_next_step():
    engine, abandoned = serving(request(1), request(2, arrival=0.5, patience=2.0), max_num_seqs=1)
    engine.advance_to(2.9)
    assert (engine.waiting_count, engine.counters.waiting) == (1, 1)
    engine.advance_to(3.0)
    assert (engine.waiting_count, engine.counters.waiting) == (0, 0)
    assert abandoned == [Abandoned(2, 0.5, 2.5, None, 32, 0)]
    engine.advance_to(LATER)
    assert (ends(engine.counters), engine.counters.ended, engine.counters.ttft.count) == ({1}, 2, 1)


def test_who_queues_behind_an_impatient_client_moves_up():
    patient = request(3, arrival=0.6)
    engine, _ = serving(request(1, output=5), request(2, arrival=0.5, patience=2.0), patient, max_num_seqs=1)
    engine.advance_to(LATER)
    assert patient.scheduled_at == 5.0


def test_a_prompt_given_up_between_two_chunks_frees_its_blocks():
    engine, abandoned = serving(request(prompt=100, patience=0.5), max_num_batched_tokens=64)
    assert engine.kv.used == 7
    engine.advance_to(1.0)
    assert (engine.kv.used, engine.running_count) == (0, 0)
    assert abandoned == [Abandoned(1, 0.0, 0.5, None, 100, 0)]
    late = request(2, arrival=5.0)
    engine.submit(late)
    engine.advance_to(LATER)
    assert (late.scheduled_at, late.first_token_at) == (5.0, 6.0)


def test_the_first_token_of_a_client_that_left_during_its_step_goes_to_nobody():
    engine, abandoned = serving(request(prompt=100, patience=1.5), max_num_batched_tokens=64)
    engine.advance_to(LATER)
    counters = engine.counters
    assert abandoned == [Abandoned(1, 0.0, 1.5, None, 100, 0)]
    assert (counters.ttft.count, counters.prompt_tokens, counters.generation_tokens) == (0, 0, 0)
    assert counters.iteration_tokens.count == 0
    # it was looked up in the prefix cache and worked on all the same
    assert counters.prefix_queries == 100
    assert counters.flops > 0
    assert engine.kv.used == 0


def test_a_first_token_at_the_end_of_patience_is_in_time():
    engine, abandoned = serving(request(patience=1.0))
    engine.advance_to(LATER)
    assert (abandoned, engine.counters.finished) == ([], 1)


def test_who_has_had_a_first_token_waits_for_the_others_without_end():
    engine, abandoned = serving(request(output=50, patience=1.5))
    engine.advance_to(LATER)
    assert (abandoned, engine.counters.finished) == ([], 1)


def test_a_client_that_leaves_in_the_middle_of_the_answer_has_what_it_has():
    engine, abandoned = serving(request(output=10, stays_for=3))
    engine.advance_to(2.9)
    assert engine.kv.used == 3
    engine.advance_to(3.0)
    counters = engine.counters
    assert abandoned == [Abandoned(1, 0.0, 3.0, 1.0, 32, 3)]
    assert (engine.kv.used, counters.running) == (0, 0)
    assert (counters.generation_tokens, counters.inter_token.count, counters.ttft.count) == (3, 2, 1)
    assert (ends(counters), counters.ended) == ({0}, 1)


def test_a_client_may_leave_after_its_first_token():
    engine, abandoned = serving(request(output=10, stays_for=1))
    engine.advance_to(LATER)
    assert abandoned == [Abandoned(1, 0.0, 1.0, 1.0, 32, 1)]
    assert (engine.counters.generation_tokens, engine.kv.used) == (1, 0)


def test_a_preempted_client_leaves_after_as_many_tokens_as_without():
    # 9 blocks: at 2.0 the second is preempted after one token, and comes back when the first is done.
    engine, abandoned = serving(
        request(1, prompt=64, output=20),
        request(2, prompt=64, output=20, stays_for=7),
        blocks=10,
        max_num_batched_tokens=256,
    )
    engine.advance_to(LATER)
    (left,) = abandoned
    assert (left.number, left.output_tokens) == (2, 7)
    assert engine.counters.inter_token.count == 19 + 6
    assert engine.kv.used == 0
