"""Economics: cost per hour, per million tokens, and counted up."""

import pytest

from builders import WINDOW, deployment, engine, found, gpu, names, value, world
from pentameter.cost.plan import COMPONENTS, CostPlan, Quote
from pentameter.dimensions import economics
from pentameter.dimensions.economics import dollars_per_million
from pentameter.world import HostPart

# Ten seconds: 1000 output tokens and 3000 prompt tokens per second.
BUSY = engine({"generation_tokens": 10_000.0, "prompt_tokens": 30_000.0}, seconds=10)


def measured(*deployments):
    return list(economics.samples(world(*deployments)))


def grown(*deployments):
    return list(economics.increments(world(*deployments)))


@pytest.mark.parametrize(
    ("price", "dollars"),
    [
        # The lecture's prices of an H100; 1000 tokens/s are 3.6 million an hour.
        pytest.param(6.88, 1.9111, id="AWS"),
        pytest.param(3.95, 1.0972, id="Modal"),
        pytest.param(1.49, 0.4139, id="Prime Intellect"),
    ],
)
def test_a_million_tokens_at_1000_tokens_per_second(price, dollars):
    assert dollars_per_million(price, 1000) == pytest.approx(dollars, abs=5e-5)


def test_the_cost_per_hour_is_gpus_times_price():
    samples = measured(deployment(gpu_count=8, price=1.49))
    assert value(samples, "cost_per_hour_dollars", component="gpu") == pytest.approx(11.92)


def test_the_components_of_the_cost_per_hour_add_up_to_the_total():
    samples = measured(deployment(gpu_count=8, price=1.49))
    every = found(samples, "cost_per_hour_dollars")
    total = value(samples, "cost_per_hour_dollars", component="total")
    assert sum(every) - total == pytest.approx(total)


def test_a_server_that_does_not_answer_costs_all_the_same():
    server = deployment(gpu_count=2, price=1.8, spent_tick={"unobserved": 10.0})
    assert names(measured(server)) == {"cost_per_hour_dollars"}
    # 3.60 dollars an hour for 10 seconds.
    assert value(grown(server), "cost_dollars_total", component="gpu") == pytest.approx(0.01)


@pytest.mark.parametrize(
    "server",
    [
        pytest.param(deployment(BUSY, gpu_count=2), id="the price is unknown"),
        pytest.param(deployment(BUSY, price=2.0), id="the number of GPUs is unknown"),
    ],
)
def test_an_unknown_cost_is_left_out(server):
    assert measured(server) == []
    assert grown(server) == []


def test_a_price_of_zero_is_a_price():
    assert value(measured(deployment(gpu_count=1, price=0.0)), "cost_per_hour_dollars", component="total") == 0


def test_the_counter_begins_at_zero_with_the_first_snapshot():
    assert value(grown(deployment(gpu_count=1, price=2.0)), "cost_dollars_total") == 0


OWNED = CostPlan(
    Quote(1.0, "owned"), {"network": 0.1}, {"host": 0.4, "storage": 0.2}, dollars_per_kwh=0.08, overhead_ratio=0.1
)


def board(*, watts=400.0, seconds=10.0, tick=None):
    """Return a GPU that drew ``watts`` in the window, and ``tick`` joules since the last snapshot."""
    return gpu(watts * seconds, seconds=seconds, tick=tick)


def owned(*, host_watts=600.0, pue=1.25, tick=None, **more):
    """Return a server of two GPUs of 400 W beside a host in a building."""
    host = HostPart({"measured": 0.0}, {WINDOW: host_watts}, host_watts)
    boards = (board(tick=tick), board(tick=tick))
    return deployment(gpus=boards, gpu_count=2, cost=OWNED, host=host, pue=pue, **more)


def test_the_energy_of_owned_hardware_is_paid_with_the_part_of_the_building():
    samples = measured(owned())
    # (2 x 400 W + 600 W) x 1.25 = 1.75 kW at 8 cents.
    assert value(samples, "cost_per_hour_dollars", component="energy") == pytest.approx(0.14)


