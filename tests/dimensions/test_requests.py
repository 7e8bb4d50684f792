"""Time from records of single requests, arrivals, aborts, stalls."""

import math

from builders import deployment, engine, found, names, served, value, world
from pentameter.dimensions import requests
from pentameter.readings import Histogram

FLOW = {"arrived": 30.0, "aborted": 4.0, "ended": 20.0, "rejected": 0.0}


def measured(*engines, records=()):
    return list(requests.samples(world(deployment(*engines), served=tuple(records))))


def grown(*engines):
    return list(requests.increments(world(deployment(*engines))))


def test_latencies_of_records_say_that_they_are_of_requests():
    one = served(latencies=(("ttft", "1m", "p95", 0.25), ("inter_token", "1m", "mean", 0.02)))
    samples = measured(records=[one])
    assert value(samples, "ttft_seconds", window="1m", stat="p95", basis="requests", server="a", engine="0") == 0.25
    assert value(samples, "inter_token_latency_seconds", stat="mean", basis="requests") == 0.02


def test_every_latency_of_records_has_its_metric():
    kinds = ("ttft", "tpot", "inter_token", "e2e", "queue", "prefill", "decode")
    samples = measured(records=[served(latencies=tuple((kind, "1m", "mean", 1.0) for kind in kinds))])
    assert len(names(samples)) == len(kinds)


def test_histograms_of_records_are_handed_on_whole():
    histogram = Histogram((0.1, 0.5, math.inf), (1.0, 3.0, 4.0), 2.5)
    one = served(histograms={"ttft": histogram, "tpot": histogram, "e2e": histogram})
    samples = measured(records=[one])
    assert {sample.metric.name: sample.histogram for sample in samples} == {
        "pentameter_request_ttft_seconds": histogram,
        "pentameter_request_tpot_seconds": histogram,
        "pentameter_request_e2e_seconds": histogram,
    }
    assert {sample.labels for sample in samples} == {("a", "m", "0")}


def test_the_offered_rate_is_what_arrived_over_the_seconds_covered():
    one = engine({}, flow=FLOW, seconds=20, stalled=0.0)
    assert value(measured(one), "offered_requests_per_second", window="1m") == 1.5


def test_who_was_rejected_was_offered_too():
    one = engine({}, flow={**FLOW, "rejected": 10.0}, seconds=20, stalled=0.0)
    assert value(measured(one), "offered_requests_per_second", window="1m") == 2.0


def test_each_engine_has_its_own_offered_rate():
    two = [engine({}, flow={**FLOW, "arrived": n}, name=name, stalled=0.0) for name, n in (("0", 10.0), ("1", 50.0))]
    assert value(measured(*two), "offered_requests_per_second", engine="0") == 1
    assert value(measured(*two), "offered_requests_per_second", engine="1") == 5


def test_a_stall_is_told_in_seconds_and_is_0_while_none_is_held():
    assert value(measured(engine({}, stalled=12.5)), "requests_stalled_seconds") == 12.5
    assert value(measured(engine({}, stalled=0.0)), "requests_stalled_seconds") == 0


def test_arrivals_and_aborts_grow_by_what_came_since_the_last_snapshot():
    grew = grown(engine({}, flow_tick=FLOW, stalled=0.0))
    assert value(grew, "requests_arrived_total") == 30
    assert value(grew, "requests_aborted_total") == 4


def test_without_news_the_counters_stand_still_but_stay():
    grew = grown(engine({}, stalled=0.0))
    assert value(grew, "requests_arrived_total") == 0
    assert value(grew, "requests_aborted_total") == 0


def test_what_a_page_does_not_allow_to_infer_is_left_out_and_not_called_0():
    # A load of 0 would make an autoscaler take replicas away.
    blind = engine({}, flow=dict.fromkeys(FLOW, 0.0), flow_tick=dict.fromkeys(FLOW, 0.0), stalled=None)
    assert measured(blind) == []
    assert grown(blind) == []


def test_records_without_a_page_and_a_page_without_records_each_say_their_part():
    assert not found(measured(records=[served(latencies=(("ttft", "1m", "p95", 0.25),))]), "requests_stalled_seconds")
    assert not found(measured(engine({}, stalled=0.0)), "ttft_seconds")
