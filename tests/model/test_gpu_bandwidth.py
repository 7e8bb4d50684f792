"""Bandwidth from the memory clock and the bus width, against datasheets."""

import pytest

from pentameter.facts import find_gpu, gpu_specs
from pentameter.model.gpu_bandwidth import bandwidth_of
from pentameter.readings import GpuReading


def gpu(megahertz, bits, name="NVIDIA Mystery 9000"):
    hertz = None if megahertz is None else megahertz * 1e6
    return GpuReading("GPU-0", 0, name, memory_clock_max_hz=hertz, memory_bus_width_bits=bits)


@pytest.mark.parametrize(
    ("memory", "megahertz", "bits", "datasheet"),
    [
        ("GDDR6, T4", 5001, 256, 320e9),
        ("GDDR6, L40S", 9001, 384, 864e9),
        ("GDDR6X, RTX 4090", 10501, 384, 1008e9),
        ("GDDR7, RTX 5090", 14001, 512, 1792e9),
        ("HBM2, A100 40 GB", 1215, 5120, 1555e9),
        ("HBM3, H100 SXM", 2619, 5120, 3350e9),
        ("HBM3e, B200", 3996, 7680, 7.7e12),
    ],
)
def test_the_rule_gives_the_datasheets_bandwidth(memory, megahertz, bits, datasheet):
    assert bandwidth_of(gpu(megahertz, bits)) == pytest.approx(datasheet, rel=5e-3)


def test_on_an_h200_the_rule_is_two_and_a_half_per_cent_above_the_datasheet():
    assert bandwidth_of(gpu(3201, 6144)) == pytest.approx(4.917e12, rel=1e-4)
    assert bandwidth_of(gpu(3201, 6144)) == pytest.approx(1.0243 * 4.8e12, rel=1e-4)


def test_the_rule_agrees_with_the_table_where_both_know_a_gpu():
    spec = find_gpu("NVIDIA H100 80GB HBM3", gpu_specs())
    assert spec is not None
    assert bandwidth_of(gpu(2619, 5120)) == pytest.approx(spec.memory_bandwidth, rel=1e-3)


@pytest.mark.parametrize(("megahertz", "bits"), [(None, 5120), (2619, None), (0, 5120), (2619, 0), (None, None)])
def test_without_a_clock_or_a_width_nothing_is_known(megahertz, bits):
    assert bandwidth_of(gpu(megahertz, bits)) is None
