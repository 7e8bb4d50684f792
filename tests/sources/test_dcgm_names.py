"""The names and the blank values of DCGM."""

import pytest

from pentameter.sources.dcgm_names import POD, UUID, field_of, is_blank, label


@pytest.mark.parametrize(
    ("name", "field", "scale"),
    [
        ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "energy_joules", 1e-3),
        ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION_total", "energy_joules", 1e-3),
        ("DCGM_FI_DEV_POWER_USAGE", "power_watts", 1),
        ("DCGM_FI_DEV_FB_USED", "memory_used_bytes", 1_048_576),
        ("DCGM_FI_DEV_GPU_UTIL", "utilization_ratio", 0.01),
        ("DCGM_FI_PROF_DRAM_ACTIVE", "dram_active_ratio", 1),
        ("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "tensor_active_ratio", 1),
    ],
)
def test_a_field_is_known_by_its_name_and_unit(name, field, scale):
    known = field_of(name)
    assert known is not None
    assert (known.name, known.scale) == (field, scale)


@pytest.mark.parametrize("name", ["DCGM_FI_DEV_SM_CLOCK", "DCGM_FI_DEV_POWER_USAGE_INSTANT", "power_watts", ""])
def test_other_fields_are_not(name):
    assert field_of(name) is None


@pytest.mark.parametrize("value", [9223372036854775792, 9223372036854775794, 140737488355328.0, 140737488355330.0])
def test_a_blank_value_is_recognised(value):
    assert is_blank(float(value))


@pytest.mark.parametrize("value", [0.0, 126272101025.0, 2147483632.0, 140737488355344.0, float("nan")])
def test_a_value_that_can_be_is_none(value):
    assert not is_blank(value)


def test_old_labels_stand_for_new_ones():
    assert label({"uuid": "GPU-1", "pod_name": "p"}, UUID) == "GPU-1"
    assert label({"uuid": "GPU-1", "pod_name": "p"}, POD) == "p"
    assert label({}, POD) == ""
