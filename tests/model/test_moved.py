"""Bytes moved per step, against hand computation and vLLM's own estimates."""

import itertools
from dataclasses import replace

import pytest

from model.specs import DEEPSEEK_V3, EVERY, FULL, GEMMA_3_27B, LLAMA_31_8B, MIXTRAL_8X7B, RECURRENT_HYBRID
from pentameter.model.contexts import decode_seen, prefill_read, prefill_seen, reaches
from pentameter.model.moved import Moved, Traffic, experts_touched, moved, step_weight_bytes
from pentameter.model.parallel import ONE_GPU, Parallel, weights_per_gpu

every_model = pytest.mark.parametrize("spec", EVERY.values(), ids=EVERY)
ROW = 4096 * 2
"""Bytes of one row of Llama's embedding."""
LLAMA_STEP = 2 * 7_504_658_432 + 65 * 4096 * 2
"""Bytes of Llama-3.1-8B that each step reads: matrices of the layers, unembedding, norms."""


def traffic(spec, *, prefill=(0, 0), decode=(0, 0), mixed=0, prompt=2000, output=100):
    """Return (tokens, steps with them alone) of each phase; contexts as of one request."""
    kinds = reaches(spec)
    return Traffic(
        prefill_tokens=prefill[0],
        decode_tokens=decode[0],
        prefill_samples=1,
        decode_steps=decode[1],
        prefill_steps=prefill[1],
        mixed_steps=mixed,
        prefill_seen={one: prefill_seen(one, prompt, 0) for one in kinds},
        decode_seen={one: decode_seen(one, prompt, output) for one in kinds},
        prefill_cached_read={one: prefill_read(one, prompt, 0, 512) for one in kinds},
    )


def test_a_decode_step_of_llama_against_vllms_estimate_term_by_term():
    step = Traffic(0, 1, 0, 1, 0, 0, {FULL: 0.0}, {FULL: 1024.0})
    ours = moved(LLAMA_31_8B, ONE_GPU, step)
    assert ours.decode_weights == LLAMA_STEP + ROW
    assert ours.decode_kv == 1024 * 131_072
    # vLLM 0.32 reads 15.15 GB here: the same matrices and cache, no norms and no row of the embedding, but the
    # activations that enter each product, from and to memory (hidden 4096, inner 14336, 2 bytes, 32 layers).
    activations = 2 * 32 * (4 * 4096 + 3 * 14336) + 2 * 4096
    theirs = 2 * 7_504_658_432 + 1024 * 131_072 + activations
    assert theirs / 1e9 == pytest.approx(15.15, abs=0.005)
    norms_and_row = 65 * 4096 * 2 + ROW
    assert ours.decode_weights + ours.decode_kv == theirs - activations + norms_and_row
    assert ours.decode_written == 131_072


@pytest.mark.parametrize(("tokens", "expected"), [(0, 0.0), (1, 2.0), (2, 3.5), (3, 4.625)])
def test_mixtrals_experts_touched_by_a_few_tokens(tokens, expected):
    # 8 (1 - (3/4)^tokens), two of eight experts per token.
    assert experts_touched(8, 2, tokens) == expected


@pytest.mark.parametrize("tokens", [1, 2, 3])
def test_experts_touched_is_the_mean_over_all_ways_to_choose(tokens):
    choices = [set(choice) for choice in itertools.combinations(range(5), 2)]
    ways = list(itertools.product(choices, repeat=tokens))
    mean = sum(len(set.union(*way)) for way in ways) / len(ways)
    assert experts_touched(5, 2, tokens) == pytest.approx(mean)


def test_many_tokens_touch_all_experts_and_never_more():
    assert experts_touched(256, 8, 64) == pytest.approx(222.5, abs=0.1)
    assert experts_touched(256, 8, 8192) == pytest.approx(256)
    assert experts_touched(4, 4, 1) == 4


