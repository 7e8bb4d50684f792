"""The energy of the machine: what is measured, what a model says, what is unknown; and a server's share of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pentameter.config_energy import Energy, HostEnergy
from pentameter.host_energy import (
    HostModel,
    HostPlan,
    host_counters,
    host_joules,
    host_share,
    host_watts,
    model_of,
    overhead,
)
from pentameter.readings import HostReading
from pentameter.windows import Continuity, Interval, Track, Window

FIXED = HostModel(idle_watts=100.0, watts_per_busy_cpu=5.0)


def host(busy=0.0, *, joules=None, seconds=0.0, cpus=4, memory=64e9, at=0.0):
    return HostReading(at, at, cpus, busy, memory, 0.0, rapl_joules=joules, rapl_seconds=seconds)


def interval(seconds=10.0, *, busy=20.0, joules=None, covered=None):
    measured = (
        {} if joules is None else {"rapl_joules": joules, "rapl_seconds": seconds if covered is None else covered}
    )
    return Interval(seconds, {"cpu_busy_seconds": busy, **measured})


# ------------------------------------------------------------------ the model


def test_a_machine_is_on_the_line_between_its_idle_and_its_full_power():
    model = model_of(HostPlan(idle_watts=400.0, max_watts=1000.0), host(cpus=64))
    assert model.joules(Interval(10.0, {"cpu_busy_seconds": 0.0})) == 4000.0
    assert model.joules(Interval(10.0, {"cpu_busy_seconds": 640.0})) == 10_000.0
    assert model.joules(Interval(10.0, {"cpu_busy_seconds": 160.0})) == 5500.0  # 400 + 1/4 of 600 W


def test_idle_power_alone_is_a_constant():
    model = model_of(HostPlan(idle_watts=1200.0), host())
    assert model.joules(Interval(2.0, {"cpu_busy_seconds": 8.0})) == 2400.0


def test_published_means_make_a_machine_of_eight_gpus_draw_about_what_ecologits_takes():
    # p5.48xlarge: 192 CPUs, 2 TiB. By hand: 192 x 0.74 + 2199.02 x 0.392 = 1004.1 W; 192 x 3.5 + 862.0 = 1534.0 W.
    machine = host(cpus=192, memory=2 * 1024.0**4)
    model = model_of(HostPlan(estimate=True), machine)
    idle = model.joules(Interval(1.0, {"cpu_busy_seconds": 0.0}))
    full = model.joules(Interval(1.0, {"cpu_busy_seconds": 192.0}))
    assert idle == pytest.approx(1004.1, abs=0.1)
    assert full == pytest.approx(1534.0, abs=0.1)
    assert idle < 1200.0 < full  # EcoLogits 0.11: SERVER_POWER, without the GPUs


def test_nobody_estimates_unasked():
    assert model_of(HostPlan(), host()) is None


def test_without_the_time_that_processors_were_busy_the_model_says_nothing():
    assert FIXED.joules(Interval(10.0)) is None
    assert host_watts(Interval(10.0), FIXED) is None


# ------------------------------------------------------------------ joules


def test_where_rapl_counted_all_the_time_nothing_is_modelled():
    assert host_joules(host(joules=1.0), interval(joules=3000.0), FIXED) == {"measured": 3000.0, "model": 0.0}


def test_without_a_model_there_is_only_what_is_measured():
    assert host_joules(host(joules=1.0), interval(joules=3000.0), None) == {"measured": 3000.0}


def test_without_rapl_there_is_only_the_model():
    # 100 W x 10 s + 5 J per busy CPU second x 20
    assert host_joules(host(), interval(), FIXED) == {"model": 1100.0}


def test_without_either_there_is_nothing_not_zero():
    assert host_joules(host(), interval(), None) == {}
    assert host_watts(interval(), None) is None


def test_the_model_fills_in_only_for_the_time_that_rapl_missed():
    parts = host_joules(host(joules=1.0), interval(joules=1800.0, covered=6.0), FIXED)
    assert parts == {"measured": 1800.0, "model": pytest.approx(440.0)}  # 4 of 10 s of 1100 J


def test_without_a_new_reading_each_basis_grows_by_nothing_and_stays():
    assert host_joules(host(joules=1.0), None, FIXED) == {"measured": 0.0, "model": 0.0}
    assert host_joules(host(), None, None) == {}


def test_a_rounded_second_is_no_missed_second():
    assert host_joules(host(joules=1.0), interval(joules=1.0, covered=9.9999), FIXED)["model"] == 0.0


# ------------------------------------------------------------------ watts


def test_mean_power_is_energy_over_time():
    assert host_watts(interval(joules=3000.0), None) == 300.0
    assert host_watts(interval(joules=3000.0), FIXED) == 300.0
    assert host_watts(interval(), FIXED) == 110.0


def test_mean_power_of_a_part_stands_for_the_whole_only_where_it_is_most_of_it():
    assert host_watts(interval(joules=2400.0, covered=8.0), None) == 300.0
    assert host_watts(interval(joules=2370.0, covered=7.9), None) is None
    assert host_watts(interval(joules=0.0, covered=0.0), None) is None


def test_with_a_model_a_part_is_completed():
    # (1800 J measured in 6 s + 4/10 of the model's 1100 J) / 10 s
    assert host_watts(interval(joules=1800.0, covered=6.0), FIXED) == pytest.approx(224.0)


@given(
    st.floats(0.5, 3600),
    st.floats(0, 1),
    st.floats(0, 1e6),
    st.floats(0, 1e5),
    st.floats(0, 5000),
    st.floats(0, 100),
)
def test_watts_are_the_joules_of_all_bases_over_the_seconds(seconds, covered, joules, busy, idle, slope):
    model = HostModel(idle, slope)
    what = interval(seconds, busy=busy, joules=joules, covered=covered * seconds)
    whole = sum(host_joules(host(joules=1.0), what, model).values())
    assert host_watts(what, model) == pytest.approx(whole / seconds)


# ------------------------------------------------------------------ through a track


def test_parts_of_a_time_add_up_to_the_whole_when_rapl_comes_and_goes():
    minute = Window("1m", 60.0)
    track = Track([minute])
    # RAPL at 300 W until 20 s, nothing for 20 s, then again; two of four CPUs are busy throughout.
    readings = [(0, None, 0), (10, 0.0, 0), (20, 3000.0, 10), (30, 3000.0, 10), (40, 3000.0, 10), (50, 6000.0, 20)]
    total = {"measured": 0.0, "model": 0.0}
    for time, joules, seconds in readings:
        reading = host(2.0 * time, joules=joules, seconds=float(seconds), at=float(time))
        track.observe(reading.monotonic, host_counters(reading), {}, Continuity.SAME)
        for basis, part in host_joules(reading, track.drain(), FIXED).items():
            total[basis] += part
    assert total == {"measured": 6000.0, "model": pytest.approx(30 * 110.0)}
    whole = host_joules(reading, track.interval(minute), FIXED)
    assert sum(whole.values()) == pytest.approx(sum(total.values()))
    assert host_watts(track.interval(minute), FIXED) == pytest.approx((6000.0 + 3300.0) / 50)


def test_the_track_is_shown_no_energy_that_was_never_read():
    assert host_counters(host(7.0)) == {"cpu_busy_seconds": 7.0}
    shown = host_counters(host(7.0, joules=0.0))
    assert shown == {"cpu_busy_seconds": 7.0, "rapl_joules": 0.0, "rapl_seconds": 0.0}


# ------------------------------------------------------------------ share and overhead


@pytest.mark.parametrize(
    ("plan", "gpus", "visible", "share"),
    [
        (HostPlan(), 2, 8, 0.25),
        (HostPlan(), 8, 8, 1.0),
        (HostPlan(gpus=8), 1, 1, 0.125),
        (HostPlan(gpus=8), 4, None, 0.5),
        (HostPlan(), None, 8, None),
        (HostPlan(), 0, 8, None),
        (HostPlan(), 2, None, None),
        (HostPlan(), 2, 0, None),
        (HostPlan(gpus=4), 8, 8, None),
        (HostPlan(share=0.3), None, None, 0.3),
        (HostPlan(share=0.3), 2, 8, 0.3),
    ],
)
def test_a_server_is_charged_by_its_gpus_or_as_configured(plan, gpus, visible, share):
    assert host_share(plan, gpus, visible) == share


def test_shares_of_servers_that_use_all_gpus_add_up_to_the_machine():
    assert sum(host_share(HostPlan(), gpus, 8) for gpus in (1, 2, 5)) == 1.0


@pytest.mark.parametrize(("gpu", "host_part"), [(3600.0, 1400.0), (0.0, 200.0), (5.5, 0.0)])
def test_gpu_host_and_overhead_are_the_facility(gpu, host_part):
    assert gpu + host_part + overhead(gpu, host_part, 1.15) == pytest.approx(1.15 * (gpu + host_part))
    assert overhead(gpu, host_part, 1.0) == 0.0


def test_overhead_by_hand():
    assert overhead(3600.0, 1400.0, 1.15) == pytest.approx(750.0)  # 8 x 450 W, host 1.4 kW: 5.75 kW in all


@pytest.mark.parametrize("given_", [(None, 1.0, 1.1), (1.0, None, 1.1), (1.0, 1.0, None)])
def test_overhead_of_what_is_not_wholly_known_is_unknown(given_):
    assert overhead(*given_) is None


def test_every_key_of_the_plan_is_one_of_the_settings():
    settings = Energy(host=HostEnergy(idle_watts=1.0, max_watts=2.0, gpus=3)).host
    fields = HostPlan.__dataclass_fields__
    assert HostPlan(**{name: getattr(settings, name) for name in fields}) == HostPlan(1.0, 2.0, gpus=3)
