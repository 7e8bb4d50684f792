"""Memory: bandwidth, KV cache, prefix cache, GPU memory."""

import pytest

from builders import A100, deployment, engine, gpu, names, value, world
from pentameter.dimensions import memory
from pentameter.dimensions.memory import kv_capacity_tokens

# Ten seconds of the lecture's LLaMA 7B: 14 GB of weights every 14 ms, 1 TB/s. Nothing written.
LECTURE = {"read_bytes_per_gpu": 10e12, "write_bytes_per_gpu": 0.0, "flops_per_gpu": 1e12}


def measured(*engines, gpus=()):
    return list(memory.samples(world(deployment(*engines, gpus=gpus))))


def grown(*engines):
    return list(memory.increments(world(deployment(*engines))))


def test_the_lectures_llama_7b_uses_half_of_an_a100s_bandwidth():
    samples = measured(engine(LECTURE, seconds=10, spec=A100))
    assert value(samples, "mbu_ratio", phase="all", basis="vllm") == pytest.approx(0.5)


def test_written_bytes_take_bandwidth_as_well():
    samples = measured(engine({**LECTURE, "write_bytes_per_gpu": 2e12}, seconds=10, spec=A100))
    # (10 TB + 2 TB) / 10 s / 2 TB/s
    assert value(samples, "mbu_ratio") == pytest.approx(0.6)


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(engine(LECTURE), id="the GPU is unknown"),
        pytest.param(engine(dict.fromkeys(LECTURE, 0.0), spec=A100), id="vLLM counts nothing"),
        pytest.param(engine({"generation_tokens": 1.0}, spec=A100), id="vLLM does not publish it"),
    ],
)
def test_an_unknown_mbu_is_left_out(one):
    assert value(measured(one), "mbu_ratio") is None


def test_bytes_read_are_counted_up():
    assert value(grown(engine(LECTURE, tick={"read_bytes_per_gpu": 7e9})), "memory_read_bytes_total", what="all") == 7e9


def test_bytes_that_vllm_does_not_count_are_no_counter_of_zero():
    assert grown(engine(dict.fromkeys(LECTURE, 0.0), tick=dict.fromkeys(LECTURE, 0.0))) == []


def test_preemptions_are_counted_up_from_zero():
    assert value(grown(engine({}, tick={"preemptions": 0.0})), "preemptions_total") == 0
    assert value(grown(engine({}, tick={"preemptions": 3.0})), "preemptions_total") == 3


def test_without_a_new_page_the_counters_stand_still_and_stay():
    assert value(grown(engine({"preemptions": 3.0})), "preemptions_total") == 0


def test_what_vllm_does_not_count_is_no_counter_of_zero():
    assert grown(engine({"generation_tokens": 5.0})) == []


def test_the_kv_caches_fill_is_vllms():
    assert value(measured(engine(gauges={"kv_cache_usage": 0.25})), "kv_cache_usage_ratio") == 0.25
    assert value(measured(engine()), "kv_cache_usage_ratio") is None


@pytest.mark.parametrize(
    ("config", "tokens"),
    [
        pytest.param({"num_gpu_blocks": "27000", "block_size": "16"}, 432_000, id="blocks of 16 tokens"),
        pytest.param(
            {"num_gpu_blocks": "27000", "block_size": "16", "kv_cache_size_tokens": "400000"},
            400_000,
            id="vLLM's own word counts",
        ),
        pytest.param(
            {"num_gpu_blocks": "10", "block_size": "16", "kv_cache_size_tokens": "None"}, 160, id="its word is None"
        ),
        pytest.param({"num_gpu_blocks": "None", "block_size": "16"}, None, id="no blocks yet"),
        pytest.param({"num_gpu_blocks": "27000"}, None, id="no block size"),
        pytest.param({}, None, id="nothing"),
    ],
)
def test_the_capacity_of_the_kv_cache(config, tokens):
    assert kv_capacity_tokens(config) == tokens
    assert value(measured(engine(cache_config=config)), "kv_cache_capacity_tokens") == tokens


def test_the_prefix_hit_ratio_is_hits_over_queries():
    deltas = {"prefix_cache_queries": 400.0, "prefix_cache_hits": 300.0}
    assert value(measured(engine(deltas)), "prefix_cache_hit_ratio", window="1m") == 0.75


def test_queries_without_a_hit_are_a_ratio_of_zero():
    assert (
        value(measured(engine({"prefix_cache_queries": 4.0, "prefix_cache_hits": 0.0})), "prefix_cache_hit_ratio") == 0
    )


def test_without_queries_there_is_no_prefix_hit_ratio():
    assert names(measured(engine({"prefix_cache_queries": 0.0, "prefix_cache_hits": 0.0}))) == set()


def test_gpu_memory_is_what_is_read_and_nothing_where_it_is_not():
    gpus = (gpu(memory_used_bytes=70e9, memory_total_bytes=80e9), gpu(uuid="GPU-1", index=1))
    samples = measured(gpus=gpus)
    assert value(samples, "gpu_memory_used_bytes", gpu="GPU-0") == 70e9
    assert value(samples, "gpu_memory_total_bytes", gpu="GPU-0") == 80e9
    assert value(samples, "gpu_memory_used_bytes", gpu="GPU-1") is None
    assert value(samples, "gpu_memory_total_bytes", gpu="GPU-1") is None
