"""The settings about tokens by language, and what becomes of them."""

import pytest

from given_settings import refusal, settings, settings_for
from pentameter.assembly import settings_to_feeds


def tokenizers(*urls, **languages):
    chosen = settings_for(*urls, economics={"languages": languages})
    return [feed.source.server for feed in settings_to_feeds(chosen) if feed.source.name == "tokenizer"]


def test_every_server_is_asked_unless_it_is_switched_off():
    assert tokenizers("http://a:1", "http://b:2") == ["a:1", "b:2"]
    assert tokenizers("http://a:1", enabled=False) == []


def test_languages_may_be_a_list_or_a_line():
    for given in (["de", "ja"], "de, ja"):
        assert settings({"economics": {"languages": {"languages": given}}}).economics.languages.languages == (
            "de",
            "ja",
        )
    line = settings(environment={"PENTAMETER_ECONOMICS__LANGUAGES__LANGUAGES": "de,ja"})
    assert line.economics.languages.languages == ("de", "ja")


def test_an_unknown_language_is_refused_with_what_there_is():
    with pytest.raises(ValueError, match=r"unknown klingon; known: en, es, de"):
        tokenizers("http://a:1", languages=["klingon"])


def test_a_language_that_is_no_text_is_refused():
    assert "economics.languages.languages" in refusal({"economics": {"languages": {"languages": [{}]}}})
