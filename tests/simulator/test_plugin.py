"""The simulated server reports as one with the plugin: over a real socket, to the exporter's own source."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from itertools import count

import pytest

from pentameter.simulator.live import LiveSimulation
from pentameter.simulator.offline import WALL_AT_ZERO, OfflineVllm
from pentameter.simulator.plugin import SimulatedPlugin
from pentameter.simulator.presets import DEFAULT
from pentameter.simulator.server import SimulatedVllm
from pentameter.sources import SourceAbsent
from pentameter.sources.plugin_feed import PluginFeed

PRESET = replace(DEFAULT, warm_up_seconds=5.0)
NUMBERS = count()


class Clock:
    """The simulated server's clocks, moved by hand."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    def wall(self):
        return WALL_AT_ZERO + self.now


def address():
    return f"@pentameter-test-{os.getpid()}-{next(NUMBERS)}"


def readings(feed, enough):
    """Read until there is enough, for a minute at most."""
    got = []
    for _ in range(600):
        try:
            got.append(feed.read())
        except SourceAbsent:
            continue
        if enough(got):
            break
    return got


@pytest.fixture(scope="module")
def exchange():
    """Let five simulated seconds pass that nobody but the plugin looks at."""
    clock, where = Clock(), address()
    expected = OfflineVllm(PRESET).advance_to(5.0).requests
    feed = PluginFeed(where, patience=0.1)
    try:
        with pytest.raises(SourceAbsent):
            feed.read()  # listens from now on: who finds nobody does not try again at once
        with SimulatedVllm(PRESET, clock=clock.monotonic, wall_clock=clock.wall, plugin_socket=where):
            greeting = readings(feed, lambda got: any(reading.configs for reading in got))
            clock.now = 5.0
            got = readings(feed, lambda got: sum(len(reading.requests) for reading in got) >= len(expected))
    finally:
        feed.close()
    return expected, [*greeting, *got]


def test_every_request_that_finishes_after_the_start_is_reported_once_and_none_before_it(exchange):
    expected, got = exchange
    requests = [request for reading in got for request in reading.requests]
    assert len(expected) > 20
    assert [request.request_id for request in requests] == [request.request_id for request in expected]


def test_the_source_makes_the_records_that_the_offline_server_makes(exchange):
    expected, got = exchange
    requests = [request for reading in got for request in reading.requests]
    durations = ("arrival_wall", "e2e", "ttft", "decode", "queue", "prefill")
    for request, other in zip(requests, expected, strict=True):
        plain = dict.fromkeys(durations, 0.0)
        assert replace(request, sender="", **plain) == replace(other, **plain)
        # those whose first token came before the start have their TTFT from the difference
        for name in durations:
            assert getattr(request, name) == pytest.approx(getattr(other, name), abs=1e-6), name


def test_the_server_says_who_it_is_and_how_it_is_configured(exchange):
    configs = [config for reading in exchange[1] for config in reading.configs]
    assert (configs[0].model_name, configs[0].engine, configs[0].sender) == (DEFAULT.model.name, "0", "simulator")
    assert configs[0].facts["max_num_batched_tokens"] == 8192


def test_steps_are_reported_with_the_gaps_between_tokens(exchange):
    iterations = [facts for reading in exchange[1] for facts in reading.iterations]
    assert sum(facts.sums["steps"] for facts in iterations) > 100
    assert sum(sum(facts.gaps.values()) for facts in iterations) > 1000


def test_a_server_without_a_socket_starts_no_plugin():
    before = set(threading.enumerate())
    with SimulatedVllm(PRESET, clock=Clock().monotonic):
        assert {thread.name for thread in set(threading.enumerate()) - before} == {"simulated-vllm"}


def test_a_closed_server_has_no_threads_and_is_silent():
    clock, where = Clock(), address()
    before = set(threading.enumerate())
    server = SimulatedVllm(PRESET, clock=clock.monotonic, wall_clock=clock.wall, plugin_socket=where)
    server.start()
    assert len(set(threading.enumerate()) - before) == 3
    server.close()
    server.close()
    assert set(threading.enumerate()) <= before
    feed = PluginFeed(where, patience=0.05)
    try:
        with pytest.raises(SourceAbsent):
            feed.read()
    finally:
        feed.close()


def test_a_plugin_that_has_ended_takes_in_no_more_steps():
    clock = Clock()
    live = LiveSimulation(PRESET, 0, clock.monotonic, clock.wall)
    plugin = SimulatedPlugin(live, address())
    plugin.close()
    clock.now = 5.0
    live.advance()
    assert len(plugin._reporter._intake) == 0


def test_what_happened_before_somebody_watched_is_told_to_nobody():
    clock = Clock()
    live = LiveSimulation(PRESET, 0, clock.monotonic, clock.wall, begin=10.0)
    ends = []
    live.watch(lambda _engine, step: ends.append(step.end))
    clock.now = 1.0
    live.advance()
    assert 10.0 < min(ends) < max(ends) <= 11.0
