"""Ten minutes of a scripted load through the real pynvml: the accounts against the joules that the script knows."""

import math

import pytest

from fakes.nvml_fake import GPU_IS_LOST, NOT_SUPPORTED, FakeNvml, uuid
from pentameter.gpu_meter import GpuMeter
from pentameter.sources import SourceError
from pentameter.sources.nvml import NvmlSource
from pentameter.windows import Window

SECONDS = 600
LOST = range(400, 430)
SOUND, RESET, CATCHES_UP, LOSES, GLITCHES, WITHOUT, GONE_FOR_A_WHILE = range(7)
PERIOD = 60.0


def used(time):
    """Return the joules since 0 of a load that swings between 100 and 600 W once a minute."""
    return 350.0 * time + 250.0 * PERIOD / (2 * math.pi) * (1 - math.cos(2 * math.pi * time / PERIOD))


def watts(time):
    """Return what the board shows: the mean of the last second."""
    return used(time) - used(time - 1)


def shown(gpu, time):
    """Return the counter of a GPU in joules, which is brought up to date ten times a second."""
    joules = 1e6 + used(math.floor(time * 10) / 10)
    if gpu == RESET and time >= 200:
        return joules - 1e6 - used(199.5)
    if gpu in (CATCHES_UP, LOSES) and 200 <= time < 300:
        return 1e6 + used(200)
    if gpu == LOSES and time >= 300:
        return joules - used(300) + used(200)
    if gpu == GLITCHES and round(time) in (150, 250, 350):
        return joules * 1000
    return joules


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Return each GPU's joules by key, after the ten minutes."""
    now = 0.0
    with FakeNvml.for_tests(tmp_path_factory, gpus=7).in_process() as nvml:
        nvml.fail("nvmlDeviceGetTotalEnergyConsumption", NOT_SUPPORTED, gpu=WITHOUT)
        source = NvmlSource(monotonic=lambda: now)
        meter = GpuMeter([Window("10m", 600.0)], lambda name: None, {"a": ()})
        for second in range(SECONDS + 1):
            # Never quite on the second.
            now = second + 0.2 * math.sin(second)
            state = {f"gpu{gpu}.energy_mj": round(shown(gpu, now) * 1000) for gpu in range(7)}
            state |= {f"gpu{gpu}.power_mw": round(watts(now) * 1000) for gpu in range(7)}
            nvml.set(**state)
            if second == LOST.start:
                nvml.lose_gpu(GONE_FOR_A_WHILE, GPU_IS_LOST)
            if second in LOST:
                with pytest.raises(SourceError):
                    source.read()
                continue
            if second == LOST.stop:
                nvml.restore_gpu(GONE_FOR_A_WHILE)
            meter.take(source.read())
        source.close()
        meter.look(0.0)
        boards = meter.gpus()
    return {board.reading.uuid: board.rolled.tick.deltas for board in boards}, used(now) - used(0)


@pytest.mark.parametrize("gpu", [SOUND, CATCHES_UP, GLITCHES, GONE_FOR_A_WHILE])
def test_where_the_counter_tells_it_in_the_end_not_a_joule_is_missing(played, gpu):
    accounts, truth = played
    assert accounts[uuid(gpu)]["energy_joules"] == pytest.approx(truth, rel=5e-4)


def test_the_second_of_a_reset_is_missing_and_no_other(played):
    accounts, truth = played
    missed = used(200.2) - used(199)
    assert accounts[uuid(RESET)]["energy_joules"] == pytest.approx(truth - missed, abs=100)
    assert accounts[uuid(RESET)]["anomaly/reset"] == 1


def test_a_counter_that_froze_for_good_is_made_up_for_by_the_power(played):
    accounts, truth = played
    assert accounts[uuid(LOSES)]["energy_joules"] == pytest.approx(truth, rel=5e-3)
    assert accounts[uuid(LOSES)]["integrated_joules"] == pytest.approx(used(300) - used(200), rel=0.02)


def test_without_a_counter_only_what_lies_in_the_outage_is_missing(played):
    accounts, truth = played
    outage = used(430) - used(399)
    assert accounts[uuid(WITHOUT)]["energy_joules"] == pytest.approx(truth - outage, rel=5e-3)
    assert accounts[uuid(WITHOUT)].get("measured_joules") == 0


def test_what_was_not_believed_is_counted(played):
    accounts, _ = played
    assert accounts[uuid(GLITCHES)]["anomaly/rejected"] == 3
    assert [accounts[uuid(gpu)]["anomaly/frozen"] for gpu in (SOUND, CATCHES_UP, LOSES)] == [0, 1, 1]
    assert accounts[uuid(SOUND)]["audited/counter_joules"] == pytest.approx(
        accounts[uuid(SOUND)]["audited/integral_joules"], rel=5e-3
    )
