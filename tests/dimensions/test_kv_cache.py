"""The KV cache: what it holds, what it wastes, what still fits."""

import math
import random

import pytest

from builders import COUNTED_7B, deployment, engine, found, names, serving, value, world
from model.specs import DEEPSEEK_V3, GEMMA_3_27B, LLAMA_2_7B, LLAMA_31_8B
from pentameter.dimensions import kv_cache
from pentameter.dimensions.kv_cache import kv_capacity_tokens, live_tokens
from pentameter.readings import Histogram

BLOCKS = {"num_gpu_blocks": "6250", "block_size": "16"}  # 100,000 tokens


def measured(*engines):
    return list(kv_cache.samples(world(deployment(*engines))))


def grown(*engines):
    return list(kv_cache.increments(world(deployment(*engines))))


def filled(usage, running=10.0, *, spec=LLAMA_2_7B, config=BLOCKS, **more):
    gauges = {"kv_cache_usage": usage, "running": running}
    model = None if spec is None else serving(spec, **more)
    return engine(
        gauges={key: gauge for key, gauge in gauges.items() if gauge is not None},
        cache_config=config,
        served_model=model,
    )


# ---------------------------------------------------------------------------- fill, capacity, preemptions


def test_preemptions_are_counted_up_from_zero():
    assert value(grown(engine({}, tick={"preemptions": 0.0})), "preemptions_total") == 0
    assert value(grown(engine({}, tick={"preemptions": 3.0})), "preemptions_total") == 3


def test_without_a_new_page_the_counter_stands_still_and_stays():
    assert value(grown(engine({"preemptions": 3.0})), "preemptions_total") == 0


def test_what_vllm_does_not_count_is_no_counter_of_zero():
    assert grown(engine({"generation_tokens": 5.0})) == []


@pytest.mark.parametrize(
    ("deltas", "pressure"),
    [
        pytest.param({"preemptions": 3.0, "request_success/stop": 8.0, "request_success/length": 4.0}, 0.25, id="some"),
        pytest.param({"preemptions": 6.0, "request_success/stop": 4.0}, 1.5, id="again and again"),
        pytest.param({"preemptions": 0.0, "request_success/stop": 4.0}, 0, id="none"),
        pytest.param({"preemptions": 3.0, "request_success/stop": 0.0}, None, id="no request ended"),
        pytest.param({"preemptions": 3.0}, None, id="ends are not published"),
        pytest.param({"request_success/stop": 4.0}, None, id="preemptions are not published"),
    ],
)
def test_preemption_pressure_is_preemptions_per_request_that_ended(deltas, pressure):
    assert value(measured(engine(deltas)), "preemption_ratio") == pressure


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


# ---------------------------------------------------------------------------- bytes


@pytest.mark.parametrize(
    ("model", "bytes_per_token"),
    [
        # 2 x 32 layers x 32 heads x 128 x 2 B
        pytest.param(serving(LLAMA_2_7B), 524_288, id="multi-head"),
        # 2 x 32 layers x 8 heads x 128 x 2 B, and half of it in 8 bits
        pytest.param(serving(LLAMA_31_8B), 131_072, id="grouped queries"),
        pytest.param(serving(LLAMA_31_8B, kv_bits=8.0), 65_536, id="grouped queries in 8 bits"),
        # 61 layers x 576 x 2 B: what every GPU holds whole is counted once.
        pytest.param(serving(DEEPSEEK_V3, tensor=8), 70_272, id="MLA on eight GPUs"),
        # 2 x 62 layers x 16 heads x 128 x 2 B
        pytest.param(serving(GEMMA_3_27B), 507_904, id="sliding windows"),
    ],
)
def test_kv_bytes_per_token(model, bytes_per_token):
    assert value(measured(engine(served_model=model)), "kv_cache_bytes_per_token") == bytes_per_token


def test_where_the_model_or_its_layers_are_unknown_there_are_no_bytes_but_tokens():
    for one in (filled(0.5, spec=None), filled(0.5, spec=COUNTED_7B)):
        assert names(measured(one)) == {
            "kv_cache_usage_ratio",
            "kv_cache_capacity_tokens",
            "kv_cache_waste_ratio",
            "kv_cache_waste_reference_ratio",
        }


