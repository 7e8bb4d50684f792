"""The doctor at a vLLM that is not where the settings say: it is found, and the line names it."""

import socket
import ssl

import pytest
import trustme

from examining import NO_GPUS, PLAIN, capture, findings_for, vllm
from fakes.http_server import ScriptedServer, page
from fakes.plain_http import plain_server
from given_settings import settings
from pentameter.doctor_places import USUAL_PORTS, is_lost, look_elsewhere, places
from pentameter.findings import Finding
from pentameter.sources import SourceError
from pentameter.sources.surroundings import Surroundings
from pentameter.sources.vllm_ports import Answer

REFUSED = "unreachable: cannot connect: [Errno 111] Connection refused"
TRUST = (
    "ca_file: /path/to/ca.pem}]}    # or insecure_skip_verify: true, where the connection stays inside the pod; "
    "PENTAMETER_VLLM_URL unset, as it goes before the file"
)
PROXY = {"/metrics": page("proxy_requests_total 1\n")}
FAILED = Finding("error", "vllm a", "unreachable: no", "the usual line")


def port_of(url):
    return int(url.rpartition(":")[2])


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def about(url, ports, around=PLAIN, more=(), **keys):
    servers = [{"url": url, "name": "a", **keys}, *({"url": other, "name": other} for other in more)]
    found = findings_for(settings({"vllm": {"servers": servers}, **NO_GPUS}), around, ports)
    return [finding for finding in found if finding.subject == "vllm a"]


@pytest.fixture
def secure():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with ScriptedServer(vllm(capture("mfu")), context) as server:
        yield server


@pytest.mark.parametrize(
    ("around", "line"),
    [(PLAIN, "--vllm-url "), (Surroundings(kubernetes=True, container=True), "PENTAMETER_VLLM_URL=")],
)
def test_a_vllm_at_another_usual_port_is_named_with_the_line_to_change(around, line):
    with plain_server(vllm(capture("mfu"))) as url:
        found = about(f"http://127.0.0.1:{free_port()}", [port_of(url)], around)
    assert found == [Finding("error", "vllm a", f"{REFUSED}; vLLM 0.32.0 answers at {url}", line + url)]


def test_behind_a_proxy_that_shows_other_metrics_vllm_is_found():
    with plain_server(PROXY) as proxy, plain_server(vllm(capture("mfu"))) as url:
        [found] = about(proxy, [port_of(proxy), port_of(url)])
    assert found.message.startswith("no_vllm_metrics: ")
    assert found.fix == f"--vllm-url {url}"


def test_with_several_servers_the_line_is_one_of_the_file():
    with plain_server(vllm(capture("mfu"))) as url:
        [found] = about(f"http://127.0.0.1:{free_port()}", [port_of(url)], more=["http://127.0.0.1:9"])
    assert found.fix == f"vllm: {{servers: [{{url: {url}}}]}}"


def test_the_port_of_another_configured_server_is_not_proposed():
    with ScriptedServer(vllm(capture("mfu"))) as server:
        found = about(f"http://127.0.0.1:{free_port()}", [server.port], more=[f"http://localhost:{server.port}"])
    assert [finding.message for finding in found] == [REFUSED]


def test_what_answers_and_is_no_vllm_is_said():
    with plain_server(PROXY) as proxy:
        found = about(f"http://127.0.0.1:{free_port()}", [port_of(proxy)])
    why = "the page has no vLLM engine metrics; is this vLLM's port?"
    assert [finding.message for finding in found] == [
        REFUSED,
        f"{proxy} answers, and is no vLLM by its /metrics: {why}",
    ]
    assert found[1].level == "info"


def test_where_nothing_answers_the_ports_that_were_tried_are_named():
    port = free_port()
    found = about(f"http://127.0.0.1:{free_port()}", [port])
    assert found[1] == Finding(
        "info",
        "vllm a",
        f"nothing answers at the other usual ports of that host ({port}); vLLM listens once its model is loaded",
    )


def test_http_to_a_port_that_speaks_https_is_told_with_the_authority_to_name(secure):
    [found] = about(secure.url.replace("https", "http"), [free_port()])
    assert found.level == "error"
    assert found.message.endswith(f"; vLLM 0.32.0 answers at {secure.url}, with a certificate that is not trusted here")
    assert found.fix == f"vllm: {{servers: [{{url: {secure.url}, {TRUST}"


def test_https_to_a_port_that_speaks_http_is_told():
    with plain_server(vllm(capture("mfu"))) as url:
        [found] = about(url.replace("http", "https"), [free_port()])
    assert found.message.startswith("tls: ")
    assert found.message.endswith(f"; vLLM 0.32.0 answers at {url}")
    assert found.fix == f"--vllm-url {url}"


def test_an_unknown_certificate_is_a_matter_of_trust_and_not_of_ports(secure):
    with ScriptedServer(vllm(capture("mfu"))) as other:
        [found] = about(secure.url, [other.port])
        assert other.connections == 0
    assert found.message.startswith("tls: ")
    assert found.fix == f"vllm: {{servers: [{{url: {secure.url}, {TRUST}"


def test_a_token_is_not_shown_to_whoever_listens_elsewhere():
    with ScriptedServer(vllm(capture("mfu"))) as server:
        about(f"http://127.0.0.1:{free_port()}", [server.port], bearer_token="secret")
        assert server.requests
        assert not any("secret" in head for head in server.requests)


def test_a_server_that_wants_a_token_is_not_looked_for_elsewhere():
    with ScriptedServer(vllm(page("no", status="401 Unauthorized"))) as server, ScriptedServer({}) as other:
        assert len(about(server.url, [other.port])) == 1
        assert other.connections == 0


def test_a_host_without_an_address_is_not_looked_at_again():
    error = SourceError("unreachable", "cannot connect")
    error.__cause__ = socket.gaierror(-2, "Name or service not known")
    assert not is_lost(error)
    assert is_lost(SourceError("unreachable", "cannot connect"))


def test_the_usual_ports_say_whose_they_are():
    answers = [Answer("http://127.0.0.1:8200", vllm=True)]
    [found] = look_elsewhere(FAILED, [("https://127.0.0.1:8000",)], answers, "--vllm-url %s")
    assert found.message == (
        "unreachable: no; a vLLM answers at http://127.0.0.1:8200, where vLLM listens behind llm-d's routing proxy"
    )
    assert sorted(USUAL_PORTS) == [8000, 8001, 8080, 8200]


def test_another_protocol_at_the_same_port_needs_no_word_on_whose_it_is():
    url = "http://127.0.0.1:8000"
    [found] = look_elsewhere(FAILED, [(url,)], [Answer(url, vllm=True)], "--vllm-url %s")
    assert found.message == f"unreachable: no; a vLLM answers at {url}"


def test_of_several_that_answer_none_is_hidden():
    answers = [Answer(f"http://h:{port}", vllm=True) for port in (1, 2, 3)]
    [found] = look_elsewhere(FAILED, [("https://h:8",)], answers, "--vllm-url %s")
    assert found.fix == "--vllm-url http://h:1    # or http://h:2 or http://h:3, which is vLLM too"


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://h", (("https://h",), ("http://h:8000", "https://h:8000"))),
        ("https://h:8000/a", (("http://h:8000/a",),)),
        ("http://[::1]:9", (("https://[::1]:9",), ("http://[::1]:8000", "https://[::1]:8000"))),
    ],
)
def test_only_the_host_that_was_given_is_asked(url, asked):
    assert places(url, [], [8000]) == asked
