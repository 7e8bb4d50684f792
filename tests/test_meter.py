"""The meter: from readings to snapshots."""

import math
from dataclasses import replace

import pytest

from builders import rented
from pentameter.carbon.intensity import GridIntensity
from pentameter.meter import Meter, MixedBackendsError
from pentameter.readings import EngineReading, GpuReading, GpusReading, Histogram, HostReading, VllmReading
from pentameter.server_plan import ServerPlan
from pentameter.snapshot import SourceHealth
from pentameter.windows import Window
from pentameter.world import GpuSpec

H100 = GpuSpec("H100-SXM-80GB", ("NVIDIA H100 80GB HBM3",), 989.4e12, 3.35e12)
POLAND = GridIntensity("POL", 588.6, "table", "lifecycle")


def vllm(time, tokens=0.0, *, server="a", engines=("0",), start=1000.0, model="m", wall=None):
    return VllmReading(
        server,
        time,
        1000.0 + time if wall is None else wall,
        start,
        tuple(
            EngineReading(
                model,
                engine,
                {"generation_tokens": tokens, "prompt_tokens": 0.0, "request_success/stop": tokens / 10},
                {"running": 1.0},
                {"ttft": Histogram((0.1, math.inf), (tokens / 10, tokens / 10), tokens / 100)},
            )
            for engine in engines
        ),
        {},
    )


def gpus(time, *joules, watts=100.0):
    return GpusReading(
        time,
        time,
        tuple(GpuReading(f"GPU-{i}", i, "NVIDIA H100 80GB HBM3", j, watts) for i, j in enumerate(joules)),
    )


MINUTE = (Window("1m", 60),)


def meter(*plans, windows=MINUTE, grid=None):
    specs = {H100.nvml_names[0]: H100}
    return Meter(windows, plans or (ServerPlan("a"),), find_spec=specs.get, grid=grid)


def up(source, server=""):
    return SourceHealth(source, server, up=True, reason="")


def down(source, server="", reason="unreachable"):
    return SourceHealth(source, server, up=False, reason=reason, failures=1)


def value(snapshot, name, **labels):
    """Return the value of the one sample with these labels, or None."""
    found = [
        sample.value
        for sample in snapshot.samples
        if sample.metric.name == name
        and labels.items() <= dict(zip(sample.metric.labels, sample.labels, strict=True)).items()
    ]
    assert len(found) <= 1, found
    return found[0] if found else None


def tokens_per_second(snapshot, **labels):
    return value(snapshot, "pentameter_tokens_per_second", phase="generation", window="1m", **labels)


def test_two_scrapes_make_a_rate():
    m = meter()
    m.take_vllm(vllm(0, 100))
    m.take_vllm(vllm(10, 600))
    assert tokens_per_second(m.measure(10, 10)) == 50


def test_engines_and_servers_are_kept_apart():
    m = meter(ServerPlan("a"), ServerPlan("b"))
    for time in (0, 10):
        m.take_vllm(vllm(time, 100 * time, engines=("0", "1")))
        m.take_vllm(vllm(time, 7 * time, server="b"))
    snapshot = m.measure(10, 10)
    assert tokens_per_second(snapshot, server="a", engine="1") == 100
    assert tokens_per_second(snapshot, server="b", engine="0") == 7


def test_a_source_that_is_down_takes_its_samples_away_and_leaves_its_health():
    m = meter()
    m.take_vllm(vllm(0, 0))
    m.take_vllm(vllm(1, 10))
    m.take_health(down("vllm", "a", "timeout"))
    snapshot = m.measure(2, 2)
    assert tokens_per_second(snapshot) is None
    assert value(snapshot, "pentameter_requests_running") is None
    assert value(snapshot, "pentameter_source_up", source="vllm", server="a", reason="timeout") == 0


def test_after_an_outage_the_figures_come_back_without_a_jump():
    m = meter()
    for time in (0, 1, 2):
        m.take_vllm(vllm(time, 10 * time))
    m.take_health(down("vllm", "a"))
    m.take_vllm(vllm(30, 8, start=1029.0))  # restarted, 8 tokens so far
    m.take_health(up("vllm", "a"))
    snapshot = m.measure(30, 30)
    assert tokens_per_second(snapshot) == pytest.approx(28 / 30)
    assert value(snapshot, "pentameter_source_resets_total", source="vllm") == 1


def test_a_restart_with_higher_counters_is_still_a_restart():
    m = meter()
    m.take_vllm(vllm(0, 5))
    m.take_vllm(vllm(10, 500, start=1005.0))
    assert tokens_per_second(m.measure(10, 10)) == 50


def test_a_url_that_leads_to_several_processes_is_refused():
    m = meter()
    m.take_vllm(vllm(1000, 5_000_000, start=500.0))
    with pytest.raises(MixedBackendsError):
        m.take_vllm(vllm(1001, 9_000_000, start=700.0))
    with pytest.raises(MixedBackendsError):
        m.take_vllm(vllm(1002, 5_000_100, start=500.0))
    assert tokens_per_second(m.measure(1002, 2)) is None


