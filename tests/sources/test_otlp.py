"""The inbox: bounded, honest to senders, and a source like any other."""

import threading

import pytest

from otlp_bodies import body, span
from pentameter.sources import SourceAbsent
from pentameter.sources.otlp import BODY_OUTCOMES, SPAN_OUTCOMES, OtlpInbox, Receipt

FINE = body(span())
NOT_OTLP = b"\x0a\x7f"


class Forwarder:
    """Keeps what it is given."""

    mark = "ours"

    def __init__(self):
        self.bodies = []
        self.closed = False

    def put(self, data):
        self.bodies.append(data)

    def counts(self):
        return {"forwarded": len(self.bodies), "forward_refused": 0, "forward_dropped": 2}

    def close(self):
        self.closed = True


def inbox(*, forward=None, **limits):
    return OtlpInbox(forward, monotonic=lambda: 12.5, wall=lambda: 1_700_000_000.0, **limits)


def counted(box):
    """Return the outcomes that were counted at all."""
    return {outcome: count for outcome, count in box.read().counts.items() if count}


def test_while_nobody_has_sent_anything_the_source_is_absent():
    with pytest.raises(SourceAbsent, match="nobody has sent") as caught:
        inbox().read()
    assert caught.value.reason == "no_sender"


def test_what_came_is_handed_over_once():
    box = inbox()
    assert box.offer(body(span(), span("other"), span(request__id="b"))) == Receipt("taken")
    reading = box.read()
    assert [request.request_id for request in reading.requests] == ["cmpl-4f1b2c3d4e5f6071-0", "b"]
    assert (reading.monotonic, reading.wall, reading.iterations, reading.configs) == (12.5, 1_700_000_000.0, (), ())
    assert box.read().requests == ()


def test_the_counts_are_running_totals_of_all_outcomes():
    box = inbox()
    box.offer(FINE)
    assert box.read().counts == dict.fromkeys([*SPAN_OUTCOMES, *BODY_OUTCOMES], 0.0) | {"accepted": 1.0, "taken": 1.0}
    box.offer(body(span(), span("other"), span(start=0)))
    assert counted(box) == {"accepted": 2.0, "ignored": 1.0, "malformed": 1.0, "taken": 2.0}


def test_a_body_without_a_single_span_ends_the_absence():
    box = inbox()
    assert box.offer(b"") == Receipt("taken")
    assert counted(box) == {"taken": 1.0}


def test_a_body_that_is_not_otlp_is_refused_and_counted():
    box = inbox()
    receipt = box.offer(FINE + NOT_OTLP)
    assert (receipt.outcome, receipt.rejected) == ("malformed_body", 0)
    assert "does not fit" in receipt.message
    assert counted(box) == {"malformed_body": 1.0}
    assert box.read().requests == ()


def test_the_sender_is_told_of_spans_that_are_no_records():
    receipt = inbox().offer(body(span(), span(start=0), span(start=0)))
    assert receipt == Receipt("taken", 2, "an llm_request span has no start time")


def test_when_it_is_full_the_newest_are_turned_away_and_their_sender_is_told():
    box = inbox(capacity=3)
    assert box.offer(body(span(request__id="a"), span(request__id="b"))).rejected == 0
    receipt = box.offer(body(span(request__id="c"), span(request__id="d"), span(request__id="e")))
    assert receipt == Receipt("taken", 2, "the receiver is full")
    assert box.offer(FINE).rejected == 1
    assert [request.request_id for request in box.read().requests] == ["a", "b", "c"]
    assert counted(box) == {"accepted": 3.0, "dropped": 3.0, "taken": 3.0}
    assert box.offer(FINE) == Receipt("taken")


def test_the_sender_is_told_of_both_malformed_and_turned_away_spans():
    assert inbox(capacity=0).offer(body(span(), span(start=0))).rejected == 2


def test_a_reading_holds_a_part_of_what_is_held_up():
    box = inbox(per_read=2)
    box.offer(body(*(span(request__id=name) for name in "abcde")))
    assert [[request.request_id for request in box.read().requests] for _ in range(4)] == [
        ["a", "b"],
        ["c", "d"],
        ["e"],
        [],
    ]


def test_refusals_of_the_receivers_are_counted_and_end_the_absence():
    box = inbox()
    box.count("too_large")
    box.count("too_large")
    assert counted(box) == {"too_large": 2.0}


def test_an_outcome_that_nobody_has_described_is_a_defect():
    with pytest.raises(AssertionError, match="nonsense"):
        inbox().count("nonsense")


def test_everything_is_forwarded_even_what_is_not_understood_here():
    forward = Forwarder()
    box = inbox(forward=forward)
    for data in (FINE, body(span("other")), NOT_OTLP):
        box.offer(data)
    assert forward.bodies == [FINE, body(span("other")), NOT_OTLP]
    assert box.read().counts["forwarded"] == 3.0
    assert box.read().counts["forward_dropped"] == 2.0


def test_what_is_forwarded_does_not_end_the_absence_by_itself():
    with pytest.raises(SourceAbsent):
        inbox(forward=Forwarder()).read()


def test_it_knows_the_mark_of_its_own_forwarder():
    box = inbox(forward=Forwarder())
    assert (box.is_own("ours"), box.is_own("theirs"), box.is_own("")) == (True, False, False)
    assert not inbox().is_own("")


def test_many_threads_may_offer_while_another_reads():
    box = inbox(capacity=100_000)
    box.offer(FINE)
    found = []
    threads = [threading.Thread(target=lambda: [box.offer(FINE) for _ in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        found += box.read().requests
    found += box.read().requests
    assert len(found) == 801
    assert counted(box) == {"accepted": 801.0, "taken": 801.0}


def test_it_belongs_to_no_server_and_closes_its_forwarder():
    forward = Forwarder()
    box = inbox(forward=forward)
    box.close()
    inbox().close()
    assert (box.name, box.server, forward.closed) == ("otlp", "", True)
