"""The cost journal: hours that add up to the counters, whatever the clocks do."""

import json
import math

import pytest

from builders import deployment, engine, world
from cost_days import HOUR, NOON, OWNED, RENTED, boards, counted, follow, meter, page, silent
from pentameter.cost.plan import Quote
from pentameter.cost_hours import Account, Entry
from pentameter.cost_journal import MOST_ENTRIES, CostJournal
from pentameter.idle_meter import STATES
from pentameter.keeper import Keeper

ACCOUNT = Account("a", "m", "0", RENTED.quote)


def summed(journal, *parts):
    found = [total for entry in journal.entries() if (total := entry.total(*parts)) is not None]
    return math.fsum(found) if found else None


def changed(step, one):
    """Let the price change in the middle of the second hour."""
    if step == 18:
        one.take_costs({"a": OWNED})


@pytest.mark.parametrize("plan", [RENTED, OWNED], ids=["rented", "owned"])
def test_the_hours_add_up_to_the_counters_of_dollars(plan):
    one = meter(plan)
    snapshot = follow(one, 5, seen=changed)
    assert counted(snapshot, "cost_dollars_total") > 10
    assert summed(one.journal, "dollars") == pytest.approx(counted(snapshot, "cost_dollars_total"), rel=1e-12)


@pytest.mark.parametrize("state", STATES)
def test_each_state_adds_up_to_its_counters(state):
    one = meter(OWNED)
    snapshot = follow(one, 3)
    dollars = [entry.by(2, "dollars").get(state, 0.0) for entry in one.journal.entries()]
    joules = [entry.by(2, "joules").get(state, 0.0) for entry in one.journal.entries()]
    assert sum(dollars) == pytest.approx(counted(snapshot, f"{state}_cost_dollars_total"), rel=1e-12)
    assert sum(joules) == pytest.approx(counted(snapshot, f"{state}_energy_joules_total"), rel=1e-12)


def test_energy_and_carbon_add_up_to_their_counters():
    one = meter(OWNED)
    snapshot = follow(one, 3)
    assert summed(one.journal, "joules") == pytest.approx(counted(snapshot, "energy_joules_total"), rel=1e-12)
    assert summed(one.journal, "grams") == pytest.approx(counted(snapshot, "carbon_grams_total"), rel=1e-12)
    # Two GPUs of a milligram per second for three hours.
    assert summed(one.journal, "grams", "embodied") == pytest.approx(2 * 3 * 3.6)


def test_an_hour_tells_what_was_done_in_it():
    one = meter()
    follow(one, 3)
    hour = one.journal.entries()[1]
    # From 13:05 to 13:55 and at 13:00, half of which worked: 6 steps of 10 requests.
    assert hour.start == NOON + HOUR
    assert hour.amounts["requests"] == 60
    assert hour.tokens() == {"prompt": 6000, "computed": 3600, "cached": 2400, "generated": 1200}
    assert hour.total("seconds") == pytest.approx(HOUR)
    assert hour.total("gpu_seconds") == pytest.approx(2 * HOUR)
    assert hour.total("joules", "gpu") == pytest.approx(2 * 720 * HOUR)


def test_an_hour_costs_the_price_of_its_gpus():
    one = meter()
    follow(one, 3)
    parts = one.journal.entries()[1].by(1, "dollars")
    # 2 x 2.02 $/h; 10 % of 4.04 + 0.1 on top.
    assert parts == {
        "gpu": pytest.approx(4.04),
        "storage": pytest.approx(0.1),
        "overhead": pytest.approx(0.414),
    }


def test_a_price_that_changes_within_an_hour_makes_two_accounts_of_it():
    one = meter()
    follow(one, 3, seen=changed)
    second = [entry for entry in one.journal.entries() if entry.start == NOON + HOUR]
    assert {entry.account.quote for entry in second} == {RENTED.quote, OWNED.quote}
    for entry in second:
        hours = entry.total("gpu_seconds") / HOUR
        assert entry.total("dollars", "gpu") == pytest.approx(hours * entry.account.quote.dollars_per_hour)
    assert sum(entry.total("gpu_seconds") for entry in second) == pytest.approx(2 * HOUR)


def test_without_a_price_there_are_no_dollars_but_tokens_and_joules():
    one = meter(type(RENTED)())
    follow(one, 1)
    first = one.journal.entries()[0]
    assert first.account.quote is None
    assert first.total("dollars") is None
    assert first.tokens()["generated"] > 0
    assert first.total("joules") > 0


def test_a_server_that_nobody_has_seen_is_in_no_hour():
    one = meter()
    one.measure(0, NOON)
    assert one.journal.entries() == ()


