"""Floating point operations of public models, against hand computation and vLLM's own estimates."""

from dataclasses import replace

import pytest

from model.specs import (
    COUNTED,
    DEEPSEEK_V3,
    EVERY,
    FULL,
    GEMMA_3_27B,
    LLAMA_2_7B,
    LLAMA_31_8B,
    MISTRAL_7B,
    MIXTRAL_8X7B,
    RECURRENT_HYBRID,
)
from pentameter.model.contexts import Reach, prefill_seen, reaches
from pentameter.model.flops import (
    attention_flops,
    decode_flops,
    decode_token_flops,
    phase_flops,
    prefill_flops,
    sample_flops,
    token_flops,
)
from pentameter.model.spec import Precision

BITS16 = Precision.BITS16
every_model = pytest.mark.parametrize("spec", EVERY.values(), ids=EVERY)


def test_a_token_of_llama_2_7b_costs_2n_without_its_embedding():
    # 6,738,415,616 parameters as published, less 32,000 x 4,096 of the embedding and 65 norms of 4,096.
    parameters = 6_738_415_616 - 131_072_000 - 266_240
    assert token_flops(LLAMA_2_7B)[BITS16] + sample_flops(LLAMA_2_7B)[BITS16] == 2 * parameters
    assert 2 * parameters == pytest.approx(13.21e9, rel=1e-3)


def test_the_decode_token_of_llama_31_8b_at_context_1024():
    # Per layer: q and o 4096 x 4096 each, k and v 4096 x 1024 each, three MLP matrices of 4096 x 14336: 218,103,808.
    # 32 of them and the unembedding 4096 x 128256: 7,504,658,432 parameters, twice that 15,009,316,864.
    # Attention: 32 layers x 2 x 32 heads x (128 + 128) x 1024 = 536,870,912.
    assert decode_token_flops(LLAMA_31_8B, 1024) == 15_009_316_864 + 536_870_912
    # vLLM 0.32's estimate for the same step is the same 15.55 GFLOP: one query has no causal mask.
    assert decode_token_flops(LLAMA_31_8B, 1024) / 1e9 == pytest.approx(15.55, abs=0.005)


def test_a_prompt_differs_from_vllms_estimate_by_the_causal_mask_alone():
    # vLLM 0.32 for 8,192 tokens at once: 2 x 6,979,321,856 x 8,192 + unembedding of 1 + 524,288 x 8,192 squared.
    theirs = 2 * 6_979_321_856 * 8192 + 2 * 525_336_576 + 524_288 * 8192**2
    masked = 524_288 * 8192 * 8191 / 2
    assert theirs / 1e12 == pytest.approx(149.5, abs=0.05)
    assert prefill_flops(LLAMA_31_8B, 8192) == theirs - masked
    assert theirs / prefill_flops(LLAMA_31_8B, 8192) == pytest.approx(1.133, abs=0.001)


def test_four_chunks_cost_the_same_as_the_whole_which_vllms_estimate_denies():
    chunks = [(0, 2048), (2048, 4096), (4096, 6144), (6144, 8192)]
    # Each chunk of vLLM's samples a token and multiplies its 2,048 tokens with the context at its end.
    theirs = sum(2 * 6_979_321_856 * 2048 + 2 * 525_336_576 + 524_288 * 2048 * context for _, context in chunks)
    assert theirs / 1e12 == pytest.approx(136.3, abs=0.05)
    ours = sum(prefill_flops(LLAMA_31_8B, end, start) for start, end in chunks)
    assert ours - 3 * 2 * 525_336_576 == prefill_flops(LLAMA_31_8B, 8192)


@every_model
@pytest.mark.parametrize("cut", [1, 700, 5000, 8999])
def test_what_a_cache_hit_leaves_and_what_it_saves_are_the_whole(spec, cut):
    whole = prefill_flops(spec, 9000)
    sampled_twice = sum(sample_flops(spec).values())
    assert prefill_flops(spec, cut) + prefill_flops(spec, 9000, cut) == pytest.approx(whole + sampled_twice, rel=1e-12)


@every_model
def test_decode_is_the_sum_of_its_steps(spec):
    steps = sum(decode_token_flops(spec, 5000 + step) for step in range(1, 20))
    assert decode_flops(spec, 5000, 20) == pytest.approx(steps, rel=1e-12)


@every_model
def test_a_prompt_that_was_cached_whole_costs_its_sample_alone(spec):
    assert prefill_flops(spec, 5000, 5000) == sum(sample_flops(spec).values())


@every_model
def test_one_output_token_is_all_prefill(spec):
    assert decode_flops(spec, 5000, 1) == 0


@every_model
def test_phases_of_a_request_are_its_parts_added_up(spec):
    tokens, samples = token_flops(spec), sample_flops(spec)
    pairs = {one: prefill_seen(one, 3000, 1000) for one in reaches(spec)}
    expected = 2000 * tokens[BITS16] + samples[BITS16] + attention_flops(spec, pairs, decode=False)
    assert prefill_flops(spec, 3000, 1000) == pytest.approx(expected, rel=1e-12)
    assert phase_flops(spec, 2000, 1, pairs, decode=False) == {BITS16: pytest.approx(expected, rel=1e-12)}