def by_state(samples):
    states = {
        state: value(samples, "kv_cache_bytes", state=state) for state in ("capacity", "allocated", "live", "wasted")
    }
    return {state: amount for state, amount in states.items() if amount is not None}


def test_the_lectures_batch_of_eight_with_2048_tokens_takes_8_59_gb():
    # 8 x 2,048 tokens x 524,288 B, in a cache that holds nothing else; the slide's 4.3 GB are half of it.
    one = filled(1.0, 8.0, config={"num_gpu_blocks": "16384", "block_size": "1"})
    assert by_state(measured(one)) == {
        "capacity": 8_589_934_592,
        "allocated": 8_589_934_592,
        "live": 8_589_934_592,
        "wasted": 0,
    }


def test_bytes_by_state():
    # 1.6 % of 100,000 tokens are allocated; each of ten sequences leaves (16 - 1) / 2 of its last block empty: 75.
    assert by_state(measured(filled(0.016))) == pytest.approx(
        {
            "capacity": 100_000 * 524_288,
            "allocated": 1600 * 524_288,
            "live": 1525 * 524_288,
            "wasted": 75 * 524_288,
        }
    )


def test_the_waste_ratio_stands_beside_that_of_paged_attention():
    samples = measured(filled(0.016))
    # 75 / 1600
    assert value(samples, "kv_cache_waste_ratio") == pytest.approx(0.046875)
    assert value(samples, "kv_cache_waste_reference_ratio") == 0.04


def test_live_and_wasted_add_up_to_allocated_whatever_is_there():
    rng = random.Random(7)
    for _ in range(300):
        size = rng.choice([1, 8, 16, 32, 128])
        one = filled(
            rng.random(),
            float(rng.randrange(2000)),
            config={"num_gpu_blocks": str(rng.randrange(1, 5000)), "block_size": str(size)},
        )
        samples = measured(one)
        states = by_state(samples)
        assert states["live"] + states["wasted"] == pytest.approx(states["allocated"])
        assert states["live"] >= 0
        assert states["wasted"] >= 0
        assert value(samples, "kv_cache_waste_ratio") == pytest.approx(states["wasted"] / states["allocated"], abs=1e-9)
        assert 0 <= value(samples, "kv_cache_waste_ratio") <= 1


@pytest.mark.parametrize(
    ("allocated", "running", "size", "live"),
    [
        pytest.param(1600, 10, 16, 1525, id="half of each last block"),
        pytest.param(1600, 0, 16, 1600, id="nobody runs"),
        pytest.param(1600, 10, 1, 1600, id="blocks of one token"),
        pytest.param(1600, 10, None, 1600, id="no block size"),
        pytest.param(100, 10, 128, 10, id="at least a token each"),
        pytest.param(5, 10, 16, 5, id="never more than is allocated"),
    ],
)
def test_the_tokens_that_live_in_allocated_blocks(allocated, running, size, live):
    assert live_tokens(allocated, running, size) == live


def test_without_the_number_of_running_requests_the_waste_is_unknown():
    samples = measured(filled(0.5, None))
    assert by_state(samples).keys() == {"capacity", "allocated"}
    assert value(samples, "kv_cache_waste_ratio") is None
    assert value(samples, "kv_cache_waste_reference_ratio") is None


def test_without_the_block_size_the_waste_is_unknown():
    samples = measured(filled(0.5, config={"kv_cache_size_tokens": "1000"}))
    assert by_state(samples).keys() == {"capacity", "allocated"}
    assert value(samples, "kv_cache_waste_ratio") is None


def test_an_empty_cache_has_no_waste_ratio():
    samples = measured(filled(0.0, 0.0))
    assert value(samples, "kv_cache_waste_ratio") is None
    assert by_state(samples) == {"capacity": 100_000 * 524_288, "allocated": 0, "live": 0, "wasted": 0}


