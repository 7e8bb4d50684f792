"""One GPU through NVML: units, refusals and fallbacks, by the real pynvml on a fake driver library."""

from __future__ import annotations

from itertools import count

import pytest

from fakes import nvml_fake
from fakes.nvml_fake import uuid
from pentameter.readings import GpuReading, GpusReading
from pentameter.sources.nvml import NvmlSource

ENERGY = "nvmlDeviceGetTotalEnergyConsumption"
POWER = "nvmlDeviceGetPowerUsage"
POWER_LIMIT = "nvmlDeviceGetEnforcedPowerLimit"


# ---- what a reading says ----


def test_a_reading_is_in_base_units(nvml):
    nvml.set(driver="580.95.05")
    nvml.gpu(0, name="NVIDIA H200", energy_mj=1_234_500, power_mw=350_000, power_limit_mw=700_000)
    nvml.gpu(0, memory_total=150_000_000_000, memory_used=90_000_000_000, memory_reserved=500_000_000)
    nvml.gpu(0, utilization=75, memory_utilization=25, temperature=61, mig=0, bus_width=6144, max_memory_mhz=3201)
    nvml.gpu(0, clock_event_reasons=0x4, clock_event_reasons_known=0x1EF, capped_ns=6_869_000_000_000)
    source = NvmlSource(monotonic=lambda: 12.5, wall=lambda: 1_700_000_000.0)

    assert source.read() == GpusReading(
        monotonic=12.5,
        wall=1_700_000_000.0,
        gpus=(
            GpuReading(
                uuid="GPU-00000000-0000-4000-8000-000000000000",
                index=0,
                name="NVIDIA H200",
                energy_joules=1234.5,
                power_watts=350.0,
                power_limit_watts=700.0,
                memory_total_bytes=150_000_000_000.0,
                memory_used_bytes=90_000_000_000.0,
                memory_reserved_bytes=500_000_000.0,
                utilization_ratio=0.75,
                memory_utilization_ratio=0.25,
                temperature_celsius=61.0,
                clock_reasons=0x4,
                clock_reasons_known=0x1EF,
                power_capped_seconds=6869.0,
                compute_capability="9.0",
                mig_enabled=False,
                memory_bus_width_bits=6144,
                memory_clock_max_hz=3_201_000_000.0,
                profiling_source="gpm",
            ),
        ),
        driver_version="580.95.05",
        field_errors={},
    )
    source.close()


def test_every_reading_asks_the_counter_again(nvml, source):
    nvml.gpu(0, energy_mj=1_000)
    assert source.read().gpus[0].energy_joules == 1.0
    nvml.gpu(0, energy_mj=1_750)
    assert source.read().gpus[0].energy_joules == 1.75


def test_a_counter_that_falls_back_is_reported_as_it_is(nvml, source):
    # A reset is for the windows to see; here nothing is corrected.
    nvml.gpu(0, energy_mj=5_000_000)
    assert source.read().gpus[0].energy_joules == 5_000.0
    nvml.gpu(0, energy_mj=20)
    assert source.read().gpus[0].energy_joules == 0.02


def test_with_mig_enabled_a_board_is_one_gpu_with_one_counter(nvml, source):
    nvml.gpu(0, mig=1, energy_mj=3_000)
    nvml.fail("nvmlDeviceGetUtilizationRates", nvml_fake.NOT_SUPPORTED)
    (gpu,) = source.read().gpus
    assert (gpu.mig_enabled, gpu.energy_joules, gpu.utilization_ratio) == (True, 3.0, None)


def test_old_hardware_says_its_own_compute_capability(nvml, source):
    nvml.gpu(0, compute_major=8, compute_minor=6)
    assert source.read().gpus[0].compute_capability == "8.6"


# ---- fields that cannot be had ----


def test_a_field_that_one_gpu_lacks_is_missing_there_alone(nvml, source):
    nvml.set(gpus=2)
    nvml.fail(ENERGY, nvml_fake.NOT_SUPPORTED, gpu=1)
    reading = source.read()
    assert [gpu.energy_joules for gpu in reading.gpus] == [0.0, None]
    assert [gpu.power_watts for gpu in reading.gpus] == [100.0, 100.0]
    assert reading.field_errors == {f"{uuid(1)}/energy_joules": "not_supported"}


