"""The objects are vLLM's: its names, its arithmetic, and what the real plugin makes of them is what the page says."""

from __future__ import annotations

from dataclasses import fields
from enum import Enum

import pytest

from pentameter.simulator import vllm_objects
from pentameter.simulator.presets import DEFAULT, preset_named
from pentameter.simulator.reports import Finished, FirstToken, Step
from pentameter.vllm_plugin_digest import EngineDigest
from pentameter.vllm_plugin_facts import facts, model_name

WALL = 1_800_000_000.0


def step(**parts):
    return Step(10.0, 10.25, running=3, waiting=2, kv_usage=0.5, **parts)


def test_the_fields_are_those_of_vllm_0_32():
    # copied from vllm/v1/metrics/stats.py; IterationStats without what watermarks need
    assert [field.name for field in fields(vllm_objects.FinishedRequestStats)] == [
        "finish_reason", "request_id", "e2e_latency", "num_prompt_tokens", "num_preemptions", "num_generation_tokens",
        "max_tokens_param", "queued_time", "prefill_time", "inference_time", "decode_time",
        "mean_time_per_output_token", "is_corrupted", "num_cached_tokens",
    ]  # fmt: skip
    assert [field.name for field in fields(vllm_objects.IterationStats)] == [
        "iteration_timestamp", "num_generation_tokens", "prompt_token_stats", "num_preempted_reqs",
        "finished_requests", "max_num_generation_tokens_iter", "n_params_iter", "time_to_first_tokens_iter",
        "inter_token_latencies_iter", "num_corrupted_reqs",
    ]  # fmt: skip
    assert {field.name for field in fields(vllm_objects.PromptTokenStats)} == {
        "computed", "local_cache_hit", "external_kv_transfer", "cached_tokens", "total",
    }  # fmt: skip
    assert {field.name for field in fields(vllm_objects.SchedulerStats)} == {
        "num_running_reqs", "num_waiting_reqs", "num_skipped_waiting_reqs", "kv_cache_usage", "iteration_details",
    }  # fmt: skip


def test_the_reasons_are_those_of_vllm_in_its_order():
    assert issubclass(vllm_objects.FinishReason, Enum)
    assert [str(reason.name).lower() for reason in vllm_objects.FinishReason] == [
        "stop", "length", "abort", "error", "repetition",
    ]  # fmt: skip


def test_a_step_without_output_has_no_iteration_but_a_scheduler():
    assert vllm_objects.iteration_stats(step(), WALL) is None
    scheduler = vllm_objects.scheduler_stats(step())
    assert (scheduler.num_running_reqs, scheduler.num_waiting_reqs, scheduler.kv_cache_usage) == (3, 2, 0.5)


def test_an_iteration_holds_the_outputs_of_its_step():
    record = Finished(7, 1.0, 1.5, 2.0, 10.25, 100, 30, 64, 48, 1, "length")
    stats = vllm_objects.iteration_stats(
        step(
            decoded=2,
            first_tokens=[FirstToken(9.75, 100, 48), FirstToken(10.0, 50, 0)],
            resumed_gaps=[3.5],
            preemptions=1,
            finished=[record],
        ),
        WALL,
    )
    assert stats.iteration_timestamp == WALL + 10.25
    assert (stats.num_generation_tokens, stats.num_preempted_reqs) == (5, 1)
    assert stats.prompt_token_stats == vllm_objects.PromptTokenStats(102, 48, 0, 48, 150)
    assert stats.time_to_first_tokens_iter == [0.5, 0.25]
    assert stats.inter_token_latencies_iter == [0.25, 0.25, 3.5]
    assert (stats.max_num_generation_tokens_iter, stats.n_params_iter) == ([30], [1])
    (finished,) = stats.finished_requests
    assert finished == vllm_objects.FinishedRequestStats(
        vllm_objects.FinishReason.LENGTH, "chatcmpl-00000007",
        9.25, 100, 1, 30, 64, 0.5, 0.5, 8.75, 8.25, 8.25 / 29, False, 48,
    )  # fmt: skip


@pytest.fixture(scope="module")
def digested(drained):
    """Give every step of the drained engine to the plugin's account."""
    digest = EngineDigest("0")
    for each in drained.steps:
        digest.take_step(vllm_objects.scheduler_stats(each), vllm_objects.iteration_stats(each, WALL), WALL + each.end)
    *requests, iteration = digest.cut()
    assert digest.errors == 0
    return requests, iteration


def test_the_plugin_finds_every_first_token_again(digested):
    assert digested[1]["sums"].get("ttft_estimates", 0) == 0


def test_the_plugin_reports_every_finished_request_and_no_abandoned_one(digested, drained):
    requests, _ = digested
    assert [request["request_id"] for request in requests] == [each.request_id for each in drained.finished]
    for request, each in zip(requests, drained.finished, strict=True):
        assert request["finish_reason"] == each.reason
        assert request["arrival"] == pytest.approx(WALL + each.arrival, abs=1e-6)
        for name in ("e2e", "ttft", "decode", "queue", "prefill"):
            # a Unix time has a resolution of 0.24 us
            assert request[name] == pytest.approx(getattr(each, name), abs=1e-6), name
        for name in ("prompt_tokens", "output_tokens", "cached_tokens", "preemptions"):
            assert request[name] == getattr(each, name), name


def test_the_plugin_adds_up_what_the_page_counts(digested, drained):
    sums, counters = digested[1]["sums"], drained.counters
    assert sums["steps"] == len(drained.steps)
    assert sums["generation_tokens"] == counters.generation_tokens
    assert sums["prompt_tokens"] == counters.prompt_tokens
    assert sums["prompt_tokens_computed"] == counters.prompt_tokens_by_source["local_compute"]
    assert sums["preemptions"] == counters.preemptions
    assert sums["first_tokens"] == counters.ttft.count
    assert sum(digested[1]["gaps"].values()) == counters.inter_token.count
    assert digested[1]["gap_sum"] == pytest.approx(counters.inter_token.sum)


def test_the_configuration_tells_the_plugin_what_is_simulated():
    config = vllm_objects.vllm_config(preset_named("h100x2-8b"))
    assert model_name(config) == "meta-llama/Llama-3.1-8B-Instruct"
    known = facts(config)
    assert (known["dtype"], known["quantization"], known["tensor_parallel_size"]) == ("bfloat16", None, 1)
    assert (known["data_parallel_size"], known["num_gpu_blocks"]) == (2, 2 * 28_909)
    assert (known["kv_cache_size_tokens"], known["max_num_seqs"]) == (462_544, DEFAULT.scheduling.max_num_seqs)
    assert '"num_key_value_heads":8' in known["hf_config"]
