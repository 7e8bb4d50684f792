"""What a GPU's peaks allow."""

import pytest

from pentameter.model.roofline import attainable_flops, bound, ideal_seconds, mfu, ridge, time_floor
from pentameter.model.spec import Precision

BITS16, FP8, FP4, BITS32 = Precision.BITS16, Precision.FP8, Precision.FP4, Precision.BITS32
A100 = {BITS16: 312e12, Precision.INT8: 624e12, BITS32: 19.5e12}
H100 = {BITS16: 989.4e12, FP8: 1978.9e12}


def test_each_precision_is_held_against_its_own_peak():
    assert ideal_seconds({BITS16: 989.4e12, FP8: 2 * 1978.9e12}, H100) == pytest.approx(3)


@pytest.mark.parametrize("lacked", [FP8, FP4])
def test_what_a_gpu_cannot_compute_in_is_widened_to_16_bits(lacked):
    assert ideal_seconds({lacked: 312e12}, A100) == 1


def test_32_bits_do_not_become_16():
    assert ideal_seconds({BITS32: 19.5e12}, A100) == 1
    assert ideal_seconds({BITS32: 1e12}, H100) is None


def test_an_unknown_peak_is_no_answer():
    assert ideal_seconds({BITS16: 1e12, FP8: 1e12}, {FP8: 1e12}) is None
    assert mfu({BITS16: 1e12}, {}, 1) is None


def test_a_precision_in_which_nothing_is_done_needs_no_peak():
    assert ideal_seconds({BITS16: 312e12, BITS32: 0.0}, {BITS16: 312e12}) == 1
    assert ideal_seconds({}, {}) == 0


def test_mfu_of_one_precision_is_flops_over_seconds_over_peak():
    # The lecture's LLaMA 7B at 14 ms per token on an A100: 14 GFLOP, 1 TFLOP/s of 312.
    assert mfu({BITS16: 14e9}, A100, 14e-3) == pytest.approx(1 / 312)


def test_no_time_no_utilisation():
    assert mfu({BITS16: 1e12}, A100, 0) is None


def test_the_ridges_of_two_generations():
    assert ridge(312e12, 2.039e12) == pytest.approx(153, abs=0.1)
    assert ridge(989.4e12, 3.35e12) == pytest.approx(295.3, abs=0.1)


def test_work_below_the_ridge_is_bound_by_memory():
    assert bound(1, 153) == bound(152.9, 153) == "memory"
    assert bound(153, 153) == bound(2000, 153) == "compute"


def test_the_roof_rises_with_intensity_to_the_peak():
    assert attainable_flops(1, 312e12, 2e12) == 2e12
    assert attainable_flops(156, 312e12, 2e12) == 312e12
    assert attainable_flops(1000, 312e12, 2e12) == 312e12


def test_the_floor_is_the_longer_of_compute_and_traffic():
    assert time_floor({BITS16: 14e9}, 14e9, A100, 2e12) == 7e-3
    assert time_floor({BITS16: 312e12}, 14e9, A100, 2e12) == 1


def test_traffic_alone_is_a_floor_where_no_peak_is_known():
    assert time_floor({BITS16: 312e12}, 14e9, {}, 2e12) == 7e-3