def test_a_step_reads_only_the_experts_that_it_touches():
    expert = 3 * 4096 * 14336 * 2
    dense = 32 * (41_943_040 + 32_768) * 2 + 65 * 4096 * 2 + 131_072_000 * 2
    assert step_weight_bytes(MIXTRAL_8X7B, ONE_GPU, 1, 1) == dense + 32 * 2 * expert + ROW
    assert step_weight_bytes(MIXTRAL_8X7B, ONE_GPU, 2, 1) == dense + 32 * 3.5 * expert + 2 * ROW


def test_vllms_estimate_has_eight_tokens_read_every_expert():
    # vLLM 0.32: min(8 tokens x 2, 8) experts, 93.14 GB of weights; expected are 8 (1 - (3/4)^8) = 7.199.
    theirs = 93_140_811_776
    routers_norms_and_rows = 32 * 32_768 * 2 + 65 * 4096 * 2 + 8 * ROW
    missed = 32 * (8 - experts_touched(8, 2, 8)) * 3 * 4096 * 14336 * 2
    assert step_weight_bytes(MIXTRAL_8X7B, ONE_GPU, 8, 8) == theirs + routers_norms_and_rows - missed
    assert experts_touched(8, 2, 8) == pytest.approx(7.199, abs=0.001)


def test_all_ranks_tokens_go_to_the_experts_that_they_share():
    expert = 3 * 4096 * 14336 * 2
    dense = 32 * (41_943_040 + 32_768) * 2 + 65 * 4096 * 2 + 131_072_000 * 2
    assert step_weight_bytes(MIXTRAL_8X7B, Parallel(data=2), 1, 1) == dense + 32 * 3.5 * expert / 2 + ROW


def test_mlas_projections_to_its_latents_are_read_whole_by_every_gpu():
    latent = 61 * (7168 * 1536 + 7168 * 576) * 2
    router = 58 * 256 * 7168 * 2
    norms = (61 * (2 * 7168 + 1536 + 512) + 58 * 256 + 7168) * 2
    divided = (35_697_917_952 + 926_679_040) * 2 - latent - router + 7168 * 2
    step = step_weight_bytes(DEEPSEEK_V3, Parallel(tensor=8), 1, 1)
    assert step == pytest.approx(divided / 8 + latent + router + norms, rel=1e-12)


def test_a_tied_embedding_is_read_when_sampling():
    table = 5376 * 262_208 * 2
    sampling, silent = step_weight_bytes(GEMMA_3_27B, ONE_GPU, 5, 5), step_weight_bytes(GEMMA_3_27B, ONE_GPU, 5, 0)
    assert sampling - silent == table


@every_model
def test_a_step_with_very_many_tokens_reads_what_is_stored_but_the_embeddings_unused_rows(spec):
    rows = 10_000 * spec.hidden_size * 2
    unused = 0 if spec.tied else spec.embedding.stored_bytes
    step = step_weight_bytes(spec, ONE_GPU, 10_000, 1)
    assert step == pytest.approx(weights_per_gpu(spec, ONE_GPU) - unused + rows, rel=1e-9)


def test_eight_gpus_read_an_eighth_each_and_their_own_norms():
    norms = 65 * 4096 * 2
    step = step_weight_bytes(LLAMA_31_8B, Parallel(tensor=8), 4, 4)
    assert step == (2 * 7_504_658_432 + 4 * ROW) / 8 + norms
    assert step_weight_bytes(LLAMA_31_8B, Parallel(tensor=8, pipeline=2), 4, 4) == step / 2


def test_a_step_without_tokens_reads_nothing():
    assert step_weight_bytes(LLAMA_31_8B, ONE_GPU, 0, 0) == 0


@every_model
def test_nothing_done_is_nothing_moved(spec):
    nothing = dict.fromkeys(reaches(spec), 0.0)
    assert moved(spec, ONE_GPU, Traffic(0, 0, 0, 0, 0, 0, nothing, nothing, nothing)) == Moved(0, 0, 0, 0, 0, 0)


