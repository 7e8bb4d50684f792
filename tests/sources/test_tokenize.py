"""Tokens by language, counted through a server's own ``/tokenize``."""

import pytest

from fakes.tokenizer_server import TokenizerServer
from pentameter.sources import SourceAbsent
from pentameter.sources.http_get import Credentials
from pentameter.sources.tokenize import (
    CHECK_EVERY_SECONDS,
    FORGET_SECONDS,
    TEXTS_PER_READ,
    TokenizerSource,
)

TEXTS = {"en": ("one two", "three"), "de": ("eins zwei", "drei"), "ja": ("一二", "三")}
LETTERS = {"en": 12, "de": 13, "ja": 3}


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def server():
    with TokenizerServer() as fake:
        yield fake


@pytest.fixture
def source_for(clock):
    made = []

    def make(url, texts=TEXTS, **options):
        made.append(
            TokenizerSource("a", url, texts, english_words=3, timeout=2.0, monotonic=clock, wall=lambda: 1.0, **options)
        )
        return made[-1]

    yield make
    for source in made:
        source.close()


@pytest.fixture
def source(source_for, server):
    return source_for(server.url)


def refusal(source):
    with pytest.raises(SourceAbsent) as caught:
        source.read()
    return caught.value.reason


def test_every_text_is_counted_by_itself_and_a_languages_counts_are_added_up(source, server):
    reading = source.read()
    assert reading.tokens == LETTERS
    assert (reading.server, reading.model_name, reading.english_words) == ("a", "m", 3)
    # First one mixed line by which the tokenizer is known again.
    assert server.prompts == ["one two\neins zwei\n一二", "one two", "three", "eins zwei", "drei", "一二", "三"]


def test_the_question_is_for_the_bare_text_with_the_model_that_was_loaded(source, server):
    source.read()
    assert server.questions[1] == {"model": "m", "prompt": "one two", "add_special_tokens": False}
    assert server.headers["Content-Type"] == "application/json"


def test_the_servers_token_is_shown(source_for, server):
    source_for(server.url, credentials=Credentials("s3cret")).read()
    assert server.headers["Authorization"] == "Bearer s3cret"


def test_a_read_sends_few_texts_and_tells_the_languages_that_are_whole(source_for, server):
    texts = {"en": tuple("abcdefgh"), "de": tuple("abcdefgh"), "fr": tuple("abcdefgh")}
    source = source_for(server.url, texts)
    told = []
    for _ in range(4):
        before = len(server.prompts)
        told.append(dict(source.read().tokens))
        assert len(server.prompts) - before <= TEXTS_PER_READ + 1
    assert told == [{"en": 8}, {"en": 8, "de": 8}, {"en": 8, "de": 8, "fr": 8}, {"en": 8, "de": 8, "fr": 8}]
    assert len(server.prompts) == 1 + 24


def test_a_slow_server_is_not_asked_on_within_the_same_read(source_for, server, clock):
    def slowly(text):
        clock.now += 0.6
        return len(text)

    server.count = slowly
    source = source_for(server.url, {"en": tuple("abcdefgh")})
    source.read()
    assert len(server.prompts) == 1 + 2  # the mixed line, and texts until a second was over


def test_what_is_counted_is_kept_without_another_request(source, server, clock):
    first = source.read()
    asked = len(server.asked)
    clock.now += CHECK_EVERY_SECONDS - 1
    assert source.read() == first
    assert len(server.asked) == asked


def test_once_a_minute_two_requests_make_sure_and_renew_the_moment(source, server, clock):
    assert source.read().monotonic == 100.0
    del server.asked[:]
    clock.now += CHECK_EVERY_SECONDS
    reading = source.read()
    assert server.asked == ["/v1/models", "/tokenize"]
    assert (reading.tokens, reading.monotonic) == (LETTERS, 160.0)


def test_another_model_is_counted_anew(source, server, clock):
    source.read()
    server.models[0].update(id="other", root="/models/other")
    server.count = lambda text: 2 * len(text)
    clock.now += CHECK_EVERY_SECONDS
    reading = source.read()
    assert reading.model_name == "other"
    assert reading.tokens == {language: 2 * tokens for language, tokens in LETTERS.items()}


