"""The NVML source: the real pynvml calling a fake driver library."""

from __future__ import annotations

import builtins
import ctypes.util
import os
import subprocess
import sys
from types import ModuleType

import pytest

from fakes import nvml_fake
from fakes.nvml_fake import FakeNvml, uuid
from pentameter.sources import SourceAbsent, SourceError
from pentameter.sources.nvml import NvmlSource

ENERGY = "nvmlDeviceGetTotalEnergyConsumption"
POWER = "nvmlDeviceGetPowerUsage"
READ_AND_PRINT = """
from pentameter.sources import SourceError
from pentameter.sources.nvml import NvmlSource
try:
    reading = NvmlSource().read()
except SourceError as error:
    print(type(error).__name__, error.reason)
else:
    print(len(reading.gpus), reading.gpus[0].energy_joules)
"""


def failure_of(source: NvmlSource) -> SourceError:
    with pytest.raises(SourceError) as caught:
        source.read()
    return caught.value


def run_child(environment: dict[str, str]) -> str:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("LD_", "PENTAMETER_"))}
    paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    child = subprocess.run(
        [sys.executable, "-c", READ_AND_PRINT],
        env=inherited | paths | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return child.stdout.strip()


# ---- which GPUs ----


def test_it_belongs_to_no_server(source):
    assert (source.name, source.server) == ("nvml", "")


def test_two_gpus_are_told_apart(nvml, source):
    nvml.set(gpus=2)
    nvml.gpu(0, energy_mj=1_000)
    nvml.gpu(1, energy_mj=2_000)
    gpus = source.read().gpus
    assert [(gpu.index, gpu.uuid, gpu.energy_joules) for gpu in gpus] == [(0, uuid(0), 1.0), (1, uuid(1), 2.0)]


def test_the_filter_takes_indices(nvml):
    nvml.set(gpus=3)
    assert [gpu.index for gpu in NvmlSource(("2", "0")).read().gpus] == [0, 2]


def test_the_filter_takes_uuids(nvml):
    nvml.set(gpus=3)
    assert [gpu.index for gpu in NvmlSource((uuid(1),)).read().gpus] == [1]


def test_a_gpu_that_is_named_twice_is_read_once(nvml):
    nvml.set(gpus=2)
    assert [gpu.index for gpu in NvmlSource(("1", uuid(1))).read().gpus] == [1]


def test_the_loss_of_a_gpu_that_is_not_ours_does_not_matter(nvml):
    nvml.set(gpus=2)
    nvml.lose_gpu(0)
    assert [gpu.index for gpu in NvmlSource((uuid(1),)).read().gpus] == [1]


def test_a_wanted_gpu_that_is_not_here_is_noted(nvml):
    reading = NvmlSource(("0", "GPU-of-another-machine", "7")).read()
    assert [gpu.index for gpu in reading.gpus] == [0]
    assert reading.field_errors == {
        "GPU-of-another-machine/handle": "not_found",
        "7/handle": "invalid_argument",
    }


def test_it_is_an_error_if_not_one_wanted_gpu_is_here(nvml):
    failure = failure_of(NvmlSource(("GPU-of-another-machine",)))
    assert not isinstance(failure, SourceAbsent)
    assert failure.reason == "not_found"
    assert "GPU-of-another-machine" in str(failure)


def test_a_gpu_that_may_not_be_opened_is_skipped_and_noted(nvml, source):
    nvml.set(gpus=3)
    nvml.fail("nvmlDeviceGetHandleByIndex_v2", nvml_fake.NO_PERMISSION, gpu=1)
    for _ in range(2):
        reading = source.read()
        assert [gpu.index for gpu in reading.gpus] == [0, 2]
        assert reading.field_errors == {"1/handle": "no_permission"}


def test_it_is_an_error_if_no_gpu_may_be_opened(nvml, source):
    nvml.fail("nvmlDeviceGetHandleByIndex_v2", nvml_fake.NO_PERMISSION)
    assert failure_of(source).reason == "no_permission"


# ---- loss and recovery ----


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (nvml_fake.UNINITIALIZED, "uninitialized"),
        (nvml_fake.GPU_IS_LOST, "gpu_lost"),
        (nvml_fake.GPU_NOT_FOUND, "gpu_not_found"),
        (nvml_fake.LIB_RM_VERSION_MISMATCH, "driver_mismatch"),
        (nvml_fake.DRIVER_NOT_LOADED, "driver_missing"),
    ],
)
def test_a_lifecycle_error_fails_the_whole_reading_and_the_next_one_starts_anew(nvml, source, code, reason):
    nvml.set(gpus=2)
    source.read()
    nvml.fail(POWER, code, gpu=1)
    failure = failure_of(source)
    assert failure.reason == reason
    assert uuid(1) in str(failure)
    assert not isinstance(failure, SourceAbsent)
    nvml.heal(POWER, gpu=1)
    assert len(source.read().gpus) == 2
    assert nvml.calls("nvmlInitWithFlags") == 2
    assert nvml.calls("nvmlShutdown") == 1


def test_a_lost_gpu_fails_every_reading_until_it_is_back(nvml, source):
    nvml.set(gpus=2)
    nvml.gpu(1, energy_mj=9_000)
    source.read()
    nvml.lose_gpu(1)
    assert failure_of(source).reason == "gpu_lost"
    assert failure_of(source).reason == "gpu_lost"
    nvml.restore_gpu(1)
    assert source.read().gpus[1].energy_joules == 9.0


