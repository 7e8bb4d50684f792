"""The performance monitor through NVML: the real pynvml calling a fake driver library."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

from fakes import nvml_fake
from fakes.nvml_fake import FakeNvml, uuid
from pentameter.sources import SourceError
from pentameter.sources.nvml import NvmlSource

SUPPORT, GET, METRICS = "nvmlGpmQueryDeviceSupport", "nvmlGpmSampleGet", "nvmlGpmMetricsGet"
READ_THRICE = """
import pynvml
from pentameter.sources.nvml import NvmlSource
clock = iter([10.0, 11.0, 12.5])
source = NvmlSource(monotonic=lambda: next(clock))
for _ in range(3):
    reading = source.read()
    gpu = reading.gpus[0]
    print(gpu.dram_active_ratio, gpu.tensor_active_ratio, gpu.profiled_seconds, gpu.profiling_source or "-",
          sorted(reading.field_errors.values()))
source.close()
print(pynvml.nvmlLib.fake_nvml_gpm_samples())
"""


def busy(dram: float | str = 63.5, tensor: float | str = 21.0) -> dict[str, float | str]:
    return {"gpm.10": dram, "gpm.5": tensor}


@pytest.fixture
def second():
    """A source that is read once a second, by a clock that the test can turn forward."""

    class Clock:
        now = 100.0

        def tick(self, seconds: float = 1.0) -> None:
            self.now += seconds

    clock = Clock()
    source = NvmlSource(monotonic=lambda: clock.now)
    yield source, clock
    source.close()


def profile(gpu):
    return (gpu.dram_active_ratio, gpu.tensor_active_ratio, gpu.profiled_seconds, gpu.profiling_source)


NOTHING = (None, None, None, "")
NOTHING_YET = (None, None, None, "gpm")


def test_the_first_reading_has_no_ratios_and_the_second_has_those_of_the_time_between(nvml, second):
    source, clock = second
    nvml.gpu(0, **busy())
    first = source.read()
    assert (profile(first.gpus[0]), first.field_errors) == (NOTHING_YET, {})
    clock.tick(1.5)
    reading = source.read()
    assert profile(reading.gpus[0]) == (pytest.approx(0.635), pytest.approx(0.21), 1.5, "gpm")
    assert reading.field_errors == {}


def test_every_reading_after_that_covers_the_time_since_the_one_before(nvml, second):
    source, clock = second
    nvml.gpu(0, **busy())
    source.read()
    found = []
    for seconds, dram in ((1.0, 10), (2.0, 20), (0.5, 30)):
        clock.tick(seconds)
        nvml.gpu(0, **busy(dram))
        gpu = source.read().gpus[0]
        found.append((gpu.dram_active_ratio, gpu.profiled_seconds))
    assert found == [(0.1, 1.0), (0.2, 2.0), (pytest.approx(0.3), 0.5)]


def test_a_reading_costs_one_sample_and_one_question_per_gpu(nvml, second):
    source, clock = second
    nvml.set(gpus=2)
    for index in range(2):
        nvml.gpu(index, **busy())
    for _ in range(4):
        source.read()
        clock.tick()
    assert [nvml.calls(name) for name in (SUPPORT, GET, METRICS)] == [2, 8, 6]
    assert (nvml.calls("nvmlGpmSampleAlloc"), nvml.gpm_samples()) == (4, 4)


def test_gpus_have_their_own_ratios(nvml, second):
    source, clock = second
    nvml.set(gpus=2)
    nvml.gpu(0, **busy(80, 40))
    nvml.gpu(1, **busy(5, 1))
    source.read()
    clock.tick()
    assert [profile(gpu) for gpu in source.read().gpus] == [(0.8, 0.4, 1.0, "gpm"), (0.05, 0.01, 1.0, "gpm")]


def test_a_reading_that_comes_too_soon_says_nothing_and_its_time_is_in_the_next(nvml, second):
    source, clock = second
    nvml.gpu(0, **busy())
    source.read()
    clock.tick(0.1)
    soon = source.read()
    assert (profile(soon.gpus[0]), soon.field_errors) == (NOTHING_YET, {})
    clock.tick(0.9)
    assert source.read().gpus[0].profiled_seconds == pytest.approx(1.0)
    assert nvml.calls(GET) == 2


def test_samples_that_the_driver_finds_too_close_cost_one_reading(nvml, second):
    # The driver goes by its own clock, which has not moved in this test, unlike ours.
    source, clock = second
    nvml.gpu(0, **busy())
    nvml.set(gpm_apart_ms=100)
    source.read()
    clock.tick()
    reading = source.read()
    assert profile(reading.gpus[0]) == NOTHING
    assert reading.field_errors == {
        f"{uuid(0)}/dram_active_ratio": "invalid_argument",
        f"{uuid(0)}/tensor_active_ratio": "invalid_argument",
    }
    nvml.set(gpm_apart_ms=0)
    clock.tick()
    assert source.read().gpus[0].profiled_seconds == 1.0


def test_after_a_long_sleep_nothing_is_said_of_it(nvml, second):
    source, clock = second
    nvml.gpu(0, **busy())
    source.read()
    clock.tick(3600)
    assert profile(source.read().gpus[0]) == NOTHING_YET
    clock.tick()
    assert source.read().gpus[0].profiled_seconds == 1.0


# ---- what cannot be had ----


def test_a_gpu_before_hopper_is_asked_once_and_holds_no_samples(nvml, second):
    source, clock = second
    nvml.gpu(0, gpm=0, compute_major=8, compute_minor=0)
    for _ in range(3):
        reading = source.read()
        clock.tick()
        assert profile(reading.gpus[0]) == NOTHING
        assert set(reading.field_errors.values()) == {"not_supported"}
    assert [nvml.calls(name) for name in (SUPPORT, "nvmlGpmSampleAlloc", GET)] == [1, 0, 0]


@pytest.mark.parametrize(
    ("function", "code", "reason"),
    [
        (SUPPORT, nvml_fake.FUNCTION_NOT_FOUND, "function_not_found"),
        (SUPPORT, nvml_fake.NOT_SUPPORTED, "not_supported"),
        (GET, nvml_fake.NO_PERMISSION, "no_permission"),
        (GET, nvml_fake.NOT_SUPPORTED, "not_supported"),
        (METRICS, nvml_fake.FUNCTION_NOT_FOUND, "function_not_found"),
    ],
)
def test_a_refusal_for_good_is_not_asked_again_and_gives_the_samples_back(nvml, second, function, code, reason):
    source, clock = second
    nvml.gpu(0, **busy())
    nvml.fail(function, code)
    for _ in range(4):
        reading = source.read()
        clock.tick()
        assert reading.gpus[0].dram_active_ratio is None
    assert profile(reading.gpus[0]) == NOTHING
    assert set(reading.field_errors.values()) == {reason}
    assert reading.gpus[0].power_watts == 100.0
    assert (nvml.calls(function), nvml.gpm_samples()) == (1, 0)


def test_a_passing_trouble_takes_the_ratios_away_until_it_passes(nvml, second):
    source, clock = second
    nvml.gpu(0, **busy())
    source.read()
    nvml.fail(GET, nvml_fake.UNKNOWN)
    clock.tick()
    reading = source.read()
    assert (profile(reading.gpus[0]), reading.gpus[0].energy_joules) == (NOTHING, 0.0)
    assert set(reading.field_errors.values()) == {"unknown"}
    nvml.heal(GET)
    clock.tick()
    assert source.read().gpus[0].profiled_seconds == 2.0


def test_samples_that_cannot_be_allocated_are_asked_for_again(nvml, second):
    source, clock = second
    nvml.gpu(0, **busy())
    nvml.fail("nvmlGpmSampleAlloc", 20)
    assert set(source.read().field_errors.values()) == {"out_of_memory"}
    nvml.heal("nvmlGpmSampleAlloc")
    for _ in range(2):
        clock.tick()
        reading = source.read()
    assert reading.gpus[0].dram_active_ratio == pytest.approx(0.635)
    assert nvml.gpm_samples() == 2


def test_a_metric_with_an_error_of_its_own_leaves_the_other(nvml, second):
    source, clock = second
    nvml.gpu(0, **busy(), **{"gpm.return.5": 21})
    source.read()
    clock.tick()
    reading = source.read()
    assert profile(reading.gpus[0]) == (pytest.approx(0.635), None, 1.0, "gpm")
    assert reading.field_errors == {f"{uuid(0)}/tensor_active_ratio": "no_data"}


def test_without_any_metric_no_time_was_profiled(nvml, second):
    source, clock = second
    source.read()
    clock.tick()
    reading = source.read()
    assert profile(reading.gpus[0]) == NOTHING
    assert set(reading.field_errors.values()) == {"not_supported"}


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "102", "-5", "1e30"])
def test_a_value_that_is_no_percentage_is_none(nvml, second, value):
    source, clock = second
    nvml.gpu(0, **busy(value))
    source.read()
    clock.tick()
    reading = source.read()
    assert profile(reading.gpus[0]) == (None, pytest.approx(0.21), 1.0, "gpm")
    assert reading.field_errors == {f"{uuid(0)}/dram_active_ratio": "implausible"}


@pytest.mark.parametrize(("value", "ratio"), [("0", 0.0), ("100", 1.0), ("100.4", 1.0), ("-0.2", 0.0)])
def test_the_rounding_of_the_counters_does_not_leave_the_unit_interval(nvml, second, value, ratio):
    source, clock = second
    nvml.gpu(0, **busy(value))
    source.read()
    clock.tick()
    assert source.read().gpus[0].dram_active_ratio == ratio


def test_a_board_split_by_mig_has_no_ratios_and_keeps_no_samples(nvml, second):
    source, clock = second
    nvml.gpu(0, **busy(), mig=1)
    for _ in range(2):
        reading = source.read()
        clock.tick()
    assert profile(reading.gpus[0]) == NOTHING
    assert reading.field_errors == {
        f"{uuid(0)}/dram_active_ratio": "mig_enabled",
        f"{uuid(0)}/tensor_active_ratio": "mig_enabled",
    }
    assert nvml.calls(SUPPORT) == 0


def test_a_board_that_is_split_while_it_runs_gives_its_samples_back_and_begins_anew_when_whole(nvml, second):
    source, clock = second
    nvml.gpu(0, **busy())
    source.read()
    nvml.gpu(0, mig=1)
    clock.tick(61)
    assert (profile(source.read().gpus[0]), nvml.gpm_samples()) == (NOTHING, 0)
    nvml.gpu(0, mig=0)
    clock.tick(61)
    assert profile(source.read().gpus[0]) == NOTHING_YET
    clock.tick()
    assert source.read().gpus[0].profiled_seconds == 1.0


# ---- loss, recovery, memory ----


@pytest.mark.parametrize("function", [SUPPORT, GET, METRICS])
def test_a_lost_gpu_fails_the_reading_and_gives_all_samples_back(nvml, second, function):
    source, clock = second
    nvml.set(gpus=2)
    for index in range(2):
        nvml.gpu(index, **busy())
    if function != SUPPORT:
        source.read()
        clock.tick()
    nvml.fail(function, nvml_fake.GPU_IS_LOST)
    with pytest.raises(SourceError) as lost:
        source.read()
    assert (lost.value.reason, nvml.gpm_samples()) == ("gpu_lost", 0)
    nvml.heal(function)
    clock.tick()
    assert profile(source.read().gpus[1]) == NOTHING_YET
    clock.tick()
    assert source.read().gpus[1].dram_active_ratio == pytest.approx(0.635)
    assert nvml.gpm_samples() == 4


def test_a_reloaded_driver_is_asked_anew_with_new_samples(nvml, second):
    source, clock = second
    nvml.gpu(0, **busy())
    source.read()
    nvml.fail("nvmlDeviceGetPowerUsage", nvml_fake.UNINITIALIZED)
    clock.tick()
    with pytest.raises(SourceError):
        source.read()
    nvml.heal("nvmlDeviceGetPowerUsage")
    for _ in range(2):
        clock.tick()
        reading = source.read()
    assert profile(reading.gpus[0]) == (pytest.approx(0.635), pytest.approx(0.21), 1.0, "gpm")
    assert (nvml.calls("nvmlGpmSampleAlloc"), nvml.gpm_samples()) == (4, 2)


def test_closing_gives_every_sample_back(nvml):
    nvml.set(gpus=3)
    source = NvmlSource()
    source.read()
    assert nvml.gpm_samples() == 6
    source.close()
    assert nvml.gpm_samples() == 0
    assert nvml.calls("nvmlShutdown") == 1


def test_a_driver_that_takes_no_samples_back_does_not_stop_the_closing(nvml):
    source = NvmlSource()
    source.read()
    nvml.fail("nvmlGpmSampleFree", nvml_fake.UNKNOWN)
    source.close()
    assert nvml.calls("nvmlGpmSampleFree") == 2
    assert nvml.calls("nvmlShutdown") == 1


def test_a_driver_that_knows_more_metrics_than_pynvml_does_not_write_beyond_the_buffer(nvml, second):
    # NVML's header of 2026 has room for 477; pynvml's buffer has, by its version, for 98 to 477.
    source, clock = second
    nvml.gpu(0, **busy())
    nvml.set(gpm_room=1024)
    source.read()
    clock.tick()
    assert source.read().gpus[0].dram_active_ratio == pytest.approx(0.635)
    (gpu,) = source._gpus
    assert gpu._gpm._request.metrics[1023].nvmlReturn == nvml_fake.NOT_SUPPORTED
    assert ctypes.sizeof(gpu._gpm._request) == 24 + 40 * 1024


# ---- in a process of its own ----


def run_child(fake: FakeNvml) -> list[str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("LD_", "PENTAMETER_"))}
    paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    child = subprocess.run(
        [sys.executable, "-c", READ_THRICE],
        env=inherited | paths | fake.environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return child.stdout.splitlines()


def test_a_child_process_measures_and_gives_the_samples_back(tmp_path_factory):
    fake = FakeNvml.for_tests(tmp_path_factory)
    fake.gpu(0, **busy(50, 25))
    assert run_child(fake) == [
        "None None None gpm []",
        "0.5 0.25 1.0 gpm []",
        "0.5 0.25 1.5 gpm []",
        "0",
    ]


def test_a_driver_from_before_the_performance_monitor_is_read_without_it(tmp_path_factory):
    fake = FakeNvml.for_tests(tmp_path_factory, 1, "WITHOUT_GPM")
    expected = "None None None - ['function_not_found', 'function_not_found']"
    assert run_child(fake) == [expected] * 3 + ["0"]
