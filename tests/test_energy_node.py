"""A node of eight boards with two vLLM servers, ten scripted minutes through the real pynvml and the whole meter."""

import math

import pytest

from builders import value
from fakes.nvml_fake import FakeNvml, uuid
from pentameter.host_energy import HostPlan
from pentameter.meter import Meter
from pentameter.readings import EngineReading, Histogram, HostReading, VllmReading
from pentameter.server_plan import MachinePlan, ServerPlan
from pentameter.snapshot import SourceHealth
from pentameter.sources.nvml import NvmlSource
from pentameter.windows import Window

SECONDS = 600
WINDOWS = (Window("1m", 60.0),)
SERVERS = {"a": range(4), "b": range(4, 7)}
SPLIT_BY_MIG = 7
BUSY = range(120, 480)
"""Both servers serve in these seconds, and idle in the others."""


def watts(gpu, time):
    """Return what a board draws: 100 W idle, 300 W and more while its server is busy."""
    return 300.0 + 20.0 * gpu if int(time) in BUSY else 100.0


def page(server, time):
    busy = max(0, min(time, BUSY.stop) - BUSY.start)
    steps = Histogram((math.inf,), (10.0 * busy,), 100.0 * busy)
    counters = {"generation_tokens": 100.0 * busy, "prompt_tokens": 50.0 * busy}
    gauges = {"running": 10.0 if int(time) in BUSY else 0.0}
    engine = EngineReading("m", "0", counters, gauges, {"iteration_tokens": steps})
    return VllmReading(server, time, time, 1.0, (engine,), {})


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Return the last snapshot and each board's joules by the script."""
    now = 0.0
    meter = Meter(
        WINDOWS,
        [ServerPlan(server, tuple(uuid(gpu) for gpu in gpus)) for server, gpus in SERVERS.items()],
        find_spec=lambda name: None,
        machine=MachinePlan(HostPlan(idle_watts=800.0, max_watts=800.0, gpus=8), pue=1.25),
    )
    joules = [0.0] * 8
    with FakeNvml.for_tests(tmp_path_factory, gpus=8).in_process() as nvml:
        source = NvmlSource(monotonic=lambda: now)
        nvml.gpu(SPLIT_BY_MIG, mig=1)
        for second in range(SECONDS + 1):
            now = float(second)
            if second:
                joules = [used + watts(gpu, now - 1) for gpu, used in enumerate(joules)]
            state = {f"gpu{gpu}.energy_mj": round(5e8 + used * 1000) for gpu, used in enumerate(joules)}
            state |= {f"gpu{gpu}.power_mw": round(watts(gpu, now) * 1000) for gpu in range(8)}
            nvml.set(**state)
            for server in SERVERS:
                meter.take_vllm(page(server, now))
                meter.take_health(SourceHealth("vllm", server, up=True, reason=""))
            meter.take_gpus(source.read(), "nvml")
            meter.take_host(HostReading(now, now, 8, 0.0, 1e9, 1e8))
            snapshot = meter.measure(now, now)
        source.close()
    return snapshot.samples, joules


def energy(samples, server, component, name="energy_joules_total", **labels):
    return value(samples, name, server=server, component=component, **labels)


@pytest.mark.parametrize("server", SERVERS)
def test_each_server_has_the_joules_of_its_own_boards_and_no_others(played, server):
    samples, joules = played
    own = sum(joules[gpu] for gpu in SERVERS[server])
    assert energy(samples, server, "gpu") == pytest.approx(own, rel=1e-4)


def test_a_board_that_mig_splits_is_nobodys(played):
    samples, joules = played
    counted = sum(energy(samples, server, "gpu") for server in SERVERS)
    assert counted == pytest.approx(sum(joules[:SPLIT_BY_MIG]), rel=1e-4)
    assert value(samples, "gpu_energy_joules_total", gpu=uuid(SPLIT_BY_MIG)) == pytest.approx(
        joules[SPLIT_BY_MIG], rel=1e-4
    )


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("component", ["gpu", "host", "overhead"])
def test_the_energy_of_all_states_is_the_total(played, server, component):
    samples, _ = played
    states = ("active", "idle", "asleep", "unobserved")
    parts = [energy(samples, server, component, f"{state}_energy_joules_total") for state in states]
    assert sum(parts) == pytest.approx(energy(samples, server, component), rel=1e-9)


@pytest.mark.parametrize("server", SERVERS)
def test_idle_energy_is_what_was_drawn_while_nothing_ran(played, server):
    samples, _ = played
    idle = 100.0 * len(SERVERS[server]) * (SECONDS - len(BUSY))
    found = energy(samples, server, "gpu", "idle_energy_joules_total")
    # The edges of the states are known to a second.
    assert found == pytest.approx(idle, abs=2 * 500.0 * len(SERVERS[server]))


@pytest.mark.parametrize("server", SERVERS)
def test_the_machine_is_divided_by_gpus_and_the_building_is_a_quarter_of_both(played, server):
    samples, joules = played
    gpus = SERVERS[server]
    host = 800.0 * SECONDS * len(gpus) / 8
    assert energy(samples, server, "host") == pytest.approx(host, rel=1e-9)
    own = sum(joules[gpu] for gpu in gpus)
    assert energy(samples, server, "overhead") == pytest.approx(0.25 * (own + host), rel=1e-4)


@pytest.mark.parametrize("server", SERVERS)
def test_the_phases_and_what_belongs_to_none_add_up_to_what_was_measured(played, server):
    samples, _ = played
    phases = ("prefill", "decode", "idle", "unattributed")
    parts = [value(samples, "phase_energy_joules_total", server=server, phase=phase) for phase in phases]
    total = energy(samples, server, "gpu")
    # Less the window that is still open.
    assert total - 20 * 600.0 * len(SERVERS[server]) <= sum(parts) <= total * (1 + 1e-9)
