"""Time floors by hand, efficiency factors, and energy, carbon and money as unit conversions."""

from dataclasses import replace

import pytest

from estimate_cases import A100, LLAMA, case
from model.specs import EVERY, MIXTRAL_8X7B
from pentameter.estimate_phases import Prices, decode_phase, prefill_phase, request_decode, spent
from pentameter.model import lecture
from pentameter.model.impact import Format, converted
from pentameter.model.moved import experts_touched
from pentameter.model.spec import Precision
from pentameter.units import joules_to_kwh

H100 = replace(A100, gpu="H100", peak_flops=989.4e12, memory_bandwidth=3.35e12, other_peaks=((Precision.FP8, 1979e12),))
both = pytest.mark.parametrize("phase", [prefill_phase, decode_phase])
every_model = pytest.mark.parametrize("spec", EVERY.values(), ids=EVERY)

# LLaMA-2 7B without its table of embeddings, of which one row of 4,096 is read per token.
READ = 13_476_831_232 - 2 * 32000 * 4096


def test_a_decode_step_reads_the_weights_and_the_caches_and_writes_one_token_each():
    for batch in (1, 8):
        step = decode_phase(case(batch=batch))
        moved = READ + batch * (2 * 4096 + 524_288 * 2048 + 524_288)
        assert step.moved_bytes_per_gpu == moved
        assert step.floor_seconds == pytest.approx(moved / 2.039e12)
        assert step.bound == "memory"
        assert step.tokens_per_second == pytest.approx(batch / step.floor_seconds)


def test_the_decode_floor_of_the_lectures_example_is_7_ms():
    step = decode_phase(LLAMA)
    assert step.floor_seconds == pytest.approx(7.008e-3, rel=1e-4)


def test_at_half_the_bandwidth_it_takes_the_lectures_14_ms_and_its_mbu_is_50_per_cent():
    step = decode_phase(case(mbu=0.5))
    assert step.floor_seconds == pytest.approx(7.008e-3, rel=1e-4)
    assert step.seconds == pytest.approx(14.0e-3, rel=2e-3)
    assert step.mbu_ratio == pytest.approx(0.5)
    assert lecture.mbu(step.moved_bytes_per_gpu, step.seconds, 2.039e12) == pytest.approx(0.5)


def test_a_prefill_of_1024_tokens_is_bound_by_compute():
    found = prefill_phase(LLAMA)
    assert found.flop == 13_538_267_496_448
    assert found.floor_seconds == pytest.approx(13_538_267_496_448 / 312e12)
    assert found.bound == "compute"
    assert found.mfu_ratio == 1
    assert prefill_phase(case(mfu=0.4)).seconds == pytest.approx(found.floor_seconds / 0.4)


def test_a_prompt_of_16_tokens_is_bound_by_memory():
    assert prefill_phase(case(prompt=16)).bound == "memory"


def test_a_gpu_without_fp8_computes_at_its_16_bit_peak_and_one_with_it_faster():
    fp8 = converted(LLAMA.spec, Format.FP8)
    assert prefill_phase(case(spec=fp8)).compute_seconds == pytest.approx(13_538_267_496_448 / 312e12)
    matrices = 12_952_010_752 * 1024
    wanted = matrices / 1979e12 + (13_538_267_496_448 - matrices) / 989.4e12
    assert prefill_phase(case(spec=fp8, gpu=H100)).compute_seconds == pytest.approx(wanted)


def test_the_ridge_of_16_bit_work_is_peak_over_bandwidth():
    assert decode_phase(LLAMA).ridge_flop_per_byte == pytest.approx(312e12 / 2.039e12)


def test_alone_a_sequence_reads_2_of_mixtrals_8_experts_and_four_read_more():
    expert = 32 * 3 * 4096 * 14336 * 2
    dense = 2 * (32 * (41_943_040 + 32_768 + 8192) + 4096 + 4096 * 32000)
    cache = 131_072 * 2048 + 131_072
    alone = decode_phase(replace(LLAMA, spec=MIXTRAL_8X7B)).moved_bytes_per_gpu
    assert alone == pytest.approx(2 * expert + dense + 8192 + cache, rel=1e-12)
    four = decode_phase(replace(LLAMA, spec=MIXTRAL_8X7B, batch=4)).moved_bytes_per_gpu
    assert experts_touched(8, 2, 4) == pytest.approx(5.46875)
    assert four == pytest.approx(5.46875 * expert + dense + 4 * (8192 + cache), rel=1e-12)


