"""The decomposition: every factor by hand, and the product is the whole."""

import math
import random

import pytest

from pentameter.drift import causes
from pentameter.drift.tally import Tally

HOUR = 3600.0


def hour(seconds=HOUR, known=None, **amounts):
    """Return an hour with these sums, known for all of it."""
    known = seconds if known is None else known
    return Tally(seconds, {key.replace("_", "/"): (float(amount), known) for key, amount in amounts.items()})


USE = {"active": 3600, "running": 36_000, "tokens": 1_000_000}


def test_a_dearer_hour_is_a_price_and_nothing_else():
    ratios = causes.cost(hour(dollars=4.0, **USE), hour(dollars=4.8, **USE))
    assert ratios == pytest.approx({"price": 1.2, "idle": 1, "load": 1, "efficiency": 1, "all": 1.2})


def test_half_of_the_time_idle_doubles_the_cost():
    half = {key: amount / 2 for key, amount in USE.items()}
    ratios = causes.cost(hour(dollars=4.0, **USE), hour(dollars=4.0, **half))
    assert ratios == pytest.approx({"price": 1, "idle": 2, "load": 1, "efficiency": 1, "all": 2})


def test_slower_requests_in_the_same_batch_are_efficiency():
    slower = {**USE, "tokens": 850_000}
    ratios = causes.cost(hour(dollars=4.0, **USE), hour(dollars=4.0, **slower))
    assert ratios == pytest.approx({"price": 1, "idle": 1, "load": 1, "efficiency": 1 / 0.85, "all": 1 / 0.85})


def test_a_smaller_batch_that_is_faster_by_request_is_load_and_efficiency():
    # 6 instead of 10 requests at 40 instead of 27.8 tokens per second each.
    ratios = causes.cost(hour(dollars=4.0, **USE), hour(dollars=4.0, active=3600, running=21_600, tokens=864_000))
    assert ratios["load"] == pytest.approx(10 / 6)
    assert ratios["efficiency"] == pytest.approx((1_000_000 / 36_000) / 40)
    assert ratios["all"] == pytest.approx(1 / 0.864)


@pytest.mark.parametrize("seed", range(20))
def test_the_causes_multiply_to_the_ratio_of_the_costs_energies_and_carbons(seed):
    chance = random.Random(seed)

    def any_hour():
        keys = ("active", "running", "tokens", "dollars", "joules_it", "joules_facility", "grams_facility")
        return hour(seconds=chance.uniform(3300, 3600), **{key: chance.uniform(1, 1e6) for key in keys})

    then, now = any_hour(), any_hour()
    for figure, key in ((causes.cost, "dollars"), (causes.energy, "joules/it"), (causes.carbon, "grams/facility")):
        ratios = figure(then, now)
        per_token = [tally.sums[key][0] / tally.sums["tokens"][0] for tally in (then, now)]
        assert ratios["all"] == pytest.approx(per_token[1] / per_token[0])
        named = [ratio for cause, ratio in ratios.items() if cause != "all"]
        assert sum(map(math.log, named)) == pytest.approx(math.log(ratios["all"]))


def test_carbon_is_energy_times_building_times_grid():
    def of(joules, pue, grams_per_joule):
        whole = joules * pue
        return hour(joules_it=joules, joules_facility=whole, grams_facility=whole * grams_per_joule, **USE)

    ratios = causes.carbon(of(1e6, 1.2, 1e-4), of(1.1e6, 1.5, 2e-4))
    assert ratios == pytest.approx(
        {"power": 1.1, "pue": 1.25, "grid": 2, "idle": 1, "load": 1, "efficiency": 1, "all": 2.75}
    )


def test_without_the_building_carbon_has_no_such_cause():
    ratios = causes.carbon(hour(joules_gpu=1e6, grams_gpu=100, **USE), hour(joules_gpu=1e6, grams_gpu=50, **USE))
    assert "pue" not in ratios
    assert ratios["grid"] == pytest.approx(0.5)


def test_a_host_that_is_measured_at_one_time_only_is_left_out_at_both():
    then = hour(joules_gpu=1e6, **USE)
    now = hour(joules_gpu=1.1e6, joules_it=1.5e6, **USE)
    assert causes.energy(then, now)["power"] == pytest.approx(1.1)


@pytest.mark.parametrize("missing", ["dollars", "active", "running", "tokens"])
def test_nothing_is_said_where_a_part_is_unknown_or_nothing_was_made(missing):
    whole = {"dollars": 4, **USE}
    for part in ({**whole, missing: 0}, {key: amount for key, amount in whole.items() if key != missing}):
        assert causes.cost(hour(**whole), hour(**part)) == {}
        assert causes.cost(hour(**part), hour(**whole)) == {}


def test_what_is_known_for_too_little_of_the_time_is_unknown():
    whole = hour(dollars=4, **USE)
    most, part = hour(known=3000, dollars=4, **USE), hour(known=2800, dollars=4, **USE)
    assert causes.cost(whole, most)["all"] == pytest.approx(1)  # both amounts and seconds are of the same 3000
    assert causes.cost(whole, part) == {}
