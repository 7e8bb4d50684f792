"""NVML as the plugin reads it inside vLLM, through the real bindings and a stand-in for the driver's library."""

from __future__ import annotations

import json
import sys
import time
from types import ModuleType, SimpleNamespace

import pynvml
import pytest

from fakes.nvml_fake import (
    DRIVER_NOT_LOADED,
    FUNCTION_NOT_FOUND,
    GPU_IS_LOST,
    NO_PERMISSION,
    NOT_SUPPORTED,
    TIMEOUT,
    UNKNOWN,
    FakeNvml,
    uuid,
)
from pentameter.vllm_plugin_devices import Devices, UntoldError
from pentameter.vllm_plugin_nvml import KEEP_READINGS, NvmlGpus, find_nvml


@pytest.fixture
def nvml(tmp_path_factory):
    with FakeNvml.for_tests(tmp_path_factory, gpus=4).in_process() as fake:
        yield fake


@pytest.fixture
def reader(nvml):
    made = []

    def make(names=None, first=0, length=1, *, per_engine=1, pci_order=False):
        made.append(NvmlGpus(Devices(names, first, length, 4, per_engine, 0, pci_order), pynvml))
        return made[-1]

    yield make
    for one in made:
        one.close()


def uuids(entry):
    return [gpu["uuid"] for gpu in entry["gpus"]]


def test_a_reading_says_who_the_gpu_is_and_all_that_it_does_in_base_units(nvml, reader):
    nvml.gpu(0, energy_mj=126_272_101_025, power_mw=627_500, power_limit_mw=700_000, memory_used=2e9, utilization=97)
    nvml.gpu(0, memory_utilization=41, temperature=66, clock_event_reasons=0x4, capped_ns=6_869_275_397_000)
    before = time.monotonic()
    (gpu,) = reader().read()["gpus"]
    assert before - 1e-6 <= gpu.pop("read_at") <= time.monotonic()
    assert gpu == {
        "uuid": uuid(0),
        "index": 0,
        "name": "NVIDIA H100 80GB HBM3",
        "engine": "0",
        "energy_joules": pytest.approx(126_272_101.025),
        "power_watts": 627.5,
        "power_limit_watts": 700.0,
        "memory_total_bytes": 85520809984,
        "memory_used_bytes": 2_000_000_000,
        "memory_reserved_bytes": 600_000_000,
        "utilization_ratio": pytest.approx(0.97),
        "memory_utilization_ratio": pytest.approx(0.41),
        "temperature_celsius": 66,
        "clock_reasons": 4,
        "clock_reasons_known": 511,
        "power_capped_seconds": pytest.approx(6869.275397),
        "mig_enabled": False,
        "compute_capability": "9.0",
        "memory_bus_width_bits": 5120,
        "memory_clock_max_hz": 2619e6,
    }


def test_an_entry_says_driver_and_how_many_gpus_there_are_to_be(reader):
    entry = reader(length=2).read()
    assert {name: entry[name] for name in ("kind", "driver", "expected")} == {
        "kind": "gpus",
        "driver": "580.95.05",
        "expected": 4,
    }


def test_it_reads_the_run_of_devices_that_is_its(reader):
    assert uuids(reader(first=1, length=2).read()) == [uuid(1), uuid(2)]
    assert uuids(reader(("3", "1", "0"), first=0, length=2).read()) == [uuid(3), uuid(1)]
    assert uuids(reader((uuid(2), uuid(0)), first=1, length=1).read()) == [uuid(0)]
    assert uuids(reader(("3", "1"), length=None, per_engine=None).read()) == [uuid(3), uuid(1)]


def test_each_gpu_bears_its_engine(reader):
    entry = reader(length=4, per_engine=2).read()
    assert [gpu["engine"] for gpu in entry["gpus"]] == ["0", "0", "1", "1"]


def test_fewer_devices_than_vllm_uses_are_never_told(reader):
    with pytest.raises(UntoldError, match="devices 2 to 5, and 4 are visible"):
        reader(first=2, length=4).read()


def test_an_instance_is_told_of_by_its_board_and_two_of_one_board_once(nvml, reader):
    nvml.gpu(1, mig=1, mig_uuid="MIG-11111111-0000-4000-8000-000000000000", energy_mj=5000)
    one = "MIG-11111111-0000-4000-8000-000000000000"
    (gpu,) = reader((one, one), length=2).read()["gpus"]
    assert (gpu["uuid"], gpu["mig_enabled"], gpu["energy_joules"], gpu["engine"]) == (uuid(1), True, 5.0, "")


