"""Money through the whole meter: restarts, new prices, no traffic, clocks that jump."""

import pytest

from builders import rented
from pentameter.cost.plan import CostPlan
from pentameter.server_plan import ServerPlan
from test_meter import down, gpus, meter, up, value, vllm

DOLLAR_A_SECOND = rented(3600)


def billed(snapshot, name="cost_dollars_total"):
    return value(snapshot, f"pentameter_{name}", component="gpu")


def per_million(snapshot, tokens="output"):
    return value(snapshot, "pentameter_cost_per_million_tokens_dollars", tokens=tokens, method="output_only")


@pytest.fixture
def watched():
    """Return a meter whose only server costs a dollar a second and makes 100 tokens a second for 20 seconds."""
    m = meter(ServerPlan("a", gpu_count=1, cost=DOLLAR_A_SECOND))
    for second in range(21):
        m.take_vllm(vllm(second, 100.0 * second))
        snapshot = m.measure(second, 1e9 + second)
    assert billed(snapshot) == 20
    assert per_million(snapshot) == pytest.approx(10_000)
    return m


def test_a_restart_inside_the_window_is_paid_and_its_tokens_are_those_that_were_made(watched):
    watched.take_health(down("vllm", "a"))
    for second in range(21, 31):
        snapshot = watched.measure(second, 1e9 + second)
    assert billed(snapshot) == 30
    assert per_million(snapshot) is None, "nobody answers: what a token costs is not known"
    # The new process began four seconds ago and has made 300 tokens.
    watched.take_health(up("vllm", "a"))
    watched.take_vllm(vllm(31, 300.0, start=1027.0))
    snapshot = watched.measure(31, 1e9 + 31)
    assert billed(snapshot) == 31
    assert billed(snapshot, "unobserved_cost_dollars_total") == pytest.approx(10)
    assert billed(snapshot, "warmup_cost_dollars_total") == pytest.approx(4)
    # 31 dollars for the 2000 tokens before and the 300 after.
    assert per_million(snapshot) == pytest.approx(31 / 2300 * 1e6)


def test_a_new_price_holds_from_now_on_and_what_was_billed_stays(watched):
    watched.take_costs({"a": rented(7200)})
    for second in range(21, 31):
        watched.take_vllm(vllm(second, 100.0 * second))
        snapshot = watched.measure(second, 1e9 + second)
    assert billed(snapshot) == 20 + 10 * 2
    assert value(snapshot, "pentameter_cost_per_hour_dollars", component="total") == 7200


def test_a_price_that_is_taken_away_ends_the_cost_and_bills_nothing_more(watched):
    watched.take_costs({"a": CostPlan()})
    for second in range(21, 31):
        watched.take_vllm(vllm(second, 100.0 * second))
        snapshot = watched.measure(second, 1e9 + second)
    assert value(snapshot, "pentameter_cost_per_hour_dollars", component="total") is None
    assert per_million(snapshot) is None
    watched.take_costs({"a": DOLLAR_A_SECOND})
    watched.take_vllm(vllm(31, 3100.0))
    assert billed(watched.measure(31, 1e9 + 31)) == 21, "nobody knows what the ten seconds cost"


def test_without_traffic_the_server_costs_and_its_tokens_cost_nothing_that_could_be_told():
    m = meter(ServerPlan("a", gpu_count=1, cost=DOLLAR_A_SECOND))
    for second in range(10):
        page = vllm(second, 0.0)
        page.engines[0].gauges["running"] = 0.0
        m.take_vllm(page)
        snapshot = m.measure(second, 1e9 + second)
    assert per_million(snapshot) is None
    assert value(snapshot, "pentameter_cost_per_hour_dollars", component="total") == 3600
    assert billed(snapshot, "idle_cost_dollars_total") == pytest.approx(billed(snapshot))
    assert value(snapshot, "pentameter_idle_cost_per_hour_dollars") == pytest.approx(3600)


@pytest.mark.parametrize("jump", [-1e8, -60.0, 3600.0, 1e8])
def test_a_step_of_the_wall_clock_costs_nothing(watched, jump):
    for second in range(21, 31):
        watched.take_vllm(vllm(second, 100.0 * second, wall=1000.0 + second + jump))
        snapshot = watched.measure(second, 1e9 + second + jump)
    assert billed(snapshot) == 30
    assert per_million(snapshot) == pytest.approx(10_000)


def test_time_before_the_number_of_gpus_is_known_is_billed_when_it_is():
    m = meter(ServerPlan("a", cost=DOLLAR_A_SECOND))
    for second in range(6):
        m.take_vllm(vllm(second, 100.0 * second))
        snapshot = m.measure(second, 1e9 + second)
    assert billed(snapshot) is None
    m.take_gpus(gpus(6, 1.0), "nvml")
    m.take_vllm(vllm(6, 600.0))
    assert billed(m.measure(6, 1e9 + 6)) == 6
