"""The plugin's receiver, from datagrams to readings; at the end with the plugin itself at the other end."""

import time

import pytest

from fakes.plugin_messages import LIMIT_SECONDS, message, request
from fakes.unix_sockets import fresh_address, listening, send
from fakes.vllm_stats import finished, iteration, scheduler, vllm_config
from pentameter import vllm_plugin_reporter
from pentameter.sketch import index_of
from pentameter.sources import SourceAbsent, SourceError
from pentameter.sources.plugin_feed import (
    DATAGRAM_OUTCOMES,
    PER_READ,
    RECORD_OUTCOMES,
    SILENCE_SECONDS,
    PluginFeed,
)
from pentameter.sources.plugin_gpus import OLDEST_SECONDS
from pentameter.vllm_plugin import PentameterStatLogger


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def address():
    return fresh_address()


@pytest.fixture
def feed(address, clock):
    feed = PluginFeed(address, patience=0.0, gather=0.0, monotonic=clock, wall=lambda: 5000.0)
    with pytest.raises(SourceAbsent):
        feed.read()
    yield feed
    feed.close()


def counted(reading):
    return {outcome: count for outcome, count in reading.counts.items() if count}


def test_it_is_a_source_of_no_server():
    feed = PluginFeed("@nothing-is-bound-yet")
    feed.close()
    assert (feed.name, feed.server) == ("plugin", "")


def test_records_of_all_messages_are_one_reading(feed, address):
    step = {"kind": "iteration", "engine": "0", "sums": {"steps": 2}, "gauges": {}, "gaps": {}, "gap_sum": 0}
    config = {"kind": "config", "engines": ["0"], "facts": {"max_num_seqs": 8}}
    send(address, message(request(request_id="a"), config), message(request(request_id="b"), step))
    reading = feed.read()
    assert (reading.monotonic, reading.wall) == (100.0, 5000.0)
    assert [record.request_id for record in reading.requests] == ["a", "b"]
    assert [facts.sums for facts in reading.iterations] == [{"steps": 2}]
    assert [config.facts for config in reading.configs] == [{"max_num_seqs": 8}]
    assert counted(reading) == {"taken": 2, "accepted": 2}
    assert reading.counts.keys() == RECORD_OUTCOMES.keys() | DATAGRAM_OUTCOMES.keys()


@pytest.mark.parametrize(
    ("told", "monotonic"),
    [
        (97.5, 97.5),
        (100.0 - OLDEST_SECONDS, 100.0 - OLDEST_SECONDS),
        (100.0 - OLDEST_SECONDS - 1, 100.0),  # by another clock
        (100.5, 100.0),
        (1e9, 100.0),
    ],
)
def test_a_reading_of_gpus_is_of_the_moment_when_they_were_read(feed, address, told, monotonic):
    gpus = {"kind": "gpus", "monotonic": told, "gpus": [{"uuid": "GPU-1", "index": 0, "name": "H200"}]}
    send(address, message(gpus))
    (heard,) = feed.read().gpus
    assert (heard.reading.monotonic, heard.reading.wall) == (monotonic, 5000.0 - 100.0 + monotonic)


def test_while_nothing_is_said_a_reading_is_empty_and_counts_stand(feed, address, clock):
    send(address, message(request()))
    feed.read()
    clock.now += SILENCE_SECONDS
    reading = feed.read()
    assert (reading.requests, counted(reading)) == ((), {"taken": 1, "accepted": 1})


def test_a_plugin_that_falls_silent_is_absent(feed, address, clock):
    send(address, message())
    feed.read()
    clock.now += SILENCE_SECONDS + 0.1
    with pytest.raises(SourceAbsent) as caught:
        feed.read()
    assert caught.value.reason == "no_sender"
    send(address, message(request()))
    assert len(feed.read().requests) == 1


