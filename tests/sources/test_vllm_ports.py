"""Who answers at other addresses."""

import socket
import ssl

import trustme

from examining import capture, vllm
from fakes.http_server import ScriptedServer, page
from fakes.plain_http import plain_server
from pentameter.sources.vllm_ports import Answer, knock

VLLM = vllm(capture("mfu"))


def test_every_place_that_answers_is_told_in_order():
    with ScriptedServer({}) as other, ScriptedServer(VLLM) as server:
        assert knock([(other.url,), (server.url,)]) == (
            Answer(other.url, vllm=False, why="answered 404 Not Found"),
            Answer(server.url, vllm=True, version="0.32.0"),
        )


def test_nowhere_to_ask_is_no_answer():
    assert knock([]) == ()


def test_nobody_listening_is_no_answer():
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    assert knock([(f"http://127.0.0.1:{port}", f"https://127.0.0.1:{port}")]) == ()


def test_who_takes_the_connection_and_says_nothing_is_given_up():
    with ScriptedServer({"/metrics": lambda _, server: server.stopping.wait(5)}) as server:
        assert knock([(server.url, server.url.replace("http", "https"))], timeout=0.05) == ()
        assert server.connections == 1


def test_a_port_for_tls_that_answers_plain_http_with_400_is_asked_over_tls():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with (
        ScriptedServer({"/metrics": page("", status="400 Bad Request")}) as plain,
        ScriptedServer(VLLM, context) as secure,
    ):
        assert knock([(plain.url, secure.url)]) == (Answer(secure.url, vllm=True, version="0.32.0", trusted=False),)


def test_a_400_of_a_server_without_tls_is_what_it_is():
    with plain_server({"/metrics": page("", status="400 Bad Request")}) as url:
        answers = knock([(url, url.replace("http", "https"))])
    assert answers == (Answer(url, vllm=False, why="answered 400 Bad Request"),)
