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
    "tpot", "e2e", "queue", "prefill", "decode", "inference", "request_prompt_tokens",
    "request_generation_tokens", "request_max_generation_tokens", "request_max_tokens", "request_n",
    "request_preemptions", "request_prefill_computed",
)  # fmt: skip


def histograms(counters):
    return {name: value for name, value in vars(counters).items() if isinstance(value, CountingHistogram)}


def test_whoever_arrived_waits_runs_has_finished_or_given_up_at_any_moment():
    simulation = Simulation(DEFAULT)
    (engine,) = simulation.engines
    for time in range(0, 130, 5):
        simulation.advance_to(float(time))
        assert engine.arrived == engine.waiting_count + engine.running_count + engine.counters.ended


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
                ticks = engine._batch.tick - each.joined_at_tick if decoding else 0
                tokens = max(each.target, each.computed + ticks)
                private += -(-tokens // 16) - each.prefix_tokens // 16
            assert engine.kv.used == private + sum(prefixes.values())
            checked += 1
    assert checked == 60
    assert engine.kv.usage > 0.9


def test_a_drained_engine_has_let_every_request_go_once_and_freed_every_block(drained):
    counters = drained.counters
    gone = [each.number for each in (*drained.finished, *drained.abandoned)]
    assert sorted(gone) == sorted(drained.requests)
    assert (counters.finished, counters.abandoned) == (len(drained.finished), len(drained.abandoned))
    assert (counters.running, counters.waiting, counters.kv_usage) == (0, 0, 0.0)
    assert drained.engine.kv.free == drained.engine.kv.total


def test_the_overload_drives_clients_away_both_before_and_after_the_first_token(drained):
    unserved = sum(each.ttft is None for each in drained.abandoned)
    assert unserved > 50
    assert len(drained.abandoned) - unserved > 20


def test_a_client_that_gives_up_leaves_no_trace_among_the_ends_of_requests(drained):
    counters = drained.counters
    reasons = {reason: count for reason, count in counters.request_success.items() if count}
    assert reasons.keys() == {"stop", "length"}
    assert sum(reasons.values()) == len(drained.finished) == counters.e2e.count


def test_a_first_token_counts_even_if_the_client_leaves_later(drained):
    seen = [each.ttft for each in (*drained.finished, *drained.abandoned) if each.ttft is not None]
    assert drained.counters.ttft.count == len(seen)
    assert drained.counters.ttft.sum == pytest.approx(sum(seen))


def test_the_overload_leads_to_preemptions_and_every_one_is_accounted_for(drained):
    preemptions = sum(request.preemptions for request in drained.requests.values())
    assert preemptions > 20
    unreported = sum(request.unreported_preemptions for request in drained.requests.values())
    assert drained.counters.preemptions == preemptions - unreported
    assert drained.counters.request_preemptions.sum == sum(each.preemptions for each in drained.finished)


def test_prompt_tokens_are_counted_for_those_who_got_a_first_token(drained):
    counters = drained.counters
    served = [each for each in (*drained.finished, *drained.abandoned) if each.ttft is not None]
    tokens = sum(each.prompt_tokens for each in served)
    assert counters.prompt_tokens == tokens
    assert sum(counters.prompt_tokens_by_source.values()) == tokens
    assert counters.request_prompt_tokens.sum == sum(each.prompt_tokens for each in drained.finished)


def test_prefixes_are_looked_up_for_those_who_were_admitted(drained):
    admitted = [request for request in drained.requests.values() if request.scheduled_at is not None]
    assert drained.counters.prefix_queries == sum(request.prompt_tokens for request in admitted)
    assert drained.counters.prefix_hits == sum(request.cached_tokens for request in admitted) > 0
    assert drained.counters.prompt_tokens_cached_by_tier["device"] == drained.counters.prefix_hits


def test_cached_and_computed_prompt_tokens_agree_between_counters_and_requests(drained):
    counters = drained.counters
    served = [request for request in drained.requests.values() if request.generated]
    assert counters.prompt_tokens_cached == sum(request.cached_tokens for request in served) > 0
    computed = sum(each.prompt_tokens - each.cached_tokens for each in drained.finished)
    assert counters.request_prefill_computed.sum == computed


def test_generated_tokens_are_those_of_the_requests_by_every_count(drained):
    counters = drained.counters
    finished = sum(drained.requests[each.number].output_tokens for each in drained.finished)
    assert counters.request_generation_tokens.sum == finished
    assert counters.generation_tokens == finished + sum(each.output_tokens for each in drained.abandoned)
    # every token but the first of each request ends an inter-token interval
    assert counters.inter_token.count == counters.generation_tokens - counters.ttft.count


def test_steps_account_for_every_computed_prompt_token_and_every_generated_one(drained):
    counters = drained.counters
    computed = counters.prompt_tokens_by_source["local_compute"]
    assert counters.iteration_tokens.sum == computed + counters.generation_tokens


def test_phases_add_up_to_the_whole(drained):
    counters = drained.counters
    assert counters.queue.sum + counters.inference.sum == pytest.approx(counters.e2e.sum)
    assert counters.prefill.sum + counters.decode.sum == pytest.approx(counters.inference.sum)


def test_the_gaps_between_tokens_add_up_to_the_decode_times(drained):
    left = [each for each in drained.abandoned if each.ttft is not None]
    until_they_left = sum(each.time - each.arrival - each.ttft for each in left)
    assert drained.counters.inter_token.sum == pytest.approx(drained.counters.decode.sum + until_they_left)


def test_the_phases_of_each_record_add_up(drained):
    for each in drained.finished:
        assert each.ttft + each.decode == pytest.approx(each.e2e)
        assert each.queue + each.prefill == pytest.approx(each.ttft)
        assert each.queue + each.inference == pytest.approx(each.e2e)
        assert min(each.queue, each.prefill, each.decode) >= 0


def test_the_records_say_what_the_histograms_say(drained):
    counters = drained.counters
    for name in ("ttft", "queue", "prefill", "decode", "inference", "e2e", "tpot"):
        total = sum(getattr(each, name) for each in drained.finished)
        if name == "ttft":
            total += sum(each.ttft for each in drained.abandoned if each.ttft is not None)
        assert getattr(counters, name).sum == pytest.approx(total), name


def test_a_record_repeats_what_its_client_asked_for(drained):
    for each in drained.finished:
        request = drained.requests[each.number]
        assert (each.arrival, each.prompt_tokens, each.output_tokens, each.max_tokens, each.reason) == (
            request.arrival,
            request.prompt_tokens,
            request.output_tokens,
            request.max_tokens,
            request.finished_reason,
        )


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
    least = 2 * model.layer_parameters * (tokens - counters.ttft.count)
    assert least < counters.flops < 1.5 * least
