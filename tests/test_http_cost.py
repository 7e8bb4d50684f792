"""``/api/v1/cost``: the hours that were asked for, as JSON or as CSV, and what is wrong with a question."""

import csv
import io
import math
import time

import pytest

from asgi_client import ask
from cost_days import HOUR, NOON, OWNED, RENTED, follow, meter
from pentameter.http import create_app
from pentameter.snapshot import Snapshot

PATH = "/api/v1/cost"


@pytest.fixture(scope="module")
def lived():
    """Return an application after three hours and five minutes, and the snapshot that it shows."""
    one = meter(OWNED)
    snapshot = follow(one, 3.0)
    return create_app(lambda: snapshot, lambda: True, one.journal.entries), snapshot


def rows(answer):
    return list(csv.DictReader(io.StringIO(answer.text)))


def starts(answer):
    return [row["start"] for row in answer.json["rows"]]


ALL = [f"2027-01-15T{hour:02}:00:00Z" for hour in (8, 9, 10, 11)]


def test_the_journal_is_there_as_json(lived):
    app, snapshot = lived
    answer = ask(app, PATH)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["currency"] == "USD"
    assert answer.json["time"] == snapshot.wall
    assert starts(answer) == ALL


def test_a_row_tells_what_an_hour_cost_and_what_it_was_paid_by(lived):
    app, _ = lived
    row = ask(app, PATH).json["rows"][1]
    assert row["server"] == "a"
    assert row["complete"] is True
    assert row["price"]["dollars_per_hour"] == 1.5
    assert row["price"]["origin"] == "owned"
    assert row["price"]["dollars_per_kwh"] == 0.08
    assert row["dollars_by_component"]["gpu"] == pytest.approx(3.0)
    assert row["gpu_hours"] == pytest.approx(2.0)
    assert row["tokens"] == {"prompt": 6000, "generated": 1200, "computed": 3600, "cached": 2400}
    assert row["requests"] == 60


def test_components_and_states_of_a_row_add_up_to_its_dollars(lived):
    app, _ = lived
    for row in ask(app, PATH).json["rows"]:
        for parts in ("dollars_by_component", "dollars_by_state"):
            assert math.fsum(row[parts].values()) == pytest.approx(row["dollars"], rel=1e-12)
        assert math.fsum(row["joules_by_state"].values()) == pytest.approx(
            math.fsum(row["joules_by_component"].values()), rel=1e-12
        )


def test_the_present_figures_of_a_server_stand_beside(lived):
    app, snapshot = lived
    [server] = ask(app, PATH).json["servers"]
    assert (server["server"], server["model_name"], server["engine"]) == ("a", "m", "0")
    shown = {s.labels[3]: s.value for s in snapshot.samples if s.metric.name == "pentameter_cost_per_hour_dollars"}
    assert server["dollars_per_hour"] == shown
    assert server["dollars_per_hour"]["gpu"] == 3.0


def test_a_million_tokens_stand_there_with_their_kind_and_method():
    one = meter(RENTED)
    snapshot = follow(one, 0.25)
    [server] = ask(create_app(lambda: snapshot, lambda: True, one.journal.entries), PATH).json["servers"]
    shown = [s.value for s in snapshot.samples if s.metric.name == "pentameter_cost_per_million_tokens_dollars"]
    assert shown
    assert [unit["value"] for unit in server["dollars_per_million_tokens"]] == shown
    assert {"window", "tokens", "method", "value"} == server["dollars_per_million_tokens"][0].keys()


def test_the_hour_that_goes_on_is_not_complete(lived):
    app, _ = lived
    assert [row["complete"] for row in ask(app, PATH).json["rows"]] == [True, True, True, False]


@pytest.mark.parametrize(
    ("path", "accept"), [(f"{PATH}?format=csv", "*/*"), (PATH, "text/csv"), (PATH, "application/json;q=0.1, text/csv")]
)
def test_the_journal_is_there_as_csv(lived, path, accept):
    app, _ = lived
    answer = ask(app, path, accept=accept)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/csv")
    assert {row["ChargePeriodStart"] for row in rows(answer)} == set(ALL)


def test_the_format_that_is_named_comes_before_the_header(lived):
    app, _ = lived
    assert ask(app, f"{PATH}?format=json", accept="text/csv").json["currency"] == "USD"


def test_csv_and_json_tell_the_same_dollars(lived):
    app, _ = lived
    told = math.fsum(row["dollars"] for row in ask(app, PATH).json["rows"])
    assert math.fsum(float(row["EffectiveCost"]) for row in rows(ask(app, f"{PATH}?format=csv"))) == pytest.approx(told)


@pytest.mark.parametrize(
    ("query", "hours"),
    [
        ("start=2027-01-15T09:00:00Z", ALL[1:]),
        ("end=2027-01-15T09:00:00Z", ALL[:1]),
        ("start=2027-01-15T09:00:00Z&end=2027-01-15T11:00:00Z", ALL[1:3]),
        ("start=2027-01-15T08:00:01Z", ALL[1:]),
        ("start=2027-01-15T10:00:00%2B01:00", ALL[1:]),
        ("start=2027-01-15T09:00:00", ALL[1:]),
        ("start=2027-01-16", []),
        ("end=2027-01-15", []),
        (f"start={NOON + HOUR:.0f}&end={NOON + 2 * HOUR}", ALL[1:2]),
        ("start=0", ALL),
    ],
)
def test_hours_are_chosen_by_when_they_begin(lived, query, hours):
    app, _ = lived
    assert starts(ask(app, f"{PATH}?{query}")) == hours


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("start=yesterday", "start is 'yesterday'"),
        ("end=nan", "end is 'nan'"),
        ("end=inf", "out of range"),
        ("start=-1", "out of range"),
        ("start=2026", "out of range"),
        ("start=20261101", "out of range"),
        ("start=1e15", "out of range"),
        ("start=2027-01-15T10:00:00+01:00", "no time"),  # a plus sign in a query is a space
        ("start=2027-01-16&end=2027-01-15", "end is before start"),
        ("format=xml", "json or csv"),
        ("from=2027-01-15", "unknown parameter 'from'"),
    ],
)
def test_a_question_that_makes_no_sense_is_answered_with_what_is_wrong(lived, query, words):
    app, _ = lived
    answer = ask(app, f"{PATH}?{query}")
    assert answer.status == 400
    assert words in answer.json["error"]


def test_before_the_first_snapshot_there_is_nothing_to_tell():
    assert ask(create_app(lambda: None, lambda: False), PATH).status == 503


def test_without_a_server_the_journal_is_empty():
    empty = Snapshot((), (), time.time(), time.monotonic(), 1)
    app = create_app(lambda: empty, lambda: True)
    assert ask(app, PATH).json == {"time": empty.wall, "currency": "USD", "servers": [], "rows": []}
    assert rows(ask(app, f"{PATH}?format=csv")) == []