def test_the_mean_over_a_prompt_is_kaplans_form():
    # Kaplan et al. 2020, table 1: 2 N + 2 L n d per token, with n tokens of context; d = heads x head dimension.
    n = 2048
    per_token = token_flops(LLAMA_2_7B)[BITS16] + 2 * 32 * (n + 1) * 4096
    assert (prefill_flops(LLAMA_2_7B, n) - sample_flops(LLAMA_2_7B)[BITS16]) / n == per_token


def test_each_precision_has_its_own_sum():
    (layer,) = LLAMA_31_8B.layers
    fp8 = tuple(replace(matrix, bits=8, compute=Precision.FP8) for matrix in layer.dense)
    spec = replace(LLAMA_31_8B, layers=(replace(layer, dense=fp8),))
    work = phase_flops(spec, 10, 2, {FULL: 55.0}, decode=False)
    assert work == {Precision.FP8: 10 * 2 * 32 * 218_103_808, BITS16: 2 * 2 * 525_336_576 + 55 * 524_288}


def test_only_the_experts_that_a_token_goes_to_count():
    # Mixtral: 12.9 billion active parameters of 46.7 (Jiang et al. 2024), here without embedding and norms.
    active = token_flops(MIXTRAL_8X7B)[BITS16] / 2 + sample_flops(MIXTRAL_8X7B)[BITS16] / 2
    assert active == 32 * (41_943_040 + 32_768 + 2 * 176_160_768) + 131_072_000
    assert active + 131_072_000 == pytest.approx(12.9e9, rel=0.003)


def test_deepseek_v3_decodes_on_its_compressed_cache():
    # Active: attention 187,105,280 x 61, dense MLP 396,361,728 x 3, nine experts of 44,040,192 and a router of
    # 1,835,008 x 58: 35,697,917,952; unembedding 926,679,040. With the embedding 37.55 billion; published: 37.
    # Attention in the absorbed form: 61 layers x 2 x 128 heads x (576 + 512) x 4096.
    assert token_flops(DEEPSEEK_V3)[BITS16] == 2 * 35_697_917_952
    assert decode_token_flops(DEEPSEEK_V3, 4096) == 2 * (35_697_917_952 + 926_679_040) + 69_591_891_968


def test_vllms_estimate_decodes_mla_as_if_its_cache_were_expanded():
    # vLLM 0.32 for one token at 8,192: 2 x (192 + 128) per head and position, and no routers.
    theirs = 113_972_740_096
    absorbed = 61 * 2 * 128 * ((576 + 512) - (192 + 128)) * 8192
    assert decode_token_flops(DEEPSEEK_V3, 8192) == theirs + absorbed + 2 * 58 * 256 * 7168


def test_deepseek_v3_prefills_on_whole_heads():
    assert attention_flops(DEEPSEEK_V3, {FULL: 1.0}, decode=False) == 61 * 2 * 128 * (192 + 128)


def test_a_sliding_window_makes_every_further_token_cost_the_same():
    at_window, beyond = decode_token_flops(MISTRAL_7B, 4096), decode_token_flops(MISTRAL_7B, 30_000)
    assert at_window == beyond > decode_token_flops(MISTRAL_7B, 4095)


def test_a_hybrid_pays_the_whole_context_in_its_full_layers_only():
    # Of 62 layers 52 see 1,024 of the 32,768 positions: 4 x 32 heads x 128 per position and layer.
    expected = 4 * 32 * 128 * (52 * 1024 + 10 * 32_768)
    pairs = {FULL: 32_768.0, Reach(1024): 1024.0}
    assert attention_flops(GEMMA_3_27B, pairs, decode=True) == expected


def test_a_tied_embedding_is_paid_when_sampling():
    assert sample_flops(GEMMA_3_27B) == {BITS16: 2 * 5376 * 262_208}


def test_a_recurrence_costs_the_same_at_every_position():
    per_token = 36 * 32 * 128 * 128 * 8
    matrices = 36 * 2048 * 16384 + 12 * 2048 * 256 * 36 + 48 * (512 * 2048 + 10 * 3 * 2048 * 512)
    assert token_flops(RECURRENT_HYBRID) == {BITS16: 2 * matrices + per_token}


def test_a_model_known_by_its_number_of_parameters_costs_2n():
    assert token_flops(COUNTED) == {BITS16: 14e9}
    assert sample_flops(COUNTED) == {}
    assert decode_token_flops(COUNTED, 1000) == 14e9


def test_a_missing_reach_is_an_error_not_a_zero():
    with pytest.raises(KeyError):
        attention_flops(GEMMA_3_27B, {FULL: 10.0}, decode=True)
