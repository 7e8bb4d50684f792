"""The calculator against the lecture's examples and hand computation, and the identities of its figures."""

from dataclasses import asdict, replace

import pytest

from estimate_cases import LLAMA, case
from model.specs import COUNTED, DEEPSEEK_V3, EVERY, MIXTRAL_8X7B
from pentameter.estimate import estimate
from pentameter.model.impact import impact
from pentameter.model.kv import kv_written_bytes
from pentameter.model.parallel import Parallel

every_model = pytest.mark.parametrize("spec", EVERY.values(), ids=EVERY)


class TestTheLecturesExample:
    """LLaMA-2 7B: 32 layers of 4,096, 32 heads of 128, an MLP of 11,008, 32,000 tokens in the vocabulary."""

    def test_it_has_the_published_number_of_parameters_all_of_them_active(self):
        found = estimate(LLAMA).computation
        assert found.parameters == 6_738_415_616
        assert found.active_parameters == 6_738_415_616

    def test_its_operations_are_counted_by_hand(self):
        found = estimate(LLAMA).computation
        assert found.matrices_flop_per_token == 2 * 32 * (4 * 4096**2 + 3 * 4096 * 11008)
        assert found.unembedding_flop_per_sample == 2 * 4096 * 32000
        assert found.attention_flop_per_token == 32 * 2 * 32 * (128 + 128) * 2048
        assert found.decode_flop_per_token == 14_287_896_576
        # 1,024 tokens, of which each sees those before it and itself.
        attention = 32 * 2 * 32 * (128 + 128) * 1024 * 1025 / 2
        assert found.prefill_flop == 12_952_010_752 * 1024 + attention + 262_144_000

    def test_the_slides_own_counts_are_there_too(self):
        found = estimate(LLAMA).computation
        assert found.lecture_two_n_flop_per_token == pytest.approx(13.48e9, rel=1e-3)
        assert found.lecture_slide_flop == pytest.approx(17.6e12, rel=1e-3)
        assert found.lecture_slide_flop_per_token == pytest.approx(8.6e9, rel=2e-3)

    def test_its_weights_take_13_48_gb_and_the_cache_of_the_slides_batch_8_59(self):
        found = estimate(case(batch=8)).memory
        assert found.weights_bytes == 13_476_831_232
        assert found.weights_bits_per_parameter == 16
        assert found.cache_bytes_per_token == 524_288
        assert found.cache_bytes_per_sequence == 1_073_741_824
        assert found.cache_bytes_of_batch == 8_589_934_592


@every_model
def test_the_decode_step_is_the_sum_of_its_parts(spec):
    found = estimate(replace(LLAMA, spec=spec)).computation
    parts = found.matrices_flop_per_token + found.unembedding_flop_per_sample + found.attention_flop_per_token
    assert found.decode_flop_per_token == pytest.approx(parts)


@every_model
def test_a_request_is_its_prefill_and_its_share_of_the_batchs_steps(spec):
    found = estimate(replace(case(watts=400, grams_per_kwh=384, gpu_dollars_per_hour=2), spec=spec, batch=4))
    request = found.request
    assert request.ttft_seconds == found.prefill.seconds
    assert request.e2e_seconds == request.ttft_seconds + request.decode_seconds
    # No step is slower than the last one, whose contexts are the longest.
    assert 0 < request.decode_seconds <= 1023 * found.decode.seconds
    busy = request.ttft_seconds + request.decode_seconds / 4
    assert request.joules == pytest.approx(400 * busy)
    assert request.grams == pytest.approx(request.joules / 3.6e6 * 384)
    assert request.dollars == pytest.approx(2 * busy / 3600)
    assert request.joules_per_million_tokens == pytest.approx(request.joules / 2048 * 1e6)
    assert request.dollars_per_million_tokens == pytest.approx(request.dollars / 2048 * 1e6)


def test_one_output_token_is_the_prefills():
    found = estimate(case(prompt=2047, output=1)).request
    assert found.decode_seconds == 0
    assert found.e2e_seconds == found.ttft_seconds


@every_model
def test_the_formats_are_those_of_the_quantisation_impact(spec):
    wanted = impact(
        spec, Parallel(tensor=2), bandwidth=2.039e12, memory_bytes=0.92 * 80 * 2**30, sequence_tokens=2048, batch=4
    )
    found = estimate(replace(case(tensor=2), spec=spec, batch=4)).quantization
    assert [one.format for one in found] == ["fp16", "fp8", "int4"]
    assert [one.sequences for one in found] == [one.sequences for one in wanted]
    # The impact leaves out what the step writes to the cache.
    written = kv_written_bytes(spec, 4, None, Parallel(tensor=2)) / 2.039e12
    assert [one.tpot_seconds for one in found] == pytest.approx([one.tpot_floor_seconds + written for one in wanted])


def test_each_format_of_the_lectures_table_is_there_with_what_stays_in_16_bits():
    sizes = {one.format: one.weights_bytes for one in estimate(LLAMA).quantization}
    layers, rest = 6_476_005_376, 262_410_240
    assert sizes["fp16"] == 13_476_831_232
    assert sizes["fp8"] == layers + 2 * rest
    assert sizes["int4"] == layers * 4.15625 / 8 + 2 * rest


def test_mixtral_has_47_billion_parameters_of_which_13_are_active():
    found = estimate(replace(LLAMA, spec=MIXTRAL_8X7B)).computation
    assert found.parameters == pytest.approx(46.7e9, rel=1e-3)
    assert found.active_parameters == pytest.approx(12.9e9, rel=2e-3)


def test_deepseek_caches_576_elements_per_layer_and_token():
    assert estimate(replace(LLAMA, spec=DEEPSEEK_V3)).memory.cache_bytes_per_token == 61 * 576 * 2


def test_of_a_model_that_is_only_counted_everything_about_attention_is_unknown():
    found = estimate(replace(LLAMA, spec=COUNTED))
    assert found.computation.attention_flop_per_token is None
    assert found.computation.lecture_slide_flop is None
    assert found.memory.cache_bytes_per_token is found.memory.cache_bytes_of_batch is None
    assert found.fit.sequences is found.fit.batch_fits is found.fit.gpus_for_batch is None
    assert found.fit.weights_fit is True
    assert found.computation.decode_flop_per_token == 14e9
    assert found.decode.floor_seconds == pytest.approx(14e9 / 2.039e12)


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"prompt": 0}, {"output": 0}])
def test_nothing_can_be_estimated_of_nothing(wrong):
    with pytest.raises(ValueError, match="at least 1"):
        estimate(case(**wrong))


def test_a_cache_in_8_bits_is_half_as_large():
    whole, half = (asdict(estimate(case(kv_bits=bits)).memory) for bits in (16, 8))
    for key in ("cache_bytes_per_token", "cache_bytes_per_sequence", "cache_bytes_of_batch"):
        assert half[key] == whole[key] / 2
    assert half["weights_bytes"] == whole["weights_bytes"]
