"""The book: ages, configurations, and what outlives a restart."""

import json
from dataclasses import replace

import pytest

from capacity.made import DAY, HOUR, day, noisy_day, window
from pentameter.capacity.estimate import Limits
from pentameter.capacity.memory import MOST_WINDOWS, CapacityBook, fingerprint

WALL = 1_763_900_000.0
LIMITS = Limits(target=0.9)


def book_of(windows, limits=LIMITS, now=DAY):
    """Return a book that learnt windows of a monotonic clock at ``now`` while the wall clock read ``WALL``."""
    book = CapacityBook(limits)
    book.add(windows, monotonic=now, wall=WALL)
    return book


def test_windows_are_kept_on_the_wall_clock():
    book = book_of([window(5.0, at=DAY - 600.0)])
    assert book.windows[0].start == WALL - 600.0


def test_the_estimate_is_that_of_its_windows():
    answer = book_of(day(8.0, 10.0)).estimate(WALL)
    assert answer.state == "extrapolated"
    assert answer.estimate == pytest.approx(10.0, rel=0.02)


def test_an_empty_book_knows_nothing():
    assert CapacityBook(LIMITS).estimate(WALL).state == "unknown"


def test_windows_fade_by_half_a_day():
    book = book_of([window(5.0, severity=0.9, at=DAY - 300.0 * i) for i in range(12, 0, -1)])
    assert book.estimate(WALL).state == "lower_bound"
    # Six of twelve are needed; after a day and an hour they weigh a little less than six.
    assert book.estimate(WALL + DAY - 2 * HOUR).state == "lower_bound"
    assert book.estimate(WALL + DAY + HOUR).state == "unknown"


def test_after_a_week_nothing_is_left():
    book = book_of([window(5.0)])
    book.estimate(WALL + 7 * DAY)
    assert len(book.windows) == 0


def test_the_book_is_bounded():
    book = book_of([window(5.0, at=float(i)) for i in range(MOST_WINDOWS + 10)])
    assert len(book.windows) == MOST_WINDOWS
    assert book.windows[0].start == WALL - DAY + 10


def test_windows_from_the_future_do_not_count():
    book = book_of(day(8.0, 10.0))
    assert book.estimate(WALL - 3 * DAY).state == "unknown"
    assert book.estimate(WALL).state == "extrapolated"


def test_another_configuration_begins_anew():
    book = book_of(day(8.0, 10.0))
    assert book.configure("a") is False
    assert len(book.windows) == 288
    assert book.configure("") is False
    assert book.configure("a") is False
    assert len(book.windows) == 288
    assert book.configure("b") is True
    assert book.windows == ()
    assert book.configure("b") is False


def test_a_fingerprint_changes_with_any_fact_and_not_with_their_order():
    facts = {"model": "m", "gpus": 2, "quantisation": None}
    assert fingerprint(facts) == fingerprint(dict(reversed(facts.items())))
    others = [{**facts, "gpus": 4}, {**facts, "gpus": "2"}, {**facts, "dtype": "bf16"}, {"model": "m", "gpus": 2}]
    assert len({fingerprint(facts), *map(fingerprint, others)}) == 5
    assert fingerprint({"a": "1\nb='2'"}) != fingerprint({"a": "1", "b": "2"})


def test_another_mix_of_lengths_is_another_capacity():
    old = [replace(w, output_tokens=100.0) for w in day(8.0, 10.0)]
    new = [replace(w, output_tokens=400.0, start=w.start + DAY) for w in day(2.0, 2.5)]
    book = book_of(old + new, now=2 * DAY)
    answer = book.estimate(WALL)
    assert answer.estimate == pytest.approx(2.5, rel=0.02)
    assert answer.windows == 288


def test_a_server_that_became_slower_is_learnt_anew():
    slow = [window(5.0, at=DAY + 300.0 * i, severity=2 / 1.5, good=0.6) for i in range(13)]
    book = book_of(day(8.0, 10.0) + slow, now=DAY + 13 * 300)
    assert book.estimate(WALL).state == "unknown"
    assert book.slowdowns == 1
    assert len(book.windows) == 13


def test_a_refuted_bound_is_forgotten():
    queue = [
        replace(window(6.5, at=DAY + 300.0 * i, good=0.0, severity=9.0), waiting_at_start=900.0, finished=300)
        for i in range(12)
    ]
    book = book_of(day(8.0, 10.0) + queue, now=DAY + HOUR)
    assert book.estimate(WALL).state == "unknown"
    assert book.slowdowns == 1


