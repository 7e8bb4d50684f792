"""What a server's GPUs can do at best: as configured, by the table, or by the driver."""

import pytest

from builders import A100, H100, gpu
from pentameter.model.spec import Precision
from pentameter.server_plan import ServerPlan, peaks_of
from pentameter.world import Gpu, GpuSpec, Peaks

FAST = GpuSpec("made-up", (), 100e12, 1e12, ((Precision.FP8, 200e12),))
# 2 x 2,619 MHz x 5,120 bit / 8
HBM3 = {"memory_clock_max_hz": 2.619e9, "memory_bus_width_bits": 5120}


def of(*specs, **reading):
    """Return GPUs with these specifications."""
    one = gpu(**reading)
    return tuple(Gpu(one.reading, one.rolled, spec) for spec in specs)


def plan(**more):
    return ServerPlan("a", **more)


def test_gpus_of_the_table_can_do_what_it_says():
    assert peaks_of(plan(), of(FAST, FAST)) == Peaks(
        {Precision.BITS16: 100e12, Precision.FP8: 200e12}, 1e12, "table", "table", "made-up"
    )


def test_a_configured_type_goes_before_what_is_seen():
    assert peaks_of(plan(gpu_spec=A100), of(H100)).flops == {Precision.BITS16: 312e12}
    assert peaks_of(plan(gpu_spec=A100), ()).bandwidth == 2e12


def test_a_configured_peak_replaces_those_of_the_table_in_all_precisions():
    assert peaks_of(plan(gpu_peak_flops=90e12), of(FAST)) == Peaks(
        {Precision.BITS16: 90e12}, 1e12, "configured", "table", "made-up"
    )


def test_a_configured_bandwidth_leaves_the_flops_to_the_table():
    found = peaks_of(plan(gpu_bandwidth=0.9e12), of(FAST))
    assert (found.bandwidth, found.bandwidth_source, found.flops_source) == (0.9e12, "configured", "table")


def test_an_unknown_gpu_has_the_bandwidth_that_its_driver_tells_and_no_flops():
    assert peaks_of(plan(), of(None, **HBM3)) == Peaks({}, pytest.approx(3.35232e12), "", "nvml")


def test_the_table_goes_before_the_driver():
    assert peaks_of(plan(), of(FAST, **HBM3)).bandwidth == 1e12


@pytest.mark.parametrize(
    "gpus",
    [
        pytest.param((), id="none is seen"),
        pytest.param(of(A100, H100), id="they differ"),
        pytest.param(of(A100, None), id="one is unknown"),
        pytest.param(of(None), id="nothing is said"),
        pytest.param(of(None, **HBM3) + of(None), id="one says nothing"),
    ],
)
def test_gpus_without_a_common_peak_have_none(gpus):
    assert peaks_of(plan(), gpus) == Peaks()


def test_unequal_gpus_may_have_equal_memory():
    found = peaks_of(plan(), of(A100, H100, **HBM3))
    assert (found.flops, found.bandwidth_source) == ({}, "nvml")
