"""What befalls the exporter must not befall vLLM, and what vLLM loses must be told: a real server, hurt exporters."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import time

import pytest

from e2e.rig.bench_client import BenchPlan, run_bench
from e2e.rig.exporter import ExporterProcess
from e2e.rig.load import Load, Plan
from e2e.rig.page import sample
from e2e.rig.process import free_port
from e2e.rig.timings import Threshold, good
from e2e.rig.vllm import VllmServer
from e2e.rig.waiting import wait_until

pytestmark = pytest.mark.real

SLO = Threshold(ttft=0.2, tpot=0.02)
STEADY = Plan(requests=10_000, seconds=600.0, rate=10.0, poisson=False, prompt_tokens=(16, 64), output_tokens=(24, 48))
"""A load that goes on until it is stopped."""

WARM_UP = Plan(requests=10, seconds=30.0, rate=5.0)
UNHEARD = Plan(requests=20, seconds=30.0, rate=10.0)

FROZEN_SECONDS = 12.0
STALL_SECONDS = 6.0
"""A gap in the tokens of a request that would show that vLLM waited for the exporter, and not for a busy machine."""


@pytest.fixture(scope="module")
def ports():
    return {"grpc": free_port(), "exporter": free_port()}


@pytest.fixture(scope="module")
def socket(ports):
    return f"@pentameter-e2e-faults-{ports['exporter']}"


@pytest.fixture(scope="module")
def server(rig, ports, socket):
    """A vLLM that reports by the plugin and by spans over gRPC, to nobody as yet."""
    one = VllmServer(plugin=socket, traces=f"grpc://127.0.0.1:{ports['grpc']}")
    try:
        one.start()
        # The first steps of a new server can take seconds, whoever listens.
        Load(one.url, one.model_name, WARM_UP).run()
        yield one
    finally:
        one.stop()


@pytest.fixture
def exporter_of(server, ports, socket):
    """Start an exporter that takes records by ``plugin`` or ``grpc``; it is ended after the test."""
    made = []

    def start(*, plugin=False, grpc=False):
        settings = {
            "vllm": {"servers": [server.url]},
            "windows": ["1h"],
            "nvml": {"enabled": False},
            "plugin": {"enabled": plugin, "socket": socket},
            "otlp": {"http": "off", "grpc_listen": f"127.0.0.1:{ports['grpc']}" if grpc else None},
            "slos": [{"name": "slo", "ttft_seconds": SLO.ttft, "tpot_seconds": SLO.tpot}],
        }
        exporter = ExporterProcess(settings=settings, port=ports["exporter"])
        made.append(exporter)
        exporter.start()
        wait_until("the exporter has read vLLM", lambda: sample(exporter.metrics(), "pentameter_requests_running") == 0)
        return exporter

    yield start
    for exporter in made:
        exporter.stop()


def outcome(exporter, word, source="plugin"):
    """Return how many records had this outcome."""
    return sample(exporter.metrics(), "pentameter_request_records_total", source=source, outcome=word) or 0.0


def wait_for_the_plugin(exporter):
    wait_until(
        "the plugin is heard",
        lambda: sample(exporter.metrics(), "pentameter_source_up", source="plugin") == 1.0,
    )


def count_of(load):
    return load.totals().requests


def assert_unharmed(load):
    """Every answer came in full, and no token waited for the exporter."""
    assert load.totals().errors == 0, [record.error for record in load.records if record.error]
    waits = [max(record.time_to_first_token, *record.between_chunks) for record in load.records]
    assert max(waits) < STALL_SECONDS, f"request {waits.index(max(waits))} of {len(waits)} waited"


def test_vllm_starts_and_serves_where_nobody_listens(server):
    load = Load(server.url, server.model_name, UNHEARD)
    load.run()
    assert_unharmed(load)
    log = server.log.read_text(errors="replace")
    assert "Pentameter: nobody listens" in log
    assert not re.search(r"Traceback[^$]*pentameter", log)


def test_what_nobody_heard_is_told_to_the_first_who_listens(server, exporter_of):
    """Runs second: nobody has listened so far."""
    time.sleep(6.0)  # the plugin keeps records for five seconds
    exporter = exporter_of(plugin=True)
    wait_for_the_plugin(exporter)
    wait_until("the plugin tells", lambda: outcome(exporter, "unheard") == WARM_UP.requests + UNHEARD.requests)
    assert outcome(exporter, "accepted") == outcome(exporter, "dropped") == 0


def test_spans_over_grpc_give_the_clients_attainment(server, exporter_of):
    exporter = exporter_of(grpc=True)
    sent = run_bench(server, BenchPlan(requests=150, rate=10.0))
    wait_until("all spans are counted", lambda: outcome(exporter, "counted", "otlp") >= 150)
    page = exporter.metrics()
    assert sent.errors == 0
    served = sample(page, "pentameter_slo_requests_total", slo="slo", verdict="good")
    strict, lax = (Threshold(factor * SLO.ttft, factor * SLO.tpot) for factor in (0.75, 1.25))
    assert good(sent.timings.values(), strict) - 1 <= served <= good(sent.timings.values(), lax) + 1
    assert sample(page, "pentameter_slo_requests_total", slo="slo") == 150
    assert sample(page, "pentameter_request_records_total", source="otlp", outcome="counted") == 150


def test_counting_resumes_after_the_exporter_is_killed_and_started_again_under_load(server, exporter_of):
    exporter = exporter_of(plugin=True)
    wait_for_the_plugin(exporter)
    load = Load(server.url, server.model_name, STEADY)
    load.start()
    wait_until("requests are counted", lambda: outcome(exporter, "counted") > 20)
    exporter.kill()
    before = count_of(load)
    wait_until("vLLM goes on without an exporter", lambda: count_of(load) > before + 20)
    exporter.start()
    wait_until("requests are counted again", lambda: outcome(exporter, "counted") > 20)
    load.stop()
    assert_unharmed(load)

    wait_until("the last are counted", lambda: settled(exporter))
    before = outcome(exporter, "counted")
    after = Load(server.url, server.model_name, Plan(requests=30, seconds=30.0, rate=15.0, seed=2))
    after.run()
    wait_until("all of the second load are counted", lambda: outcome(exporter, "counted") == before + 30)
    assert sample(exporter.metrics(), "pentameter_slo_requests_total") == before + 30


def test_a_frozen_exporter_costs_vllm_nothing_and_what_was_dropped_is_told(server, exporter_of):
    exporter = exporter_of(plugin=True)
    wait_for_the_plugin(exporter)
    before = {word: outcome(exporter, word) for word in ("accepted", "dropped", "unheard")}
    load = Load(server.url, server.model_name, STEADY)
    load.start()
    wait_until("requests are counted", lambda: outcome(exporter, "counted") > 20)
    os.kill(exporter.pid, signal.SIGSTOP)
    try:
        began = count_of(load)
        time.sleep(FROZEN_SECONDS)
        served = count_of(load) - began
    finally:
        os.kill(exporter.pid, signal.SIGCONT)
    wait_until("requests are counted again", lambda: outcome(exporter, "dropped") > before["dropped"])
    sent = load.stop().requests
    assert_unharmed(load)
    assert served > 20

    def accounted():
        return sum(outcome(exporter, word) - before[word] for word in before)

    wait_until("every request is accepted or told to be dropped", lambda: accounted() == sent)
    assert outcome(exporter, "unheard") == before["unheard"]


def test_requests_that_clients_abort_are_inferred_from_the_page_where_vllm_records_none(server, exporter_of):
    exporter = exporter_of(plugin=True)
    wait_for_the_plugin(exporter)
    connections = [open_stream(server) for _ in range(5)]
    wait_until("they run", lambda: sample(exporter.metrics(), "pentameter_requests_running") == 5)
    for connection in connections:
        connection.close()
    wait_until("they are gone", lambda: sample(exporter.metrics(), "pentameter_requests_running") == 0)
    page = exporter.metrics()
    assert sample(page, "pentameter_requests_aborted_total") == 5
    assert sample(page, "pentameter_slo_requests_total", slo="slo") == 0
    assert sample(page, "pentameter_slo_unjudged_requests_total", slo="slo", reason="aborted") == 5


def settled(exporter):
    """Say whether the count of requests has stopped growing."""
    before = outcome(exporter, "counted")
    time.sleep(2.0)
    return outcome(exporter, "counted") == before


def open_stream(server):
    """Ask for a long answer and read its beginning."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    body = {"model": server.model_name, "prompt": [3] * 16, "max_tokens": 1900, "ignore_eos": True, "stream": True}
    connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    assert response.status == 200
    response.readline()
    # A stream that is left unread: closing the connection is what the server sees.
    connection.sock = response.fp.raw._sock
    return connection