def test_a_silent_server_costs_on():
    one = meter()
    one.take_vllm(page(0, 0))
    one.take_gpus(boards(0), "nvml")
    one.measure(0, NOON)
    one.take_health(silent())
    for minute in range(1, 61):
        one.measure(60.0 * minute, NOON + 60.0 * minute)
    assert summed(one.journal, "dollars", "gpu") == pytest.approx(4.04)
    assert {key for entry in one.journal.entries() for key in entry.by(2, "dollars")} == {"unobserved"}


def test_a_restart_of_vllm_makes_no_token_twice_and_none_negative():
    one = meter()
    for time, work, start in ((0, 0, 1.0), (60, 10, 1.0), (120, 3, NOON + 100)):
        one.take_vllm(page(float(time), work, start=start))
        one.take_gpus(boards(float(time)), "nvml")
        one.measure(float(time), NOON + time)
    assert summed(one.journal, "requests") == 13
    assert summed(one.journal, "tokens", "prompt") == 1300


@pytest.mark.parametrize("jump", [-86_400.0, -2 * HOUR, -100.0, 100.0, 2 * HOUR, 40 * 365 * 86_400.0])
def test_a_step_of_the_wall_clock_moves_amounts_and_changes_none(jump):
    one = meter(OWNED)
    snapshot = follow(one, 4, walls=lambda step, wall: wall + (jump if step > 20 else 0.0))
    entries = one.journal.entries()
    assert summed(one.journal, "dollars") == pytest.approx(counted(snapshot, "cost_dollars_total"), rel=1e-12)
    assert all(value > 0 for entry in entries for value in entry.amounts.values())
    assert len({(entry.start, entry.account) for entry in entries}) == len(entries)


def test_a_clock_that_goes_back_for_a_moment_adds_to_the_hour_that_was_there():
    one = meter()
    follow(one, 3, walls=lambda step, wall: wall - HOUR if step == 18 else wall)
    first, second, *_ = one.journal.entries()
    assert first.total("seconds") == pytest.approx(HOUR - 300 + 300)
    assert second.total("seconds") == pytest.approx(HOUR - 300)


def test_time_that_nobody_measured_in_goes_to_the_hour_in_which_it_became_known():
    one = meter()
    one.take_vllm(page(0, 0))
    one.take_gpus(boards(0), "nvml")
    one.measure(0, NOON)
    one.measure(3 * HOUR + 60, NOON + 3 * HOUR + 60)
    [entry] = one.journal.entries()
    assert entry.start == NOON + 3 * HOUR
    assert entry.total("dollars", "gpu") == pytest.approx(4.04 * (3 + 1 / 60))


# ---------------------------------------------------------------------- its size


def hours(number, *, first=0):
    return {"cost_hours": [row(3600 * (first + i)) for i in range(number)]}


def row(start=0, **more):
    return {
        "start": start,
        "server": "a",
        "model_name": "m",
        "engine": "0",
        "quote": None,
        "dollars_per_kwh": None,
        "amounts": {"requests": 1.0},
    } | more


def test_the_oldest_hours_are_let_go():
    journal = CostJournal(hours=24)
    journal.restore(hours(30))
    assert [entry.start for entry in journal.entries()] == [3600 * i for i in range(6, 30)]


def test_a_month_of_hours_is_kept_unless_told_otherwise():
    journal = CostJournal()
    journal.restore(hours(800))
    assert len(journal.entries()) == 31 * 24


def test_many_servers_keep_fewer_hours():
    journal = CostJournal()
    journal.restore({"cost_hours": [row(3600 * hour, server=f"s{i}") for hour in range(300) for i in range(40)]})
    entries = journal.entries()
    assert len(entries) <= MOST_ENTRIES
    assert {entry.start for entry in entries} == {3600 * hour for hour in range(50, 300)}


def test_a_moment_in_the_far_future_pushes_no_hour_out():
    one = meter()
    one.journal.restore(hours(743, first=100))
    follow(one, 1, walls=lambda step, wall: 4e9 if step == 3 else wall)
    # Of 743 + 12:00, 13:00 and 2096 the two that were written to first have gone.
    assert [entry.start for entry in one.journal.entries()][:2] == [3600 * 102, 3600 * 103]
    assert len(one.journal.entries()) == 744


def test_an_hour_that_is_written_to_again_stays():
    journal = CostJournal(hours=3)
    for start in (0, 1, 2, 0, 3):
        journal.restore({"cost_hours": [row(3600 * start)]})
    assert [entry.start for entry in journal.entries()] == [0, 7200, 10_800]


def test_a_month_of_a_server_is_a_megabyte_or_two():
    one = meter(OWNED)
    follow(one, 3)
    size = len(json.dumps(one.journal.entries()[1].amounts))
    assert 744 * size < 2e6


# ---------------------------------------------------------------------- over a restart


def test_the_journal_survives_a_restart():
    one = meter(OWNED)
    follow(one, 3, seen=lambda step, m: m.take_costs({"a": RENTED}) if step == 20 else None)
    saved = json.loads(json.dumps(one.journal.to_state()))
    again = CostJournal()
    again.restore(saved)
    assert again.entries() == one.journal.entries()


