"""Drift through the whole meter, from the pages of a simulated vLLM to what is kept on disk."""

import json
import math
from itertools import pairwise

import pytest

from builders import rented
from given_settings import settings
from pentameter.assembly import settings_to_meter
from pentameter.drift.book import DriftPlan
from pentameter.keeper import Keeper, pin_baseline
from pentameter.meter import Meter
from pentameter.server_plan import ServerPlan
from pentameter.simulator.offline import WALL_AT_ZERO, OfflineVllm
from pentameter.simulator.presets import DEFAULT
from pentameter.windows import Window

# The simulated server begins with a queue, which it has worked off by then.
BEGIN, EVERY, PERIOD = 200.0, 2.0, 300.0


@pytest.fixture(scope="module")
def played():
    """Return a meter after five minutes and a bit, what the pages counted in them, and the finished requests."""
    plan = ServerPlan("simulator", gpu_count=2, cost=rented(1.8))
    meter = Meter([Window("1m", 60.0)], [plan], find_spec=lambda name: None, drift=DriftPlan())
    vllm = OfflineVllm(DEFAULT, 5, begin=BEGIN)
    tokens, requests, running = [], [], []
    for i in range(round(PERIOD / EVERY) + 1):
        now = BEGIN + i * EVERY
        requests += vllm.advance_to(now).requests
        page = vllm.read_page()
        meter.take_vllm(page)
        snapshot = meter.measure(now, WALL_AT_ZERO + now)
        tokens.append(sum(engine.counters["generation_tokens"] for engine in page.engines))
        running.append(sum(engine.gauges["running"] for engine in page.engines))
    return meter, snapshot, tokens[-1] - tokens[0], requests, running


def last_point(meter, quantity):
    [book] = meter.drift.to_state()["books"]
    _, load, value = book["book"]["tables"][quantity]["recent"][-1]
    return math.exp(load), math.exp(value)


def test_dollars_per_token_of_a_period_are_price_over_tokens(played):
    meter, _, tokens, _, _ = played
    load, dollars = last_point(meter, "cost_per_token")
    assert load == pytest.approx(tokens / PERIOD, rel=1e-4)
    assert dollars == pytest.approx(2 * 1.8 / 3600 * PERIOD / tokens * 1e6, rel=1e-4)


def test_tpot_is_that_of_the_requests_that_finished_and_its_load_the_mean_batch(played):
    meter, _, _, requests, running = played
    batch, tpot = last_point(meter, "tpot")
    busy = [(before + after) / 2 for before, after in pairwise(running) if before or after]
    assert batch == pytest.approx(sum(busy) / len(busy), rel=0.02)
    decoded = [request for request in requests if request.output_tokens > 1]
    # Those that finished are not quite those that ran.
    assert tpot == pytest.approx(
        sum(request.decode for request in decoded) / sum(request.output_tokens - 1 for request in decoded), rel=0.03
    )


def test_the_page_says_that_there_is_no_past_yet(played):
    _, snapshot, *_ = played
    said = {(s.metric.name, s.labels[-1]): s.value for s in snapshot.samples if "load_" in s.metric.name}
    assert said["pentameter_load_table_days", "tpot"] == 0
    assert said["pentameter_load_matched_periods", "rolling"] == 0
    assert not any(name == "pentameter_load_matched_ratio" for name, _ in said)


def followed(**drift):
    tree = {"vllm": {"servers": [{"url": "http://s:1", "name": "simulator"}]}, "economics": {"drift": drift}}
    return settings_to_meter(settings(tree))


def health(meter, source):
    return next(health for health in meter.health() if health.source == source)


def test_what_one_run_has_learnt_the_next_goes_on_with(played, tmp_path):
    file = tmp_path / "state.json"
    Keeper(str(file), played[0]).save()
    again = followed()
    Keeper(str(file), again).restore()
    assert health(again, "state_file").up
    assert again.drift.to_state()["books"] == played[0].drift.to_state()["books"]


def test_a_copy_of_the_state_is_a_baseline(played, tmp_path):
    file = tmp_path / "state.json"
    Keeper(str(file), played[0]).save()
    before = file.read_bytes()
    again = followed()
    pin_baseline(str(file), again)
    assert health(again, "drift_baseline").up
    assert file.read_bytes() == before


@pytest.mark.parametrize("content", [None, "{", "{}", '{"version": 1, "state": {"capacities": []}}'])
def test_a_baseline_that_is_none_is_said_and_left_where_it_is(content, tmp_path):
    file = tmp_path / "baseline.json"
    if content is not None:
        file.write_text(content)
    meter = followed()
    pin_baseline(str(file), meter)
    assert not health(meter, "drift_baseline").up
    assert health(meter, "drift_baseline").reason == ("not_found" if content is None else "malformed")
    assert [path.name for path in tmp_path.iterdir()] == ([] if content is None else ["baseline.json"])


def test_a_file_whose_drift_is_damaged_is_set_aside(tmp_path):
    file = tmp_path / "state.json"
    file.write_text(json.dumps({"version": 1, "state": {"capacities": [], "drift": {"books": [1]}}}))
    meter = followed()
    Keeper(str(file), meter).restore()
    assert health(meter, "state_file").reason == "corrupt"
    assert not file.exists()


def test_it_can_be_switched_off(played, tmp_path):
    file = tmp_path / "state.json"
    Keeper(str(file), played[0]).save()
    meter = followed(enabled=False)
    Keeper(str(file), meter).restore()
    assert meter.drift.to_state() == {}
