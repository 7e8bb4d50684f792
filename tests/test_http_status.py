"""The status page over HTTP: the page, its script and style, and what they ask for."""

import json
import re
import time
from html.parser import HTMLParser

import pytest

from asgi_client import ask
from pentameter import __version__
from pentameter.dimensions.timing import RUNNING
from pentameter.history import History
from pentameter.http import create_app
from pentameter.snapshot import Snapshot, SourceHealth

EVIL = '</script><img src=x onerror="alert(1)">'
PARTS = ("/", "/status.js", "/status.css")
DOCUMENTS = ("/api/v1/status", "/api/v1/history")


def snapshot(seconds=0.0, name="m"):
    sources = (SourceHealth("vllm", "a", False, "unreachable", EVIL),)
    return Snapshot((RUNNING(3, "a", name, "0"),), sources, time.time(), time.monotonic() + seconds, 1)


def app(latest=None, history=None):
    return create_app(lambda: latest, lambda: True, history=history)


def filled(*moments, name="m"):
    history = History()
    for seconds in moments:
        history.take(snapshot(seconds, name))
    return history


class Page(HTMLParser):
    """The tags of the page."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.mark.parametrize("path", PARTS)
@pytest.mark.parametrize("latest", [None, snapshot()])
def test_the_page_and_its_parts_are_always_there_and_never_hold_data(path, latest):
    answer = ask(app(latest), path)
    assert answer.status == 200
    assert EVIL not in answer.text
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", [*PARTS, *DOCUMENTS])
def test_head_is_answered_like_get_and_nothing_can_be_changed(path):
    one = app(snapshot())
    assert ask(one, path, method="HEAD").status == ask(one, path).status == 200
    assert ask(one, path, method="POST").status == 405


def test_the_kinds_are_told_and_not_guessed():
    kinds = {path: ask(app(), path).headers["content-type"].split(";")[0] for path in PARTS}
    assert kinds == {"/": "text/html", "/status.js": "text/javascript", "/status.css": "text/css"}
    for path in (*PARTS, *DOCUMENTS):
        assert ask(app(snapshot()), path).headers["x-content-type-options"] == "nosniff"


def test_the_page_may_load_from_here_alone_and_nothing_inline():
    answer = ask(app(), "/")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert not {"script-src", "style-src", "connect-src"} & set(policy)
    assert "unsafe" not in answer.headers["content-security-policy"]
    page = Page(answer.text)
    assert [script.get("src") for script in page.all("script")] == ["status.js"]
    assert page.all("style") == []
    assert not [name for _, attributes in page.tags for name in attributes if name == "style" or name.startswith("on")]


@pytest.mark.parametrize("path", PARTS)
def test_nothing_is_loaded_from_elsewhere(path):
    text = ask(app(), path).text
    # The one address is the name of the SVG namespace, which nobody asks for.
    assert set(re.findall(r"\w+://[^\s\"']+", text)) <= {"http://www.w3.org/2000/svg"}
    assert "@import" not in text


def test_the_script_makes_no_markup_of_text():
    script = ask(app(), "/status.js").text
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "DOMParser"):
        assert way not in script


def test_all_together_are_small():
    assert sum(len(ask(app(), path).body) for path in PARTS) < 40_000


def test_the_first_page_leads_to_all_others_wherever_it_is_mounted():
    page = Page(ask(app(), "/").text)
    links = {link["href"] for link in page.all("a")} - {"#main"}
    expected = {"metrics", "healthz", "readyz", "api/v1/snapshot", "api/v1/autoscaling", "api/v1/cost"}
    assert links == expected | {"api/v1/status", "api/v1/history"}
    one = app(snapshot())
    assert {ask(one, f"/{link}").status for link in links} == {200}


def test_the_page_says_its_language_and_fits_a_phone():
    page = Page(ask(app(), "/").text)
    assert page.all("html") == [{"lang": "en"}]
    metas = {meta.get("name"): meta.get("content") for meta in page.all("meta")}
    assert metas["viewport"] == "width=device-width, initial-scale=1"
    assert metas["color-scheme"] == "light dark"


def test_the_status_is_the_present_one_and_kept_by_nobody():
    answer = ask(app(snapshot(-3.0)), "/api/v1/status")
    assert answer.headers["cache-control"] == "no-store"
    assert 3.0 <= answer.json["age"] < 60.0
    assert answer.json["version"] == __version__
    assert answer.json["servers"][0]["values"][0] == {
        "figure": "running",
        "engine": "0",
        "slo": "",
        "how": "",
        "value": 3.0,
    }
    assert answer.json["sources"][0]["message"] == EVIL


def test_before_the_first_snapshot_the_status_says_so_and_the_hour_is_empty():
    answer = ask(app(), "/api/v1/status")
    assert (answer.status, answer.json) == (503, {"error": "starting"})
    assert ask(app(), "/api/v1/history").json["series"] == []


def test_a_new_snapshot_is_shown_at_once():
    shown = [snapshot(name="old")]
    one = create_app(lambda: shown[0], lambda: True)
    assert ask(one, "/api/v1/status").json["servers"][0]["model_name"] == "old"
    shown[0] = snapshot(name="new")
    assert ask(one, "/api/v1/status").json["servers"][0]["model_name"] == "new"


def test_the_hour_is_sent_again_only_when_it_has_a_new_point():
    history = filled(0)
    one = app(snapshot(), history)
    first = ask(one, "/api/v1/history")
    assert first.json["series"][0]["values"] == [3.0]
    again = ask(one, "/api/v1/history", if_none_match=first.headers["etag"])
    assert (again.status, again.raw) == (304, b"")
    history.take(snapshot(10))
    later = ask(one, "/api/v1/history", if_none_match=first.headers["etag"])
    assert later.status == 200
    assert later.json["series"][0]["values"] == [3.0, 3.0]


def test_the_hour_of_one_server_can_be_asked_for():
    one = app(snapshot(), filled(0))
    assert len(ask(one, "/api/v1/history?server=a&model_name=m").json["series"]) == 1
    assert ask(one, "/api/v1/history?server=b").json["series"] == []


def test_names_from_outside_are_strings_in_the_documents():
    one = app(snapshot(name=EVIL), filled(0, name=EVIL))
    for path in DOCUMENTS:
        answer = ask(one, path)
        assert answer.headers["content-type"] == "application/json"
        assert json.dumps(EVIL)[1:-1] in answer.text.replace("\\u003c", "<")
