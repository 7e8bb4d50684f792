"""What other formats of the weights would mean."""

from dataclasses import replace

import pytest

from model.specs import (
    COUNTED,
    DEEPSEEK_V3,
    EVERY,
    GEMMA_3_27B,
    LLAMA_2_7B,
    LLAMA_31_8B,
    MIXTRAL_8X7B,
    RECURRENT_HYBRID,
)
from pentameter.model.flops import token_flops
from pentameter.model.impact import Format, converted, impact
from pentameter.model.kv import kv_bytes_per_token
from pentameter.model.parallel import ONE_GPU, Parallel, weights_per_gpu
from pentameter.model.spec import Matrices, Precision

MATRICES = 32 * 218_103_808
"""Parameters of the matrices of Llama-3.1-8B's layers."""
KEPT = 2 * 8_030_261_248 - 2 * MATRICES
"""Bytes that stay in 16 bits: embedding, unembedding, norms."""


def by_format(spec, parallel=ONE_GPU, **settings):
    settings = {"bandwidth": 3.35e12, "memory_bytes": 72e9, "sequence_tokens": 2048, **settings}
    return {one.format: one for one in impact(spec, parallel, **settings)}


@pytest.mark.parametrize(("bits", "gigabytes"), [(32, 28), (16, 14), (8, 7), (4, 3.5)])
def test_the_lectures_table_is_of_plain_bits(bits, gigabytes):
    assert Matrices("all", 7_000_000_000, bits).stored_bytes == gigabytes * 1e9


@pytest.mark.parametrize(("fmt", "bits"), [("fp16", 16), ("fp8", 8), ("int4", 4.15625)])
def test_weights_of_llama_in_each_format(fmt, bits):
    assert weights_per_gpu(converted(LLAMA_31_8B, Format(fmt)), ONE_GPU) == KEPT + MATRICES * bits / 8


def test_int4_of_a_7b_model_is_3_9_gb_not_3_5():
    # 6,476,005,376 parameters at 4.15625 bits, 262,144,000 of the two embeddings and 266,240 of norms at 16.
    stored = weights_per_gpu(converted(LLAMA_2_7B, Format.INT4), ONE_GPU)
    assert stored == 6_476_005_376 * 4.15625 / 8 + 2 * (262_144_000 + 266_240)
    assert stored / 1e9 == pytest.approx(3.89, abs=0.005)


@pytest.mark.parametrize("spec", EVERY.values(), ids=EVERY)
def test_a_16_bit_model_in_16_bits_is_itself(spec):
    assert converted(spec, Format.FP16) == spec


@pytest.mark.parametrize("spec", EVERY.values(), ids=EVERY)
def test_formats_lead_back_to_where_they_began(spec):
    for fmt in Format:
        assert converted(converted(spec, fmt), Format.FP16) == spec


def test_a_quantised_model_has_an_original_in_16_bits():
    stored = converted(LLAMA_31_8B, Format.INT4)
    assert weights_per_gpu(by_spec := converted(stored, Format.FP16), ONE_GPU) == 2 * 8_030_261_248
    assert by_spec.quantization == "none"


def test_routers_and_embeddings_stay_in_16_bits():
    spec = converted(MIXTRAL_8X7B, Format.FP8)
    (layer,) = spec.layers
    kept = {matrix.part: matrix.bits for matrix in (*layer.dense, layer.experts.expert, spec.embedding)}
    assert kept == {"attention": 8, "router": 16, "experts": 8, "embedding": 16}
    assert converted(GEMMA_3_27B, Format.INT4).embedding.bits == 16


def test_fp8_is_computed_in_fp8_and_int4_in_16_bits():
    assert set(token_flops(converted(LLAMA_31_8B, Format.FP8))) == {Precision.FP8}
    assert set(token_flops(converted(LLAMA_31_8B, Format.INT4))) == {Precision.BITS16}