def test_every_component_of_owned_hardware_is_shown_and_overhead_is_a_share_of_the_others():
    samples = measured(owned())
    shown = {c: value(samples, "cost_per_hour_dollars", component=c) for c in (*COMPONENTS, "total")}
    others = {"gpu": 2.0, "energy": 0.14, "storage": 0.2, "network": 0.2, "host": 0.4}
    assert shown == pytest.approx({**others, "overhead": 0.294, "total": 3.234})


@pytest.mark.parametrize(
    "server",
    [
        pytest.param(owned(pue=None), id="the building is unknown"),
        pytest.param(deployment(gpu_count=2, cost=OWNED, pue=1.25), id="the GPUs' energy is unknown"),
    ],
)
def test_without_the_metered_power_the_cost_of_owned_hardware_is_left_out(server):
    assert measured(server) == []


def test_electricity_that_something_else_contains_needs_no_meter():
    free = CostPlan(Quote(1.0, "owned"), dollars_per_kwh=0.0)
    samples = measured(deployment(gpu_count=2, cost=free))
    assert value(samples, "cost_per_hour_dollars", component="total") == 2.0
    assert value(samples, "cost_per_hour_dollars", component="energy") == 0.0


def test_the_rent_contains_the_energy_which_is_not_paid_twice():
    samples = measured(deployment(gpus=(board(),), gpu_count=1, price=2.0, pue=1.25))
    assert value(samples, "cost_per_hour_dollars", component="energy") is None
    assert value(samples, "cost_per_hour_dollars", component="total") == 2.0


SPENT = {"active": 6.0, "idle": 3.0, "asleep": 1.0}


def test_waiting_is_a_part_of_the_cost_per_hour():
    samples = measured(deployment(gpu_count=1, price=5.0, spent=SPENT))
    assert value(samples, "idle_cost_per_hour_dollars") == pytest.approx(2.0)


def test_the_dollars_of_the_states_add_up_to_all_dollars():
    samples = grown(deployment(gpu_count=1, price=3600.0, spent_tick={**SPENT, "unobserved": 5.0, "warmup": 4.0}))
    states = ("active", "idle", "asleep", "unobserved", "warmup")
    dollars = {state: value(samples, f"{state}_cost_dollars_total", component="gpu") for state in states}
    assert dollars == pytest.approx({**SPENT, "unobserved": 5.0, "warmup": 4.0})
    assert value(samples, "cost_dollars_total", component="gpu") == pytest.approx(15.0)


def test_metered_energy_is_paid_by_its_joules_and_goes_to_the_state_that_used_them():
    # 2 x 360 kJ in a building of PUE 1.25 are a quarter of a kWh, at 8 cents.
    samples = grown(owned(tick=360_000.0, energy_shares={"active": 0.75, "idle": 0.25}, spent_tick={"active": 3600.0}))
    assert value(samples, "cost_dollars_total", component="energy") == pytest.approx(0.02)
    assert value(samples, "active_cost_dollars_total", component="energy") == pytest.approx(0.015)
    assert value(samples, "idle_cost_dollars_total", component="energy") == pytest.approx(0.005)
    # An hour of the rest: 2.8 dollars, and a tenth of all for overhead.
    assert value(samples, "cost_dollars_total", component="overhead") == pytest.approx(0.282)


def test_energy_that_is_to_be_paid_and_unknown_is_not_counted_as_nothing():
    samples = grown(owned(pue=None, tick=360_000.0, spent_tick={"active": 3600.0}))
    assert value(samples, "cost_dollars_total", component="energy") is None
    assert value(samples, "cost_dollars_total", component="gpu") == pytest.approx(2.0)


def test_overhead_by_ratio_is_that_share_of_what_was_spent():
    samples = grown(owned(tick=360_000.0, spent_tick={"active": 3600.0}))
    spent = {c: value(samples, "cost_dollars_total", component=c) for c in COMPONENTS}
    assert spent["overhead"] == pytest.approx(0.1 * sum(v for c, v in spent.items() if c != "overhead"))