def test_numbers_are_not_trusted_where_the_gpus_differ_and_cuda_may_order_them_otherwise(nvml, reader):
    nvml.gpu(3, name="NVIDIA T400")
    with pytest.raises(UntoldError, match="CUDA_DEVICE_ORDER"):
        reader(("3",)).read()
    assert uuids(reader(("3",), pci_order=True).read()) == [uuid(3)]
    assert uuids(reader((uuid(3),)).read()) == [uuid(3)]
    assert len(uuids(reader(length=4).read())) == 4  # all of them, in whatever order


def test_what_a_board_does_not_offer_is_left_out_and_not_asked_again(nvml, reader):
    nvml.fail("nvmlDeviceGetTotalEnergyConsumption", NOT_SUPPORTED)
    gpus = reader()
    for _ in range(3):
        (gpu,) = gpus.read()["gpus"]
        assert "energy_joules" not in gpu
        assert gpu["power_watts"] == 100.0
    assert nvml.calls("nvmlDeviceGetTotalEnergyConsumption") == 1


@pytest.mark.parametrize("code", [TIMEOUT, UNKNOWN])
def test_what_fails_for_once_is_asked_again(nvml, reader, code):
    gpus = reader()
    nvml.fail("nvmlDeviceGetPowerUsage", code)
    assert "power_watts" not in gpus.read()["gpus"][0]
    nvml.heal("nvmlDeviceGetPowerUsage")
    assert gpus.read()["gpus"][0]["power_watts"] == 100.0


def test_what_does_not_change_is_asked_once_and_a_limit_now_and_then(nvml, reader):
    gpus = reader()
    for _ in range(KEEP_READINGS):
        gpus.read()
    nvml.gpu(0, power_limit_mw=400_000)
    assert gpus.read()["gpus"][0]["power_limit_watts"] == 400.0
    asked = {name: nvml.calls(f"nvmlDeviceGet{name}") for name in ("CudaComputeCapability", "EnforcedPowerLimit")}
    assert asked == {"CudaComputeCapability": 1, "EnforcedPowerLimit": 2}
    assert nvml.calls("nvmlDeviceGetPowerUsage") == KEEP_READINGS + 1


def test_a_reading_asks_seven_questions_of_a_gpu_and_no_other(nvml, reader):
    gpus = reader()
    gpus.read()
    before = sum(entry for entry in calls(nvml).values())
    gpus.read()
    assert sum(calls(nvml).values()) - before == 7
    assert nvml.calls("nvmlDeviceGetComputeRunningProcesses_v3") == 0


def calls(nvml):
    names = ("TotalEnergyConsumption", "PowerUsage", "UtilizationRates", "MemoryInfo_v2", "Temperature")
    more = ("EnforcedPowerLimit", "MigMode", "CudaComputeCapability", "MemoryBusWidth", "MaxClockInfo", "UUID", "Name")
    clocks = ("CurrentClocksEventReasons", "SupportedClocksEventReasons", "FieldValues")
    return {name: nvml.calls(f"nvmlDeviceGet{name}") for name in (*names, *more, *clocks)}


def test_a_lost_gpu_fails_the_whole_reading_and_comes_back(nvml, reader):
    gpus = reader(length=2)
    gpus.read()
    nvml.lose_gpu(1)
    with pytest.raises(pynvml.NVMLError) as caught:
        gpus.read()
    assert caught.value.value == GPU_IS_LOST
    nvml.restore_gpu(1)
    assert len(gpus.read()["gpus"]) == 2


def test_a_gpu_that_may_not_be_opened_fails_the_whole_reading(nvml, reader):
    nvml.fail("nvmlDeviceGetHandleByIndex_v2", NO_PERMISSION, gpu=1)
    with pytest.raises(pynvml.NVMLError):
        reader(length=2).read()


