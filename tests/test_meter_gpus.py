"""The meter's GPUs, grid and machine: whose they are, and who is believed."""

import pytest

from builders import H100, POLAND, value
from pentameter.host_energy import HostPlan
from pentameter.meter import PLUGIN_SECONDS, Meter
from pentameter.readings import EngineReading, GpuReading, GpusReading, GridReading, HostReading, VllmReading
from pentameter.records import RecordsReading, ToldGpus
from pentameter.server_plan import MachinePlan, ServerPlan
from pentameter.snapshot import SourceHealth
from pentameter.windows import Window

WINDOWS = (Window("1m", 60.0),)
MODEL = "m"


def meter(*plans, machine=None):
    return Meter(
        WINDOWS, plans or [ServerPlan("a")], find_spec={H100.nvml_names[0]: H100}.get, grid=POLAND, machine=machine
    )


def up(source):
    return SourceHealth(source, "", up=True, reason="")


def down(source):
    return SourceHealth(source, "", up=False, reason="unreachable")


def page(one, time, server="a"):
    engine = EngineReading(MODEL, "0", {"generation_tokens": 10 * time}, {"running": 1.0}, {})
    one.take_vllm(VllmReading(server, time, time, 1.0, (engine,), {}))


def boards(time, *uuids, joules=100.0):
    gpus = [
        GpuReading(uuid, index, H100.nvml_names[0], energy_joules=joules * time) for index, uuid in enumerate(uuids)
    ]
    return GpusReading(time, time, tuple(gpus))


def told(time, *uuids, sender="", expected=None):
    said = ToldGpus(MODEL, f"instance-{sender}", boards(time, *uuids), sender, {}, expected or len(uuids))
    return RecordsReading(time, time, gpus=(said,))


def joules(snapshot, server="a"):
    return value(snapshot.samples, "energy_joules_total", component="gpu", server=server)


def owners(snapshot):
    """Return GPU -> its server, and who speaks of it."""
    infos = [sample for sample in snapshot.samples if sample.metric.name == "pentameter_gpu_info"]
    labels = [dict(zip(sample.metric.labels, sample.labels, strict=True)) for sample in infos]
    return {label["gpu"]: (label["server"], label["source"]) for label in labels}


def test_of_eight_visible_gpus_a_server_has_those_that_its_plugin_names():
    one = meter()
    one.take_health(up("plugin"))
    for time in (0.0, 20.0):
        page(one, time)
        one.take_gpus(boards(time, "GPU-0", "GPU-1", "GPU-2"), "nvml")
        one.take_records(told(time, "GPU-1"), "plugin")
        snapshot = one.measure(time, time)
    assert owners(snapshot) == {"GPU-0": ("", "nvml"), "GPU-1": ("a", "plugin"), "GPU-2": ("", "nvml")}
    # 100 W for 20 s, of one board.
    assert joules(snapshot) == 2000.0


def test_a_plugin_that_is_listened_to_is_waited_for_before_the_only_server_gets_all():
    one = meter()
    one.take_health(up("plugin"))
    page(one, 0.0)
    one.take_gpus(boards(0.0, "GPU-0"), "nvml")
    assert owners(one.measure(0.0, 0.0)) == {"GPU-0": ("", "nvml")}
    assert owners(one.measure(PLUGIN_SECONDS, 0.0)) == {"GPU-0": ("a", "nvml")}


def test_without_a_plugin_to_listen_to_the_only_server_has_all_gpus_at_once():
    one = meter()
    page(one, 0.0)
    one.take_gpus(boards(0.0, "GPU-0", "GPU-1"), "nvml")
    assert owners(one.measure(0.0, 0.0)) == {"GPU-0": ("a", "nvml"), "GPU-1": ("a", "nvml")}


def test_two_servers_on_one_node_each_get_their_own_joules():
    one = meter(ServerPlan("a"), ServerPlan("b"))
    for time in (0.0, 20.0):
        for server in ("a", "b"):
            page(one, time, server)
        one.take_gpus(boards(time, "GPU-0", "GPU-1", "GPU-2"), "nvml")
        one.take_records(told(time, "GPU-0", sender="a"), "plugin")
        one.take_records(told(time, "GPU-1", "GPU-2", sender="b"), "plugin")
        snapshot = one.measure(time, time)
    assert (joules(snapshot), joules(snapshot, "b")) == (2000.0, 4000.0)


def test_the_same_boards_seen_twice_count_once():
    one = meter()
    for time in (0.0, 10.0, 20.0):
        page(one, time)
        for source in ("nvml", "dcgm"):
            one.take_gpus(boards(time, "GPU-0"), source)
        snapshot = one.measure(time, time)
    assert joules(snapshot) == 2000.0


def test_a_server_of_which_not_all_gpus_are_here_has_no_sum():
    one = meter()
    for time in (0.0, 20.0):
        page(one, time)
        one.take_records(told(time, "GPU-0", expected=2), "plugin")
        snapshot = one.measure(time, time)
    assert joules(snapshot) is None


def test_a_source_that_is_down_takes_its_gpus_away():
    one = meter()
    page(one, 0.0)
    one.take_gpus(boards(0.0, "GPU-0"), "nvml")
    one.take_health(down("nvml"))
    assert owners(one.measure(1.0, 1.0)) == {}


def live(grams, kind="average"):
    return GridReading("PL", grams, "Electricity Maps", "lifecycle", kind, False, 0.0, 3600.0, 0.0, 0.0)


def intensity(one):
    samples = one.measure(1.0, 1.0).samples
    return value(samples, "grid_intensity_grams_per_kwh")


def test_a_live_intensity_goes_before_the_table_until_its_provider_is_lost():
    one = meter()
    assert intensity(one) == 588.6
    one.take_grid(live(612.0))
    assert intensity(one) == 612.0
    one.take_health(down("grid"))
    assert intensity(one) == 588.6


def test_a_marginal_rate_is_no_average():
    one = meter()
    one.take_grid(live(870.0, "marginal"))
    assert intensity(one) == 588.6


@pytest.mark.parametrize(("scope", "expected"), [("gpu", 10.0), ("it", 15.0), ("facility", 18.0)])
def test_host_and_building_join_the_gpus_in_energy_per_token(scope, expected):
    # 100 W of GPU, 50 W of the host's 100 W for one of its two GPUs, 20 % for the building; ten tokens per second.
    machine = MachinePlan(HostPlan(idle_watts=100.0, max_watts=100.0, gpus=2), pue=1.2)
    one = meter(machine=machine)
    for time in (0.0, 20.0):
        page(one, time)
        one.take_gpus(boards(time, "GPU-0"), "nvml")
        one.take_host(HostReading(time, time, 8, 0.0, 1e9, 1e8))
        snapshot = one.measure(time, time)
    found = value(snapshot.samples, "energy_per_token_joules", tokens="generated", scope=scope, window="1m")
    assert found == pytest.approx(expected)


def test_energy_is_unattributed_until_it_can_be_split():
    one = meter()
    for second in range(60):
        time = float(second)
        page(one, time)
        one.take_gpus(boards(time, "GPU-0"), "nvml")
        snapshot = one.measure(time, time)
    parts = {
        phase: value(snapshot.samples, "phase_energy_joules_total", phase=phase)
        for phase in ("prefill", "decode", "idle", "unattributed")
    }
    assert (parts["prefill"], parts["decode"], parts["idle"]) == (0.0, 0.0, 0.0)
    # All but the window that is still open.
    assert 0.0 < parts["unattributed"] <= joules(snapshot)
    assert value(snapshot.samples, "energy_split_fit_ratio") is None
