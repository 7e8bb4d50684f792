"""What an autoscaler reads."""

import time

from asgi_client import ask
from pentameter.autoscaling import autoscaling
from pentameter.dimensions.attainment import ATTAINMENT
from pentameter.dimensions.goodput import CAPACITY, CAPACITY_STATE, GOODPUT, LOAD, STATES
from pentameter.http import create_app
from pentameter.snapshot import Snapshot

CHAT = ("a", "m", "0", "chat")
BATCH = ("a", "m", "0", "batch")


def states(place, known):
    return [CAPACITY_STATE(float(state == known), *place, state) for state in STATES]


def of(place, metric, value, *, window=None, bound=None):
    labels = place[:3] + ((window,) if window else ()) + place[3:] + ((bound,) if bound else ())
    return metric(value, *labels)


KNOWN = (
    *states(CHAT, "extrapolated"),
    of(CHAT, CAPACITY, 9.0, bound="lower"),
    of(CHAT, CAPACITY, 10.0, bound="estimate"),
    of(CHAT, CAPACITY, 11.5, bound="upper"),
    of(CHAT, LOAD, 0.8, window="1m", bound="estimate"),
    of(CHAT, LOAD, 0.7, window="5m", bound="estimate"),
    of(CHAT, LOAD, 0.89, window="1m", bound="upper"),
    of(CHAT, GOODPUT, 7.5, window="1m"),
    of(CHAT, ATTAINMENT, 0.94, window="1m", bound="exact"),
    of(CHAT, ATTAINMENT, 0.9, window="1m", bound="lower"),
    *states(BATCH, "unknown"),
)


def snapshot(samples=KNOWN):
    return Snapshot(tuple(samples), (), 1700.0, time.monotonic(), 1)


def test_a_target_holds_what_is_known_of_its_slo():
    document = autoscaling(snapshot(), None, {"slo": "chat"})
    assert document == {
        "time": 1700.0,
        "window": "1m",
        "targets": [
            {
                "server": "a",
                "model_name": "m",
                "engine": "0",
                "slo": "chat",
                "state": "extrapolated",
                "capacity_lower_requests_per_second": 9.0,
                "capacity_estimate_requests_per_second": 10.0,
                "capacity_upper_requests_per_second": 11.5,
                "load_ratio": 0.8,
                "load_ratio_at_most": 0.89,
                "goodput_requests_per_second": 7.5,
                "attainment_ratio": 0.94,
            }
        ],
    }


def test_what_is_not_known_is_not_there_rather_than_zero():
    [target] = autoscaling(snapshot(), None, {"slo": "batch"})["targets"]
    assert target == {"server": "a", "model_name": "m", "engine": "0", "slo": "batch", "state": "unknown"}


def test_without_selectors_there_is_a_target_for_every_slo():
    assert [target["slo"] for target in autoscaling(snapshot(), None, {})["targets"]] == ["chat", "batch"]


def test_a_selector_that_matches_nothing_leaves_no_target():
    assert autoscaling(snapshot(), None, {"server": "b"})["targets"] == []


def test_the_window_can_be_chosen():
    [target] = autoscaling(snapshot(), "5m", {"slo": "chat"})["targets"]
    assert target["load_ratio"] == 0.7
    assert "goodput_requests_per_second" not in target


def test_the_path_that_keda_reads_leads_to_the_number():
    app = create_app(snapshot, lambda: True)
    answer = ask(app, "/api/v1/autoscaling?slo=chat&window=5m")
    assert answer.status == 200
    # valueLocation: targets.0.load_ratio
    assert answer.json["targets"][0]["load_ratio"] == 0.7


def test_before_the_first_snapshot_there_is_no_document():
    assert ask(create_app(lambda: None, lambda: False), "/api/v1/autoscaling").status == 503
