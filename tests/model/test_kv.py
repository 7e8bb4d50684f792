"""Bytes of the cache of public models."""

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
    chunked,
)
from pentameter.model.contexts import Reach, decode_seen, reaches
from pentameter.model.kv import (
    kv_bytes_grown,
    kv_bytes_per_token,
    kv_known,
    kv_read_bytes,
    kv_written_bytes,
    recurrent_bytes,
    sequence_bytes,
    uniform_cache,
)
from pentameter.model.parallel import Parallel


def sharing(spec, count):
    """Return the model with further layers that read an earlier layer's cache."""
    layer = spec.layers[0]
    reader = replace(layer, count=count, attention=replace(layer.attention, shares_cache=True))
    return replace(spec, layers=(*spec.layers, reader))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (LLAMA_2_7B, 524_288),  # 2 x 32 layers x 32 heads x 128 x 2 bytes: half a MiB
        (LLAMA_31_8B, 131_072),  # eight heads: a quarter of that
        (MIXTRAL_8X7B, 131_072),
        (DEEPSEEK_V3, 70_272),  # 61 x (512 + 64) x 2: 70.272 KB (DeepSeek-AI 2025, arXiv 2505.09343, table 1)
        (GEMMA_3_27B, 507_904),  # 62 x 2 x 16 x 128 x 2
        (RECURRENT_HYBRID, 24_576),  # twelve layers of 2 x 2 x 256 x 2 bytes
    ],
)
def test_bytes_per_token_of_public_models(spec, expected):
    assert kv_bytes_per_token(spec) == expected


def test_the_servers_own_dtype_counts_before_the_models():
    assert kv_bytes_per_token(LLAMA_31_8B, 8) == 65_536
    assert kv_bytes_per_token(replace(LLAMA_31_8B, kv_bits=8)) == 65_536
    assert kv_bytes_per_token(replace(LLAMA_31_8B, kv_bits=8), 16) == 131_072


def test_the_lectures_batch_of_eight_sequences_takes_8_59_gb():
    assert 8 * sequence_bytes(LLAMA_2_7B, 2048) == 8_589_934_592


def test_a_window_keeps_no_more_than_itself():
    assert sequence_bytes(MISTRAL_7B, 4096) == 4096 * 131_072 == sequence_bytes(MISTRAL_7B, 30_000)
    assert sequence_bytes(MISTRAL_7B, 100) == 100 * 131_072
    assert sequence_bytes(chunked(8192), 100_000) == 8192 * 131_072


def test_a_hybrid_grows_in_its_full_layers_only():
    beyond = sequence_bytes(GEMMA_3_27B, 3000) - sequence_bytes(GEMMA_3_27B, 2000)
    assert beyond == 1000 * 10 * 2 * 16 * 128 * 2
    assert sequence_bytes(GEMMA_3_27B, 1024) == kv_bytes_grown(GEMMA_3_27B, 1024)
    assert sequence_bytes(GEMMA_3_27B, 1025) < kv_bytes_grown(GEMMA_3_27B, 1025)


def test_recurrent_layers_keep_a_state_whatever_the_length():
    states = 36 * 32 * 128 * 128 * 2
    assert sequence_bytes(RECURRENT_HYBRID, 0) == states
    assert sequence_bytes(RECURRENT_HYBRID, 1000) == states + 1000 * 24_576
    assert recurrent_bytes(RECURRENT_HYBRID, 7) == 7 * states
    assert recurrent_bytes(LLAMA_31_8B, 7) == 0


def test_layers_that_share_a_cache_read_it_and_keep_none():
    spec = sharing(LLAMA_31_8B, 16)
    assert kv_bytes_per_token(spec) == 131_072
    assert kv_written_bytes(spec, 10) == 10 * 131_072
    assert kv_read_bytes(spec, {FULL: 10.0}) == 10 * 131_072 * 1.5


def test_every_decode_query_reads_all_that_it_sees():
    steps = {one: decode_seen(one, 5000, 11) for one in reaches(GEMMA_3_27B)}
    full, windowed = 10 * sum(range(5001, 5011)), 52 * 10 * 1024
    assert kv_read_bytes(GEMMA_3_27B, steps) == (full + windowed) * 2 * 16 * 128 * 2


def test_a_missing_reach_is_an_error_not_a_zero():
    with pytest.raises(KeyError):
        kv_read_bytes(GEMMA_3_27B, {Reach(1024): 10.0})


@pytest.mark.parametrize("spec", EVERY.values(), ids=EVERY)
def test_what_a_token_writes_is_what_it_adds_below_the_windows(spec):
    assert kv_written_bytes(spec, 64) == kv_bytes_grown(spec, 64) == sequence_bytes(spec, 64) - sequence_bytes(spec, 0)


def test_a_gpu_of_several_has_its_share():
    eight, sixteen = Parallel(tensor=8), Parallel(tensor=16, pipeline=2)
    assert kv_bytes_per_token(LLAMA_31_8B, parallel=eight) == 131_072 / 8
    assert kv_bytes_per_token(LLAMA_31_8B, parallel=sixteen) == 131_072 / 8 / 2
    assert kv_read_bytes(DEEPSEEK_V3, {FULL: 1.0}, parallel=eight) == 70_272
    assert recurrent_bytes(RECURRENT_HYBRID, 1, sixteen) == recurrent_bytes(RECURRENT_HYBRID, 1) / 32


def test_tokens_are_bytes_only_where_all_layers_are_alike_and_unlimited():
    assert uniform_cache(LLAMA_31_8B)
    assert uniform_cache(DEEPSEEK_V3)
    assert uniform_cache(sharing(LLAMA_31_8B, 16))
    assert not uniform_cache(MISTRAL_7B)
    assert not uniform_cache(GEMMA_3_27B)
    assert not uniform_cache(RECURRENT_HYBRID)
    assert not uniform_cache(COUNTED)


def test_a_count_of_parameters_tells_nothing_of_the_cache():
    assert kv_known(LLAMA_31_8B)
    assert not kv_known(COUNTED)
