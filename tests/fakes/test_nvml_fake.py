"""The fake driver library itself, through the real pynvml: what no source asks yet, and its own levers."""

from __future__ import annotations

import threading
import time

import pynvml
import pytest

from fakes import nvml_fake
from fakes.nvml_fake import FakeNvml, uuid


@pytest.fixture
def nvml(tmp_path_factory):
    with FakeNvml.for_tests(tmp_path_factory, gpus=2).in_process() as fake:
        pynvml.nvmlInit()
        yield fake


@pytest.fixture
def gpu(nvml):
    return pynvml.nvmlDeviceGetHandleByIndex(0)


def test_field_values_carry_their_own_return_code(nvml, gpu):
    nvml.gpu(0, energy_mj=7_000, power_mw=300_000, power_instant_mw=310_000, memory_power_mw=46_600)
    asked = [83, (185, 0), (186, 0), (185, 2), (185, 1), 12]
    answers = pynvml.nvmlDeviceGetFieldValues(gpu, asked)
    assert answers[0].value.ullVal == 7_000
    assert [answers[i].value.uiVal for i in (1, 2, 3)] == [300_000, 310_000, 46_600]
    assert [answer.nvmlReturn for answer in answers] == [0, 0, 0, 0, 3, 3]


def test_gpm_answers_between_two_samples(nvml, gpu):
    nvml.gpu(0, **{"gpm.10": 63.5})
    assert pynvml.nvmlGpmQueryDeviceSupport(gpu).isSupportedDevice == 1
    request = pynvml.c_nvmlGpmMetricsGet_t()
    request.version = pynvml.NVML_GPM_METRICS_GET_VERSION
    request.numMetrics = 2
    request.sample1 = pynvml.nvmlGpmSampleAlloc()
    request.sample2 = pynvml.nvmlGpmSampleAlloc()
    pynvml.nvmlGpmSampleGet(gpu, request.sample1)
    pynvml.nvmlGpmSampleGet(gpu, request.sample2)
    request.metrics[0].metricId = pynvml.NVML_GPM_METRIC_DRAM_BW_UTIL
    request.metrics[1].metricId = pynvml.NVML_GPM_METRIC_SM_UTIL
    pynvml.nvmlGpmMetricsGet(request)
    assert (request.metrics[0].nvmlReturn, request.metrics[0].value) == (0, 63.5)
    assert request.metrics[1].nvmlReturn == nvml_fake.NOT_SUPPORTED
    pynvml.nvmlGpmSampleFree(request.sample1)
    pynvml.nvmlGpmSampleFree(request.sample2)


def test_a_gpu_before_hopper_has_no_gpm(nvml, gpu):
    nvml.gpu(0, gpm=0)
    assert pynvml.nvmlGpmQueryDeviceSupport(gpu).isSupportedDevice == 0


def test_clocks_cores_and_bus_width_are_those_of_an_h100(gpu):
    assert pynvml.nvmlDeviceGetMaxClockInfo(gpu, pynvml.NVML_CLOCK_MEM) == 2619
    assert pynvml.nvmlDeviceGetMaxClockInfo(gpu, pynvml.NVML_CLOCK_SM) == 1980
    assert pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_SM) == 1755
    assert pynvml.nvmlDeviceGetMemoryBusWidth(gpu) == 5120
    assert pynvml.nvmlDeviceGetNumGpuCores(gpu) == 16896
    assert pynvml.nvmlDeviceGetCurrentClocksEventReasons(gpu) == 0
    assert pynvml.nvmlDeviceGetSupportedClocksEventReasons(gpu) == pynvml.nvmlClocksEventReasonAll
    (capped,) = pynvml.nvmlDeviceGetFieldValues(gpu, [pynvml.NVML_FI_DEV_PERF_POLICY_POWER])
    assert (capped.valueType, capped.nvmlReturn) == (pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, 0)
    assert capped.value.ullVal == 0


def test_a_running_counter_grows_by_power_and_time(nvml, gpu):
    nvml.run_counter(0, power_mw=1_000_000_000, energy_mj=500)
    before = pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu)
    time.sleep(0.001)
    assert 500 <= before < pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu)


def test_gpus_have_uuids_that_can_be_chosen(nvml):
    nvml.gpu(1, uuid="GPU-chosen")
    first, second = (pynvml.nvmlDeviceGetHandleByIndex(index) for index in (0, 1))
    assert [pynvml.nvmlDeviceGetUUID(handle) for handle in (first, second)] == [uuid(0), "GPU-chosen"]
    assert pynvml.nvmlDeviceGetIndex(pynvml.nvmlDeviceGetHandleByUUID("GPU-chosen")) == 1


def test_a_handle_from_before_a_new_start_is_refused(gpu):
    pynvml.nvmlShutdown()
    pynvml.nvmlInit()
    with pytest.raises(pynvml.NVMLError) as refused:
        pynvml.nvmlDeviceGetPowerUsage(gpu)
    assert refused.value.value == nvml_fake.INVALID_ARGUMENT


def test_a_hang_lasts_until_it_is_ended(nvml, gpu):
    nvml.hang("nvmlDeviceGetPowerUsage", milliseconds=60_000)
    answers: list[int] = []
    caller = threading.Thread(target=lambda: answers.append(pynvml.nvmlDeviceGetPowerUsage(gpu)), daemon=True)
    caller.start()
    caller.join(timeout=0.02)
    assert answers == []
    nvml.hang("nvmlDeviceGetPowerUsage", milliseconds=0)
    caller.join(timeout=10)
    assert answers == [100_000]


def test_outside_of_a_test_there_is_no_library(nvml, monkeypatch):
    monkeypatch.delenv(nvml_fake.STATE_VARIABLE)
    with pytest.raises(pynvml.NVMLError) as refused:
        pynvml.nvmlInit()
    assert refused.value.value == 12
