"""Datagrams on their way out: sent at once, kept for seconds, or given up."""

import pytest

from fakes.unix_sockets import drain, fresh_address, listening
from pentameter.vllm_plugin_outbox import KEEP_BYTES, KEEP_SECONDS, Outbox, Parcel, Totals


@pytest.fixture
def address():
    return fresh_address()


@pytest.fixture
def outbox(address):
    outbox = Outbox(address, Totals())
    yield outbox
    outbox.close()


def totals(outbox):
    told = outbox._totals
    return told.sent, told.dropped, told.unheard, told.errors


def test_what_is_posted_arrives_in_order(address, outbox):
    with listening(address) as listener:
        assert outbox.hello(b"hello")
        outbox.post(Parcel(b"one", 3, 0.0))
        outbox.post(Parcel(b"two", 4, 0.0))
        outbox.deliver(0.0)
        assert drain(listener) == [b"hello", b"one", b"two"]
    assert not outbox.waiting
    assert totals(outbox) == (7, 0, 0, 0)


def test_a_file_can_be_the_address(tmp_path):
    outbox = Outbox(str(tmp_path / "feed"), Totals())
    assert not outbox.hello(b"too early")
    assert isinstance(outbox.trouble, FileNotFoundError)
    with listening(str(tmp_path / "feed")) as listener:
        assert outbox.hello(b"hello")
        assert drain(listener) == [b"hello"]
    assert not outbox.hello(b"nobody holds the file open any more")
    outbox.close()


def test_nothing_is_sent_before_somebody_has_heard_the_hello(address, outbox):
    with listening(address) as listener:
        outbox.post(Parcel(b"one", 1, 0.0))
        outbox.deliver(0.0)
        assert drain(listener) == []


def test_records_wait_for_a_listener_and_are_given_up_as_unheard(outbox):
    outbox.hello(b"hello")
    outbox.post(Parcel(b"one", 3, 0.0))
    outbox.post(Parcel(b"two", 4, 1.0))
    outbox.deliver(KEEP_SECONDS)
    assert totals(outbox) == (0, 0, 0, 0)
    outbox.deliver(KEEP_SECONDS + 0.5)
    assert totals(outbox) == (0, 0, 3, 0)
    assert outbox.waiting


def test_a_listener_that_restarts_misses_nothing(address, outbox):
    with listening(address):
        outbox.hello(b"hello")
    outbox.post(Parcel(b"one", 3, 0.0))
    outbox.deliver(0.0)
    assert not outbox.heard
    with listening(address) as listener:
        outbox.hello(b"again")
        outbox.deliver(1.0)
        assert drain(listener) == [b"again", b"one"]
    assert totals(outbox) == (3, 0, 0, 0)


def test_another_listener_in_the_same_place_is_noticed_so_that_it_gets_a_hello(address, outbox):
    with listening(address):
        outbox.hello(b"hello")
    with listening(address) as listener:
        outbox.post(Parcel(b"one", 1, 0.0))
        outbox.deliver(0.0)
        assert not outbox.heard
        assert drain(listener) == []
        outbox.hello(b"hello again")
        outbox.deliver(0.0)
        assert drain(listener) == [b"hello again", b"one"]


def test_a_listener_that_does_not_read_costs_records_and_is_never_waited_for(address, outbox):
    with listening(address) as listener:
        outbox.hello(b"hello")
        for number in range(1000):  # more than any kernel queue holds
            outbox.post(Parcel(b"%d" % number, 1, 0.0))
        outbox.deliver(0.0)
        assert not outbox.hello(b"full")
        sent = len(drain(listener)) - 1
        assert 0 < sent < 1000
        outbox.deliver(1.0)
        more = len(drain(listener))
        outbox.deliver(KEEP_SECONDS + 0.1)
        rest = len(drain(listener))
    assert totals(outbox) == (sent + more + rest, 1000 - sent - more - rest, 0, 0)
    assert outbox.heard


def test_what_waits_is_bounded_in_bytes(outbox):
    body = bytes(1000)
    for _ in range(2 * KEEP_BYTES // len(body)):
        outbox.post(Parcel(body, 1, 0.0))
    outbox.deliver(0.0)
    kept = KEEP_BYTES // len(body)
    assert totals(outbox) == (0, 0, 2 * KEEP_BYTES // len(body) - kept, 0)
    assert len(outbox._parcels) == kept


def test_a_datagram_that_no_socket_takes_is_given_up_and_the_next_is_sent(address, outbox):
    with listening(address) as listener:
        outbox.hello(b"hello")
        outbox.post(Parcel(bytes(10_000_000), 5, 0.0))
        outbox.post(Parcel(b"small", 1, 0.0))
        outbox.deliver(0.0)
        assert drain(listener) == [b"hello", b"small"]
    assert totals(outbox) == (1, 5, 0, 1)


def test_an_address_that_cannot_be_is_trouble_and_nothing_worse():
    outbox = Outbox("/" + "x" * 200, Totals())
    assert not outbox.hello(b"hello")
    assert not outbox.heard
    assert "too long" in str(outbox.trouble)
