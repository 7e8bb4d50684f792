"""Carbon: grams of CO2-equivalent, by the grid's intensity."""

import pytest

from builders import ICELAND, POLAND, deployment, engine, gpu, names, value, world
from pentameter.dimensions import carbon
from pentameter.dimensions.carbon import operational_grams
from pentameter.units import joules_to_kwh

# The lecture's 40 J per token over ten seconds.
SERVER = deployment(engine({"generation_tokens": 100.0}), gpus=[gpu(4000.0, tick=400.0)])


def measured(*deployments, grid=POLAND):
    return list(carbon.samples(world(*deployments, grid=grid)))


def grown(*deployments, grid=POLAND):
    return list(carbon.increments(world(*deployments, grid=grid)))


def test_a_kilowatt_hour_emits_the_grids_intensity():
    assert operational_grams(3_600_000, 588.6) == pytest.approx(588.6)


def test_a_million_of_the_lectures_tokens_emits_6_5_kg_in_poland_and_21_times_less_in_iceland():
    # 40 J x 1,000,000 = 11.11 kWh; x 588.6 g/kWh = 6540 g, x 27.8 g/kWh = 308.9 g.
    poland, iceland = (operational_grams(40e6, grid.grams_per_kwh) for grid in (POLAND, ICELAND))
    assert poland == pytest.approx(6540)
    assert iceland == pytest.approx(308.9, abs=0.05)
    assert poland / iceland == pytest.approx(21.2, abs=0.05)


def test_grams_per_token_are_joules_per_token_in_kwh_times_the_intensity():
    # 40 J / 3,600,000 x 588.6 g/kWh = 6.54 mg
    assert value(measured(SERVER), "carbon_per_token_grams", kind="operational", region="POL", window="1m") == (
        pytest.approx(0.00654)
    )


def test_grams_are_counted_up_with_the_energy():
    # 400 J / 3,600,000 x 588.6 g/kWh
    assert value(grown(SERVER), "carbon_grams_total", kind="operational", region="POL") == pytest.approx(0.0654)


def test_the_counter_of_grams_is_the_counter_of_kwh_times_the_intensity():
    server = deployment(gpus=[gpu(tick=1234.5), gpu(tick=77.0, uuid="GPU-1")])
    assert value(grown(server), "carbon_grams_total") == pytest.approx(joules_to_kwh(1234.5 + 77.0) * 588.6)


def test_the_grid_that_is_used_is_shown():
    samples = measured(SERVER)
    assert value(
        samples, "grid_intensity_grams_per_kwh", region="POL", source="Ember 2025", factor_type="lifecycle"
    ) == (588.6)


def test_without_a_grid_there_is_no_carbon():
    assert measured(SERVER, grid=None) == []
    assert grown(SERVER, grid=None) == []


@pytest.mark.parametrize(
    "server",
    [
        pytest.param(deployment(engine({"generation_tokens": 0.0}), gpus=[gpu(4000.0)]), id="no token produced"),
        pytest.param(deployment(engine({"generation_tokens": 9.0})), id="no GPU"),
        pytest.param(
            deployment(engine({"generation_tokens": 9.0}), gpus=[gpu(1.0), gpu(uuid="GPU-1")]), id="half of the energy"
        ),
        pytest.param(deployment(gpus=[gpu(4000.0)]), id="no engine answers"),
    ],
)
def test_unknown_grams_per_token_are_left_out(server):
    assert names(measured(server)) == {"grid_intensity_grams_per_kwh"}


def test_half_of_the_energy_emits_no_known_grams():
    assert grown(deployment(gpus=[gpu(tick=5.0), gpu(uuid="GPU-1")])) == []


def test_without_a_new_reading_the_counter_stands_still_and_stays():
    assert value(grown(deployment(gpus=[gpu(5.0)])), "carbon_grams_total") == 0
