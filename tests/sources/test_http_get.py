"""The HTTP client against servers that misbehave."""

import json
import socket
import ssl

import pytest
import trustme

from fakes.http_server import ScriptedServer, cut, drip, page
from fakes.tokenizer_server import TokenizerServer
from pentameter.sources import SourceError
from pentameter.sources.http_get import Credentials, HttpClient


def client(url, **options):
    return HttpClient(url, **{"timeout": 2.0, "max_bytes": 10_000, **options})


def reason(call):
    with pytest.raises(SourceError) as caught:
        call()
    return caught.value.reason


def test_a_page_arrives_whole_with_its_type_and_the_connection_is_kept():
    with ScriptedServer({"/metrics": page("a 1\n")}) as server:
        http = client(server.url)
        for _ in range(3):
            answer = http.get("/metrics")
        assert (answer.body, answer.content_type) == (b"a 1\n", "text/plain; version=0.0.4")
        assert server.connections == 1
        http.close()


def test_json_is_posted_whole_over_the_same_connection_and_below_the_same_prefix():
    with TokenizerServer() as server:
        http = client(server.url)
        for word in ("ab", "Würde"):
            body = json.dumps({"prompt": word}, ensure_ascii=False).encode()
            assert json.loads(http.post_json("/tokenize", body).body)["count"] == len(word)
        assert server.headers["Content-Type"] == "application/json"
        assert server.headers["User-Agent"].startswith("pentameter/")
        server.statuses["/p/tokenize"] = 503
        assert reason(lambda: client(server.url + "/p").post_json("/tokenize", b'{"prompt": "a"}')) == "http_status"
        http.close()


def test_a_path_prefix_of_the_url_is_kept():
    with ScriptedServer({"/prefix/metrics": page("a 1\n")}) as server:
        http = client(server.url + "/prefix/")
        assert http.get("/metrics").body == b"a 1\n"
        http.close()


def test_a_chunked_page_arrives_whole():
    body = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na 1\r\n1\r\n\n\r\n0\r\n\r\n"
    with ScriptedServer({"/metrics": body}) as server:
        http = client(server.url)
        assert http.get("/metrics").body == b"a 1\n"
        http.close()


def test_a_connection_that_the_server_closed_meanwhile_is_opened_again():
    with ScriptedServer({"/metrics": cut(page("a 1\n"))}) as server:
        http = client(server.url)
        assert [http.get("/metrics").body for _ in range(2)] == [b"a 1\n", b"a 1\n"]
        http.close()


def test_nobody_listening_is_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    assert reason(lambda: client(f"http://127.0.0.1:{port}").get("/metrics")) == "unreachable"


def test_a_name_that_does_not_resolve_is_unreachable():
    assert reason(lambda: client("http://nowhere.invalid:8000").get("/metrics")) == "unreachable"


def test_another_status_is_named():
    with ScriptedServer({"/metrics": page("no", status="503 Service Unavailable")}) as server:
        with pytest.raises(SourceError, match="answered 503 Service Unavailable") as caught:
            client(server.url).get("/metrics")
        assert caught.value.reason == "http_status"


@pytest.mark.parametrize(
    "answer",
    [
        drip(page("a 1\n" * 1000)),
        drip(b"HTTP/1.1 200 OK\r\nX-Padding: " + b"x" * 1000),
        lambda connection, server: server.stopping.wait(5),
    ],
    ids=["slow body", "slow head", "silence"],
)
def test_a_server_that_drips_or_is_silent_is_cut_off_at_the_deadline(answer):
    with ScriptedServer({"/metrics": answer}) as server:
        assert reason(lambda: client(server.url, timeout=0.3).get("/metrics")) == "timeout"


def test_a_page_that_announces_too_much_is_refused_unread():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n"
    with ScriptedServer({"/metrics": cut(head)}) as server:
        assert reason(lambda: client(server.url).get("/metrics")) == "too_large"


def test_a_page_of_unannounced_size_is_refused_when_it_passes_the_limit():
    def flood(connection, server):
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for _ in range(1600):
            connection.sendall(b"x" * 65_536)

    with ScriptedServer({"/metrics": flood}) as server:
        assert reason(lambda: client(server.url).get("/metrics")) == "too_large"


def test_a_body_that_ends_early_is_truncated():
    with ScriptedServer({"/metrics": cut(page("a 1\n" * 50)[:-20])}) as server:
        assert reason(lambda: client(server.url).get("/metrics")) == "truncated"


def test_something_that_does_not_speak_http_is_named():
    with ScriptedServer({"/metrics": cut(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")}) as server:
        assert reason(lambda: client(server.url).get("/metrics")) == "not_http"


def test_the_token_is_sent_and_its_file_is_read_anew(tmp_path):
    token = tmp_path / "token"
    token.write_text("first\n")
    with ScriptedServer({"/metrics": page("a 1\n")}) as server:
        http = client(server.url, credentials=Credentials(bearer_token_file=str(token)))
        http.get("/metrics")
        token.write_text("second\n")
        http.get("/metrics")
        http.close()
        assert "Authorization: Bearer first\r\n" in server.requests[0]
        assert "Authorization: Bearer second\r\n" in server.requests[1]


def test_a_missing_token_file_is_named(tmp_path):
    http = client("http://127.0.0.1:1", credentials=Credentials(bearer_token_file=str(tmp_path / "none")))
    assert reason(lambda: http.get("/metrics")) == "credentials"


@pytest.mark.parametrize("content", [b"secret\nsecond", "s\u00e9cret".encode(), b"secret\xff", b"secret\x00"])
def test_a_token_file_that_holds_no_token_is_refused_without_telling_its_content(tmp_path, content):
    token = tmp_path / "token"
    token.write_bytes(content)
    http = client("http://127.0.0.1:1", credentials=Credentials(bearer_token_file=str(token)))
    with pytest.raises(SourceError) as caught:
        http.get("/metrics")
    assert caught.value.reason == "credentials"
    assert "secret" not in str(caught.value)
    assert "cret" not in repr(caught.value.__cause__)


def test_a_token_is_not_shown():
    assert "secret" not in repr(Credentials(bearer_token="secret"))


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def secure_server(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with ScriptedServer({"/metrics": page("a 1\n")}, context) as server:
        yield server


def test_https_with_the_right_authority_works(secure_server, authority, tmp_path):
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    http = client(secure_server.url, credentials=Credentials(ca_file=str(ca)))
    assert http.get("/metrics").body == b"a 1\n"
    http.close()


def test_https_with_an_unknown_authority_is_refused(secure_server):
    assert reason(lambda: client(secure_server.url).get("/metrics")) == "tls"


def test_https_without_verification_works_when_asked_for(secure_server):
    http = client(secure_server.url, credentials=Credentials(insecure_skip_verify=True))
    assert http.get("/metrics").body == b"a 1\n"
    http.close()


def test_a_ca_file_that_is_not_there_is_named(secure_server, tmp_path):
    credentials = Credentials(ca_file=str(tmp_path / "none.pem"))
    assert reason(lambda: client(secure_server.url, credentials=credentials).get("/metrics")) == "tls"


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://host", "http://"])
def test_what_is_no_http_url_is_refused(url):
    with pytest.raises(ValueError, match="not an http"):
        client(url)