@both
@every_model
def test_time_is_one_of_its_two_parts_and_that_part_is_used_in_full(phase, spec):
    found = phase(replace(LLAMA, spec=spec))
    assert found.floor_seconds == found.seconds == max(found.compute_seconds, found.traffic_seconds)
    assert max(found.mfu_ratio, found.mbu_ratio) == pytest.approx(1)
    # Intensity against the ridge says the same as the times.
    assert found.bound == ("compute" if found.compute_seconds >= found.traffic_seconds else "memory")


@both
def test_two_gpus_side_by_side_share_the_work(phase):
    one, two = phase(LLAMA), phase(case(tensor=2))
    assert two.flop == one.flop
    assert two.compute_seconds == pytest.approx(one.compute_seconds / 2)
    assert one.traffic_seconds / 2 <= two.traffic_seconds < 0.51 * one.traffic_seconds


@both
def test_two_stages_do_not_make_one_batch_faster_and_each_waits_half_of_the_time(phase):
    one, two = phase(LLAMA), phase(case(pipeline=2, watts=400))
    assert two.seconds == pytest.approx(one.seconds)
    assert max(two.mfu_ratio, two.mbu_ratio) == pytest.approx(0.5)
    assert two.joules_per_token == pytest.approx(800 * two.seconds / two.tokens)


@both
def test_work_at_a_peak_that_is_unknown_is_as_fast_as_its_traffic_and_bound_by_nobody_knows_what(phase):
    bare = replace(A100, other_peaks=())
    layer = LLAMA.spec.layers[0]
    wide = tuple(replace(matrix, bits=32, compute=Precision.BITS32) for matrix in layer.dense)
    spec = replace(LLAMA.spec, layers=(replace(layer, dense=wide),))
    found = phase(case(spec=spec, gpu=bare))
    assert found.compute_seconds is found.ridge_flop_per_byte is found.bound is found.mfu_ratio is None
    assert found.floor_seconds == found.traffic_seconds


def test_the_steps_of_a_request_add_up_where_all_are_bound_by_memory():
    given = case(prompt=100, output=4, batch=2)
    steps = [decode_phase(replace(given, prompt=100 + grown, output=1)).seconds for grown in range(3)]
    assert request_decode(given) == pytest.approx(sum(steps))


class TestUnits:
    def test_400_watts_at_10_tokens_per_second_are_40_joules_per_token_and_11_kwh_per_million(self):
        joules = spent(case(watts=400), 1 / 10).joules
        assert joules == pytest.approx(40)
        assert joules_to_kwh(joules * 1e6) == pytest.approx(11.1, abs=0.02)

    def test_a_kilowatt_for_an_hour_on_a_grid_of_300_grams_at_2_dollars(self):
        used = spent(case(watts=1000, grams_per_kwh=300, gpu_dollars_per_hour=2), 3600)
        assert used == pytest.approx((3.6e6, 300, 2))
        assert spent(case(watts=1000, grams_per_kwh=300, gpu_dollars_per_hour=2, tensor=4), 3600) == pytest.approx(
            (14.4e6, 1200, 8)
        )

    @both
    def test_per_million_is_per_token_a_million_times_and_a_kwh_is_3_6_million_joules(self, phase):
        found = phase(case(watts=400, grams_per_kwh=588.6, gpu_dollars_per_hour=1.5))
        assert found.joules_per_million_tokens == pytest.approx(found.joules_per_token * 1e6)
        assert found.grams_per_million_tokens == pytest.approx(found.joules_per_token * 1e6 / 3.6e6 * 588.6)
        assert found.dollars_per_million_tokens == pytest.approx(1e6 / found.tokens_per_second / 3600 * 1.5)

    @pytest.mark.parametrize(
        ("given", "known"),
        [
            ({}, (False, False, False)),
            ({"watts": 400}, (True, False, False)),
            ({"grams_per_kwh": 300}, (False, False, False)),
            ({"gpu_dollars_per_hour": 0}, (False, False, True)),
        ],
    )
    def test_what_is_not_given_is_not_known(self, given, known):
        found = decode_phase(case(**given))
        figures = (
            found.joules_per_million_tokens,
            found.grams_per_million_tokens,
            found.dollars_per_million_tokens,
        )
        assert tuple(figure is not None for figure in figures) == known
        assert Prices() == (None, None, None)