@pytest.mark.parametrize(
    ("code", "reason"),
    [(nvml_fake.NOT_SUPPORTED, "not_supported"), (nvml_fake.FUNCTION_NOT_FOUND, "function_not_found")],
)
def test_a_permanent_refusal_is_not_asked_again_and_stays_noted(nvml, source, code, reason):
    nvml.fail(ENERGY, code)
    for _ in range(3):
        assert source.read().field_errors == {f"{uuid(0)}/energy_joules": reason}
    assert nvml.calls(ENERGY) == 1
    assert nvml.calls(POWER) == 3


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (nvml_fake.INVALID_ARGUMENT, "invalid_argument"),
        (nvml_fake.NO_PERMISSION, "no_permission"),
        (nvml_fake.TIMEOUT, "timeout"),
        (nvml_fake.UNKNOWN, "unknown"),
        (777, "other"),
    ],
)
def test_a_passing_trouble_takes_one_field_away_until_it_passes(nvml, source, code, reason):
    nvml.fail(POWER, code)
    reading = source.read()
    assert reading.gpus[0].power_watts is None
    assert reading.gpus[0].temperature_celsius == 40.0
    assert reading.field_errors == {f"{uuid(0)}/power_watts": reason}
    nvml.heal(POWER)
    reading = source.read()
    assert reading.gpus[0].power_watts == 100.0
    assert reading.field_errors == {}


@pytest.mark.parametrize("code", [nvml_fake.FUNCTION_NOT_FOUND, nvml_fake.NOT_SUPPORTED])
def test_an_old_driver_is_asked_for_memory_in_the_old_way(nvml, source, code):
    nvml.gpu(0, memory_total=80_000, memory_used=30_000, memory_reserved=500)
    nvml.fail("nvmlDeviceGetMemoryInfo_v2", code)
    for _ in range(2):
        reading = source.read()
        gpu = reading.gpus[0]
        assert gpu.memory_total_bytes == 80_000.0
        assert gpu.memory_used_bytes == 30_500.0  # the old way counts what is reserved as used
        assert gpu.memory_reserved_bytes is None
        assert list(reading.field_errors) == [f"{uuid(0)}/memory_reserved_bytes"]
    assert nvml.calls("nvmlDeviceGetMemoryInfo_v2") == 1


def test_memory_that_no_call_can_tell_is_missing(nvml, source):
    nvml.fail("nvmlDeviceGetMemoryInfo_v2", nvml_fake.FUNCTION_NOT_FOUND)
    nvml.fail("nvmlDeviceGetMemoryInfo", nvml_fake.NOT_SUPPORTED)
    reading = source.read()
    assert reading.gpus[0].memory_used_bytes is None
    assert reading.field_errors == {
        f"{uuid(0)}/memory_total_bytes": "not_supported",
        f"{uuid(0)}/memory_used_bytes": "not_supported",
        f"{uuid(0)}/memory_reserved_bytes": "not_supported",
    }


def test_an_old_driver_is_asked_for_the_temperature_in_the_old_way(nvml, source):
    nvml.fail("nvmlDeviceGetTemperatureV", nvml_fake.FUNCTION_NOT_FOUND)
    reading = source.read()
    assert (reading.gpus[0].temperature_celsius, reading.field_errors) == (40.0, {})


def test_a_driver_that_hides_its_version_is_read_all_the_same(nvml, source):
    nvml.fail("nvmlSystemGetDriverVersion", nvml_fake.NO_PERMISSION)
    reading = source.read()
    assert (reading.driver_version, len(reading.gpus)) == (None, 1)


# ---- what is asked how often ----


def test_the_power_limit_is_asked_again_after_a_minute(nvml):
    clock = iter([100.0, 159.0, 160.0])
    source = NvmlSource(monotonic=lambda: next(clock))
    nvml.gpu(0, power_limit_mw=700_000)
    assert source.read().gpus[0].power_limit_watts == 700.0
    nvml.gpu(0, power_limit_mw=400_000)
    assert source.read().gpus[0].power_limit_watts == 700.0
    assert source.read().gpus[0].power_limit_watts == 400.0


def test_a_power_limit_that_could_not_be_had_is_asked_at_the_next_reading(nvml, source):
    nvml.fail(POWER_LIMIT, nvml_fake.TIMEOUT)
    assert source.read().gpus[0].power_limit_watts is None
    nvml.heal(POWER_LIMIT)
    assert source.read().gpus[0].power_limit_watts == 700.0


def test_identity_is_asked_once(nvml):
    clock = count(step=1000)
    source = NvmlSource(monotonic=lambda: float(next(clock)))
    for _ in range(3):
        source.read()
    names = ("nvmlInitWithFlags", "nvmlDeviceGetUUID", "nvmlDeviceGetName", "nvmlDeviceGetCudaComputeCapability")
    assert [nvml.calls(name) for name in names] == [1, 1, 1, 1]
    assert [nvml.calls(name) for name in ("nvmlDeviceGetMemoryBusWidth", "nvmlDeviceGetMaxClockInfo")] == [1, 1]
    assert nvml.calls(ENERGY) == 3