@pytest.mark.parametrize("fmt", Format)
def test_neither_work_nor_cache_change(fmt):
    spec = converted(DEEPSEEK_V3, fmt)
    assert sum(token_flops(spec).values()) == sum(token_flops(DEEPSEEK_V3).values())
    assert kv_bytes_per_token(spec) == 70_272


def test_a_model_of_unknown_layers_is_converted_whole():
    assert weights_per_gpu(converted(COUNTED, Format.FP8), ONE_GPU) == 7e9
    inactive = replace(COUNTED, other=Matrices("all", 40_000_000_000, 16))
    assert weights_per_gpu(converted(inactive, Format.FP8), ONE_GPU) == 47e9


def test_a_vision_encoder_stays_in_16_bits():
    spec = replace(LLAMA_31_8B, other=Matrices("vision", 400_000_000, 16))
    assert converted(spec, Format.INT4).other == spec.other


def test_the_floor_of_one_sequence_is_its_weights_and_its_cache_over_the_bandwidth():
    # Without the embedding's table but with one row; the cache of 2,048 positions.
    read = 2 * 8_030_261_248 - 2 * 525_336_576 + 8192 + 2048 * 131_072
    fp16 = by_format(LLAMA_31_8B)[Format.FP16]
    assert fp16.step_bytes == read
    assert fp16.tpot_floor_seconds == read / 3.35e12
    assert fp16.tpot_floor_seconds == pytest.approx(4.56e-3, rel=1e-3)


def test_formats_shrink_the_weights_but_not_the_cache():
    small, large = by_format(LLAMA_31_8B, batch=1), by_format(LLAMA_31_8B, batch=256)
    assert small[Format.FP16].tpot_floor_seconds / small[Format.INT4].tpot_floor_seconds > 2.8
    assert large[Format.FP16].tpot_floor_seconds / large[Format.INT4].tpot_floor_seconds < 1.2


def test_what_fits_beside_the_weights():
    # (72e9 - 16,060,522,496) / 268,435,456 = 208.4; (72e9 - 9,081,200,640) / ... = 234.4; int4: 246.9
    fits = {fmt: one.sequences for fmt, one in by_format(LLAMA_31_8B).items()}
    assert fits == {Format.FP16: 208, Format.FP8: 234, Format.INT4: 246}


def test_nothing_fits_where_the_weights_do_not():
    fits = {fmt: one.sequences for fmt, one in by_format(LLAMA_31_8B, memory_bytes=12e9).items()}
    assert fits[Format.FP16] == 0 < fits[Format.FP8]


def test_eight_bits_of_cache_double_what_fits():
    assert by_format(LLAMA_31_8B, kv_bits=8)[Format.FP16].sequences == 416


def test_a_token_passes_the_stages_of_a_pipeline_one_after_the_other():
    one, four = by_format(LLAMA_31_8B), by_format(LLAMA_31_8B, Parallel(pipeline=4))
    for fmt in Format:
        assert four[fmt].weight_bytes == one[fmt].weight_bytes / 4
        assert four[fmt].tpot_floor_seconds == pytest.approx(one[fmt].tpot_floor_seconds)


def test_tensor_parallelism_shortens_the_floor():
    one, eight = by_format(LLAMA_31_8B), by_format(LLAMA_31_8B, Parallel(tensor=8))
    assert eight[Format.FP16].tpot_floor_seconds == pytest.approx(one[Format.FP16].tpot_floor_seconds / 8, rel=1e-3)


def test_recurrent_states_are_read_and_written():
    still = replace(RECURRENT_HYBRID, layers=tuple(replace(one, recurrent=None) for one in RECURRENT_HYBRID.layers))
    moving, without = by_format(RECURRENT_HYBRID, batch=3)[Format.FP8], by_format(still, batch=3)[Format.FP8]
    assert moving.step_bytes - without.step_bytes == 2 * 3 * 36 * 32 * 128 * 128 * 2


def test_of_a_model_of_unknown_layers_nothing_is_said_of_what_fits():
    fp8 = by_format(COUNTED)[Format.FP8]
    assert fp8.sequences is None
    assert fp8.tpot_floor_seconds == 7e9 / 3.35e12
