"""The scheduler decides as vLLM's does, on steps small enough to follow by hand (one second each)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pentameter.simulator.presets import StepCosts
from pentameter.simulator.traffic import Request
from simulator.small import LATER, engine_of, small_preset


def request(number=1, prompt=32, output=3, arrival=0.0):
    return Request(number, arrival, prompt, output, max_tokens=100)


def submit(engine, *requests):
    for each in requests:
        engine.advance_to(each.arrival)
        engine.submit(each)


def test_a_lone_request_gets_its_first_token_after_one_step_and_one_token_per_step_after_that():
    engine = engine_of(small_preset())
    submit(engine, request(output=3))
    engine.advance_to(LATER)
    counters = engine.counters
    assert (counters.ttft.count, counters.ttft.sum) == (1, 1.0)
    assert (counters.inter_token.count, counters.inter_token.sum) == (2, 2.0)
    assert (counters.e2e.sum, counters.queue.sum) == (3.0, 0.0)
    assert (counters.prefill.sum, counters.decode.sum, counters.inference.sum) == (1.0, 2.0, 3.0)
    assert counters.tpot.sum == 1.0
    assert counters.generation_tokens == 3


def test_nothing_is_published_before_the_step_ends():
    engine = engine_of(small_preset())
    submit(engine, request())
    engine.advance_to(0.999)
    assert (engine.counters.running, engine.counters.prompt_tokens, engine.counters.flops) == (0, 0, 0.0)
    engine.advance_to(1.0)
    assert (engine.counters.running, engine.counters.prompt_tokens) == (1, 32)


def test_a_long_prompt_is_prefilled_in_chunks_and_counted_in_one_lump():
    engine = engine_of(small_preset(max_num_batched_tokens=64))
    submit(engine, request(prompt=100, output=1))
    engine.advance_to(1.0)
    assert (engine.counters.prompt_tokens, engine.counters.iteration_tokens.count) == (0, 0)
    engine.advance_to(2.0)
    assert engine.counters.prompt_tokens == 100
    # 100 computed prompt tokens and the first generated one, in the step that finished the prefill
    assert engine.counters.iteration_tokens.sum == 101


def test_decodes_take_their_share_of_the_token_budget_first():
    engine = engine_of(small_preset(max_num_batched_tokens=64))
    submit(engine, request(1, prompt=32, output=10), request(2, prompt=64, output=1, arrival=0.5))
    # The second request starts at 1.0 with 63 tokens, and needs one more step for the last one.
    engine.advance_to(2.0)
    assert engine.counters.ttft.count == 1
    engine.advance_to(3.0)
    assert engine.counters.ttft.count == 2


def test_requests_are_served_in_order_of_arrival():
    engine = engine_of(small_preset(max_num_seqs=1))
    requests = [request(1), request(2, arrival=0.1), request(3, arrival=0.2)]
    submit(engine, *requests)
    engine.advance_to(LATER)
    assert [each.scheduled_at for each in requests] == [0.0, 3.0, 6.0]
    assert engine.counters.queue.sum == pytest.approx(2.9 + 5.8)


def test_a_request_of_one_token_records_a_token_time_of_zero():
    engine = engine_of(small_preset())
    submit(engine, request(output=1))
    engine.advance_to(LATER)
    assert (engine.counters.tpot.count, engine.counters.tpot.sum) == (1, 0.0)


def test_a_step_takes_the_time_of_its_work():
    costs = StepCosts(per_step=1.0, per_decode=0.5, per_prefill_token=0.01, per_context_token=0.001)
    engine = engine_of(replace(small_preset(), costs=costs))
    submit(engine, request(prompt=32, output=2))
    engine.advance_to(LATER)
    # prefill: 1 + 32 x 0.01; decode: 1 + 0.5 + 33 x 0.001
    assert engine.counters.e2e.sum == pytest.approx(1.32 + 1.533)


def test_the_work_of_a_step_is_counted_in_flops_and_bytes():
    engine = engine_of(small_preset())
    submit(engine, request(prompt=32, output=2))
    engine.advance_to(LATER)
    layers, head, pair = 6_979_321_856, 525_336_576, 524_288
    # 32 prompt tokens and one decode; two sampled tokens; causal pairs of 32, then 33 for the decode
    assert engine.counters.flops == 2 * layers * 33 + 2 * head * 2 + pair * (32 * 33 // 2 + 33)
    assert engine.counters.read_bytes == 2 * 15_009_316_864 + 33 * 131_072
    assert engine.counters.write_bytes == 33 * 131_072


def test_the_latest_request_is_preempted_when_the_cache_is_full_and_finishes_all_the_same():
    # 9 blocks. At 1.0 the first grows to 5 and the second gets 4; at 2.0 the second wants a fifth.
    engine = engine_of(small_preset(blocks=10, max_num_batched_tokens=256))
    requests = [request(number, prompt=64, output=20) for number in (1, 2, 3)]
    submit(engine, *requests)
    engine.advance_to(1.5)
    assert (engine.running_count, engine.waiting_count, engine.kv.used) == (2, 1, 9)
    engine.advance_to(2.5)
    assert (engine.running_count, engine.waiting_count, engine.kv.used) == (1, 2, 5)
    engine.advance_to(LATER)
    assert [each.preemptions for each in requests] == [0, 1, 1]
    assert [each.scheduled_at for each in requests] == [0.0, 1.0, 20.0]
    assert engine.counters.preemptions == 2
    assert engine.kv.used == 0


def test_a_preemption_is_counted_with_the_next_output_of_its_request():
    engine = engine_of(small_preset(blocks=10, max_num_batched_tokens=256))
    submit(engine, *(request(number, prompt=64, output=20) for number in (1, 2)))
    engine.advance_to(20.5)
    assert (engine.counters.preemptions, engine.running_count) == (0, 1)
    engine.advance_to(21.0)
    assert engine.counters.preemptions == 1


def test_a_preemption_shows_as_one_long_gap_between_two_tokens():
    engine = engine_of(small_preset(blocks=10, max_num_batched_tokens=256))
    submit(engine, *(request(number, prompt=64, output=20) for number in (1, 2)))
    engine.advance_to(LATER)
    counters = engine.counters
    assert counters.preemptions == 1
    assert counters.inter_token.count == 2 * 19
    assert counters.inter_token.sum == counters.decode.sum
    # The second stood still from 2.0 until the first had finished at 20.0, and prefilled again by 21.0.
    assert counters.inter_token.buckets[-4:] == [1, 0, 0, 0]


def test_time_may_advance_in_any_steps_without_changing_the_outcome():
    outcomes = []
    for stride in (0.3, 7.0):
        engine = engine_of(small_preset())
        submit(engine, *(request(number, arrival=number * 0.7) for number in range(1, 6)))
        time = 3.5
        while time < 60.0:
            engine.advance_to(time)
            time += stride
        counters = engine.counters
        outcomes.append((counters.e2e.sum, counters.flops, counters.inter_token.buckets))
    assert outcomes[0] == outcomes[1]


def test_an_idle_engine_starts_at_the_moment_of_the_next_arrival():
    engine = engine_of(small_preset())
    late = request(2, arrival=10.25)
    submit(engine, request(1), late)
    engine.advance_to(LATER)
    assert late.scheduled_at == 10.25