def test_counters_are_exported_as_the_sum_of_what_came_in():
    m = meter(ServerPlan("a", cost=rented(3.6)), grid=POLAND)
    m.take_vllm(vllm(0))
    m.take_gpus(gpus(0, 1_000_000.0, 50.0), "nvml")
    m.measure(0, 0)
    m.take_gpus(gpus(1, 1_000_500.0, 150.0), "nvml")
    m.measure(1, 1)
    m.take_gpus(gpus(2, 1_000_900.0, 150.0), "nvml")
    snapshot = m.measure(2, 2)
    assert value(snapshot, "pentameter_energy_joules_total") == 1000
    assert value(snapshot, "pentameter_gpu_energy_joules_total", gpu="GPU-0") == 900
    assert value(snapshot, "pentameter_carbon_grams_total") == pytest.approx(1000 / 3_600_000 * 588.6)
    # 2 GPUs at 3.60 dollars an hour are 0.002 dollars a second.
    assert value(snapshot, "pentameter_cost_dollars_total") == pytest.approx(0.004)
    assert value(snapshot, "pentameter_cost_per_hour_dollars", component="total") == 7.2


def test_a_driver_reload_earns_no_energy():
    m = meter()
    m.take_vllm(vllm(0))
    for time, joules in ((0, 900.0), (1, 1000.0), (2, 5.0), (3, 105.0)):
        m.take_gpus(gpus(time, joules), "nvml")
        snapshot = m.measure(time, time)
    assert value(snapshot, "pentameter_gpu_energy_joules_total") == 200
    assert value(snapshot, "pentameter_source_resets_total", source="nvml") is None, "no health reported yet"


def test_cost_goes_on_while_the_server_is_down():
    m = meter(ServerPlan("a", gpu_count=1, cost=rented(3600)))
    m.take_vllm(vllm(0))
    m.measure(0, 0)
    m.take_health(down("vllm", "a"))
    assert value(m.measure(10, 10), "pentameter_cost_dollars_total", model_name="m") == 10


def test_gpus_that_cannot_be_read_any_more_still_cost_money_but_show_no_energy():
    m = meter(ServerPlan("a", cost=rented(1)))
    m.take_vllm(vllm(0))
    m.take_gpus(gpus(0, 1.0, 1.0), "nvml")
    m.measure(0, 0)
    m.take_gpus(gpus(1, 2.0, 2.0), "nvml")
    m.measure(1, 1)
    m.take_health(down("nvml", reason="gpu_lost"))
    snapshot = m.measure(2, 2)
    assert value(snapshot, "pentameter_cost_per_hour_dollars", component="gpu") == 2
    assert value(snapshot, "pentameter_energy_joules_total") is None
    assert value(snapshot, "pentameter_power_watts") is None


def test_two_servers_never_share_a_gpu_by_accident():
    m = meter(ServerPlan("a"), ServerPlan("b"))
    for time in (0, 10):
        m.take_vllm(vllm(time, 100 * time))
        m.take_vllm(vllm(time, 100 * time, server="b"))
        m.take_gpus(gpus(time, 100.0 * time), "nvml")
    snapshot = m.measure(10, 10)
    assert value(snapshot, "pentameter_energy_per_token_joules") is None
    assert value(snapshot, "pentameter_gpu_power_watts") == 100


def test_gpus_are_counted_to_the_server_that_names_them():
    m = meter(ServerPlan("a", gpus=("GPU-0",)), ServerPlan("b", gpus=("1", "GPU-2")))
    for time in (0, 10):
        m.take_vllm(vllm(time, 10 * time))
        m.take_vllm(vllm(time, 10 * time, server="b"))
        m.take_gpus(gpus(time, 100.0 * time, 200.0 * time, 300.0 * time), "nvml")
    snapshot = m.measure(10, 10)
    assert value(snapshot, "pentameter_energy_per_token_joules", server="a", tokens="generated") == 10
    assert value(snapshot, "pentameter_energy_per_token_joules", server="b", tokens="generated") == 50


def test_half_of_a_servers_gpus_make_no_sum():
    m = meter(ServerPlan("a", gpus=("GPU-0", "GPU-1")))
    for time in (0, 10):
        m.take_vllm(vllm(time, 10 * time))
        m.take_gpus(gpus(time, 100.0 * time), "nvml")
    assert value(m.measure(10, 10), "pentameter_power_watts") is None


def test_several_engines_share_one_energy_figure_with_an_empty_engine_label():
    m = meter()
    for time in (0, 10):
        m.take_vllm(vllm(time, 50 * time, engines=("0", "1")))
        m.take_gpus(gpus(time, 100.0 * time, 100.0 * time), "nvml")
    snapshot = m.measure(10, 10)
    # 200 W over 2 x 50 tokens per second.
    assert value(snapshot, "pentameter_energy_per_token_joules", tokens="generated", engine="", model_name="m") == 2


