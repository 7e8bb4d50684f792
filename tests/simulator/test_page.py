"""The page is vLLM's, down to the order of families and the spelling of numbers."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.utils import floatToGoString

from pentameter.simulator.page import Page, go_float
from pentameter.simulator.presets import DEFAULT, preset_named
from pentameter.simulator.simulation import Simulation

CAPTURES = Path(__file__).parents[1] / "captures"

NOT_SIMULATED = {
    "python_": "the interpreter of the front end: nothing in it depends on the load",
    "process_": "only the start time is simulated; a model has no memory or file descriptors of its own",
    "http_request_size_bytes": "body sizes follow from no model here",
    "http_response_size_bytes": "body sizes follow from no model here",
    "http_request_duration": "vLLM's own latency histograms say it better",
}


def samples(text):
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def shape(text):
    """Return what identifies each vllm sample, but for the model's name and the values of free text."""
    free = {"model_name", "num_gpu_blocks", "kv_cache_size_tokens", "kv_cache_max_concurrency"}
    sizes = {"kv_cache_memory_bytes", "block_size", "effective_attention_block_size"}
    return [
        (s.name, tuple(sorted((k, "" if k in free | sizes else v) for k, v in s.labels.items())))
        for s in samples(text)
        if s.name.startswith("vllm:")
    ]


def page_of(preset=DEFAULT, time=0.0, seed=0):
    simulation = Simulation(preset, seed)
    simulation.advance_to(time)
    counters = [engine.counters for engine in simulation.engines]
    return Page(preset, wall_at_zero=1_800_000_000.0).render(counters).decode(), counters


@pytest.fixture(scope="module", params=["after-load", "two-engines"])
def pair(request):
    """A real page, and ours for the same context length, on which the bounds of token counts depend."""
    real = (CAPTURES / f"vllm-0.32.0-{request.param}.txt").read_text(encoding="utf-8")
    traffic = replace(DEFAULT.traffic, max_tokens=(256, 512))
    model = replace(DEFAULT.model, max_model_len=2048)
    engines = 2 if request.param == "two-engines" else 1
    return real, page_of(replace(DEFAULT, model=model, traffic=traffic, engines=engines))[0]


def test_every_vllm_sample_has_the_name_the_labels_and_the_bounds_of_a_real_page_in_its_order(pair):
    real, ours = pair
    assert shape(ours) == shape(real)


def test_families_have_the_types_and_the_order_of_a_real_page(pair):
    real, ours = ([line for line in text.splitlines() if line.startswith("# TYPE vllm:")] for text in pair)
    assert ours == real


def test_what_else_a_real_page_has_is_left_out_for_a_reason(pair):
    real, ours = pair
    missing = {sample.name for sample in samples(real)} - {sample.name for sample in samples(ours)}
    assert {name for name in missing if not name.startswith(tuple(NOT_SIMULATED))} == set()
    assert all(any(name.startswith(prefix) for name in missing) for prefix in NOT_SIMULATED)


def test_every_family_has_help_before_its_type():
    lines = page_of()[0].splitlines()
    for before, line in pairwise(lines):
        if line.startswith("# TYPE "):
            name = line.split()[2]
            assert before.startswith(f"# HELP {name} ")
            assert before.endswith(".")


@given(st.floats(min_value=0, allow_nan=False) | st.integers(min_value=0, max_value=10**15))
def test_numbers_are_spelled_as_prometheus_client_spells_them(number):
    assert go_float(number) == floatToGoString(number)
    assert float(go_float(number)) == number


def test_the_page_shows_what_the_engine_has_counted():
    text, (counters,) = page_of(time=20.0)
    values = {(s.name, s.labels.get("source") or s.labels.get("finished_reason")): s.value for s in samples(text)}
    assert values["vllm:generation_tokens_total", None] == counters.generation_tokens > 0
    assert values["vllm:estimated_flops_per_gpu_total", None] == counters.flops > 0
    assert values["vllm:kv_cache_usage_perc", None] == counters.kv_usage > 0
    assert values["vllm:prompt_tokens_by_source_total", "local_cache_hit"] == counters.prefix_hits > 0
    assert values["vllm:request_success_total", "length"] == counters.request_success["length"] > 0
    assert values["vllm:time_to_first_token_seconds_sum", None] == counters.ttft.sum
    assert values["http_requests_total", None] == counters.finished + counters.abandoned > counters.finished > 0


def test_buckets_are_cumulative_and_end_with_the_count():
    text, (counters,) = page_of(time=20.0)
    buckets = [s for s in samples(text) if s.name == "vllm:inter_token_latency_seconds_bucket"]
    values = [bucket.value for bucket in buckets]
    assert values == sorted(values)
    assert buckets[-1].labels["le"] == "+Inf"
    assert values[-1] == counters.inter_token.count


def test_times_of_creation_lie_before_the_warm_up_and_after_the_start_of_the_process():
    values = {sample.name: sample.value for sample in samples(page_of()[0])}
    assert values["vllm:prompt_tokens_created"] == 1_800_000_000.0 - 30.0
    assert values["process_start_time_seconds"] == 1_800_000_000.0 - 30.0 - 42.5


def test_the_cache_configuration_is_that_of_the_preset():
    (info,) = [sample for sample in samples(page_of()[0]) if sample.name == "vllm:cache_config_info"]
    assert info.labels["num_gpu_blocks"] == "28909"
    assert info.labels["block_size"] == "16"
    assert info.labels["kv_cache_size_tokens"] == "462544"
    assert info.labels["gpu_memory_utilization"] == "0.92"


def test_each_engine_shows_the_blocks_of_all():
    infos = [sample for sample in samples(page_of(preset_named("h100x2-8b"))[0]) if sample.name.endswith("_info")]
    assert [info.labels["num_gpu_blocks"] for info in infos] == ["57818", "57818"]
    assert [info.labels["kv_cache_size_tokens"] for info in infos] == ["462544", "462544"]


def test_two_engines_are_told_apart_on_every_sample_but_those_of_the_front_end():
    text, counters = page_of(preset_named("h100x2-8b"))
    by_engine = {}
    for sample in samples(text):
        by_engine.setdefault(sample.labels.get("engine"), []).append(sample.name)
    assert by_engine["0"] == by_engine["1"]
    assert {name for name in by_engine[None] if name.startswith("vllm:")} == {
        "vllm:admission_rejections_total",
        "vllm:admission_rejections_created",
    }
    (requests,) = [sample for sample in samples(text) if sample.name == "http_requests_total"]
    assert requests.value == sum(engine.finished + engine.abandoned for engine in counters)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_gives_others():
    assert page_of(time=12.5, seed=5)[0] == page_of(time=12.5, seed=5)[0]
    assert page_of(time=12.5, seed=5)[0] != page_of(time=12.5, seed=6)[0]
