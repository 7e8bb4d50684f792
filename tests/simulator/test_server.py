"""The simulated server answers over real HTTP, and its GPUs live in the same simulation."""

from __future__ import annotations

import http.client
import json
import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pentameter.simulator.presets import DEFAULT
from pentameter.simulator.server import SimulatedVllm


class Clock:
    """Both clocks of a server, moved by hand."""

    def __init__(self):
        self.now = 500.0

    def monotonic(self):
        return self.now

    def wall(self):
        return 1_800_000_000.0 + self.now - 500.0


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def server(clock):
    with SimulatedVllm(clock=clock.monotonic, wall_clock=clock.wall) as running:
        yield running


@pytest.fixture
def client(server):
    host = server.start().removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=5)
    yield connection
    connection.close()


def get(client, path):
    client.request("GET", path)
    response = client.getresponse()
    return response, response.read()


def value_of(body, name):
    families = text_string_to_metric_families(body.decode())
    return next(sample.value for family in families for sample in family.samples if sample.name == name)


def test_the_metrics_page_has_vllms_content_type_and_a_length(client):
    response, body = get(client, "/metrics")
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/plain; version=1.0.0; charset=utf-8"
    assert response.headers["Content-Length"] == str(len(body))
    assert value_of(body, "vllm:prompt_tokens_total") > 0


def test_one_connection_serves_many_scrapes_and_the_page_follows_the_clock(client, clock):
    _, first = get(client, "/metrics")
    _, again = get(client, "/metrics")
    assert first == again
    clock.now += 5.0
    _, later = get(client, "/metrics")
    assert value_of(later, "vllm:generation_tokens_total") > value_of(first, "vllm:generation_tokens_total")


def test_it_says_which_version_it_plays(client):
    _, body = get(client, "/version")
    assert json.loads(body) == {"version": "0.32.0"}


def test_it_lists_its_model_as_vllm_does(client):
    _, body = get(client, "/v1/models")
    listing = json.loads(body)
    (model,) = listing["data"]
    assert listing["object"] == "list"
    assert (model["id"], model["object"]) == ("meta-llama/Llama-3.1-8B-Instruct", "model")
    assert model["max_model_len"] == 16_384


def test_it_is_healthy_and_knows_what_it_does_not_have(client):
    response, body = get(client, "/health")
    assert (response.status, body) == (200, b"")
    response, _ = get(client, "/v1/chat/completions")
    assert response.status == 404


def test_gpus_are_read_at_the_moment_of_reading(server, clock):
    before = server.gpus.read()
    clock.now += 2.0
    after = server.gpus.read()
    assert (before.monotonic, after.monotonic) == (500.0, 502.0)
    assert (before.wall, after.wall) == (1_800_000_000.0, 1_800_000_002.0)
    joules = after.gpus[0].energy_joules - before.gpus[0].energy_joules
    assert 2 * 300.0 < joules < 2 * 700.0


def test_the_gpus_have_the_interface_of_a_source(server):
    assert (server.gpus.name, server.gpus.server) == ("simulator", "")
    server.gpus.close()


def test_pages_and_gpu_readings_may_be_asked_for_at_once(server, clock):
    failures = []

    def look():
        connection = http.client.HTTPConnection(server.start().removeprefix("http://"), timeout=5)
        try:
            for _ in range(10):
                clock.now += 0.05
                response, _ = get(connection, "/metrics")
                failures.extend([response.status] if response.status != 200 else [])
                server.gpus.read()
        except Exception as error:  # noqa: BLE001 - whatever it is, the main thread reports it
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_closed_server_refuses_connections_and_ends_open_ones(clock):
    server = SimulatedVllm(DEFAULT, clock=clock.monotonic, wall_clock=clock.wall)
    host = server.start().removeprefix("http://")
    kept = http.client.HTTPConnection(host, timeout=5)
    get(kept, "/health")
    server.close()
    server.close()
    assert kept.sock.recv(1) == b""
    kept.close()
    with pytest.raises(ConnectionRefusedError):
        get(http.client.HTTPConnection(host, timeout=5), "/health")


def test_real_clocks_are_the_default():
    with SimulatedVllm() as server:
        reading = server.gpus.read()
    assert reading.wall > 1_700_000_000.0
