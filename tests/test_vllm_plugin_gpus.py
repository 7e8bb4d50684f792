"""The thread inside vLLM that reads the GPUs, and what of it arrives at the exporter."""

from __future__ import annotations

import json
import logging
import threading
import time
from types import SimpleNamespace

import pytest

from fakes.nvml_fake import DRIVER_NOT_LOADED, GPU_IS_LOST, FakeNvml, uuid
from fakes.plugin_messages import LIMIT_SECONDS, Ear
from fakes.unix_sockets import fresh_address, listening
from fakes.vllm_stats import finished, iteration, scheduler, vllm_config
from pentameter import vllm_plugin_gpus, vllm_plugin_reporter
from pentameter.sources import SourceAbsent
from pentameter.sources.plugin_feed import PluginFeed
from pentameter.vllm_plugin_gpus import GpuWatch
from pentameter.vllm_plugin_reporter import Reporter


@pytest.fixture
def nvml(tmp_path_factory):
    with FakeNvml.for_tests(tmp_path_factory, gpus=2).in_process() as fake:
        yield fake


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(vllm_plugin_gpus, "PERIOD_SECONDS", 0.02)
    monkeypatch.setattr(vllm_plugin_gpus, "TROUBLE_SECONDS", 0.02)
    monkeypatch.setattr(vllm_plugin_reporter, "PACE_SECONDS", 0.01)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def watch():
    made = []

    def make(config=None, wanted=lambda: True):
        rung = threading.Semaphore(0)
        made.append(GpuWatch(config or cuda_config(), wanted, rung.release))
        return made[-1], rung

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def address():
    return fresh_address()


@pytest.fixture
def reporter(address):
    made = []

    def make():
        made.append(Reporter(cuda_config(), (0,), address, "west"))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def cuda_config():
    config = vllm_config()
    config.device_config = SimpleNamespace(device_type="cuda")
    return config


def next_reading(watch, rung):
    assert rung.acquire(timeout=LIMIT_SECONDS)
    told = watch.take()
    return None if told is None else json.loads(told)


def until(condition):
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_each_reading_can_be_taken_once_and_bears_the_kernels_time(nvml, watch):
    before = time.monotonic()
    watched, rung = watch()
    told = next_reading(watched, rung)
    assert [gpu["uuid"] for gpu in told["gpus"]] == [uuid(0), uuid(1)]
    assert before <= told["monotonic"] <= time.monotonic()
    assert told["kind"] == "gpus"
    until(lambda: rung.acquire(blocking=False))


def test_while_nobody_listens_the_driver_is_left_alone(nvml, watch):
    listening_now = []
    watched, rung = watch(wanted=lambda: bool(listening_now))
    time.sleep(0.1)
    assert nvml.calls("nvmlInitWithFlags") == 0
    listening_now.append(True)
    assert next_reading(watched, rung)


def test_a_vllm_on_cpu_has_no_thread_left_and_says_nothing(nvml, watch, caplog):
    with caplog.at_level(logging.INFO, logger="vllm.pentameter"):
        watched, _ = watch(vllm_config())
        until(lambda: not watched._thread.is_alive())
    assert (caplog.records, watched.take(), nvml.calls("nvmlInitWithFlags")) == ([], None, 0)


def test_a_machine_without_a_driver_is_mentioned_once_and_the_thread_ends(nvml, watch, caplog):
    nvml.fail("nvmlInitWithFlags", DRIVER_NOT_LOADED)
    with caplog.at_level(logging.INFO, logger="vllm.pentameter"):
        watched, _ = watch()
        until(lambda: not watched._thread.is_alive())
    (record,) = caplog.records
    assert (record.levelname, "does not read the GPUs" in record.getMessage()) == ("INFO", True)


