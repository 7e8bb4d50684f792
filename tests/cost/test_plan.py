"""What a server costs by the hour."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pentameter.cost.plan import CostPlan, Quote, energy_dollars, energy_dollars_per_hour, fixed_per_hour, with_energy

RENT = CostPlan(Quote(2.5, "configured"))


def test_a_rented_server_pays_for_its_gpus():
    assert fixed_per_hour(RENT, 8) == {"gpu": 20.0}


@pytest.mark.parametrize(("plan", "gpus"), [(CostPlan(), 8), (RENT, None)])
def test_without_a_price_or_a_number_of_gpus_there_is_no_cost(plan, gpus):
    assert fixed_per_hour(plan, gpus) is None


def test_what_each_gpu_and_what_the_server_pays_adds_up():
    plan = CostPlan(Quote(1.0, "owned"), {"overhead": 0.5, "network": 0.1}, {"overhead": 2.0, "storage": 0.3})
    assert fixed_per_hour(plan, 4) == pytest.approx({"gpu": 4.0, "overhead": 4.0, "network": 0.4, "storage": 0.3})


def test_the_energy_of_a_rent_is_in_the_rent():
    assert with_energy(RENT, {"gpu": 2.5}, 99.0) == {"gpu": 2.5}


def test_overhead_by_ratio_is_a_share_of_all_others_and_not_of_itself():
    plan = CostPlan(Quote(1.0, "owned"), dollars_per_kwh=0.1, overhead_ratio=0.25)
    assert with_energy(plan, {"gpu": 3.0, "energy": 0.0, "overhead": 7.0}, 1.0) == {
        "gpu": 3.0,
        "energy": 1.0,
        "overhead": 8.0,
    }


@given(watts=st.floats(0, 1e6), hours=st.floats(0.001, 1e4), price=st.floats(0, 2))
def test_power_for_a_time_costs_what_its_energy_costs(watts, hours, price):
    by_power = energy_dollars_per_hour(watts, price) * hours
    assert energy_dollars(watts * hours * 3600, price) == pytest.approx(by_power, rel=1e-9, abs=1e-12)


def test_only_hardware_with_a_price_of_electricity_above_zero_needs_a_meter():
    assert not RENT.meters_energy
    assert not CostPlan(dollars_per_kwh=0.0).meters_energy
    assert CostPlan(dollars_per_kwh=0.1).meters_energy
