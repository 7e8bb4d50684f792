"""What owning a machine costs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import EIGHT_H100
from pentameter.cost.owned import Machine, capital_per_year, capital_recovery_factor, per_gpu_hour


@pytest.mark.parametrize(
    ("rate", "years", "factor"),
    [
        # Tables of compound interest, as any textbook prints them: A/P, i %, n.
        (0.05, 10, 0.12950),
        (0.08, 5, 0.25046),
        (0.10, 4, 0.31547),
        (0.12, 3, 0.41635),
    ],
)
def test_the_capital_recovery_factor_is_that_of_the_tables(rate, years, factor):
    assert capital_recovery_factor(rate, years) == pytest.approx(factor, abs=5e-6)


@pytest.mark.parametrize(("rate", "years"), [(0.1, 0), (0.1, -1), (-0.1, 4)])
def test_no_time_or_a_negative_rate_pays_nothing_back(rate, years):
    with pytest.raises(ValueError, match="pay nothing back"):
        capital_recovery_factor(rate, years)


@given(
    dollars=st.floats(1, 1e6), share=st.floats(0, 0.9), rate=st.just(0.0) | st.floats(1e-9, 0.5), years=st.floats(1, 10)
)
def test_the_payments_are_worth_what_the_hardware_cost_less_what_it_fetches(dollars, share, rate, years):
    paid = capital_per_year(dollars, share * dollars, rate, years)
    annuity = years if rate == 0 else (1 - (1 + rate) ** -years) / rate
    assert paid * annuity + share * dollars / (1 + rate) ** years == pytest.approx(dollars, rel=1e-4)


def test_eight_h100_cost_as_reckoned_by_hand():
    # A year: machine (250,000 - 37,500 / 1.1^4) x 0.315471 = 70,787.5; network 37,500 x 0.315471 = 11,830.2;
    # place: 10.2 kW x 150 x 12 = 18,360; operations: 0.05 x 287,500 = 14,375; each over 8760 hours and 8 GPUs.
    hours = 8760 * 8
    assert per_gpu_hour(EIGHT_H100) == pytest.approx(
        {"gpu": 70_787.5 / hours, "network": 11_830.2 / hours, "overhead": 32_735 / hours}, rel=1e-5
    )


def test_eight_h100_with_their_electricity_cost_a_dollar_seventy_five_each():
    # 8 kW in a building of PUE 1.25 at 8 cents are 0.80 dollars an hour.
    assert sum(per_gpu_hour(EIGHT_H100).values()) + 0.8 / 8 == pytest.approx(1.75, abs=0.005)


def test_a_host_and_storage_are_components_of_their_own_and_a_disk_fetches_nothing():
    machine = Machine(2, 8760 * 4.0, host_dollars=8760 * 2.0, storage_dollars=8760 * 1.0, residual_ratio=0.5)
    # Four years without interest: a quarter a year; GPUs and host lose half of their price.
    assert per_gpu_hour(machine) == pytest.approx({"gpu": 0.25, "host": 0.125, "storage": 0.125})