def test_nonsense_costs_nothing_but_itself_and_is_counted(feed, address):
    send(address, b"nonsense", b"[" * 60_000, b"", message(v=2), bytes(70_000))
    send(address, message(request(request_id="good"), request(e2e=-1.0), 7))
    reading = feed.read()
    assert [record.request_id for record in reading.requests] == ["good"]
    assert counted(reading) == {
        "taken": 1,
        "accepted": 1,
        "malformed": 2,
        "malformed_datagram": 3,
        "unknown_version": 1,
        "too_large": 1,
    }


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (b"nonsense", "malformed_datagram"),
        (message(v=2), "unknown_version"),
        (bytes(70_000), "malformed_datagram"),
    ],
)
def test_a_sender_that_cannot_be_understood_is_down_not_absent(feed, address, clock, datagram, reason):
    send(address, datagram)
    with pytest.raises(SourceError) as caught:
        feed.read()
    assert not isinstance(caught.value, SourceAbsent)
    assert caught.value.reason == reason
    clock.now += SILENCE_SECONDS + 0.1
    with pytest.raises(SourceAbsent):
        feed.read()


def test_nonsense_beside_a_plugin_does_not_take_it_down(feed, address):
    send(address, message(), b"nonsense")
    assert counted(feed.read()) == {"taken": 1, "malformed_datagram": 1}


def test_what_senders_lost_is_added_up_over_senders_and_restarts(feed, address):
    def told(instance, **totals):
        return message(instance=instance, totals=totals)

    send(address, told("a", dropped=5, unheard=100), told("b", dropped=2, errors=1), told("a", dropped=7, unheard=100))
    assert counted(feed.read()) == {"taken": 3, "dropped": 9, "unheard": 100, "sender_errors": 1}
    send(address, told("a2", dropped=1), told("b", dropped=2, errors=4))
    assert counted(feed.read()) == {"taken": 5, "dropped": 10, "unheard": 100, "sender_errors": 4}


def test_older_totals_that_arrive_after_newer_ones_are_not_added_again(feed, address):
    """A greeting is sent at once, with newer totals than the messages that have waited at the sender meanwhile."""
    told = [message(totals={"dropped": dropped}) for dropped in (5, 0, 3, 6)]
    send(address, *told)
    assert counted(feed.read()) == {"taken": 4, "dropped": 6}


def test_senders_without_end_are_not_all_remembered(feed, address, monkeypatch):
    monkeypatch.setattr("pentameter.sources.plugin_feed.MOST_SENDERS", 3)
    send(address, *(message(instance=f"i{number}", totals={"dropped": 1}) for number in range(9)))
    assert counted(feed.read())["dropped"] == 9
    assert list(feed._told) == ["i6", "i7", "i8"]


def test_a_read_hands_over_a_bounded_number_of_requests_and_leaves_the_rest(feed, address):
    tiny = {"kind": "request", "engine": "", "finish_reason": "", "arrival": 1, "e2e": 1, "output_tokens": 1}
    for _ in range(5):  # one sender may have four of this size under way
        send(address, *[message(*[tiny] * 600)] * 2)
    first, second = len(feed.read().requests), len(feed.read().requests)
    assert (first, second) == (4200, 1800)  # the seventh message reached PER_READ
    assert first - 600 < PER_READ <= first


def test_an_address_in_use_is_an_error_until_it_is_free(address):
    feed = PluginFeed(address, patience=0.0, gather=0.0)
    with listening(address), pytest.raises(SourceError) as caught:
        feed.read()
    assert caught.value.reason == "address_in_use"
    with pytest.raises(SourceAbsent):
        feed.read()
    feed.close()


# The plugin at the other end.


@pytest.fixture
def plugin(address, monkeypatch):
    monkeypatch.setenv("PENTAMETER_PLUGIN__SOCKET", address)
    monkeypatch.setattr(vllm_plugin_reporter, "PACE_SECONDS", 0.01)
    monkeypatch.setattr(vllm_plugin_reporter, "PROBE_SECONDS", 0.01)
    logger = PentameterStatLogger(vllm_config(), [0])
    yield logger
    logger._reporter.stop()