def test_a_machine_without_a_driver_says_so_for_good_and_one_that_lost_it_does_not(nvml, reader):
    gpus = reader()
    nvml.fail("nvmlInitWithFlags", DRIVER_NOT_LOADED)
    with pytest.raises(UntoldError, match="NVML says"):
        gpus.read()
    nvml.heal("nvmlInitWithFlags")
    gpus.read()
    gpus.close()
    nvml.fail("nvmlInitWithFlags", DRIVER_NOT_LOADED)
    with pytest.raises(pynvml.NVMLError):
        gpus.read()


def test_nvml_is_given_back_as_often_as_it_is_taken(nvml, reader):
    gpus = reader()
    for _ in range(3):
        gpus.read()
        gpus.close()
        gpus.close()
    assert nvml.calls("nvmlInitWithFlags") == nvml.calls("nvmlShutdown") == 3


def test_each_gpu_bears_its_own_moment_where_the_driver_is_slow(nvml, reader):
    nvml.hang("nvmlDeviceGetPowerUsage", 20)
    first, second = reader(length=2).read()["gpus"]
    assert second["read_at"] - first["read_at"] >= 0.02


def test_bindings_that_lack_a_function_cost_its_fields(nvml):
    lacking = SimpleNamespace(**{name: value for name, value in vars(pynvml).items() if name != "nvmlDeviceGetMigMode"})
    gpus = NvmlGpus(Devices(None, 0, 1, 1, 1, 0, pci_order=False), lacking)
    (gpu,) = gpus.read()["gpus"]
    gpus.close()
    assert "mig_enabled" not in gpu
    assert gpu["power_watts"] == 100.0


def test_an_old_driver_and_old_bindings_tell_why_clocks_are_held_down_by_the_old_name(nvml, reader):
    nvml.gpu(0, clock_event_reasons=0x28)
    for which in ("Current", "Supported"):
        nvml.fail(f"nvmlDeviceGet{which}ClocksEventReasons", FUNCTION_NOT_FOUND)
    (gpu,) = reader().read()["gpus"]
    assert (gpu["clock_reasons"], gpu["clock_reasons_known"]) == (0x28, 511)
    lacking = {name: value for name, value in vars(pynvml).items() if not name.endswith("ClocksEventReasons")}
    gpus = NvmlGpus(Devices(None, 0, 1, 1, 1, 0, pci_order=False), SimpleNamespace(**lacking))
    (gpu,) = gpus.read()["gpus"]
    gpus.close()
    assert (gpu["clock_reasons"], gpu["clock_reasons_known"]) == (0x28, 511)


@pytest.mark.parametrize("state", [{"capped_ns": -1}, {"capped_ns": 5, "capped_type": 1}])
def test_a_driver_that_does_not_count_the_time_under_the_power_cap_says_nothing_of_it(nvml, reader, state):
    nvml.gpu(0, **state)
    (gpu,) = reader().read()["gpus"]
    assert "power_capped_seconds" not in gpu
    assert gpu["clock_reasons"] == 0


def test_a_gpu_that_may_not_tell_why_its_clocks_are_held_down_says_nothing_of_it(nvml, reader):
    for which in ("Current", "Supported"):
        nvml.fail(f"nvmlDeviceGet{which}ClocksEventReasons", NOT_SUPPORTED)
    (gpu,) = reader().read()["gpus"]
    assert not {"clock_reasons", "clock_reasons_known"} & set(gpu)
    assert nvml.calls("nvmlDeviceGetCurrentClocksThrottleReasons") == 0


def test_eight_gpus_are_a_message_of_some_kilobytes(nvml, reader):
    nvml.set(gpus=8)
    for index in range(8):
        nvml.gpu(index, energy_mj=126_272_101_025 + index, power_mw=627_123, memory_used=71_234_567_890)
        nvml.gpu(index, clock_event_reasons=0x24, capped_ns=6_869_275_397_123)
    assert len(json.dumps(reader(length=8).read(), separators=(",", ":"))) < 8 * 620


def test_vllms_own_copy_of_the_bindings_goes_first(monkeypatch):
    assert find_nvml() is pynvml
    copy = ModuleType("vllm.third_party.pynvml")
    copy._nvmlGetFunctionPointer = None
    for name in ("vllm", "vllm.third_party"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "vllm.third_party.pynvml", copy)
    assert find_nvml() is copy


def test_a_namesake_of_the_bindings_is_not_taken(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", ModuleType("pynvml"))
    with pytest.raises(UntoldError, match="no nvidia-ml-py"):
        find_nvml()
