"""A server moved by hand: the records are those of the page, and nothing is lost between two readings."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from pentameter.simulator.offline import WALL_AT_ZERO, OfflineVllm, run
from pentameter.simulator.presets import DEFAULT, preset_named

SHORT = replace(DEFAULT, warm_up_seconds=5.0)
PAIR = replace(preset_named("h100x2-8b"), warm_up_seconds=5.0)


@pytest.fixture(scope="module")
def overload():
    return run(DEFAULT, 60.0, seed=3, begin=75.0, every=0.5)


def finish(request):
    return request.arrival_wall + request.e2e


def test_records_come_in_the_order_in_which_requests_finish():
    two = run(PAIR, 20.0)
    assert {request.engine for request in two.requests} == {"0", "1"}
    assert all(finish(earlier) <= finish(later) for earlier, later in pairwise(two.requests))


def test_a_record_is_consistent_in_itself(overload):
    assert len(overload.requests) > 1000
    for request in overload.requests:
        assert request.ttft + request.decode == pytest.approx(request.e2e)
        assert request.queue + request.prefill + request.decode == pytest.approx(request.e2e)
        assert (request.tpot is None) == (request.output_tokens == 1)
    assert (request.origin, request.model_name, request.engine) == ("plugin", DEFAULT.model.name, "0")


def test_every_record_has_an_id_of_its_own(overload):
    assert len({request.request_id for request in overload.requests}) == len(overload.requests)


def test_a_reading_brings_what_has_finished_since_the_last_one():
    vllm = OfflineVllm(SHORT, begin=10.0)
    readings = [vllm.advance_to(10.0 + time / 4) for time in range(1, 41)]
    whole = OfflineVllm(SHORT, begin=10.0).advance_to(20.0)
    assert tuple(request for reading in readings for request in reading.requests) == whole.requests
    for before, reading in pairwise(readings):
        assert (reading.monotonic, reading.wall) == (before.monotonic + 0.25, before.wall + 0.25)
        for request in reading.requests:
            assert before.wall < finish(request) + 1e-6
            assert finish(request) - 1e-6 <= reading.wall


def test_records_and_pages_count_the_same_requests():
    vllm = OfflineVllm(SHORT, begin=70.0)
    (before,) = vllm.read_page().engines
    reading = vllm.advance_to(90.0)
    (after,) = vllm.read_page().engines
    assert len(reading.requests) == after.histograms["e2e"].count - before.histograms["e2e"].count > 100
    seconds = sum(request.e2e for request in reading.requests)
    assert after.histograms["e2e"].sum - before.histograms["e2e"].sum == pytest.approx(seconds)


def test_a_page_bears_the_time_of_the_simulation():
    vllm = OfflineVllm(SHORT, server="a")
    vllm.advance_to(3.0)
    page = vllm.read_page()
    assert (page.server, page.monotonic, page.wall) == ("a", 3.0, WALL_AT_ZERO + 3.0)


def test_whoever_arrived_finished_gave_up_or_is_still_there(overload):
    held = [gauge.running + gauge.waiting for gauge in overload.gauges]
    vllm = OfflineVllm(DEFAULT, 3, begin=75.0)
    before = vllm.read_gauges()[0]
    change = held[-1] - before.running - before.waiting
    # the gauges are those of the last step's end; some may have come since
    served = len(overload.requests) + len(overload.abandoned)
    assert overload.arrived == pytest.approx(served + change, abs=5)
    assert len(overload.abandoned) > 100


def test_gauges_are_read_at_the_given_pace(overload):
    assert [gauge.time for gauge in overload.gauges][:3] == [75.5, 76.0, 76.5]
    assert len(overload.gauges) == 120
    assert max(gauge.waiting for gauge in overload.gauges) > 100
    assert max(gauge.kv_usage for gauge in overload.gauges) > 0.95


def test_the_same_seed_gives_the_same_run():
    assert run(SHORT, 5.0, seed=1) == run(SHORT, 5.0, seed=1)
    assert run(SHORT, 5.0, seed=1).requests != run(SHORT, 5.0, seed=2).requests