class Reader:
    """Reads until a condition holds, and keeps everything."""

    def __init__(self, address):
        self.feed = PluginFeed(address, patience=0.05, gather=0.0)
        self.requests, self.iterations, self.configs, self.counts = [], [], [], {}

    def until(self, condition):
        deadline = time.monotonic() + LIMIT_SECONDS
        while not condition(self):
            assert time.monotonic() < deadline, (self.requests, self.counts)
            try:
                reading = self.feed.read()
            except SourceAbsent:
                continue
            self.requests += reading.requests
            self.iterations += reading.iterations
            self.configs += reading.configs
            self.counts = reading.counts
        return self


@pytest.fixture
def reader(address):
    reader = Reader(address)
    yield reader
    reader.feed.close()


@pytest.mark.parametrize("release", [12, 16, 20, 32])
def test_what_vllm_records_arrives_exactly(plugin, reader, release):
    arrival, first, end = 1_795_446_895.472145, 1_795_446_895.515473, 1_795_446_895.558981
    plugin.log_engine_initialized()
    plugin.record(
        scheduler(release, running=1), iteration(release, at=first, ttfts=[first - arrival], prompt=61, generated=1)
    )
    done = finished(
        release, e2e_latency=end - arrival, decode_time=0.04, num_generation_tokens=2, request_id="cmpl-1-0"
    )
    plugin.record(scheduler(release), iteration(release, at=end, gaps=[0.04], generated=1, ended=[done]))
    reader.until(lambda reader: reader.requests and reader.configs)
    (record,) = reader.requests
    assert (record.arrival_wall, record.ttft, record.e2e) == (arrival, first - arrival, end - arrival)
    assert (record.origin, record.model_name, record.engine) == ("plugin", "tiny", "0")
    assert record.request_id == ("cmpl-1-0" if release >= 20 else "")
    assert record.tpot == 0.04
    reader.until(lambda reader: sum(facts.sums.get("steps", 0) for facts in reader.iterations) == 2)
    assert sum(facts.sums.get("generation_tokens", 0) for facts in reader.iterations) == 2
    assert [facts.gaps for facts in reader.iterations if facts.gaps] == [{index_of(0.04): 1}]
    assert reader.configs[0].facts["max_num_seqs"] == 128


def test_records_made_before_anybody_listens_arrive_if_they_are_fresh(plugin, reader):
    plugin.record(None, iteration(ended=[finished()]))
    reader.until(lambda reader: reader.requests)


def test_records_go_on_after_the_exporter_restarted(plugin, reader, address):
    plugin.record(None, iteration(ended=[finished(request_id="before")]))
    reader.until(lambda reader: reader.requests)
    reader.feed.close()
    plugin.record(None, iteration(ended=[finished(request_id="between")]))
    again = Reader(address)
    again.until(lambda reader: reader.requests and reader.configs)
    plugin.record(None, iteration(ended=[finished(request_id="after")]))
    again.until(lambda reader: len(reader.requests) == 2)
    assert [record.request_id for record in again.requests] == ["between", "after"]
    again.feed.close()


def test_records_of_a_feed_that_was_not_read_are_dropped_and_counted(plugin, reader, monkeypatch):
    monkeypatch.setattr("pentameter.vllm_plugin_outbox.KEEP_SECONDS", 0.05)
    monkeypatch.setattr(vllm_plugin_reporter, "HEARTBEAT_SECONDS", 0.05)  # which tells the total
    plugin.log_engine_initialized()
    reader.until(lambda reader: reader.configs)
    sent = 0
    while plugin._reporter._totals.dropped == 0:  # the kernel's queue is full, and then time is up
        plugin.record(None, iteration(ended=[finished()]))
        sent += 1
        time.sleep(0.005)
        assert sent < 10_000
    reader.until(lambda reader: len(reader.requests) + reader.counts.get("dropped", 0) == sent)
    assert reader.counts["dropped"] > 0


def test_two_api_servers_are_heard_at_once(plugin, reader):
    other = PentameterStatLogger(vllm_config(), [0, 1])
    plugin.record(scheduler(), iteration(ended=[finished(request_id="a")]), engine_idx=0)
    other.record(None, iteration(ended=[finished(request_id="b")]), engine_idx=1)
    reader.until(lambda reader: len(reader.requests) == 2)
    assert {(record.engine, record.request_id) for record in reader.requests} == {("0", "a"), ("1", "b")}
    other._reporter.stop()
