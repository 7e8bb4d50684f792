"""What goes in comes out: the identities that hold between the counters of a drained engine."""

from __future__ import annotations

from itertools import pairwise

import pytest

from pentameter.simulator.counters import CountingHistogram
from pentameter.simulator.presets import DEFAULT
from pentameter.simulator.simulation import Simulation
from pentameter.simulator.traffic import Arrivals
from simulator.small import engine_of

PER_REQUEST = (
    "ttft", "tpot", "e2e", "queue", "prefill", "decode", "inference", "request_prompt_tokens",
    "request_generation_tokens", "request_max_generation_tokens", "request_max_tokens", "request_n",
    "request_preemptions", "request_prefill_computed",
)  # fmt: skip


def histograms(counters):
    return {name: value for name, value in vars(counters).items() if isinstance(value, CountingHistogram)}


def test_whoever_arrived_waits_runs_or_has_finished_at_any_moment():
    simulation = Simulation(DEFAULT)
    (engine,) = simulation.engines
    for time in range(0, 130, 5):
        simulation.advance_to(float(time))
        assert engine.arrived == engine.waiting_count + engine.running_count + engine.counters.finished


def test_used_blocks_are_those_of_the_running_requests_at_any_moment():
    engine = engine_of(DEFAULT)
    arrivals = Arrivals(DEFAULT, seed=7, start=70.0)
    checked = 0
    for number in range(1500):
        request = arrivals.next_request()
        engine.advance_to(request.arrival)
        engine.submit(request)
        if number % 25 == 0:
            running = engine._running.values()
            prefixes = {each.prefix: each.prefix_tokens // 16 for each in running}
            private = 0
            for each in running:
                decoding = each.computed >= each.target and each not in engine._completing
                ticks = engine._tick - each.joined_at_tick if decoding else 0
                tokens = max(each.target, each.computed + ticks)
                private += -(-tokens // 16) - each.prefix_tokens // 16
            assert engine.kv.used == private + sum(prefixes.values())
            checked += 1
    assert checked == 60
    assert engine.kv.usage > 0.9


def test_a_drained_engine_has_finished_every_request_and_freed_every_block(drained):
    counters = drained.counters
    assert drained.engine.arrived == counters.finished == len(drained.requests)
    assert (counters.running, counters.waiting, counters.kv_usage) == (0, 0, 0.0)
    assert drained.engine.kv.free == drained.engine.kv.total
    assert sum(counters.request_success.values()) == counters.finished


def test_the_overload_leads_to_preemptions_and_every_one_is_accounted_for(drained):
    preemptions = sum(request.preemptions for request in drained.requests)
    assert preemptions > 20
    assert drained.counters.preemptions == preemptions == drained.counters.request_preemptions.sum


def test_prompt_tokens_are_those_of_the_requests_by_every_count(drained):
    counters = drained.counters
    tokens = sum(request.prompt_tokens for request in drained.requests)
    assert counters.prompt_tokens == tokens
    assert counters.request_prompt_tokens.sum == tokens
    assert sum(counters.prompt_tokens_by_source.values()) == tokens
    assert counters.prefix_queries == tokens


def test_cached_and_computed_prompt_tokens_agree_between_counters_and_histogram(drained):
    counters = drained.counters
    assert counters.prompt_tokens_cached == counters.prefix_hits > 0
    assert counters.prompt_tokens_cached_by_tier["device"] == counters.prefix_hits
    assert counters.request_prefill_computed.sum == counters.prompt_tokens_by_source["local_compute"]


def test_generated_tokens_are_those_of_the_requests_by_every_count(drained):
    counters = drained.counters
    tokens = sum(request.output_tokens for request in drained.requests)
    assert counters.generation_tokens == tokens
    assert counters.request_generation_tokens.sum == tokens
    # every token but the first of each request ends an inter-token interval
    assert counters.inter_token.count == tokens - counters.finished


def test_steps_account_for_every_computed_prompt_token_and_every_generated_one(drained):
    counters = drained.counters
    computed = counters.prompt_tokens_by_source["local_compute"]
    assert counters.iteration_tokens.sum == computed + counters.generation_tokens


def test_phases_add_up_to_the_whole(drained):
    counters = drained.counters
    assert counters.queue.sum + counters.inference.sum == pytest.approx(counters.e2e.sum)
    assert counters.prefill.sum + counters.decode.sum == pytest.approx(counters.inference.sum)
    assert counters.inter_token.sum == pytest.approx(counters.decode.sum)
    assert counters.ttft.sum == pytest.approx(counters.queue.sum + counters.prefill.sum)


@pytest.mark.parametrize("name", PER_REQUEST)
def test_each_per_request_histogram_has_one_observation_per_finished_request(drained, name):
    assert getattr(drained.counters, name).count == drained.counters.finished


def test_every_histogram_counts_in_its_buckets_what_it_counts_in_all(drained):
    for histogram in histograms(drained.counters).values():
        assert sum(histogram.buckets) == histogram.count
        assert len(histogram.buckets) == len(histogram.bounds) + 1
        assert all(low < high for low, high in pairwise(histogram.bounds))


def test_preempted_requests_cost_more_compute_than_their_tokens(drained):
    counters, model = drained.counters, DEFAULT.model
    tokens = counters.prompt_tokens_by_source["local_compute"] + counters.generation_tokens
    least = 2 * model.layer_parameters * (tokens - counters.finished)
    assert least < counters.flops < 1.5 * least
