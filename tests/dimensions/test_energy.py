"""Energy of a server: joules and watts by component, by basis and by what it was doing."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import WINDOW, deployment, engine, found, gpu, names, rolled, value, world
from pentameter.dimensions import energy
from pentameter.dimensions.energy import (
    gpu_joules,
    gpu_joules_per_token,
    joules_per_token,
    scoped_joules,
    scoped_watts,
    waiting_joules,
)
from pentameter.units import joules_to_kwh
from pentameter.world import HostPart

HOST = HostPart({"measured": 200.0}, {WINDOW: 100.0}, 110.0)


def measured(*deployments, **more):
    return list(energy.samples(world(*deployments, **more)))


def grown(*deployments, **more):
    return list(energy.increments(world(*deployments, **more)))


def half_integrated(*, uuid="GPU-0", measured=300.0, integrated=100.0, method="integrated"):
    """Return a GPU of whose energy a part is power x time."""
    tick = {"energy_joules": measured + integrated, "measured_joules": measured, "integrated_joules": integrated}
    one = gpu(tick=measured + integrated, uuid=uuid)
    history = rolled(tick=tick).tick
    return replace(one, energy_method=method, energy_bases=("measured", "integrated"), server_tick=history)


def test_the_lectures_40_joules_per_token_are_11_kwh_per_million():
    # 40 J x 1,000,000 / 3,600,000 J per kWh
    assert joules_to_kwh(joules_per_token(400, 10) * 1_000_000) == pytest.approx(11.1, abs=0.02)


def test_the_gpus_joules_per_token_are_their_power_over_the_rate():
    server = deployment(engine({"generation_tokens": 100.0}), gpus=[gpu(4000.0)])
    assert gpu_joules_per_token(server, WINDOW, "generation_tokens") == 40
    assert gpu_joules_per_token(server, WINDOW, "prompt_tokens") is None
    assert gpu_joules_per_token(deployment(), WINDOW, "generation_tokens") is None


# ---------------------------------------------------------------------------- the GPUs


def test_an_idle_gpus_energy_still_counts():
    samples = grown(deployment(gpus=[gpu(tick=75.0)]))
    assert value(samples, "energy_joules_total", component="gpu", basis="measured") == 75


def test_the_servers_energy_is_the_sum_of_its_gpus_whatever_splits_the_model_among_them():
    two_ranks = (engine(), engine(name="1"))
    for engines in ((engine(),), two_ranks):
        samples = grown(deployment(*engines, gpus=[gpu(tick=500.0), gpu(tick=300.0, uuid="GPU-1")]))
        assert value(samples, "energy_joules_total") == 800


def test_half_of_the_energy_is_no_energy_of_the_server():
    assert grown(deployment(gpus=[gpu(tick=500.0), gpu(uuid="GPU-1")])) == []


def test_without_a_new_reading_the_counters_stand_still_and_stay():
    assert value(grown(deployment(gpus=[gpu(500.0)])), "energy_joules_total") == 0


def test_of_no_gpus_the_energy_is_unknown_and_not_zero():
    assert gpu_joules(()) is None
    assert grown(deployment(engine({"generation_tokens": 5.0}))) == []


def test_what_power_stood_in_for_is_named_and_both_add_up():
    samples = grown(deployment(gpus=[half_integrated(), gpu(tick=50.0, uuid="GPU-1")]))
    assert value(samples, "energy_joules_total", basis="measured") == 350
    assert value(samples, "energy_joules_total", basis="integrated") == 100
    assert gpu_joules((half_integrated(), gpu(tick=50.0, uuid="GPU-1"))) == 450


def test_what_was_once_bridged_stays_on_the_page_when_the_counter_is_back():
    samples = grown(deployment(gpus=[half_integrated(method="counter", integrated=0.0)]))
    assert value(samples, "energy_joules_total", basis="integrated") == 0


def test_power_is_the_sum_over_the_servers_gpus():
    samples = measured(deployment(gpus=[gpu(power_watts=510.0), gpu(power_watts=290.0, uuid="GPU-1")]))
    assert value(samples, "power_watts", component="gpu") == 800


def test_power_of_which_a_part_is_unknown_is_unknown():
    assert measured(deployment(gpus=[gpu(power_watts=510.0), gpu(uuid="GPU-1")])) == []


def test_a_gpu_that_is_nobodys_is_no_servers_energy():
    stray = gpu(tick=9.0, power_watts=60.0)
    assert names(measured(gpus=(stray,))) == names(grown(gpus=(stray,))) == set()


# ---------------------------------------------------------------------------- host and building


def test_host_and_building_stand_beside_the_gpus():
    server = deployment(gpus=[gpu(tick=800.0, power_watts=490.0)], host=HOST, pue=1.5)
    samples = grown(server)
    assert value(samples, "energy_joules_total", component="gpu", basis="measured") == 800
    assert value(samples, "energy_joules_total", component="host", basis="measured") == 200
    # (1.5 - 1) x 1000 J
    assert value(samples, "energy_joules_total", component="overhead", basis="pue") == 500
    powers = {component: value(measured(server), "power_watts", component=component) for component in ("gpu", "host")}
    assert powers == {"gpu": 490, "host": 110}
    assert value(measured(server), "power_watts", component="overhead") == 300


def test_a_modelled_host_says_so():
    samples = grown(deployment(gpus=[gpu(tick=800.0)], host=HostPart({"measured": 150.0, "model": 50.0})))
    assert value(samples, "energy_joules_total", component="host", basis="model") == 50
    assert scoped_joules(deployment(gpus=[gpu(tick=800.0)], host=HostPart({"measured": 150.0, "model": 50.0}))) == {
        "gpu": 800,
        "it": 1000,
    }


@pytest.mark.parametrize(
    ("more", "scopes"),
    [
        ({}, {"gpu": 400}),
        ({"pue": 1.2}, {"gpu": 400}),
        ({"host": HOST}, {"gpu": 400, "it": 500}),
        ({"host": HostPart(), "pue": 1.2}, {"gpu": 400}),
        ({"host": HOST, "pue": 1.2}, {"gpu": 400, "it": 500, "facility": 600}),
    ],
)
def test_a_scope_of_which_a_part_is_unknown_is_unknown(more, scopes):
    assert scoped_watts(deployment(gpus=[gpu(4000.0)], **more), WINDOW) == scopes


def test_without_the_gpus_no_scope_is_known_and_the_host_still_is():
    server = deployment(host=HOST, pue=1.2)
    assert scoped_watts(server, WINDOW) == scoped_joules(server) == {}
    samples = grown(server)
    assert value(samples, "energy_joules_total", component="host") == 200
    assert value(samples, "energy_joules_total", component="overhead") is None


def test_a_module_holds_its_processor_so_that_the_host_is_not_added_again():
    superchip = replace(gpu(4000.0, tick=400.0, power_watts=400.0), energy_scope="module")
    server = deployment(gpus=[superchip], host=HOST, pue=1.5)
    assert scoped_watts(server, WINDOW) == {"gpu": 400, "it": 400, "facility": 600}
    assert value(grown(server), "energy_joules_total", component="host") is None
    assert value(grown(server), "energy_joules_total", component="overhead") == 200
    assert value(measured(server), "power_watts", component="host") is None


@pytest.mark.parametrize(
    ("server", "waiting"),
    [
        pytest.param({"gpus": [gpu(tick=400.0)], "host": HOST}, 0, id="both known"),
        pytest.param({"gpus": [gpu(tick=400.0)]}, 1400, id="the GPUs alone"),
        pytest.param({"host": HOST}, 1200, id="the host alone"),
        pytest.param({}, 1000, id="neither"),
        pytest.param({"gpus": [replace(gpu(tick=400.0), energy_scope="module")]}, 0, id="a module, which is both"),
    ],
)
def test_half_of_the_energy_waits_for_the_other_half(server, waiting):
    assert waiting_joules(deployment(joules_before=1000.0, **server)) == waiting


def test_the_building_makes_up_for_what_waited():
    server = deployment(gpus=[gpu(tick=800.0)], host=HOST, pue=1.5, joules_before=1000.0)
    assert value(grown(server), "energy_joules_total", component="overhead") == 1000
    superchip = replace(server, gpus=(replace(gpu(tick=800.0), energy_scope="module"),))
    assert value(grown(superchip), "energy_joules_total", component="overhead") == 400, "its counter held the host"


@given(
    joules=st.floats(0, 1e6), host=st.floats(0, 1e6), pue=st.floats(1, 5), shares=st.lists(st.floats(0, 1), min_size=3)
)
def test_scopes_nest_and_components_add_up_to_the_widest(joules, host, pue, shares):
    server = deployment(gpus=[gpu(tick=joules)], host=HostPart({"measured": host}), pue=pue)
    scopes = scoped_joules(server)
    assert scopes["gpu"] <= scopes["it"] <= scopes["facility"] * (1 + 1e-12)
    assert sum(found(grown(server), "energy_joules_total")) == pytest.approx(scopes["facility"])


# ---------------------------------------------------------------------------- what it was doing


def test_energy_is_divided_by_what_the_server_was_doing():
    server = deployment(gpus=[gpu(tick=800.0)], host=HOST, energy_shares={"active": 0.25, "idle": 0.75})
    samples = grown(server)
    assert value(samples, "active_energy_joules_total", component="gpu") == 200
    assert value(samples, "idle_energy_joules_total", component="gpu") == 600
    assert value(samples, "idle_energy_joules_total", component="host") == 150
    assert value(samples, "asleep_energy_joules_total", component="gpu") == 0


def test_what_nobody_knows_is_neither_active_nor_idle():
    samples = grown(deployment(gpus=[gpu(tick=800.0)]))
    assert value(samples, "unobserved_energy_joules_total") == 800
    assert value(samples, "active_energy_joules_total") == value(samples, "idle_energy_joules_total") == 0


@given(
    st.floats(0, 1e6),
    st.dictionaries(st.sampled_from(["active", "idle", "asleep", "unobserved"]), st.floats(0.01, 9), min_size=1),
)
def test_active_idle_asleep_and_unobserved_are_all(joules, seconds):
    shares = {state: part / sum(seconds.values()) for state, part in seconds.items()}
    server = deployment(gpus=[half_integrated(measured=joules)], host=HOST, pue=1.3, energy_shares=shares)
    samples = grown(server)
    for component in ("gpu", "host", "overhead"):
        states = [
            value(samples, f"{state}_energy_joules_total", component=component)
            for state in ("active", "idle", "asleep", "unobserved")
        ]
        assert sum(states) == pytest.approx(sum(found(samples, "energy_joules_total", component=component)))
