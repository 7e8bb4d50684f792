"""Many servers' books, their clock and their place on disk."""

import json
from dataclasses import replace

import pytest

from builders import deployment, slo, world
from drift.weeks import START, spans
from pentameter import drift_meter
from pentameter.capacity.estimate import Capacity
from pentameter.drift.book import DriftPlan
from pentameter.drift_meter import MOST_MODELS, DriftMeter
from pentameter.world import CapacityOf

DAY = 86_400.0


@pytest.fixture(autouse=True)
def given_steps(monkeypatch):
    """Let a server have done what stands at its name."""
    steps = {}
    monkeypatch.setattr(drift_meter, "step_of", lambda world, one: steps[one.server])
    return steps


def play(meter, steps, kind="none", days=5.0, first=0.0, wall=START, **more):
    """Let days pass on a monotonic clock, with the wall clock beside it."""
    found = None
    for time, span in spans(kind, 7, 600.0, weeks=days / 7):
        steps["a"] = span
        now = first * DAY + time
        found = meter.observe(world(deployment(**more)), now, wall + now)
    return found.deployments[0].drift


def days_of(drift):
    return drift.days["cost_per_token"]


def test_without_a_plan_nothing_is_followed(given_steps):
    whole = world(deployment())
    meter = DriftMeter(None)
    assert meter.observe(whole, 0.0, START) is whole
    assert meter.to_state() == {}


def test_days_that_pass_are_learnt(given_steps):
    meter = DriftMeter(DriftPlan())
    assert days_of(play(meter, given_steps, days=6.5)) == 5


@pytest.mark.parametrize("jump", [-400 * DAY, 400 * DAY])
def test_a_jump_of_the_wall_clock_changes_nothing_while_it_runs(given_steps, jump):
    steady, jumped = DriftMeter(DriftPlan()), DriftMeter(DriftPlan())
    for meter, wall in ((steady, START), (jumped, START + jump)):
        play(meter, given_steps, days=5)
        drift = play(meter, given_steps, days=1.5, first=5, wall=wall)
        assert days_of(drift) == 5
    assert jumped.to_state()["books"] == steady.to_state()["books"]


def restarted(meter, wall):
    again = DriftMeter(DriftPlan())
    again.restore(json.loads(json.dumps(meter.to_state())), wall)
    return again


@pytest.mark.parametrize("away", [-400 * DAY, 0.0, 400 * DAY])
def test_a_restart_with_another_wall_clock_forgets_nothing(given_steps, away):
    meter = DriftMeter(DriftPlan())
    play(meter, given_steps, days=6)
    again = restarted(meter, START + 6 * DAY + away)
    drift = play(again, given_steps, days=1.5, wall=START + 6 * DAY + away)
    assert days_of(drift) >= 5
    ratios = {m.quantity: m.comparison.ratio for m in drift.matched}
    assert ratios["cost_per_token"] == pytest.approx(1.0, abs=0.02)


def test_time_that_passed_while_it_was_off_is_taken_up(given_steps):
    meter = DriftMeter(DriftPlan())
    play(meter, given_steps, days=2)
    clock = meter.to_state()["clock"]
    assert restarted(meter, START + 3 * DAY).to_state()["clock"] == pytest.approx(clock + DAY, abs=1)
    assert restarted(meter, START).to_state()["clock"] == clock


def test_another_model_begins_a_book_of_its_own_and_the_old_one_waits(given_steps):
    meter = DriftMeter(DriftPlan())
    play(meter, given_steps, days=6)
    assert days_of(play(meter, given_steps, days=0.1, first=6, model="other")) == 0
    assert days_of(play(meter, given_steps, days=0.1, first=6.1)) == 5


def test_the_books_of_a_server_are_few(given_steps):
    meter = DriftMeter(DriftPlan())
    for number in range(9):
        play(meter, given_steps, days=0.02, first=float(number), model=f"m{number}")
    models = [book["model"] for book in meter.to_state()["books"]]
    assert models == [f"m{number}" for number in range(9 - MOST_MODELS, 9)]


def test_a_pinned_baseline_is_held_against_before_and_after_a_restore(given_steps):
    meter = DriftMeter(DriftPlan())
    play(meter, given_steps, days=4)
    baseline = meter.to_state()
    for again in (DriftMeter(DriftPlan()), restarted(meter, START + 4 * DAY)):
        again.pin(baseline)
        drift = play(again, given_steps, days=1, first=4)
        pinned = {m.quantity: m.comparison.ratio for m in drift.matched if m.against == "pinned"}
        assert pinned["tpot"] == pytest.approx(1.0, abs=0.03)


def test_the_cost_at_capacity_is_remembered_where_it_is_estimated(given_steps):
    meter = DriftMeter(DriftPlan())
    known = CapacityOf("a", "m", "0", slo(ttft=1.0), Capacity("observed", 5.0, 6.0, 7.0, output_tokens=100.0))
    unknown = replace(known, slo=slo("other", ttft=1.0), capacity=Capacity("lower_bound", 5.0, output_tokens=100.0))
    given_steps["a"] = next(span for _, span in spans("none", 1, 600.0))
    one = deployment(gpu_count=1, price=2.16)
    meter.observe(world(one, capacities=(known, unknown)), 0.0, START)
    tables = meter.to_state()["books"][0]["book"]["tables"]
    assert {name for name in tables if name.startswith("at_capacity")} == {"at_capacity/chat"}
    # 2.16 $/h / (600 tokens/s x 3600) = 1 $ per million: its logarithm is 0.
    assert tables["at_capacity/chat"]["recent"][0][1:] == [0.0, 0.0]


@pytest.mark.parametrize(
    "state",
    [None, {}, {"books": 3}, {"books": [3], "clock": 1.0, "wall": 1.0}, {"books": [], "clock": "x", "wall": 1.0}],
)
def test_what_no_run_has_written_is_refused(state):
    with pytest.raises(ValueError, match="no state of drift"):
        DriftMeter(DriftPlan()).restore(state, START)
