"""What a server says that it loaded, and the odd answers that are no trouble."""

import json
from functools import partial

import pytest

from fakes.http_server import ScriptedServer, page
from pentameter.sources import SourceError
from pentameter.sources.http_get import Credentials
from pentameter.sources.model_names import NamedModel, base_model, named_models, served_root

# As vLLM 0.32.0 answers, without the permissions.
CARD = {
    "id": "tiny-llama",
    "object": "model",
    "created": 1795457661,
    "owned_by": "vllm",
    "root": "/models/tiny-llama",
    "parent": None,
    "max_model_len": 2048,
}
ADAPTER = {"id": "sql", "object": "model", "root": "/adapters/sql", "parent": "tiny-llama", "max_model_len": None}


def asked(ask, answer, path="", **options):
    """Ask a server that answers so."""
    body = answer if isinstance(answer, bytes) else page(json.dumps(answer), "application/json")
    with ScriptedServer({f"{path}/v1/models": body}) as server:
        return ask(server.url + path, timeout=2.0, **options)


root = partial(asked, served_root)
names = partial(asked, named_models)


def refusal(answer, **options):
    with pytest.raises(SourceError) as caught:
        root(answer, **options)
    return caught.value.reason, str(caught.value)


def test_a_name_has_its_root_and_its_longest_context():
    assert names({"object": "list", "data": [CARD]}) == (NamedModel("tiny-llama", "/models/tiny-llama", 2048, False),)
    assert root({"object": "list", "data": [CARD]}) == "/models/tiny-llama"


def test_several_names_of_one_model_have_one_root():
    assert root({"data": [CARD, {**CARD, "id": "alias"}]}) == "/models/tiny-llama"


def test_an_adapter_is_not_the_model():
    assert root({"data": [CARD, ADAPTER]}) == "/models/tiny-llama"
    assert root({"data": [ADAPTER]}) is None


def test_two_models_behind_one_address_have_no_common_root():
    assert root({"data": [CARD, {**CARD, "id": "b", "root": "org/b"}]}) is None
    assert root({"data": [CARD, {**CARD, "id": "b", "root": None}]}) is None


def test_the_loaded_model_goes_by_the_first_of_its_names():
    own, alias = NamedModel("a", "/m", 2048, False), NamedModel("b", "/m", 2048, False)
    adapter = NamedModel("sql", "/adapters/sql", None, True)
    assert base_model([adapter, own, alias]) is own
    assert base_model([adapter]) is base_model([]) is base_model([own, NamedModel("c", "/other", 2048, False)]) is None


def test_without_roots_only_a_single_name_is_a_model():
    one, two = NamedModel("a", None, None, False), NamedModel("b", None, None, False)
    assert base_model([one]) is one
    assert base_model([one, two]) is None


def test_no_model_has_no_root():
    assert root({"data": []}) is None


@pytest.mark.parametrize("odd", [None, 7, "", ["/m"], "a\0b", "a\nb", "\ud800", "x" * 5000])
def test_a_root_that_is_no_path_and_no_name_is_none(odd):
    assert root({"data": [{**CARD, "root": odd}]}) is None


def test_a_server_that_tells_no_root_has_none():
    assert names({"data": [{"id": "gpt-4", "object": "model"}]}) == (NamedModel("gpt-4", None, None, False),)
    assert root({"data": [{"id": "gpt-4", "object": "model"}]}) is None


@pytest.mark.parametrize("odd", [None, 0, -1, True, "2048", 2048.5, [1]])
def test_an_odd_longest_context_is_unknown(odd):
    [only] = names({"data": [{**CARD, "max_model_len": odd}]})
    assert only == NamedModel("tiny-llama", "/models/tiny-llama", None, False)


def test_entries_that_are_no_models_are_left_out():
    assert [model.name for model in names({"data": [None, 3, [], {}, {"id": 5}, {"id": ""}, CARD]})] == ["tiny-llama"]


@pytest.mark.parametrize("answer", [{}, {"data": None}, {"data": {}}, {"data": "x"}])
def test_an_answer_without_a_list_is_malformed(answer):
    assert refusal(answer) == ("malformed", "/v1/models has no list of models")


@pytest.mark.parametrize("body", ["", "[]", "{", '{"data": [], "data": []}', "<html>"])
def test_what_is_no_object_is_malformed(body):
    assert refusal(page(body))[0] == "malformed"


def test_an_answer_that_is_too_large_is_refused():
    assert refusal(page(" " * (1024 * 1024 + 1)))[0] == "too_large"


def test_a_server_without_the_page_says_which_one_is_missing():
    assert refusal(page("", status="404 Not Found")) == ("http_status", "/v1/models: answered 404 Not Found")


def test_a_server_that_is_down_is_unreachable():
    with ScriptedServer({}) as server:
        url = server.url
    with pytest.raises(SourceError) as caught:
        served_root(url, timeout=2.0)
    assert caught.value.reason == "unreachable"


def test_a_token_is_sent_and_the_connection_is_not_kept():
    with ScriptedServer({"/v1/models": page(json.dumps({"data": [CARD]}))}) as server:
        for _ in range(2):
            served_root(server.url, credentials=Credentials("k3y"), timeout=2.0)
        assert all("Authorization: Bearer k3y" in head for head in server.requests)
        assert server.connections == 2


@pytest.mark.parametrize("end", ["", "/", "/metrics"])
def test_the_url_may_be_that_of_the_metrics_and_have_a_prefix(end):
    with ScriptedServer({"/prefix/v1/models": page(json.dumps({"data": [CARD]}))}) as server:
        assert served_root(f"{server.url}/prefix{end}", timeout=2.0) == "/models/tiny-llama"
