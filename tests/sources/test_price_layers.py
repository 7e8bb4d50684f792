"""One file and one page: when they are looked at, and what is kept."""

import os
from itertools import pairwise

import pytest

from fakes.http_server import ScriptedServer, page
from pentameter.sources import SourceError
from pentameter.sources.http_get import Credentials, HttpClient
from pentameter.sources.price_files import MOST_BYTES
from pentameter.sources.price_layers import FileLayer, PageLayer


class Parser:
    """Takes any text but ``bad``, and counts how often it is asked."""

    def __init__(self):
        self.asked = 0

    def __call__(self, body, place):
        self.asked += 1
        if body.startswith(b"bad"):
            raise SourceError("malformed", f"{place} is bad")
        return body.decode()


@pytest.fixture
def parse():
    return Parser()


def replaced(path, text):
    """Put a file in the place of another, as a careful program does."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


class TestFile:
    @pytest.fixture
    def path(self, tmp_path):
        path = tmp_path / "prices.csv"
        path.write_text("one")
        return path

    def test_it_is_read_once_and_again_when_it_was_replaced(self, path, parse):
        layer = FileLayer(str(path), parse)
        assert [layer.look(0, anew=False) for _ in range(3)] == [True, False, False]
        assert parse.asked == 1
        replaced(path, "two")
        assert layer.look(0, anew=False)
        assert (layer.value, parse.asked) == ("two", 2)

    def test_it_is_read_again_when_it_was_written_in_its_place(self, path, parse):
        layer = FileLayer(str(path), parse)
        layer.look(0, anew=False)
        path.write_text("two")
        os.utime(path, ns=(1, 1))
        assert layer.look(0, anew=False)
        assert layer.value == "two"

    def test_a_link_that_was_turned_to_another_file_is_a_change(self, tmp_path, path, parse):
        # So does Kubernetes replace the files of a ConfigMap: with the same size, perhaps at the same moment.
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "prices.csv").write_text(name)
            os.utime(tmp_path / name / "prices.csv", ns=(5, 5))
        data = tmp_path / "..data"
        data.symlink_to("a")
        layer = FileLayer(str(data / "prices.csv"), parse)
        layer.look(0, anew=False)
        (tmp_path / "turned").symlink_to("b")
        (tmp_path / "turned").replace(data)
        assert layer.look(0, anew=False)
        assert layer.value == "b"

    def test_when_asked_to_it_is_read_although_nothing_changed(self, path, parse):
        layer = FileLayer(str(path), parse)
        assert [layer.look(0, anew=True) for _ in range(2)] == [True, False]
        assert parse.asked == 2

    def test_what_was_read_well_is_kept_while_it_is_bad_or_gone(self, path, parse):
        layer = FileLayer(str(path), parse)
        layer.look(0, anew=False)
        replaced(path, "bad")
        assert [layer.look(0, anew=False) for _ in range(2)] == [False, False]
        assert (layer.value, layer.error.reason) == ("one", "malformed")
        path.unlink()
        layer.look(0, anew=False)
        assert (layer.value, layer.error.reason) == ("one", "not_found")
        path.write_text("one")
        assert not layer.look(0, anew=False), "it holds what it held before"
        assert layer.error is None

    def test_a_file_that_changes_while_it_is_read_is_not_believed(self, path):
        def parse(body, place):
            path.write_text(f"{body.decode()} and more")
            return body.decode()

        layer = FileLayer(str(path), parse)
        assert not layer.look(0, anew=False)
        assert (layer.value, layer.error.reason) == (None, "unreadable")

    def test_what_is_no_ordinary_file_or_too_large_is_refused(self, tmp_path, path, parse):
        path.write_bytes(b"x" * (MOST_BYTES + 1))
        layer = FileLayer(str(path), parse)
        layer.look(0, anew=False)
        assert layer.error.reason == "too_large"
        os.mkfifo(tmp_path / "pipe")
        for odd in (tmp_path, tmp_path / "pipe"):
            layer = FileLayer(str(odd), parse)
            layer.look(0, anew=False)
            assert layer.error.reason == "unreadable"
        layer = FileLayer(str(path / "below"), parse)
        layer.look(0, anew=False)
        assert layer.error.reason == "not_found"


class TestPage:
    @pytest.fixture
    def server(self):
        with ScriptedServer({"/prices.csv": page("one")}) as server:
            yield server

    def layer(self, server, parse, path="/prices.csv", **credentials):
        url = f"{server.url}{path}"
        client = HttpClient(url, timeout=2.0, max_bytes=100, credentials=Credentials(**credentials))
        return PageLayer(client, url, parse, 86_400.0)

    def test_it_is_fetched_once_an_interval_and_when_asked_to(self, server, parse):
        layer = self.layer(server, parse)
        assert [layer.look(now, anew=False) for now in (0, 10, 86_399)] == [True, False, False]
        assert len(server.requests) == 1
        server.answers["/prices.csv"] = page("two")
        assert layer.look(86_400, anew=False)
        assert layer.value == "two"
        assert not layer.look(86_410, anew=True)
        assert len(server.requests) == 3
        layer.close()

    def test_after_failures_it_is_left_alone_for_longer_and_longer_and_its_value_is_kept(self, server, parse):
        layer = self.layer(server, parse)
        layer.look(0, anew=False)
        server.answers["/prices.csv"] = page("bad")
        asked = []
        for now in range(86_400, 86_400 + 14_000, 10):
            before = parse.asked
            assert not layer.look(now, anew=False)
            if parse.asked > before:
                asked.append(now - 86_400)
        assert asked[:8] == [0, 30, 90, 210, 450, 930, 1890, 3810]
        assert [after - before for before, after in pairwise(asked[7:])] == [3600, 3600]
        assert (layer.value, layer.error.reason) == ("one", "malformed")
        server.answers["/prices.csv"] = page("one")
        assert not layer.look(200_000, anew=False)
        assert layer.error is None
        layer.close()

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (page("no", status="404 Not Found"), "not_found"),
            (page("no", status="403 Forbidden"), "credentials"),
            (page("no", status="429 Too Many Requests"), "rate_limited"),
            (page("no", status="500 Internal Server Error"), "http_status"),
            (page("x" * 101), "too_large"),
        ],
    )
    def test_a_failure_has_a_reason_and_names_the_page(self, server, parse, answer, reason):
        server.answers["/prices.csv"] = answer
        layer = self.layer(server, parse)
        layer.look(0, anew=False)
        assert (layer.value, layer.error.reason) == (None, reason)
        assert f"{server.url}/prices.csv" in str(layer.error)
        layer.close()

    def test_the_token_is_sent(self, server, parse, tmp_path):
        (tmp_path / "token").write_text("abc\n")
        layer = self.layer(server, parse, bearer_token_file=str(tmp_path / "token"))
        layer.look(0, anew=False)
        assert "Authorization: Bearer abc" in server.requests[0]
        layer.close()
