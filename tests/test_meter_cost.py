"""Money through the whole meter: restarts, new prices, no traffic, clocks that jump, energy with gaps."""

import pytest

from builders import rented
from pentameter.cost.plan import CostPlan, Quote
from pentameter.host_energy import HostPlan
from pentameter.meter import Meter, MixedBackendsError
from pentameter.readings import HostReading
from pentameter.records import RecordsReading, ToldGpus
from pentameter.server_plan import MachinePlan, ServerPlan
from test_meter import MINUTE, down, gpus, meter, up, value, vllm

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


def test_processes_that_take_turns_behind_one_address_do_not_warm_up_for_ever():
    m = meter(ServerPlan("a", gpu_count=1, cost=DOLLAR_A_SECOND))
    m.take_vllm(vllm(0, start=500.0))
    for second in range(1, 20):
        with pytest.raises(MixedBackendsError):
            m.take_vllm(vllm(second, start=600.0 if second % 2 else 500.0))
        m.take_health(down("vllm", "a", "mixed_backends"))
        snapshot = m.measure(second, 1e9 + second)
    assert billed(snapshot, "unobserved_cost_dollars_total") == pytest.approx(billed(snapshot)) == 19
    assert billed(snapshot, "warmup_cost_dollars_total") == 0


@pytest.mark.parametrize("expected", [2, 16])
def test_gpus_that_are_on_another_machine_are_paid_as_well(expected):
    m = meter(ServerPlan("a", cost=DOLLAR_A_SECOND))
    for second in range(11):
        m.take_vllm(vllm(second))
        here = ToldGpus("m", "one", gpus(second, 1000.0 + second), "", {}, expected)
        m.take_records(RecordsReading(second, second, gpus=(here,)), "plugin")
        snapshot = m.measure(second, 1e9 + second)
    assert billed(snapshot) == 10 * expected
    assert value(snapshot, "pentameter_cost_per_hour_dollars", component="total") == 3600 * expected


# ---------------------------------------------------------------------------- energy with gaps

DOLLAR_A_JOULE = CostPlan(Quote(0.0, "owned"), dollars_per_kwh=3.6e6)


def metered(cost=DOLLAR_A_JOULE, machine_gpus=1):
    """Return a meter of an owned machine of 50 W without its GPU, in a building that doubles what it draws."""
    machine = MachinePlan(HostPlan(gpus=machine_gpus, idle_watts=50.0), pue=2.0)
    return Meter(MINUTE, [ServerPlan("a", cost=cost)], find_spec={}.get, machine=machine)


def draw(m, seconds, *lost):
    """Let seconds pass in which the GPU draws 100 W; return the last snapshot. What is lost cannot be read."""
    for second in seconds:
        m.take_vllm(vllm(second))
        for source in lost:
            m.take_health(down(source))
        if "nvml" not in lost:
            m.take_gpus(gpus(second, 1000.0 + 100.0 * second), "nvml")
        if "host" not in lost:
            m.take_host(HostReading(second, second, 1, 0.0, 1e9, 1e8))
        snapshot = m.measure(second, 1e9 + second)
    return snapshot


@pytest.mark.parametrize("lost", ["nvml", "host"])
def test_all_energy_of_a_gap_is_paid_when_it_is_known_what_was_known_in_it_too(lost):
    m = metered()
    draw(m, range(11))
    draw(m, range(11, 21), lost)
    snapshot = draw(m, range(21, 31))
    # 30 s of (100 W + 50 W), doubled; the first snapshot has no energy yet.
    assert value(snapshot, "pentameter_cost_dollars_total", component="energy") == pytest.approx(9000)
    overhead = value(snapshot, "pentameter_energy_joules_total", component="overhead")
    assert overhead == pytest.approx(4500), "(PUE - 1) x (gpu + host), the gap's included"
    states = ("active", "idle", "asleep", "unobserved")
    parts = [value(snapshot, f"pentameter_{state}_cost_dollars_total", component="energy") for state in states]
    assert sum(parts) == pytest.approx(9000)


def test_what_a_rent_contained_is_not_paid_again_by_who_then_owns():
    m = metered(rented(1.0))
    draw(m, range(11))
    draw(m, range(11, 21), "nvml")
    m.take_costs({"a": DOLLAR_A_JOULE})
    paid = value(draw(m, range(21, 22)), "pentameter_cost_dollars_total", component="energy")
    # The reading after the gap tells 11 s of the GPU at once; of the host it is one second.
    assert paid == pytest.approx(2 * (1100 + 50))
