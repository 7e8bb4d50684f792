"""One server's drift: what becomes a point, what is compared, and what outlives a restart."""

import json
import math

import pytest

from drift.weeks import START, spans
from pentameter.drift.book import DriftBook, DriftPlan
from pentameter.drift.tally import Tally

HOUR, DAY = 3600.0, 86_400.0


def period(seconds=300.0, **amounts):
    usual = {"active": 150.0, "running": 1500.0, "tokens": 30_000.0, "decode": 1200.0, "decoded": 29_000.0}
    usual |= {"dollars": 1.0, "joules/gpu": 60_000.0}
    return Tally(seconds, {key: (amount, seconds) for key, amount in (usual | amounts).items()})


def points(book):
    """Return the last point of each table: load and value."""
    tables = book.to_state()["tables"]
    return {
        name: tuple(math.exp(number) for number in table["recent"][-1][1:])
        for name, table in tables.items()
        if table["recent"]
    }


def test_a_period_is_a_point_of_every_figure():
    book = DriftBook()
    book.add(START, period(), {"chat": 3.5})
    found = points(book)
    assert found["cost_per_token"] == pytest.approx((100.0, 1.0 / 30_000 * 1e6), rel=1e-4)
    assert found["energy_per_token"] == pytest.approx((100.0, 2.0), rel=1e-4)
    assert found["tpot"] == pytest.approx((10.0, 1200 / 29_000), rel=1e-4)  # ten requests while it worked
    assert found["at_capacity/chat"] == pytest.approx((1.0, 3.5), rel=1e-4)


def test_steps_make_a_period_together():
    book = DriftBook()
    for i in range(299):
        book.add(START + i, period(1.0, tokens=100.0))
    assert points(book) == {}
    book.add(START + 299, period(1.0, tokens=100.0))
    assert points(book)["cost_per_token"][0] == pytest.approx(100.0, rel=1e-4)


def test_a_period_of_a_few_tokens_speaks_for_nothing():
    book = DriftBook()
    book.add(START, period(tokens=999.0, decoded=999.0))
    assert points(book) == {}


@pytest.mark.parametrize(
    ("missing", "left"),
    [
        ("dollars", {"energy_per_token", "tpot"}),
        ("joules/gpu", {"cost_per_token", "tpot"}),
        ("running", {"cost_per_token", "energy_per_token"}),
        ("decode", {"cost_per_token", "energy_per_token"}),
        ("tokens", {"tpot"}),
    ],
)
def test_what_is_unknown_makes_no_point(missing, left):
    book, step = DriftBook(), period()
    del step.sums[missing]
    book.add(START, step)
    assert points(book).keys() == left


def test_a_week_ago_is_known_after_eight_days():
    book = DriftBook()
    for time, span in spans("none", 1, HOUR, weeks=1):
        book.add(START + time, span)
    assert {(c.window, c.since) for c in book.drift(START).causes} == {("1h", "1d")}
    for time, span in spans("none", 1, HOUR, weeks=2 / 7):
        book.add(START + 7 * DAY + time, span)
    assert {(c.figure, c.window, c.since) for c in book.drift(START).causes} == {
        (figure, *span) for figure in ("cost", "energy") for span in (("1h", "1d"), ("1d", "7d"))
    }


def test_a_book_outlives_a_restart():
    whole, first = DriftBook(), DriftBook()
    steps = [(START + time, span) for time, span in spans("none", 3, 600.0, weeks=10 / 7)]
    for clock, span in steps:
        whole.add(clock, span, {"chat": 2.0})
    for clock, span in steps[:1000]:
        first.add(clock, span, {"chat": 2.0})
    second = DriftBook.from_state(json.loads(json.dumps(first.to_state())))
    for clock, span in steps[1000:]:
        second.add(clock, span, {"chat": 2.0})
    now, expected = second.drift(steps[-1][0]), whole.drift(steps[-1][0])
    assert now.days == expected.days
    assert [c.ratio for c in now.causes] == pytest.approx([c.ratio for c in expected.causes], rel=1e-6)
    ratios = [m.comparison.ratio for m in now.matched]
    assert None not in ratios
    assert ratios == pytest.approx([m.comparison.ratio for m in expected.matched], rel=1e-4)


def test_after_days_of_absence_the_causes_of_the_last_known_hour_are_not_told():
    book, clock = DriftBook(), START
    for time, span in spans("none", 1, 600.0, weeks=2 / 7):
        clock = START + time
        book.add(clock, span)
    again = DriftBook.from_state(json.loads(json.dumps(book.to_state())))
    assert len(again.drift(clock).causes) == len(book.drift(clock).causes) > 0
    again.add(clock + 3 * DAY, Tally())  # the first snapshot: nothing is counted yet
    assert again.drift(clock + 3 * DAY).causes == ()


def test_two_months_of_one_server_take_little_room():
    book = DriftBook(DriftPlan())
    for time, span in spans("none", 5, 1800.0, weeks=8):
        book.add(START + time, span)
    assert len(json.dumps(book.to_state(), separators=(",", ":"))) < 120_000


@pytest.mark.parametrize(
    "state", [None, {}, {"hours": []}, {"hours": [], "tables": []}, {"hours": [], "tables": {"a": 1}}]
)
def test_what_no_run_has_written_is_refused(state):
    with pytest.raises(ValueError, match="no state of drift"):
        DriftBook.from_state(state)
