"""Carbon: grams of CO2-equivalent, by the grid's intensity and by what making the hardware emitted."""

from dataclasses import replace

import pytest

from builders import ICELAND, POLAND, deployment, engine, found, gpu, names, value, world
from pentameter.carbon.basis import CarbonBasis
from pentameter.carbon.embodied import Bounds, Embodied, MadeGpu, MadeServer
from pentameter.carbon.intensity import GridIntensity
from pentameter.dimensions import carbon, energy
from pentameter.units import joules_to_kwh
from pentameter.world import HostPart

# The lecture's 40 J per token over ten seconds.
SERVER = deployment(engine({"generation_tokens": 100.0}), gpus=[gpu(4000.0, tick=400.0)])
# Half as much again for the host, and a tenth of both for the building.
WHOLE = replace(SERVER, host=HostPart({"measured": 200.0}, {"1m": 20.0}), pue=1.1)
MAKING = Embodied({"H100-SXM-80GB": MadeGpu(Bounds(164, 273, 575.1), "p5")}, {"p5": MadeServer(Bounds(1, 5699, 2), 8)})
HARDWARE = replace(SERVER, gpu_names=("H100-SXM-80GB",) * 8)


def measured(*deployments, grid=POLAND, **basis):
    return list(carbon.samples(world(*deployments, grid=grid, carbon=CarbonBasis(**basis))))


def grown(*deployments, grid=POLAND, elapsed=1.0, **basis):
    seen = world(*deployments, grid=grid, carbon=CarbonBasis(**basis), elapsed_seconds=elapsed)
    return list(carbon.increments(seen))


def test_grams_are_counted_up_with_the_energy():
    # 400 J / 3,600,000 x 588.6 g/kWh
    assert value(grown(SERVER), "carbon_grams_total", kind="operational", region="POL") == pytest.approx(0.0654)


def test_the_counter_of_grams_is_the_counter_of_kwh_times_the_intensity():
    server = deployment(gpus=[gpu(tick=1234.5), gpu(tick=77.0, uuid="GPU-1")])
    assert value(grown(server), "carbon_grams_total") == pytest.approx(joules_to_kwh(1234.5 + 77.0) * 588.6)


@pytest.mark.parametrize("server", [SERVER, WHOLE, replace(WHOLE, pue=None)])
def test_grams_are_of_all_the_joules_that_are_counted(server):
    joules = sum(found(energy.increments(world(server)), "energy_joules_total"))
    assert value(grown(server), "carbon_grams_total") == pytest.approx(joules_to_kwh(joules) * 588.6)


@pytest.mark.parametrize(("server", "scope"), [(SERVER, "gpu"), (replace(WHOLE, pue=None), "it"), (WHOLE, "facility")])
def test_the_page_says_which_energy_the_grams_are_of(server, scope):
    assert value(measured(server), "carbon_scope_info", scope=scope) == 1
    assert len(found(measured(server), "carbon_scope_info")) == 1


def test_the_grid_that_is_used_is_shown_with_the_step_that_found_it():
    samples = measured(SERVER)
    labels = {"region": "POL", "source": "Ember 2025", "factor_type": "lifecycle"}
    assert value(samples, "grid_intensity_grams_per_kwh", **labels) == 588.6
    assert value(samples, "grid_resolution_info", step="country", **labels) == 1
    assert value(samples, "grid_intensity_quality", region="POL") == 2
    assert value(samples, "grid_intensity_age_seconds") is None


def test_a_live_figure_has_an_age():
    live = GridIntensity("POL", 612.0, "electricity_maps", "lifecycle", "live", 5, 630.0)
    samples = measured(grid=live)
    assert value(samples, "grid_intensity_age_seconds", region="POL", source="electricity_maps") == 630
    assert value(samples, "grid_resolution_info", step="live") == 1