def test_a_reloaded_driver_is_read_again_from_a_counter_that_starts_low(nvml, source):
    nvml.gpu(0, energy_mj=8_000_000)
    nvml.set(driver="580.65.06")
    source.read()
    nvml.fail(ENERGY, nvml_fake.UNINITIALIZED)
    assert failure_of(source).reason == "uninitialized"
    nvml.fail("nvmlInitWithFlags", nvml_fake.DRIVER_NOT_LOADED)
    assert failure_of(source).reason == "driver_missing"
    nvml.heal(ENERGY)
    nvml.heal("nvmlInitWithFlags")
    nvml.set(driver="580.95.05")
    nvml.gpu(0, energy_mj=150)
    reading = source.read()
    assert (reading.gpus[0].energy_joules, reading.driver_version) == (0.15, "580.95.05")


def test_what_was_refused_before_is_asked_again_after_a_new_start(nvml, source):
    nvml.fail(ENERGY, nvml_fake.NOT_SUPPORTED)
    source.read()
    source.close()
    nvml.heal(ENERGY)
    assert source.read().gpus[0].energy_joules == 0.0


def test_a_replaced_driver_can_only_be_healed_by_a_restart_and_the_message_says_so(nvml, source):
    nvml.fail("nvmlInitWithFlags", nvml_fake.LIB_RM_VERSION_MISMATCH)
    failure = failure_of(source)
    assert failure.reason == "driver_mismatch"
    assert "only a restart of Pentameter" in str(failure)


@pytest.mark.parametrize("function", ["nvmlInitWithFlags", "nvmlDeviceGetCount_v2", "nvmlDeviceGetUUID"])
def test_an_unknown_error_while_opening_fails_the_reading(nvml, source, function):
    nvml.fail(function, nvml_fake.UNKNOWN)
    failure = failure_of(source)
    assert failure.reason == "unknown"
    assert not isinstance(failure, SourceAbsent)
    nvml.heal(function)
    assert len(source.read().gpus) == 1


def test_a_gpu_that_answers_nothing_but_unknown_errors_fails_the_reading(nvml, source):
    nvml.set(gpus=2)
    source.read()
    nvml.lose_gpu(1, nvml_fake.UNKNOWN)
    assert failure_of(source).reason == "unknown"


# ---- machines without GPUs ----


def test_no_driver_is_an_absence(nvml, source):
    nvml.fail("nvmlInitWithFlags", nvml_fake.DRIVER_NOT_LOADED)
    failure = failure_of(source)
    assert isinstance(failure, SourceAbsent)
    assert failure.reason == "driver_missing"


def test_no_gpu_is_an_absence_and_one_that_appears_is_read(nvml, source):
    nvml.set(gpus=0)
    failure = failure_of(source)
    assert isinstance(failure, SourceAbsent)
    assert failure.reason == "no_device"
    nvml.set(gpus=1)
    assert len(source.read().gpus) == 1


def test_gpus_that_were_here_and_are_gone_are_no_absence(nvml, source):
    source.read()
    nvml.lose_gpu(0)
    failure_of(source)
    nvml.set(gpus=0)
    failure = failure_of(source)
    assert failure.reason == "no_device"
    assert not isinstance(failure, SourceAbsent)


def test_a_machine_without_the_library_has_an_absence():
    if ctypes.util.find_library("nvidia-ml") is not None:
        pytest.skip("a real NVIDIA driver library is installed here")
    assert run_child({}) == "SourceAbsent library_missing"


def test_a_child_process_sees_the_same_machine(tmp_path_factory):
    fake = FakeNvml.for_tests(tmp_path_factory, gpus=2)
    fake.gpu(0, energy_mj=2_500)
    assert run_child(fake.environment()) == "2 2.5"


# ---- the Python side ----


def test_an_unofficial_pynvml_is_refused_by_name(monkeypatch):
    impostor = ModuleType("pynvml")
    impostor.__file__ = "/somewhere/pynvml.py"
    monkeypatch.setitem(sys.modules, "pynvml", impostor)
    failure = failure_of(NvmlSource())
    assert failure.reason == "unofficial_pynvml"
    assert "/somewhere/pynvml.py" in str(failure)
    assert not isinstance(failure, SourceAbsent)


def test_a_missing_pynvml_is_an_absence(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    failure = failure_of(NvmlSource())
    assert isinstance(failure, SourceAbsent)
    assert failure.reason == "pynvml_missing"


def test_building_the_source_imports_nothing_and_calls_nothing(nvml, monkeypatch):
    monkeypatch.setattr(builtins, "__import__", lambda name, *_: pytest.fail(f"imported {name}"))
    NvmlSource(("0",))
    assert nvml.calls("nvmlInitWithFlags") == 0


def test_a_source_can_be_closed_before_it_is_read_and_twice_and_read_again(nvml):
    source = NvmlSource()
    source.close()
    source.read()
    source.close()
    source.close()
    assert nvml.calls("nvmlShutdown") == 1
    assert len(source.read().gpus) == 1


def test_closing_never_raises(nvml):
    source = NvmlSource()
    source.read()
    nvml.fail("nvmlShutdown", nvml_fake.UNKNOWN)
    source.close()
    assert nvml.calls("nvmlShutdown") == 1