def test_a_book_of_one_hour_has_nothing_to_forget():
    carried = [window(9.0, at=200.0 * i, seconds=200.0) for i in range(10)]
    queued = replace(window(9.0, good=0.0, seconds=200.0), waiting_at_start=900.0, finished=200)
    queue = [replace(queued, start=2000.0 + 200.0 * i) for i in range(8)]
    book = book_of(carried + queue, now=3600.0)
    assert book.estimate(WALL).state == "lower_bound"
    assert book.slowdowns == 0


# ---------------------------------------------------------------- over a restart


def restored(book, limits=LIMITS):
    return CapacityBook.from_state(json.loads(json.dumps(book.to_state())), limits)


def test_a_restart_changes_nothing_that_is_said():
    windows = [
        replace(w, waiting_at_start=1.0, kv_peak=0.5, running_peak=9.0, dispersion=1.23456789, prompt_tokens=50.0)
        for w in noisy_day(1, 8.0, 10.0, 2.0)
    ]
    book = book_of(windows)
    book.configure("abc")
    again = restored(book)
    before, after = book.estimate(WALL + HOUR), again.estimate(WALL + HOUR)
    assert (after.state, after.binding, after.windows) == (before.state, before.binding, before.windows)
    assert after.estimate == pytest.approx(before.estimate, rel=1e-4)
    assert after.lower == pytest.approx(before.lower, rel=1e-4)
    first, second = book.windows[7], again.windows[7]
    assert second.start == pytest.approx(first.start, abs=1e-3)
    assert second.margins == pytest.approx(first.margins, rel=1e-5)
    assert (second.arrivals, second.good, second.dispersion) == (first.arrivals, first.good, 1.23457)
    assert again.configure("abd") is True


def test_a_week_of_windows_is_a_small_file():
    book = book_of([w for i in range(7) for w in noisy_day(i, 8.0, 10.0, 2.0)])
    assert len(book.windows) == 2016
    assert len(json.dumps(book.to_state())) < 300_000


def test_what_was_learnt_for_another_target_is_not_taken_over():
    again = restored(book_of(day(8.0, 10.0)), Limits(target=0.99))
    assert again.windows == ()


GOOD = book_of([window(5.0), window(6.0)]).to_state()
ROW = GOOD["windows"][0]


def row_with(column, value):
    row = list(ROW)
    row[GOOD["columns"].index(column)] = value
    return {**GOOD, "windows": [row]}


@pytest.mark.parametrize(
    "state",
    [
        None,
        [],
        "text",
        {},
        {**GOOD, "fingerprint": 3},
        {**GOOD, "columns": GOOD["columns"][:-2]},
        {**GOOD, "columns": [*GOOD["columns"][:-1], 7]},
        {**GOOD, "columns": [*GOOD["columns"], "tpot"]},
        {**GOOD, "columns": [*GOOD["columns"], *(f"o{i}" for i in range(9))]},
        {**GOOD, "windows": {}},
        {**GOOD, "windows": [7]},
        {**GOOD, "windows": [ROW[:-1]]},
        {**GOOD, "windows": [ROW] * (MOST_WINDOWS + 1)},
        row_with("start", "now"),
        row_with("start", None),
        row_with("start", True),
        row_with("start", float("nan")),
        row_with("start", float("inf")),
        row_with("seconds", 0),
        row_with("seconds", -300.0),
        row_with("arrivals", 1.5),
        row_with("arrivals", -1),
        row_with("judged", 10**9),
        row_with("good", 10**9),
        row_with("severity", 0),
        row_with("severity", []),
        row_with("kv_peak", -0.1),
        row_with("tpot", "x"),
        row_with("tpot", 0.0),
        row_with("arrivals", 10**400),
        row_with("start", 10**400),
    ],
    ids=lambda state: repr(state)[-60:],
)
def test_what_cannot_have_been_saved_is_refused(state):
    with pytest.raises(ValueError, match="goodput capacity"):
        CapacityBook.from_state(state, LIMITS)


def test_the_state_that_the_refused_ones_derive_from_is_taken():
    assert len(CapacityBook.from_state(GOOD, LIMITS).windows) == 2
    assert len(CapacityBook.from_state(row_with("kv_peak", None), LIMITS).windows) == 1
