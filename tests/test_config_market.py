"""The settings of the market."""

import pytest

from given_settings import refusal, settings


def market(**keys):
    return settings({"economics": {"market": keys}}).economics.market


def test_names_separated_by_commas_are_a_list():
    assert market(compare="claude-*, OpenAI/GPT-5").compare == ("claude-*", "OpenAI/GPT-5")


def test_it_can_be_set_by_the_environment():
    found = settings(environment={"PENTAMETER_ECONOMICS__MARKET__COMPARE": "gpt-*,Claude Haiku 4.5"})
    assert found.economics.market.compare == ("gpt-*", "Claude Haiku 4.5")


def test_an_api_can_have_a_token_ratio_of_its_own():
    assert market(token_ratio=1.1, token_ratios={"Claude*": 1.3}).token_ratios == {"Claude*": 1.3}


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        ({"token_ratio": 0}, "economics.market.token_ratio"),
        ({"token_ratios": {"Claude*": 11}}, "economics.market.token_ratios"),
        ({"compare": ["x"] * 101}, "economics.market.compare"),
        ({"compares": "x"}, "economics.market.compares"),
    ],
)
def test_what_cannot_be_is_refused(keys, place):
    assert place in refusal({"economics": {"market": keys}})