def test_steps_of_one_phase_are_booked_to_it_alone():
    decode = moved(LLAMA_31_8B, ONE_GPU, traffic(LLAMA_31_8B, decode=(120, 30)))
    assert decode.decode_weights == 30 * (LLAMA_STEP + 4 * ROW)
    assert decode.prefill_weights == decode.prefill_written == 0
    prefill = moved(LLAMA_31_8B, ONE_GPU, traffic(LLAMA_31_8B, prefill=(2000, 4)))
    assert prefill.prefill_weights == 4 * (LLAMA_STEP + 500 * ROW)
    assert prefill.decode_weights == prefill.decode_written == 0


def test_a_mixed_step_reads_the_weights_once_for_both_phases():
    # Four mixed steps of 500 prompt tokens and 20 decode tokens each.
    result = moved(LLAMA_31_8B, ONE_GPU, traffic(LLAMA_31_8B, prefill=(2000, 0), decode=(80, 0), mixed=4))
    whole = 4 * (LLAMA_STEP + 520 * ROW)
    assert result.prefill_weights == pytest.approx(whole * 500 / 520, rel=1e-12)
    assert result.decode_weights == pytest.approx(whole * 20 / 520, rel=1e-12)


@every_model
@pytest.mark.parametrize("parallel", [ONE_GPU, Parallel(4, 2), Parallel(2, 1, 4, expert=True)])
def test_prefill_and_decode_add_up_to_the_steps(spec, parallel):
    # 3 prefill steps of 500, 5 decode steps of 20, 2 mixed steps of 520 tokens.
    result = moved(spec, parallel, traffic(spec, prefill=(2500, 3), decode=(140, 5), mixed=2))
    expected = sum(
        steps * step_weight_bytes(spec, parallel, tokens, 1) for steps, tokens in ((3, 500), (5, 20), (2, 520))
    )
    assert result.prefill_weights + result.decode_weights == pytest.approx(expected, rel=1e-12)


def test_a_prompt_in_chunks_reads_the_cache_before_each_chunk():
    # Chunks end at 512, 1024, 1536 and 2000.
    result = moved(LLAMA_31_8B, ONE_GPU, traffic(LLAMA_31_8B, prefill=(2000, 4)))
    assert result.prefill_kv == (512 + 1024 + 1536 + 2000) * 131_072
    assert result.prefill_written == 2000 * 131_072
    unknown = replace(traffic(LLAMA_31_8B, prefill=(2000, 4)), prefill_cached_read={})
    assert moved(LLAMA_31_8B, ONE_GPU, unknown).prefill_kv == 0


def test_the_caches_bits_are_the_servers():
    work = traffic(LLAMA_31_8B, prefill=(2000, 4), decode=(99, 99))
    half, whole = moved(LLAMA_31_8B, ONE_GPU, work, 8), moved(LLAMA_31_8B, ONE_GPU, work, 16)
    assert [2 * one for one in half[2:]] == list(whole[2:])
    assert half[:2] == whole[:2]


def test_recurrent_states_are_read_and_written_by_every_decoded_token():
    result = moved(RECURRENT_HYBRID, ONE_GPU, traffic(RECURRENT_HYBRID, decode=(99, 99)))
    states = 99 * 36 * 32 * 128 * 128 * 2
    contexts = sum(range(2001, 2100)) * 24_576
    assert result.decode_kv == contexts + states
    assert result.decode_written == 99 * 24_576 + states


def test_copies_of_a_compressed_cache_are_read_by_every_gpu():
    one = moved(DEEPSEEK_V3, ONE_GPU, traffic(DEEPSEEK_V3, decode=(99, 99)))
    eight = moved(DEEPSEEK_V3, Parallel(tensor=8), traffic(DEEPSEEK_V3, decode=(99, 99)))
    assert eight.decode_kv == one.decode_kv
    assert eight.decode_weights < one.decode_weights / 4
