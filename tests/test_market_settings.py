"""From the settings to what servers are compared with."""

import sys

import pytest

from given_settings import settings
from pentameter.cost.book import ApiPrice
from pentameter.cost.dates import unix_time
from pentameter.facts.prices import shipped_book
from pentameter.market_settings import settings_to_market

NOW = unix_time("2026-11-23")


def choice(prices=None, **market):
    return settings_to_market(settings({"economics": {"market": market, "prices": prices or {}}}).economics)


def test_by_default_every_api_that_is_sold_is_compared_with_token_for_token():
    rivals = choice().basis(shipped_book().apis, NOW).rivals
    assert {rival.price.status for rival in rivals} == {"listed"}
    assert {rival.token_ratio for rival in rivals} == {1.0}
    assert not any(rival.price.baseline for rival in rivals)


def test_everything_that_is_set_arrives():
    made = choice(compare=["GPT-5"], baseline=True, token_ratio=1.2, token_ratios={"GPT*": 0.9})
    found = [(one.price.baseline, one.token_ratio) for one in made.basis(shipped_book().apis, NOW).rivals]
    assert found == [(True, 0.9), (False, 0.9)]


@pytest.mark.parametrize("market", [{"compare": "claude-sonet-5-5"}, {"token_ratios": {"claude-sonet-5-5": 1.1}}])
def test_a_name_that_nobody_has_is_refused_with_those_like_it(market):
    with pytest.raises(ValueError, match=r"'claude-sonet-5-5' is no API model of the price book; .*claude-sonnet-5-5"):
        choice(**market)


def test_a_name_that_only_the_lecture_has_is_refused_without_its_prices():
    with pytest.raises(
        ValueError, match=r"'Together AI/Llama 4 Maverick' has a price of the lecture only: set .*baseline"
    ):
        choice(compare="Together AI/Llama 4 Maverick")
    (rival,) = choice(compare="Together AI/Llama 4 Maverick", baseline=True).basis(shipped_book().apis, NOW).rivals
    assert rival.price.baseline


def test_more_apis_than_can_be_compared_with_are_refused(monkeypatch):
    many = tuple(ApiPrice("Somebody", f"m{number}", 1.0, 2.0, origin="genai-prices") for number in range(200))
    monkeypatch.setattr("pentameter.market_settings.package_prices", lambda today: many)
    assert len(choice(compare="m?", genai_prices=True).basis(shipped_book().apis, NOW).rivals) == 10
    with pytest.raises(ValueError, match=r"201 APIs to compare with, at most 200"):
        choice(compare="m*, GPT-5", genai_prices=True)


def test_a_name_that_the_users_own_prices_may_have_is_not():
    assert choice({"api_file": "/etc/prices.csv"}, compare="our-gateway").compare == ("our-gateway",)


def test_without_the_package_its_prices_cannot_be_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "genai_prices.data", None)
    with pytest.raises(ValueError, match=r"pip install 'pentameter\[genai-prices\]'"):
        choice(genai_prices=True)
