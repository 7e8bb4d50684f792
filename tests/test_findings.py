"""Sources that cannot be read: the reason, and the line that changes it."""

import socket
import threading

import pytest

from examining import LABELS, NO_GPUS, about_source, about_vllm, capture, failing, findings_for, vllm
from fakes.http_server import ScriptedServer, page
from given_settings import settings
from pentameter.findings import Finding
from pentameter.sources import SourceAbsent, SourceError


def test_a_server_that_is_not_there_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    chosen = settings({"vllm": {"servers": [f"http://127.0.0.1:{free}"]}, **NO_GPUS})
    assert findings_for(chosen)[0] == Finding(
        "error",
        f"vllm 127.0.0.1:{free}",
        "unreachable: cannot connect: [Errno 111] Connection refused",
        "--vllm-url http://HOST:PORT    # is vLLM up, where does it listen, does a firewall stand between?",
    )


@pytest.mark.parametrize(
    ("metrics", "message", "fix"),
    [
        (
            page("<!doctype html><title>nginx</title>", "text/html"),
            "not_metrics: got a text/html page instead of metrics",
            "--vllm-url http://HOST:PORT    # of vLLM itself: what answers at URL/metrics shows no metrics",
        ),
        (
            page("node_load1 0.5\n"),
            "no_vllm_metrics: the page has no vLLM engine metrics; is this vLLM's port?",
            "vllm serve ...    # without --disable-log-stats; or is URL another program's exporter?",
        ),
        (
            page("no", status="401 Unauthorized"),
            "http_status: answered 401 Unauthorized",
            "vllm: {servers: [{url: URL, bearer_token_file: /path/to/token}]}",
        ),
        (
            page("no", status="404 Not Found"),
            "http_status: answered 404 Not Found",
            "--vllm-url http://HOST:PORT    # vLLM's base URL: /metrics is at its root, not below /v1",
        ),
        (
            page("no", status="500 Internal Server Error"),
            "http_status: answered 500 Internal Server Error",
            "curl -i URL/metrics    # the log of vLLM, or of the proxy before it, says more",
        ),
        (
            page("vllm:generation_tokens_to"),
            "truncated: the page ends in the middle of a line",
            "--vllm-url http://HOST:PORT    # of vLLM itself: something on the way cuts the page short",
        ),
        (
            page(f"vllm:generation_tokens_total{LABELS} 1\n" * 2),
            "duplicate_series: generation_tokens appears twice with the same labels",
            "--vllm-url http://HOST:PORT    # of vLLM itself: this page mixes several servers",
        ),
    ],
)
def test_an_answer_that_is_no_page_of_vllm_is_an_error(metrics, message, fix):
    found, url = about_vllm(vllm(metrics))
    assert found == [Finding("error", "vllm a", message, fix.replace("URL", url))]


def test_a_server_that_does_not_answer_in_time_is_an_error():
    def silent(connection, server):
        server.stopping.wait(5)

    with ScriptedServer({"/metrics": silent}) as server:
        tree = {"vllm": {"servers": [{"url": server.url, "name": "a"}], "timeout_seconds": 0.05}, **NO_GPUS}
        assert findings_for(settings(tree))[0] == Finding(
            "error",
            "vllm a",
            "timeout: no complete answer within 0.05 s",
            f"vllm: {{timeout_seconds: 15}}    # or find out why {server.url}/metrics is slow",
        )


def test_a_token_file_that_cannot_be_read_is_an_error():
    found, url = about_vllm(vllm(capture("mfu")), bearer_token_file="/nowhere/token")
    assert found == [
        Finding(
            "error",
            "vllm a",
            "credentials: cannot read the bearer token: [Errno 2] No such file or directory: '/nowhere/token'",
            f"vllm: {{servers: [{{url: {url}, bearer_token_file: /path/to/token}}]}}    # it must be readable",
        )
    ]


def test_a_read_that_never_returns_is_given_up():
    may_end = threading.Event()
    found = about_source("nvml", lambda: may_end.wait(5), patience=0.05)
    may_end.set()
    assert found == [
        Finding(
            "error",
            "nvml",
            "hung: the read has not returned within 0.05 s; energy, carbon and GPU memory are left out",
            "nvidia-smi    # does it hang as well? Then the driver is stuck: drain and restart the node",
        )
    ]


def test_a_defect_of_a_source_is_a_finding_too():
    found = about_source("host", failing(KeyError("cpu")))
    assert found == [Finding("error", "host", "internal: KeyError('cpu')")]


def test_no_driver_is_a_normal_state_with_the_variables_for_a_container():
    found = about_source("nvml", failing(SourceAbsent("library_missing", "libnvidia-ml.so.1 cannot be loaded")))
    assert found == [
        Finding(
            "info",
            "nvml",
            "library_missing: libnvidia-ml.so.1 cannot be loaded; energy, carbon and GPU memory are left out",
            "NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=utility    # for a container, in Kubernetes with "
            "runtimeClassName: nvidia; without a GPU here nothing is wrong",
        )
    ]


def test_a_driver_that_was_replaced_needs_a_restart():
    found = about_source("nvml", failing(SourceError("driver_mismatch", "the driver was replaced")))
    assert found == [
        Finding(
            "error",
            "nvml",
            "driver_mismatch: the driver was replaced; energy, carbon and GPU memory are left out",
            "kubectl delete pod POD    # or restart Pentameter in another way",
        )
    ]