def test_layers_that_cache_unequally_have_a_capacity_in_sequences_of_the_greatest_length():
    config = {"kv_cache_size_tokens": "8192", "block_size": "16", "num_gpu_blocks": "999"}
    one = filled(0.5, spec=GEMMA_3_27B, config=config, max_model_len=4096)
    # Two sequences of 4,096 tokens; of each 52 layers keep 1,024 tokens and 10 keep all, 8,192 B per layer and token.
    assert by_state(measured(one)) == {"capacity": 2 * 8192 * (52 * 1024 + 10 * 4096)}


@pytest.mark.parametrize(
    ("config", "more"),
    [
        pytest.param({"kv_cache_size_tokens": "8192"}, {}, id="the greatest length is unknown"),
        pytest.param(BLOCKS, {"max_model_len": 4096}, id="an older vLLM counts blocks"),
        pytest.param(BLOCKS | {"kv_cache_size_tokens": "None"}, {"max_model_len": 4096}, id="vLLM's word is None"),
    ],
)
def test_layers_that_cache_unequally_have_no_bytes_where_that_is_unknown(config, more):
    assert by_state(measured(filled(0.5, spec=GEMMA_3_27B, config=config, **more))) == {}


# ---------------------------------------------------------------------------- what still fits


def tokens(total, count=10.0):
    return Histogram((math.inf,), (count,), total)


# Ten requests of 100 prompt and 30.5 output tokens: 130.5, or nine blocks of 16, 144 tokens.
ENDED = {"request_prompt_tokens": tokens(1000.0), "request_generation_tokens": tokens(305.0)}
SMALL = {"num_gpu_blocks": "625", "block_size": "16"}  # 10,000 tokens


def fitting(usage=0.2, running=10.0, *, ended=ENDED, config=SMALL, model=None):
    gauges = {key: one for key, one in (("kv_cache_usage", usage), ("running", running)) if one is not None}
    one = engine({}, histograms=ended, gauges=gauges, cache_config=config, served_model=model)
    return value(measured(one), "kv_cache_free_sequences", window="1m")


def test_sequences_that_still_fit_are_whole_ones_in_whole_blocks():
    # 8,000 free tokens / 144 = 55.6
    assert fitting() == 55


@pytest.mark.parametrize(
    ("running", "free"),
    [
        pytest.param(10.0, 50, id="seats are fewer than what fits"),
        pytest.param(2.0, 55, id="seats are plenty"),
        pytest.param(60.0, 0, id="all seats are taken"),
        pytest.param(None, 55, id="nobody knows how many run"),
    ],
)
def test_no_more_sequences_fit_than_vllm_admits(running, free):
    assert fitting(running=running, model=serving(LLAMA_31_8B, max_num_seqs=60)) == free


def test_into_a_full_cache_nothing_fits():
    assert fitting(1.0) == 0


@pytest.mark.parametrize(
    "unknown",
    [
        pytest.param({"usage": None}, id="fill"),
        pytest.param({"config": {}}, id="capacity"),
        pytest.param({"config": {"kv_cache_size_tokens": "10000"}}, id="block size"),
        pytest.param({"ended": {}}, id="lengths"),
        pytest.param({"ended": {**ENDED, "request_prompt_tokens": tokens(0.0, 0.0)}}, id="nothing ended"),
        pytest.param({"ended": {key: tokens(0.0) for key in ENDED}}, id="empty requests"),
        pytest.param({"model": serving(GEMMA_3_27B)}, id="layers that cache unequally"),
    ],
)
def test_what_fits_is_unknown_where_one_of_its_parts_is(unknown):
    assert fitting(**unknown) is None


def test_a_model_of_unknown_layers_does_not_hide_what_fits():
    assert fitting(model=serving(COUNTED_7B)) == 55


def test_every_engine_has_its_own_cache():
    samples = measured(filled(0.5), engine(gauges={"kv_cache_usage": 0.1}, name="1"))
    assert found(samples, "kv_cache_usage_ratio") == [0.5, 0.1]
    assert found(samples, "kv_cache_bytes", engine="1") == []
