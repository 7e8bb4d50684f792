"""Deadlines come in order of time, and only for those who still wait."""

from __future__ import annotations

from pentameter.simulator.patience import Deadlines
from pentameter.simulator.traffic import Request


def waiting(number, arrival, **whims):
    return Request(number, arrival, 10, 10, 10, **whims)


def test_deadlines_are_missed_in_order_of_time():
    deadlines = Deadlines()
    slow, quick = waiting(1, 0.0, patience=9.0), waiting(2, 3.0, patience=2.0)
    deadlines.add(slow)
    deadlines.add(quick)
    assert list(deadlines.pop_missed(4.9)) == []
    assert list(deadlines.pop_missed(100.0)) == [(5.0, quick), (9.0, slow)]
    assert list(deadlines.pop_missed(100.0)) == []


def test_a_deadline_is_missed_after_it_not_on_it():
    deadlines = Deadlines()
    deadlines.add(waiting(1, 0.0, patience=2.0))
    assert list(deadlines.pop_missed(2.0)) == []
    assert len(list(deadlines.pop_missed(2.001))) == 1


def test_who_has_had_a_token_misses_no_deadline():
    deadlines = Deadlines()
    served = waiting(1, 0.0, patience=2.0)
    deadlines.add(served)
    served.generated = 1
    assert list(deadlines.pop_missed(9.0)) == []


def test_the_patient_are_not_watched():
    deadlines = Deadlines()
    deadlines.add(waiting(1, 0.0))
    assert list(deadlines.pop_missed(1e9)) == []