def test_a_lost_gpu_is_mentioned_once_read_no_more_and_read_again_when_it_is_back(nvml, watch, caplog):
    with caplog.at_level(logging.INFO, logger="vllm.pentameter"):
        watched, rung = watch()
        assert next_reading(watched, rung)
        nvml.lose_gpu(1, GPU_IS_LOST)
        until(lambda: nvml.calls("nvmlShutdown") >= 3)
        while rung.acquire(blocking=False):
            watched.take()
        assert watched.take() is None
        nvml.restore_gpu(1)
        assert next_reading(watched, rung)
    said = [record.getMessage() for record in caplog.records]
    assert said[1:] == ["Pentameter: the GPUs can be read again"]
    assert "cannot be read" in said[0]


def test_a_defect_ends_the_thread_and_harms_nobody(nvml, watch, caplog, monkeypatch):
    monkeypatch.setattr(vllm_plugin_gpus, "devices_of", lambda *_: 1 / 0)
    watched, _ = watch()
    until(lambda: not watched._thread.is_alive())
    assert watched.take() is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_slow_driver_is_left_alone_as_long_as_it_took(nvml, watch, monkeypatch):
    pauses = []
    nvml.hang("nvmlDeviceGetPowerUsage", 20)
    read = GpuWatch._read
    monkeypatch.setattr(GpuWatch, "_read", lambda self, gpus: pauses.append(read(self, gpus)) or pauses[-1])
    watched, rung = watch()
    assert next_reading(watched, rung)
    assert pauses[0] >= 0.04  # two GPUs


def test_the_exporter_hears_of_the_gpus_of_this_vllm_alone(nvml, address, reporter, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", f"{uuid(3)},{uuid(1)}")
    nvml.set(gpus=4)
    nvml.gpu(1, energy_mj=5000)
    feed = PluginFeed(address, patience=0.02, gather=0.0)
    found = []
    reporter()
    try:
        until(lambda: found.extend(heard(feed)) or found)
    finally:
        feed.close()
    told = found[0]
    assert (told.sender, told.model_name, told.expected) == ("west", "tiny", 2)
    assert [gpu.uuid for gpu in told.reading.gpus] == [uuid(1), uuid(3)]
    assert (told.reading.gpus[0].energy_joules, told.reading.gpus[0].index) == (5.0, 1)
    assert told.engines == {uuid(3): "0", uuid(1): "0"}
    assert told.reading.driver_version == "580.95.05"
    assert 0 <= time.monotonic() - told.reading.monotonic < LIMIT_SECONDS
    assert abs(told.reading.wall - time.time()) < LIMIT_SECONDS


def heard(feed):
    try:
        return feed.read().gpus
    except SourceAbsent:
        return ()


def test_a_driver_that_hangs_holds_no_request_up(nvml, address, reporter):
    nvml.hang("nvmlDeviceGetPowerUsage", 1e6)
    with listening(address) as listener:
        ear = Ear(listener)
        vllm = reporter()
        until(lambda: nvml.calls("nvmlDeviceGetPowerUsage"))
        vllm.put("step", 0, scheduler(), iteration(ended=[finished(request_id="a")]))
        ear.until(lambda ear: ear.entries("request"))
        assert ear.entries("gpus") == []
        nvml.hang("nvmlDeviceGetPowerUsage", 0)
        ear.until(lambda ear: ear.entries("gpus"))


def test_a_reading_that_finds_no_room_is_not_kept(nvml, address, reporter):
    """Kept ones would come late, in a row, and say nothing that the last does not say."""
    with listening(address) as listener:
        vllm = reporter()
        until(lambda: nvml.calls("nvmlDeviceGetPowerUsage") > 60)  # thirty readings; the kernel holds ten or so
        assert len(vllm._outbox._parcels) == 0
        ear = Ear(listener)
        ear.listen()
        held = len(ear.entries("gpus"))
        assert held < 25
        ear.until(lambda ear: len(ear.entries("gpus")) > held)
    assert ear.messages[-1]["totals"]["dropped"] == 0
