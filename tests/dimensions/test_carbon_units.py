"""Grams per token, per request, per page; the SCI; the embodied share."""

from dataclasses import replace

import pytest

from builders import ICELAND, POLAND, deployment, engine, found, gpu, names, value, world
from pentameter.carbon.basis import CarbonBasis
from pentameter.carbon.embodied import Bounds, Embodied, MadeGpu, MadeServer
from pentameter.dimensions import carbon_units
from pentameter.world import HostPart

# The lecture's 40 J per token, over ten seconds in which four requests finished.
DONE = {"generation_tokens": 100.0, "request_success/stop": 3.0, "request_success/length": 1.0}
SERVER = deployment(engine(DONE), gpus=[gpu(4000.0)], gpu_names=("X",))
# X: 126.144 kg over four years of 31,536,000 s are 1 mg a second.
MAKING = Embodied({"X": MadeGpu(Bounds(63.072, 126.144, 252.288), "s")}, {"s": MadeServer(Bounds(0, 0, 0), 1)})


def units(server=SERVER, *, grid=POLAND, **basis):
    return list(carbon_units.samples(world(server, grid=grid, carbon=CarbonBasis(**basis))))


def operational(samples, name):
    return value(samples, name, kind="operational", region="POL", window="1m")


def test_grams_per_token_are_joules_per_token_in_kwh_times_the_intensity():
    # 40 J / 3,600,000 x 588.6 g/kWh = 6.54 mg
    assert operational(units(), "carbon_per_token_grams") == pytest.approx(0.00654)


def test_grams_per_request_spread_all_energy_over_those_that_finished():
    # 4000 J / 4 = 1000 J = 163.5 mg
    assert operational(units(), "carbon_per_request_grams") == pytest.approx(0.1635)


def test_a_page_is_500_words_of_tokens():
    # 6.54 mg x 666.7 tokens = 4.36 g
    assert operational(units(), "carbon_per_page_grams") == pytest.approx(4.36)
    assert operational(units(tokens_per_page=1000), "carbon_per_page_grams") == pytest.approx(6.54)


def test_the_widest_energy_that_is_known_is_charged():
    host = HostPart({}, {"1m": 100.0})
    # (400 + 100) W x 1.2 / 10 tokens/s = 60 J
    whole = replace(SERVER, host=host, pue=1.2)
    assert operational(units(whole), "carbon_per_token_grams") == pytest.approx(0.00981)
    assert {s.labels[5] for s in units(whole, embodied=MAKING) if s.metric is carbon_units.SCI} == {"facility"}


def test_hardware_is_charged_to_the_same_units():
    # 126.144 kg / 126,144,000 s = 1 mg/s; at 10 tokens/s and 0.4 requests/s.
    samples = units(embodied=MAKING)
    labels = {"kind": "embodied", "region": "POL", "window": "1m"}
    assert value(samples, "carbon_per_token_grams", **labels) == pytest.approx(0.0001)
    assert value(samples, "carbon_per_request_grams", **labels) == pytest.approx(0.0025)
    assert value(samples, "carbon_per_page_grams", **labels) == pytest.approx(0.0666667)


def test_the_sci_is_what_energy_and_hardware_emit_per_token_with_its_bounds():
    samples = units(embodied=MAKING)
    for bound, embodied in (("low", 0.00005), ("central", 0.0001), ("high", 0.0002)):
        labels = {"bound": bound, "scope": "gpu", "region": "POL", "window": "1m"}
        assert value(samples, "sci_per_token_grams", **labels) == pytest.approx(0.00654 + embodied)


def test_the_central_sci_is_the_sum_of_both_kinds_per_token():
    samples = units(embodied=MAKING)
    assert value(samples, "sci_per_token_grams", bound="central") == pytest.approx(
        sum(found(samples, "carbon_per_token_grams"))
    )


def test_what_was_bought_does_not_enter_the_sci():
    assert units(embodied=MAKING, market_grams_per_kwh=0.0) == units(embodied=MAKING)


def test_the_embodied_share_is_larger_on_a_cleaner_grid():
    # 400 W in Poland emit 65.4 mg/s, in Iceland 3.0911 mg/s; the hardware 1 mg/s.
    poland, iceland = (
        value(units(grid=grid, embodied=MAKING), "embodied_carbon_ratio", bound="central") for grid in (POLAND, ICELAND)
    )
    assert poland == pytest.approx(1 / 66.4)
    assert iceland == pytest.approx(1 / 4.0911, rel=1e-4)


def test_an_idle_server_has_a_share_and_no_figure_per_unit():
    idle = deployment(engine({"generation_tokens": 0.0}), gpus=[gpu(900.0)], gpu_names=("X",))
    assert names(units(idle, embodied=MAKING)) == {"embodied_carbon_ratio"}


def test_without_a_grid_only_hardware_is_charged():
    samples = units(grid=None, embodied=MAKING)
    assert {s.labels[-2:] for s in samples} == {("embodied", "")}
    assert names(samples) == {"carbon_per_token_grams", "carbon_per_request_grams", "carbon_per_page_grams"}


def test_without_hardware_figures_there_is_no_sci():
    assert names(units()) == {"carbon_per_token_grams", "carbon_per_request_grams", "carbon_per_page_grams"}


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
def test_unknown_grams_are_left_out(server):
    assert units(server) == []