def test_a_gpu_that_is_silent_for_a_moment_loses_no_joules_of_the_server():
    m = meter()
    m.take_vllm(vllm(0))
    for time, first, second in ((0, 0.0, 0.0), (1, 100.0, 100.0), (2, 200.0, None), (3, 300.0, 300.0)):
        m.take_gpus(gpus(time, first, second), "nvml")
        snapshot = m.measure(time, time)
        assert value(snapshot, "pentameter_gpu_energy_joules_total", gpu="GPU-0") == first
        assert value(snapshot, "pentameter_energy_joules_total") == (None if second is None else first + second)


def test_an_energy_counter_that_answers_late_does_not_bring_its_history():
    m = meter()
    m.take_vllm(vllm(0))
    for time, joules in ((0, None), (1, 5_000_000.0), (2, 5_000_100.0)):
        m.take_gpus(gpus(time, joules), "nvml")
        snapshot = m.measure(time, time)
    assert value(snapshot, "pentameter_energy_joules_total", basis="measured") == 100
    # The second before it answered, at 100 W.
    assert value(snapshot, "pentameter_energy_joules_total", basis="integrated") == 100
    assert value(snapshot, "pentameter_gpu_energy_joules_total") == 200


def test_a_gpu_that_does_not_tell_its_energy_now_shows_no_old_rate():
    m = meter()
    for time in (0, 10):
        m.take_vllm(vllm(time, 10 * time))
        m.take_gpus(gpus(time, 100.0 * time), "nvml")
    assert value(m.measure(10, 10), "pentameter_energy_per_token_joules", tokens="generated") == 10
    m.take_gpus(gpus(11, None), "nvml")
    assert value(m.measure(11, 11), "pentameter_energy_per_token_joules", tokens="generated") is None


def test_a_named_gpu_that_is_not_listed_for_a_while_costs_the_server_no_joules_of_the_others():
    m = meter(ServerPlan("a", gpus=("GPU-0", "GPU-1")))
    m.take_vllm(vllm(0))
    for time, joules in ((0, (0.0, 0.0)), (1, (100.0, 100.0)), (2, (200.0,)), (3, (300.0, 300.0))):
        m.take_gpus(gpus(time, *joules), "nvml")
        snapshot = m.measure(time, time)
        assert value(snapshot, "pentameter_energy_joules_total") == (sum(joules) if len(joules) == 2 else None)


def states(snapshot):
    names = ("active", "idle", "asleep", "unobserved")
    return {name: value(snapshot, f"pentameter_{name}_energy_joules_total") for name in names}


def quiet(time, tokens):
    """Return a page on which nothing runs."""
    page = vllm(time, tokens)
    return replace(page, engines=tuple(replace(engine, gauges={"running": 0.0}) for engine in page.engines))


def test_energy_goes_to_what_the_server_was_doing():
    m = meter()
    # The server works from 2 to 4, then does not answer until 8.
    tokens = {0: 0, 1: 0, 2: 0, 3: 50, 4: 100, 5: 100, 6: 100, 8: 100, 9: 100}
    for time in range(10):
        if time in tokens:
            m.take_vllm(quiet(time, tokens[time]))
        else:
            m.take_health(down("vllm", "a"))
        m.take_gpus(gpus(time, 100.0 * time), "nvml")
        snapshot = m.measure(time, time)
    assert states(snapshot) == {"active": 200, "idle": 600, "asleep": 0, "unobserved": 100}
    assert value(snapshot, "pentameter_energy_joules_total") == 900


def test_energy_that_comes_in_large_pieces_is_divided_by_seconds():
    m = meter()
    for time in range(31):
        m.take_vllm(quiet(time, 10 * min(time, 12)))
        if time in (0, 30):
            m.take_gpus(gpus(time, 100.0 * time), "dcgm")
        snapshot = m.measure(time, time)
    # 12 of 30 s
    assert states(snapshot)["active"] == pytest.approx(1200)
    assert states(snapshot)["idle"] == pytest.approx(1800)


def test_the_hosts_busy_share_is_rolling():
    m = meter()
    m.take_host(HostReading(0, 0, 4, 100.0, 10.0, 5.0))
    m.take_host(HostReading(10, 10, 4, 120.0, 10.0, 6.0))
    snapshot = m.measure(10, 10)
    assert value(snapshot, "pentameter_host_cpu_utilization_ratio") == 0.5
    assert value(snapshot, "pentameter_host_memory_used_bytes") == 6


def test_engines_that_left_long_ago_are_forgotten():
    m = meter()
    m.take_vllm(vllm(0, engines=("0", "1")))
    for time in (1, 30, 59, 62):
        m.take_vllm(vllm(time, engines=("0",)))
    assert {key[2] for key in m._engine_tracks} == {"0"}
