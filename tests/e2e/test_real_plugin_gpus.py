"""The GPUs of a real vLLM as its plugin reads them: vLLM runs on CPU, and a stand-in for NVML shows it GPUs."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field

import pytest

from e2e.capture import COMMAND_LINE
from e2e.rig.completions import complete
from e2e.rig.vllm import VllmServer
from e2e.rig.waiting import wait_until
from fakes.nvml_fake import FakeNvml, uuid
from pentameter.gpu_sources import GpuSources
from pentameter.sources import SourceAbsent
from pentameter.sources.plugin_feed import PluginFeed

pytestmark = pytest.mark.real

WATTS = {2: 350.0, 0: 125.0}
"""GPU -> its power. The machine has a third one, which is not this vLLM's."""
READINGS = 6

API_SERVERS = 2
"""Each has a plugin; one of them reads the GPUs."""
SERVE = ("-c", COMMAND_LINE, "serve")


@dataclass
class Ear:
    """Keeps what a real feed hears."""

    feed: PluginFeed
    told: list = field(default_factory=list)
    requests: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def listen(self):
        while not self.ended.is_set():
            try:
                reading = self.feed.read()
            except SourceAbsent:
                continue
            self.told += reading.gpus
            self.requests += len(reading.requests)


@pytest.fixture(scope="module")
def nvml(rig, tmp_path_factory):
    machine = FakeNvml.for_tests(tmp_path_factory, gpus=3)
    for index, watts in WATTS.items():
        machine.run_counter(index, 1000 * watts, energy_mj=1_000_000 * index)
    return machine


@pytest.fixture(scope="module")
def ear():
    ear = Ear(PluginFeed(f"@pentameter-e2e-gpus-{os.getpid()}"))
    thread = threading.Thread(target=ear.listen)
    thread.start()
    yield ear
    ear.ended.set()
    thread.join()
    ear.feed.close()


@pytest.fixture(scope="module")
def server(nvml, ear):
    visible = {"CUDA_VISIBLE_DEVICES": f"{uuid(2)},{uuid(0)}", "PENTAMETER_PLUGIN__GPUS": "visible"}
    one = VllmServer(
        plugin=f"@pentameter-e2e-gpus-{os.getpid()}",
        env=nvml.environment() | visible,
        args=("--api-server-count", str(API_SERVERS)),
        launcher=SERVE,
    )
    try:
        one.start()
        yield one
    finally:
        one.stop()


@pytest.fixture(scope="module")
def told(server, ear):
    wait_until("the plugin has told of the GPUs", lambda: len(ear.told) >= READINGS)
    return list(ear.told)


def test_one_of_the_api_servers_tells_of_the_gpus_of_this_vllm_and_of_no_other(server, told, ear):
    wait_until("every API server has spoken", lambda: len(ear.feed._told) == API_SERVERS)
    assert len({one.instance for one in told}) == 1
    for one in told:
        assert [(gpu.uuid, gpu.index, gpu.name) for gpu in one.reading.gpus] == [
            (uuid(index), index, "NVIDIA H100 80GB HBM3") for index in (0, 2)
        ]
        assert (one.model_name, one.expected, one.reading.driver_version) == (server.model_name, 1, "580.95.05")


def test_the_counters_grow_by_their_power_between_the_moments_that_the_readings_bear(told):
    first, last = told[0].reading, told[-1].reading
    seconds = last.monotonic - first.monotonic
    assert seconds >= 0.9 * (READINGS - 1)  # at most one a second
    for before, after in zip(first.gpus, last.gpus, strict=True):
        grown = after.energy_joules - before.energy_joules
        assert grown / seconds == pytest.approx(WATTS[after.index], rel=0.005)
        assert after.power_watts == WATTS[after.index]


def test_the_exporter_counts_them_to_the_server_that_told_though_it_watches_two(told):
    sources = GpuSources({"west": (), "east": ()})
    admitted = [sources.take_told("west", one) for one in told]
    assert [len(one.reading.gpus) for one in admitted] == [2] * len(told)
    picture = sources.picture(told[-1].reading.monotonic)
    assert [gpu.uuid for gpu in picture.of("west").gpus] == [uuid(0), uuid(2)]
    assert picture.of("east").gpus == ()
    assert set(picture.sources.values()) == {"plugin"}


def test_vllm_serves_and_its_requests_are_told_while_the_driver_hangs(server, nvml, ear, told):
    nvml.hang("nvmlDeviceGetPowerUsage", 1e6)
    try:
        time.sleep(2.0)  # a reading begins within one
        before, silent = ear.requests, len(ear.told)
        complete(server, range(100, 116), 8)
        wait_until("the request is told of", lambda: ear.requests == before + 1, 30.0)
        assert len(ear.told) == silent
    finally:
        nvml.hang("nvmlDeviceGetPowerUsage", 0)
    wait_until("the GPUs are told of again", lambda: len(ear.told) > silent, 30.0)
