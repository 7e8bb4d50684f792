"""The exporter's own HTTP server: every path, healthy or not."""

import math
import time

import pytest

from asgi_client import ask
from pentameter.dimensions.requests import REQUEST_TTFT
from pentameter.dimensions.timing import RUNNING
from pentameter.http import STALLED_SECONDS, create_app
from pentameter.readings import Histogram
from pentameter.snapshot import Snapshot, SourceHealth

UP = SourceHealth("vllm", "a", True, "", "", last_success=1700.5, failures=2, successes=40)
DOWN = SourceHealth("nvml", "", False, "gpu_lost", "GPU <0> & 'friends' are \"lost\"", failures=3)
PATHS = ("/metrics", "/healthz", "/readyz", "/api/v1/snapshot", "/api/v1/autoscaling", "/api/v1/cost")


def snapshot(*, age=0.0):
    """Return a snapshot taken so many seconds ago, large enough to be worth packing."""
    samples = tuple(RUNNING(3, "a", "m", str(number)) for number in range(40))
    return Snapshot(samples, (UP, DOWN), time.time(), time.monotonic() - age, 1)


def app(latest=None, *, answered=True):
    return create_app(lambda: latest, lambda: answered)


def test_metrics_are_served_as_prometheus_asks_for_them():
    answer = ask(app(snapshot()), "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'pentameter_requests_running{engine="7",model_name="m",server="a"} 3.0\n' in answer.text


def test_metrics_are_served_as_openmetrics_to_who_asks():
    answer = ask(app(snapshot()), "/metrics", accept="application/openmetrics-text;version=1.0.0")
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert answer.text.endswith("# EOF\n")


def test_metrics_are_packed_for_who_can_unpack():
    plain, packed = (ask(app(snapshot()), "/metrics", accept_encoding=how) for how in ("identity", "gzip"))
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "Accept-Encoding"
    assert len(packed.raw) < len(plain.raw) / 2
    assert int(packed.headers["content-length"]) == len(packed.raw)
    assert "pentameter_requests_running{" in packed.text


def test_before_the_first_snapshot_metrics_are_there_and_nearly_empty():
    answer = ask(app(), "/metrics")
    assert answer.status == 200
    assert "process_" in answer.text
    assert "pentameter_requests_running" not in answer.text


@pytest.mark.parametrize("path", PATHS)
def test_head_is_answered_like_get(path):
    one = app(snapshot())
    assert ask(one, path, method="HEAD").status == ask(one, path).status == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_changed(path, method):
    assert ask(app(snapshot()), path, method=method).status == 405


@pytest.mark.parametrize("path", ["/nothing", "/metrics/deeper", "/docs", "/redoc", "/openapi.json"])
def test_what_is_not_there_is_not_found(path):
    assert ask(app(snapshot()), path).status == 404


def test_the_daemon_is_healthy_while_snapshots_come():
    answer = ask(app(snapshot()), "/healthz")
    assert (answer.status, answer.text) == (200, "ok\n")


def test_the_daemon_is_healthy_while_it_starts():
    assert ask(app(), "/healthz").status == 200


def test_the_daemon_is_healthy_with_every_source_down():
    down = Snapshot((), (DOWN,), time.time(), time.monotonic(), 1)
    assert ask(app(down, answered=False), "/healthz").status == 200


def test_a_daemon_that_makes_no_snapshots_any_more_is_not_healthy():
    answer = ask(app(snapshot(age=STALLED_SECONDS + 1)), "/healthz")
    assert (answer.status, answer.text) == (503, "no snapshot for too long\n")


def test_the_longest_interval_that_can_be_set_is_no_stall():
    # derive_interval_seconds goes up to 60.
    assert ask(app(snapshot(age=90)), "/healthz").status == 200


@pytest.mark.parametrize("latest", [pytest.param(None, id="no snapshot"), pytest.param(snapshot(), id="no answer")])
def test_we_are_not_ready_before_a_server_has_answered(latest):
    answer = ask(app(latest, answered=False), "/readyz")
    assert answer.status == 503
    assert answer.json["ready"] is False


def test_we_stay_ready_when_a_server_goes_down():
    gone = Snapshot((), (SourceHealth("vllm", "a", False, "unreachable", "refused"),), time.time(), time.monotonic(), 9)
    answer = ask(app(gone), "/readyz")
    assert answer.status == 200
    assert answer.json["ready"] is True


def test_readiness_tells_the_state_of_every_source():
    assert ask(app(snapshot()), "/readyz").json["sources"] == [
        {
            "source": "vllm",
            "server": "a",
            "up": True,
            "reason": "",
            "message": "",
            "last_success": 1700.5,
            "failures": 2,
        },
        {
            "source": "nvml",
            "server": "",
            "up": False,
            "reason": "gpu_lost",
            "message": "GPU <0> & 'friends' are \"lost\"",
            "last_success": None,
            "failures": 3,
        },
    ]


def test_the_snapshot_is_there_as_json():
    taken = snapshot()
    answer = ask(app(taken), "/api/v1/snapshot")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["time"] == taken.wall
    assert len(answer.json["samples"]) == 40
    assert answer.json["samples"][7] == {
        "name": "pentameter_requests_running",
        "labels": {"server": "a", "model_name": "m", "engine": "7"},
        "value": 3.0,
    }
    assert [source["source"] for source in answer.json["sources"]] == ["vllm", "nvml"]


def test_a_histogram_is_there_as_json_with_its_last_bound_in_words():
    sample = REQUEST_TTFT.observe(Histogram((0.1, 1.0, math.inf), (2.0, 3.0, 7.0), 21.5), "a", "m", "0")
    answer = ask(app(Snapshot((sample,), (), time.time(), time.monotonic(), 1)), "/api/v1/snapshot")
    assert answer.json["samples"] == [
        {
            "name": "pentameter_request_ttft_seconds",
            "labels": {"server": "a", "model_name": "m", "engine": "0"},
            "buckets": [["0.1", 2.0], ["1.0", 3.0], ["+Inf", 7.0]],
            "sum": 21.5,
            "count": 7.0,
        }
    ]


def test_before_the_first_snapshot_there_is_none_to_show():
    answer = ask(app(), "/api/v1/snapshot")
    assert (answer.status, answer.json) == (503, {"error": "starting"})
