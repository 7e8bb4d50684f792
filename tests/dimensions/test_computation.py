"""Computation: FLOPs, MFU, arithmetic intensity."""

import pytest

from builders import A100, deployment, engine, names, value, world
from pentameter.dimensions import computation
from pentameter.dimensions.computation import utilization

# What vLLM counts in ten seconds; per GPU.
WORK = {"flops_per_gpu": 312e12, "read_bytes_per_gpu": 3e12, "write_bytes_per_gpu": 0.12e12}
NO_COUNT = dict.fromkeys(WORK, 0.0)


def measured(*engines):
    return list(computation.samples(world(deployment(*engines))))


def grown(*engines):
    return list(computation.increments(world(deployment(*engines))))


@pytest.mark.parametrize(
    ("tflops", "peak", "mfu"),
    [
        # The lecture's table, with the A100's 312 TFLOP/s as the peak.
        pytest.param(65.52e12, 312e12, 0.21, id="GPT-3"),
        pytest.param(143.52e12, 312e12, 0.46, id="PaLM 540B"),
    ],
)
def test_mfu_is_achieved_over_peak(tflops, peak, mfu):
    assert utilization(60 * tflops, 60, peak) == pytest.approx(mfu)


def test_mfu_is_vllms_flops_over_the_peak_of_one_gpu():
    samples = measured(engine(WORK, seconds=10, spec=A100))
    # 312 TFLOP in 10 s are 31.2 TFLOP/s of 312.
    assert value(samples, "mfu_ratio", phase="all", basis="vllm", window="1m") == pytest.approx(0.1)


def test_arithmetic_intensity_is_flops_over_bytes_read_and_written():
    samples = measured(engine(WORK, seconds=10, spec=A100))
    # 312 TFLOP / (3 TB + 0.12 TB)
    assert value(samples, "arithmetic_intensity_flops_per_byte", phase="all") == pytest.approx(100)


def test_without_the_gpus_peak_there_is_no_mfu_but_an_intensity():
    assert names(measured(engine(WORK))) == {"arithmetic_intensity_flops_per_byte"}


def test_counters_that_stand_at_zero_for_ever_are_no_mfu_of_zero():
    one = engine(NO_COUNT, tick=NO_COUNT, spec=A100)
    assert measured(one) == []
    assert grown(one) == []


def test_a_vllm_that_counts_but_idles_has_an_mfu_of_zero_and_no_intensity():
    one = engine(NO_COUNT, counters=WORK, spec=A100)
    assert value(measured(one), "mfu_ratio") == 0
    assert names(measured(one)) == {"mfu_ratio"}


def test_a_vllm_that_does_not_publish_flops_has_no_computation_figures():
    assert measured(engine({"generation_tokens": 5.0}, spec=A100)) == []


def test_flops_are_counted_up():
    assert value(grown(engine(WORK, tick={"flops_per_gpu": 5e9})), "model_flops_total", basis="vllm") == 5e9


def test_without_a_new_page_the_counter_of_flops_stands_still_and_stays():
    assert value(grown(engine(WORK)), "model_flops_total") == 0


def test_each_engine_has_its_own_mfu_against_its_own_gpus():
    samples = measured(engine(WORK, spec=A100), engine({**WORK, "flops_per_gpu": 624e12}, spec=A100, name="1"))
    assert value(samples, "mfu_ratio", engine="0") == pytest.approx(0.1)
    assert value(samples, "mfu_ratio", engine="1") == pytest.approx(0.2)
