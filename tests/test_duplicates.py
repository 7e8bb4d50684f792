"""Each request is counted once, whichever of the two sources reports it first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import finished
from pentameter import duplicates
from pentameter.duplicates import SILENCE_SECONDS, Duplicates

PLUGIN, SPAN = "plugin", "otlp"


def record(origin, name=""):
    return finished(origin=origin, request_id=name)


def counted(*origins_and_ids, time=0.0):
    """Return, for each record that comes in, whether it counts."""
    known = Duplicates()
    return [known.is_new(record(origin, name), time) for origin, name in origins_and_ids]


@pytest.mark.parametrize("order", [(PLUGIN, SPAN), (SPAN, PLUGIN)])
def test_of_two_reports_of_one_request_the_first_counts(order):
    assert counted(*((origin, "x") for origin in order)) == [True, False]


def test_reports_of_different_requests_all_count():
    assert counted((PLUGIN, "x"), (SPAN, "y"), (PLUGIN, "z"), (SPAN, "w")) == [True] * 4


@pytest.mark.parametrize("origin", [PLUGIN, SPAN])
def test_what_one_source_reports_alone_always_counts(origin):
    # One id many times: n sequences of one request, or a client that always sends the same id.
    assert counted(*[(origin, "x")] * 5) == [True] * 5


@pytest.mark.parametrize(
    "order",
    [
        (PLUGIN, PLUGIN, PLUGIN, SPAN, SPAN, SPAN),
        (SPAN, SPAN, SPAN, PLUGIN, PLUGIN, PLUGIN),
        (PLUGIN, SPAN, PLUGIN, SPAN, PLUGIN, SPAN),
        (SPAN, PLUGIN, PLUGIN, SPAN, SPAN, PLUGIN),
    ],
)
def test_three_sequences_of_one_request_count_three_times(order):
    assert sum(counted(*((origin, "x") for origin in order))) == 3


@given(st.lists(st.tuples(st.sampled_from([PLUGIN, SPAN]), st.sampled_from("abc")), max_size=40))
def test_of_an_id_as_many_count_as_the_source_with_more_of_them_has_sent(reports):
    known, fresh = Duplicates(), {"a": 0, "b": 0, "c": 0}
    for seen, (origin, name) in enumerate(reports, start=1):
        fresh[name] += known.is_new(record(origin, name), 0.0)
        for one in "abc":
            sent = [sum(report == (source, one) for report in reports[:seen]) for source in (PLUGIN, SPAN)]
            assert fresh[one] == max(sent)


def test_a_span_that_was_lost_does_not_hide_a_later_request_with_the_same_id():
    assert counted((PLUGIN, "x"), (PLUGIN, "x"), (SPAN, "x")) == [True, True, False]


# ------------------------------------------------------------------ a plugin that knows no ids


def test_spans_are_left_aside_while_a_plugin_reports_requests_without_ids():
    known = Duplicates()
    assert known.is_new(record(PLUGIN), 100.0)
    assert not known.is_new(record(SPAN, "x"), 100.0)
    assert known.is_new(record(PLUGIN), 130.0)
    assert not known.is_new(record(SPAN, "y"), 130.0 + SILENCE_SECONDS)


def test_spans_count_again_when_such_a_plugin_has_fallen_silent():
    known = Duplicates()
    known.is_new(record(PLUGIN), 100.0)
    assert known.is_new(record(SPAN, "x"), 100.1 + SILENCE_SECONDS)


def test_spans_without_ids_count_as_long_as_no_plugin_speaks():
    assert counted((SPAN, ""), (SPAN, "")) == [True, True]


def test_a_plugin_without_ids_is_always_believed():
    assert counted((PLUGIN, ""), (SPAN, ""), (PLUGIN, "")) == [True, False, True]


def test_a_plugin_with_ids_does_not_silence_spans_of_other_requests():
    assert counted((PLUGIN, "x"), (SPAN, "y"), (SPAN, "")) == [True, True, True]


# ------------------------------------------------------------------ memory


def test_only_so_many_ids_are_remembered_and_the_oldest_are_forgotten(monkeypatch):
    monkeypatch.setattr(duplicates, "REMEMBERED", 3)
    known = Duplicates()
    for name in "abcd":
        known.is_new(record(PLUGIN, name), 0.0)
    assert [known.is_new(record(SPAN, name), 0.0) for name in "bcd"] == [False] * 3
    assert known.is_new(record(SPAN, "a"), 0.0), "a was forgotten: its span can no longer be told from a new request"
    assert len(known._seen) == 3


def test_an_id_that_comes_again_is_remembered_longer(monkeypatch):
    monkeypatch.setattr(duplicates, "REMEMBERED", 2)
    known = Duplicates()
    for name in "abac":
        known.is_new(record(PLUGIN, name), 0.0)
    assert not known.is_new(record(SPAN, "a"), 0.0)
