"""The vLLM source over HTTP."""

import pytest

from fakes.http_server import ScriptedServer, page
from pentameter.sources import SourceError
from pentameter.sources.vllm_metrics import ServedModel, VllmSource

METRICS = 'process_start_time_seconds 100.0\nvllm:generation_tokens_total{engine="0",model_name="m"} 5.0\n'


def answers(**changed):
    return {
        "/metrics": page(METRICS),
        "/version": page('{"version": "0.32.0"}', "application/json"),
        "/v1/models": page(
            '{"object":"list","data":[{"id":"m","max_model_len":2048},{"id":"lora","parent":"m"}]}', "application/json"
        ),
        **{"/" + path.replace("_", "/"): answer for path, answer in changed.items()},
    }


@pytest.fixture
def source():
    made = []

    def make(server):
        made.append(VllmSource("name", server.url))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_reading_carries_the_servers_name_and_version(source):
    with ScriptedServer(answers()) as server:
        reading = source(server).read()
    assert (reading.server, reading.version, reading.start_time) == ("name", "0.32.0", 100.0)
    assert reading.engines[0].counters == {"generation_tokens": 5}


def test_the_version_is_asked_once_per_process(source):
    with ScriptedServer(answers()) as server:
        one = source(server)
        for _ in range(3):
            one.read()
        assert sum("GET /version" in head for head in server.requests) == 1
        server.answers["/metrics"] = page(METRICS.replace("100.0", "200.0"))
        server.answers["/version"] = page('{"version": "0.33.0"}', "application/json")
        assert one.read().version == "0.33.0"


@pytest.mark.parametrize("answer", [page("x", status="404 Not Found"), page("[]"), page("{"), page('{"version": 3}')])
def test_a_server_that_does_not_say_its_version_is_read_all_the_same(source, answer):
    with ScriptedServer(answers(version=answer)) as server:
        assert source(server).read().version is None


def test_the_served_models_are_listed(source):
    with ScriptedServer(answers()) as server:
        assert source(server).read_models() == (ServedModel("m", 2048, None), ServedModel("lora", None, "m"))


def test_a_failure_names_its_reason_and_the_next_reading_is_fresh(source):
    with ScriptedServer(answers()) as server:
        one = source(server)
        one.read()
        server.answers["/metrics"] = page("<html></html>", "text/html")
        with pytest.raises(SourceError) as caught:
            one.read()
        assert caught.value.reason == "not_metrics"
        server.answers["/metrics"] = page(METRICS)
        server.answers["/version"] = page('{"version": "0.33.0"}', "application/json")
        assert one.read().version == "0.33.0"


@pytest.mark.parametrize("suffix", ["", "/", "/metrics", "/metrics/"])
def test_the_base_url_and_the_metrics_url_both_do(suffix):
    assert VllmSource("name", "http://127.0.0.1:8000" + suffix).url == "http://127.0.0.1:8000"