def test_the_keeper_saves_the_hours_with_all_else_that_was_learnt(tmp_path):
    file = str(tmp_path / "state.json")
    before, after = meter(OWNED), meter(OWNED)
    follow(before, 1)
    Keeper(file, before).save()
    Keeper(file, after).restore()
    assert after.journal.entries() == before.journal.entries()
    assert [health.up for health in after.health() if health.source == "state_file"] == [True]


def test_a_file_with_impossible_hours_is_set_aside(tmp_path):
    file = tmp_path / "state.json"
    file.write_text(json.dumps({"version": 1, "state": {"capacities": [], "cost_hours": [row(start=1)]}}))
    one = meter()
    Keeper(str(file), one).restore()
    assert one.journal.entries() == ()
    assert [health.reason for health in one.health() if health.source == "state_file"] == ["corrupt"]


def test_an_hour_goes_on_after_a_restart():
    before, after = meter(), meter()
    follow(before, 0.5)
    after.journal.restore(before.journal.to_state())
    follow(after, 0.5, since=1800.0)
    [first] = [entry for entry in after.journal.entries() if entry.start == NOON]
    alone = meter()
    follow(alone, 0.5, since=1800.0)
    [rest] = [entry for entry in alone.journal.entries() if entry.start == NOON]
    assert first.total("dollars") == pytest.approx(before.journal.entries()[0].total("dollars") + rest.total("dollars"))


def test_a_state_without_a_journal_is_no_error():
    journal = CostJournal()
    journal.restore({"capacities": []})
    assert journal.entries() == ()


@pytest.mark.parametrize(
    "bad",
    [
        {"start": 1},
        {"start": -3600},
        {"start": 3600.0},
        {"start": True},
        {"start": 10**15 * 36},
        {"server": None},
        {"server": "a" * 1001},
        {"engine": 0},
        {"quote": []},
        {"quote": {"dollars_per_hour": 1.0}},
        {"quote": {"dollars_per_hour": "1", "origin": "owned"}},
        {"dollars_per_kwh": -1},
        {"dollars_per_kwh": "1"},
        {"amounts": None},
        {"amounts": {"requests": -1}},
        {"amounts": {"requests": math.nan}},
        {"amounts": {"requests": math.inf}},
        {"amounts": {"requests": 10**400}},
        {"amounts": {"requests": True}},
        {"amounts": {"requests": "1"}},
        {"amounts": {"dollars/gpu": 1.0}},
        {"amounts": {"seconds/active/late": 1.0}},
        {"amounts": {"bananas": 1.0}},
        {"amounts": {f"tokens/{i}": 1.0 for i in range(101)}},
    ],
)
def test_a_state_that_cannot_have_been_is_refused_and_nothing_is_taken(bad):
    journal = CostJournal()
    with pytest.raises(ValueError, match="no state of a cost journal"):
        journal.restore({"cost_hours": [row(), row(**bad)]})
    assert journal.entries() == ()


@pytest.mark.parametrize("bad", [{}, "hours", 3, [[]], [None]])
def test_a_state_of_another_kind_is_refused(bad):
    with pytest.raises(ValueError, match="no state of a cost journal"):
        CostJournal().restore({"cost_hours": bad})


# ---------------------------------------------------------------------- an entry


def test_prefix_hits_that_come_before_their_prompt_are_made_good_when_it_comes():
    assert Entry(0, ACCOUNT, {"tokens/prompt": 100.0, "tokens/computed": 30.0}).tokens() == {
        "prompt": 100,
        "computed": 30,
        "cached": 70,
    }
    early = Entry(0, ACCOUNT, {"tokens/prompt": 10.0, "tokens/computed": -5.0})
    assert early.tokens() == {"prompt": 10, "computed": 0, "cached": 10}


def test_before_0_16_the_cached_tokens_are_the_hits_of_the_prefix_cache():
    journal = CostJournal()
    # The hits of a prompt of 100 are seen first, then the prompt.
    for tick in ({"prompt_tokens": 0.0, "prefix_cache_hits": 64.0}, {"prompt_tokens": 100.0, "prefix_cache_hits": 0.0}):
        journal.take(world(deployment(engine(tick=tick))), (), NOON)
    [entry] = journal.entries()
    assert entry.tokens() == {"prompt": 100, "computed": 36, "cached": 64}


def test_tokens_are_not_told_apart_where_vllm_does_not():
    assert Entry(0, ACCOUNT, {"tokens/prompt": 100.0}).tokens() == {"prompt": 100}


def test_what_is_unknown_is_none_and_not_zero():
    entry = Entry(0, Account("a", "m", "0", Quote(1.0, "configured")), {"requests": 3.0})
    assert entry.total("dollars") is None
    assert entry.total("requests") == 3
    assert entry.by(1, "joules") == {}
