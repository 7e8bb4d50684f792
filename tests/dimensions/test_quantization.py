"""What other formats of the weights would mean for the served model."""

import math
from dataclasses import replace

import pytest

from builders import A100, COUNTED_7B, deployment, engine, names, serving, value, work, world
from model.specs import GEMMA_3_27B, LLAMA_2_7B
from pentameter.dimensions import quantization
from pentameter.model.impact import Format, converted
from pentameter.readings import Histogram

# Llama-2-7B: 6,476,005,376 parameters in the layers' matrices, 262,144,000 in both embeddings, 266,240 in norms.
LAYERS, EMBEDDINGS, NORMS = 6_476_005_376, 262_144_000, 266_240
WEIGHTS = {
    "fp16": 2 * (LAYERS + EMBEDDINGS + NORMS),
    "fp8": LAYERS + 2 * (EMBEDDINGS + NORMS),
    "int4": LAYERS * 4.15625 / 8 + 2 * (EMBEDDINGS + NORMS),
}
# Ten requests that ended with 512 tokens each.
ENDED = {
    "request_prompt_tokens": Histogram((math.inf,), (10.0,), 5000.0),
    "request_generation_tokens": Histogram((math.inf,), (10.0,), 120.0),
}
TOKENS = {"num_gpu_blocks": "1024", "block_size": "16"}  # 16,384: as much as 32 of those requests
# Eight sequences in every step that decoded.
DECODED = work(tokens_decode=800, steps_decode=75, steps_mixed=25)


def measured(one):
    return list(quantization.samples(world(deployment(one))))


def by_format(samples, name, **labels):
    return {fmt: value(samples, name, format=fmt, **labels) for fmt in ("fp16", "fp8", "int4")}


def serves(shape=LLAMA_2_7B, *, model=None, **more):
    given = {"histograms": ENDED, "cache_config": TOKENS, "work": DECODED, "spec": A100} | more
    return engine({}, served_model=model or serving(shape), **given)


def test_weights_by_format():
    assert by_format(measured(serves()), "quantization_weights_bytes") == pytest.approx(WEIGHTS)
    # The lecture: 14, 7 and 3.5 GB; what stays in 16 bits and the scales make the difference.
    assert pytest.approx({"fp16": 13.48e9, "fp8": 7.0e9, "int4": 3.89e9}, rel=0.01) == WEIGHTS


def test_weights_of_a_quantised_model_by_format_are_the_same():
    fp8 = converted(LLAMA_2_7B, Format.FP8)
    assert by_format(measured(serves(fp8)), "quantization_weights_bytes") == pytest.approx(WEIGHTS)


def test_the_floor_of_the_time_per_token_is_a_steps_bytes_over_the_bandwidth():
    # A step of 8 reads the layers, the unembedding (131,072,000 x 2 B), the norms, 8 rows of 4,096 x 2 B, and of
    # the cache 8 x 512 tokens x 524,288 B.
    rest = 2 * (131_072_000 + NORMS) + 8 * 8192 + 8 * 512 * 524_288
    steps = {"fp16": 2 * LAYERS + rest, "fp8": LAYERS + rest, "int4": LAYERS * 4.15625 / 8 + rest}
    floors = by_format(measured(serves()), "quantization_tpot_floor_seconds", window="1m")
    assert floors == pytest.approx({fmt: step / 2e12 for fmt, step in steps.items()})


def test_what_the_weights_free_is_for_more_sequences():
    # A sequence of 512 tokens takes 268,435,456 B; weights and cache have 13.48 GB + 32 of them now.
    each = 512 * 524_288
    memory = WEIGHTS["fp16"] + 32 * each
    sequences = by_format(measured(serves()), "quantization_sequences", window="1m")
    assert sequences == {fmt: math.floor((memory - weights) / each) for fmt, weights in WEIGHTS.items()}
    assert sequences == {"fp16": 32, "fp8": 56, "int4": 67}


def test_the_cache_keeps_its_own_type():
    # In 8 bits 16,384 tokens take half, and so does a sequence: as many fit, more of what is freed.
    sequences = by_format(measured(serves(model=serving(LLAMA_2_7B, kv_bits=8.0))), "quantization_sequences")
    # (13,476,831,232 - 7,000,825,856) / 134,217,728 = 48.25
    assert sequences["fp16"] == 32
    assert sequences["fp8"] == 32 + 48


def test_without_the_gpu_or_without_a_decode_step_there_is_no_floor():
    for one in (serves(spec=None), serves(work=work()), serves(work=None)):
        assert names(measured(one)) == {"quantization_weights_bytes", "quantization_sequences"}


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(serves(histograms={}), id="nobody knows how long sequences become"),
        pytest.param(serves(cache_config={}), id="the cache is unknown"),
        pytest.param(serves(GEMMA_3_27B), id="layers cache unequally"),
    ],
)
def test_without_lengths_or_cache_there_are_weights_alone(one):
    assert names(measured(one)) == {"quantization_weights_bytes"}


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(replace(serves(), model=None), id="unknown"),
        pytest.param(serves(COUNTED_7B), id="only its size"),
    ],
)
def test_of_a_model_whose_layers_are_unknown_nothing_is_said(one):
    assert measured(one) == []
