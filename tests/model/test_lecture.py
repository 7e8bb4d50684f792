"""The slides' figures against the formulas that live figures are made of."""

import pytest

from model.specs import FULL, LLAMA_2_7B
from pentameter.model import lecture
from pentameter.model.flops import decode_token_flops, prefill_flops
from pentameter.model.kv import kv_bytes_per_token, sequence_bytes
from pentameter.model.moved import Traffic, moved, step_weight_bytes
from pentameter.model.parallel import ONE_GPU, weights_per_gpu


def test_the_slides_flops_are_two_thirds_of_the_work():
    slide = lecture.slide_flops(32, 4096, 2048) / 2048
    ours = prefill_flops(LLAMA_2_7B, 2048) / 2048
    assert slide == pytest.approx(8.59e9, rel=1e-3)
    # 12.95 GFLOP in the layers' matrices and 0.54 in attention; the unembedding is paid once per prompt.
    assert ours == pytest.approx(13.49e9, rel=1e-3)


def test_two_n_is_close_to_the_work_of_a_decode_token():
    # 2 N counts the embedding, which is looked up, and leaves out attention, which at 512 tokens is as much.
    assert decode_token_flops(LLAMA_2_7B, 512) == pytest.approx(lecture.two_n(6_738_415_616), rel=0.001)


def test_the_slides_model_size_is_that_of_the_rounded_name():
    assert weights_per_gpu(LLAMA_2_7B, ONE_GPU) == pytest.approx(13.48e9, rel=1e-3)
    assert lecture.model_bytes(7e9, 2) == 14e9


def test_the_slides_cache_formula_is_ours_at_two_bytes():
    assert lecture.kv_cache_bytes(32, 32, 128, 2048, 8, 2) == 8 * sequence_bytes(LLAMA_2_7B, 2048) == 8_589_934_592
    assert lecture.kv_cache_bytes(32, 32, 128, 1, 1, 2) == kv_bytes_per_token(LLAMA_2_7B)


def test_the_slides_mbu_falls_to_46_per_cent_with_exact_bytes():
    assert lecture.mbu(14e9, 14e-3, 2e12) == 0.5
    read = step_weight_bytes(LLAMA_2_7B, ONE_GPU, 1, 1)
    assert lecture.mbu(read, 14e-3, 2.039e12) == pytest.approx(0.463, abs=0.001)


def test_decode_of_a_batch_of_eight_has_an_intensity_of_five():
    step = moved(LLAMA_2_7B, ONE_GPU, Traffic(0, 8, 0, 1, 0, 0, {FULL: 0.0}, {FULL: 8 * 2048.0}))
    intensity = 8 * decode_token_flops(LLAMA_2_7B, 2048) / sum(step)
    assert intensity == pytest.approx(5.2, abs=0.1)


def test_a_prompt_of_2048_tokens_has_an_intensity_beyond_the_slides_50_to_200():
    seen = {FULL: 2048 * 2049 / 2}
    step = moved(LLAMA_2_7B, ONE_GPU, Traffic(2048, 0, 1, 0, 1, 0, seen, {FULL: 0.0}, {FULL: 2048.0}))
    assert prefill_flops(LLAMA_2_7B, 2048) / sum(step) > 1500


def test_the_slides_tokens_on_24_gb_are_of_16_bit_caches():
    fits = lecture.tokens_that_fit(24e9, weights_per_gpu(LLAMA_2_7B, ONE_GPU), kv_bytes_per_token(LLAMA_2_7B))
    assert fits == pytest.approx(20_071, abs=1)


def test_intensity_of_the_weights_is_the_number_of_tokens_at_two_bytes():
    assert lecture.weights_intensity(50, 2) == 50
    assert lecture.weights_intensity(8, 0.5) == 32
