"""Why the clocks of a GPU are held down, by the real pynvml on a fake driver library."""

from __future__ import annotations

from types import SimpleNamespace

import pynvml
import pytest

from fakes import nvml_fake
from fakes.nvml_fake import uuid
from pentameter.sources import nvml_clocks

CURRENT = "nvmlDeviceGetCurrentClocksEventReasons"
SUPPORTED = "nvmlDeviceGetSupportedClocksEventReasons"
FIELDS = "nvmlDeviceGetFieldValues"


def told(gpu):
    return (gpu.clock_reasons, gpu.clock_reasons_known, gpu.power_capped_seconds)


def test_the_bits_of_this_moment_and_the_nanoseconds_so_far_are_asked_every_time(nvml, source):
    nvml.gpu(0, clock_event_reasons=0x4, clock_event_reasons_known=0xFF, capped_ns=1_500_000_000)
    assert told(source.read().gpus[0]) == (0x4, 0xFF, 1.5)
    nvml.gpu(0, clock_event_reasons=0x48, capped_ns=2_000_000_000)
    assert told(source.read().gpus[0]) == (0x48, 0xFF, 2.0)
    assert (nvml.calls(CURRENT), nvml.calls(SUPPORTED), nvml.calls(FIELDS)) == (2, 1, 2)


def test_an_old_driver_is_asked_by_the_old_names(nvml, source):
    nvml.gpu(0, clock_event_reasons=0x20, clock_event_reasons_known=0x2C)
    for function in (CURRENT, SUPPORTED):
        nvml.fail(function, nvml_fake.FUNCTION_NOT_FOUND)
    for _ in range(2):
        reading = source.read()
        assert told(reading.gpus[0]) == (0x20, 0x2C, 0.0)
        assert reading.field_errors == {}
    assert nvml.calls(CURRENT) == 1


def test_a_gpu_that_tells_none_of_it_is_said_not_to_and_is_asked_once(nvml, source):
    # As a virtual GPU is.
    for which in ("Current", "Supported"):
        for name in ("Event", "Throttle"):
            nvml.fail(f"nvmlDeviceGet{which}Clocks{name}Reasons", nvml_fake.NOT_SUPPORTED)
    nvml.gpu(0, capped_ns=-1)
    for _ in range(2):
        reading = source.read()
        assert told(reading.gpus[0]) == (None, None, None)
    fields = ("clock_reasons", "clock_reasons_known", "power_capped_seconds")
    assert reading.field_errors == {f"{uuid(0)}/{field}": "not_supported" for field in fields}
    assert (nvml.calls(CURRENT), nvml.calls(FIELDS)) == (1, 1)


def test_a_count_of_another_type_than_documented_is_none(nvml, source):
    nvml.gpu(0, capped_ns=7, capped_type=1)
    assert source.read().gpus[0].power_capped_seconds is None


def test_what_fails_for_once_is_asked_again(nvml, source):
    nvml.fail(FIELDS, nvml_fake.TIMEOUT)
    assert source.read().gpus[0].power_capped_seconds is None
    nvml.heal(FIELDS)
    assert source.read().gpus[0].power_capped_seconds == 0


def test_bindings_that_have_lost_the_old_names_refuse_as_an_old_driver_does():
    with pytest.raises(pynvml.NVMLError) as caught:
        nvml_clocks.clock_reasons[1](SimpleNamespace(NVMLError=pynvml.NVMLError), None)
    assert caught.value.value == nvml_fake.FUNCTION_NOT_FOUND