def test_a_marginal_rate_is_shown_and_emits_nothing():
    rate = GridIntensity("CAISO_NORTH", 394.6, "watttime", "direct", "live", 5, 60.0)
    samples = measured(SERVER, marginal=rate)
    assert value(samples, "grid_marginal_intensity_grams_per_kwh", region="CAISO_NORTH") == 394.6
    assert value(samples, "grid_intensity_age_seconds", region="CAISO_NORTH") == 60
    assert grown(SERVER, marginal=rate) == grown(SERVER)
    assert grown(SERVER, grid=None, marginal=rate) == []


def test_without_a_grid_there_are_no_operational_grams():
    assert names(measured(SERVER, grid=None)) == {"carbon_scope_info"}
    assert grown(SERVER, grid=None) == []


def test_half_of_the_energy_emits_no_known_grams():
    assert grown(deployment(gpus=[gpu(tick=5.0), gpu(uuid="GPU-1")])) == []


def test_without_a_new_reading_the_counter_stands_still_and_stays():
    assert value(grown(deployment(gpus=[gpu(5.0)])), "carbon_grams_total") == 0


def test_what_was_bought_stands_beside_what_the_grid_emits():
    samples = grown(SERVER, market_grams_per_kwh=0.0)
    assert value(samples, "market_carbon_grams_total") == 0
    assert value(samples, "carbon_grams_total") == pytest.approx(0.0654)
    assert value(measured(SERVER, market_grams_per_kwh=0.0), "market_intensity_grams_per_kwh") == 0
    residual = grown(SERVER, grid=None, market_grams_per_kwh=720.0)
    assert value(residual, "market_carbon_grams_total") == pytest.approx(0.08)  # 400 J / 3.6 MJ x 720


def test_the_same_joules_elsewhere_emit_as_much_as_that_grid_does():
    samples = grown(SERVER, others=(POLAND, ICELAND))
    here, there = (value(samples, "other_region_carbon_grams_total", other_region=r) for r in ("POL", "ISL"))
    assert here == value(samples, "carbon_grams_total", region="POL")
    assert here / there == pytest.approx(21.2, abs=0.05)
    assert value(measured(others=(ICELAND,)), "other_grid_intensity_grams_per_kwh", other_region="ISL") == 27.82


def test_hardware_accrues_with_time_whether_energy_is_known_or_not():
    # 8 x 273 + 5699 = 7883 kg over four years of 31,536,000 s: 0.0625 g/s, 225 g/h.
    for server in (HARDWARE, replace(HARDWARE, gpus=(), engines=())):
        samples = grown(server, embodied=MAKING, elapsed=3600.0)
        assert value(samples, "carbon_grams_total", kind="embodied", region="POL") == pytest.approx(224.97, abs=0.005)


def test_hardware_accrues_without_a_grid_too():
    samples = grown(HARDWARE, grid=None, embodied=MAKING, elapsed=3600.0)
    assert value(samples, "carbon_grams_total", kind="embodied", region="") == pytest.approx(224.97, abs=0.005)


def test_the_first_snapshot_begins_the_counter_of_hardware_at_nothing():
    assert value(grown(HARDWARE, embodied=MAKING, elapsed=None), "carbon_grams_total", kind="embodied") == 0


def test_all_that_the_hardware_stands_for_is_shown_with_its_bounds():
    samples = measured(HARDWARE, embodied=MAKING)
    assert value(samples, "embodied_carbon_grams", bound="low") == pytest.approx(8 * 164_000 + 1000)
    assert value(samples, "embodied_carbon_grams", bound="central") == pytest.approx(7_883_000)
    assert value(samples, "embodied_carbon_grams", bound="high") == pytest.approx(8 * 575_100 + 2000)
    assert value(samples, "embodied_lifetime_seconds") == 4 * 365 * 24 * 3600


def test_unknown_hardware_has_no_embodied_carbon():
    strange = replace(HARDWARE, gpu_names=("abacus",))
    assert found(measured(strange, embodied=MAKING), "embodied_carbon_grams") == []
    assert found(grown(strange, embodied=MAKING), "carbon_grams_total", kind="embodied") == []