def test_another_tokenizer_behind_the_same_names_is_counted_anew(source, server, clock):
    source.read()
    server.count = lambda text: 3 * len(text)
    clock.now += CHECK_EVERY_SECONDS
    assert source.read().tokens == {language: 3 * tokens for language, tokens in LETTERS.items()}


def test_no_count_of_one_tokenizer_is_added_to_one_of_another(source_for, server, clock):
    source = source_for(server.url, {"en": tuple("abcdefghijkl")})
    assert source.read().tokens == {}  # ten of twelve
    server.count = lambda text: 5 * len(text)
    clock.now += CHECK_EVERY_SECONDS
    source.read()
    assert source.read().tokens == {"en": 60}


def test_an_adapter_is_not_asked_about(source, server):
    server.models.insert(0, {"id": "sql", "root": "/adapters/sql", "parent": "m", "max_model_len": None})
    assert source.read().model_name == "m"


def test_of_several_models_behind_one_address_nothing_is_said(source, server):
    server.models.append({"id": "b", "root": "/models/b", "parent": None, "max_model_len": 2048})
    assert refusal(source) == "not_found"


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/tokenize", 404, "not_found"),
        ("/tokenize", 405, "not_found"),
        ("/v1/models", 404, "not_found"),
        ("/tokenize", 401, "credentials"),
        ("/tokenize", 403, "credentials"),
        ("/v1/models", 401, "credentials"),
        ("/tokenize", 500, "http_status"),
    ],
)
def test_a_server_that_cannot_tell_is_no_failure_and_is_told_apart(source, server, path, status, reason):
    server.statuses[path] = status
    assert refusal(source) == reason


@pytest.mark.parametrize("answer", [{}, {"count": 0}, {"count": -1}, {"count": True}, {"count": 2.0}, {"count": "7"}])
def test_an_answer_without_a_count_is_not_taken_for_one(source, server, answer):
    server.answer = answer
    assert refusal(source) == "malformed"


def test_a_language_of_which_a_text_is_refused_is_left_out_alone(source, server):
    server.refuses = lambda prompt: prompt == "drei"
    assert source.read().tokens == {"en": 12, "ja": 3}


def test_a_server_that_refuses_long_texts_only_still_counts_the_short_ones(source, server):
    server.refuses = lambda prompt: len(prompt) > 10
    assert source.read().tokens == LETTERS


def test_a_server_that_refuses_every_text_has_no_languages(source, server):
    server.refuses = lambda _: True
    assert refusal(source) == "unsupported"


def test_while_the_server_is_busy_the_counts_hold_but_not_for_long(source, server, clock):
    source.read()
    server.statuses["/v1/models"] = 503
    clock.now += CHECK_EVERY_SECONDS
    reading = source.read()
    assert (reading.tokens, reading.monotonic) == (LETTERS, 100.0)
    clock.now = 100.0 + FORGET_SECONDS
    assert refusal(source) == "http_status"
    server.statuses.clear()
    assert source.read().tokens == LETTERS


def test_a_server_that_has_no_such_page_any_more_has_no_counts_either(source, server, clock):
    source.read()
    server.statuses["/tokenize"] = 404
    clock.now += CHECK_EVERY_SECONDS
    assert refusal(source) == "not_found"


def test_a_count_that_breaks_off_goes_on_where_it_was(source, server):
    seen = []

    def once_down(text):
        seen.append(text)
        server.statuses = {"/tokenize": 500} if len(seen) == 3 else {}
        return len(text)

    server.count = once_down
    assert refusal(source) == "http_status"
    server.statuses.clear()
    assert source.read().tokens == LETTERS


def test_nobody_listening_is_unreachable(source_for, server):
    server.close()
    assert refusal(source_for(server.url)) == "unreachable"


def test_a_path_prefix_and_a_url_of_the_metrics_page_lead_to_the_same_server(source_for, server):
    assert source_for(server.url + "/metrics").read().tokens == LETTERS
