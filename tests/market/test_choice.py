"""Which API prices are shown, and which servers are compared with."""

import pytest

from pentameter.cost.book import ApiPrice
from pentameter.cost.dates import unix_time
from pentameter.facts.prices import shipped_book
from pentameter.market.choice import MOST_RIVALS, Choice

NOW = unix_time("2026-11-23")
SHIPPED = shipped_book().apis


def api(provider="OpenAI", model="GPT-5", read=1.25, made=10.0, **more):
    return ApiPrice(provider, model, read, made, **more)


def compared(choice, book, now=NOW):
    return [(rival.price.provider, rival.price.model, rival.price.baseline) for rival in choice.basis(book, now).rivals]


def names(choice, book, now=NOW):
    return [model for _, model, _ in compared(choice, book, now)]


def test_by_default_it_is_what_is_sold_now():
    book = (
        api(model="old", baseline=True),
        api(model="sold"),
        api(model="gone", status="retired"),
        api(model="going", status="deprecated"),
    )
    assert names(Choice(), book) == ["sold"]


def test_all_prices_are_shown_whatever_is_compared_with():
    book = (api(model="old", baseline=True), api(model="sold"), api(model="gone", status="retired"))
    assert Choice().basis(book, NOW).prices == book


def test_the_lectures_prices_stand_beside_the_current_ones_when_asked_for():
    chosen = compared(Choice(baseline=True), SHIPPED)
    assert sum(baseline for *_, baseline in chosen) == 12
    assert ("OpenAI", "GPT-5", True) in chosen
    assert ("OpenAI", "GPT-5", False) in chosen


def test_no_two_series_of_the_shipped_prices_have_the_same_labels():
    chosen = compared(Choice(baseline=True), SHIPPED)
    assert len(set(chosen)) == len(chosen) > 30


def test_patterns_choose_and_case_does_not_count():
    assert names(Choice(compare=("claude-*-5-5", "OpenAI/gpt-6-*")), SHIPPED) == [
        "gpt-6-sol",
        "gpt-6-luna",
        "claude-sonnet-5-5",
        "claude-opus-5-5",
        "claude-haiku-5-5",
    ]


def test_a_name_brings_its_baseline_only_with_the_others():
    assert compared(Choice(compare=("GPT-5",)), SHIPPED) == [("OpenAI", "GPT-5", False)]
    assert compared(Choice(compare=("GPT-5",), baseline=True), SHIPPED) == [
        ("OpenAI", "GPT-5", True),
        ("OpenAI", "GPT-5", False),
    ]


def test_what_is_no_longer_sold_is_compared_with_when_it_is_named_and_says_so():
    (rival,) = Choice(compare=("Llama 4 Scout",)).basis(SHIPPED, NOW).rivals
    assert rival.price.status == "retired"


def test_a_price_is_retired_from_the_day_on_which_its_provider_ends_it():
    book = (api("Anthropic", "Claude Sonnet 4.5", deprecation_date="2026-11-30"),)
    before, after = unix_time("2026-11-30") - 1, unix_time("2026-11-30")
    assert names(Choice(), book, before) == ["Claude Sonnet 4.5"]
    assert names(Choice(), book, after) == []
    assert Choice().basis(book, after).prices[0].status == "retired"


def test_the_first_ratio_that_fits_comes_before_the_common_one():
    choice = Choice(token_ratio=1.1, token_ratios=(("Claude Haiku*", 1.2), ("Anthropic/*", 1.3)))
    found = {rival.price.model: rival.token_ratio for rival in choice.basis(SHIPPED, NOW).rivals}
    assert found["Claude Haiku 4.5"] == 1.2
    assert found["Claude Sonnet 4.5"] == 1.3
    assert found["GPT-5"] == 1.1


def test_patterns_that_fit_nothing_are_told():
    choice = Choice(compare=("GPT-5", "GPT-7*"), token_ratios=(("Claude*", 1.0), ("Grok", 1.0)))
    assert choice.unmatched(SHIPPED) == ["GPT-7*", "Grok"]


def test_a_name_to_compare_with_that_is_only_the_lectures_fits_nothing_without_its_prices():
    compare = ("Together AI/Llama 4 Maverick", "GPT-5")
    assert Choice(compare=compare).unmatched(SHIPPED) == ["Together AI/Llama 4 Maverick"]
    assert Choice(compare=compare, baseline=True).unmatched(SHIPPED) == []


def test_however_many_prices_there_are_a_limited_number_is_compared_with():
    book = tuple(api(model=f"m{number}") for number in range(MOST_RIVALS))
    package = (api("Groq", "llama", origin="genai-prices"), api("Groq", "other", origin="genai-prices"))
    assert names(Choice(), (*book, api(model="one more"))) == [row.model for row in book]
    assert Choice().matches((*book, api(model="one more"))) == MOST_RIVALS + 1
    choice = Choice(compare=("*",), package=package)
    assert names(choice, book[:-1])[-2:] == [f"m{MOST_RIVALS - 2}", "llama"]
    assert [row.model for row in choice.basis(book[:-1], NOW).prices][-1] == "llama"
    assert choice.matches(book[:-1]) == MOST_RIVALS + 1


class TestThePackage:
    """Prices of genai-prices under the book's."""

    renewed = api(model="gpt-5-mini", read=0.2, made=1.5, cached_input=0.02, origin="genai-prices", source="genai 9")
    other = api("Groq", "llama", read=0.1, made=0.2, origin="genai-prices")

    def rows(self, *book, compare=()):
        return Choice(compare=compare, package=(self.renewed, self.other)).basis(book, NOW)

    def test_a_shipped_price_is_renewed_and_keeps_its_name(self):
        book = api(model="GPT-5 mini", read=0.25, made=2.0, as_of="2026-11-23", deprecation_date="2026-12-11")
        (row,) = self.rows(book).prices
        assert (row.model, row.input, row.cached_input, row.output) == ("GPT-5 mini", 0.2, 0.02, 1.5)
        assert (row.as_of, row.origin, row.source) == ("", "genai-prices", "genai 9")
        assert row.deprecation_date == "2026-12-11"
        assert names(Choice(package=(self.renewed,)), (book,)) == ["GPT-5 mini"]

    @pytest.mark.parametrize(
        "kept",
        [
            api(model="GPT-5 mini", baseline=True),
            api(model="GPT-5 mini", status="retired"),
            api(model="GPT-5 mini", origin="file"),
            api(model="GPT-5 mini", origin="url"),
            api("Azure", "GPT-5 mini"),
        ],
        ids=["the lecture's", "one no longer sold", "the user's own", "one that was fetched", "another provider's"],
    )
    def test_another_price_is_not(self, kept):
        assert self.rows(kept).prices == (kept,)

    def test_its_others_are_there_to_be_named_and_not_shown_otherwise(self):
        book = api(model="GPT-5 mini")
        assert [row.model for row in self.rows(book).prices] == ["GPT-5 mini"]
        assert [row.model for row in self.rows(book, compare=("groq/*",)).prices] == ["GPT-5 mini", "llama"]
        assert [one.price.model for one in self.rows(book, compare=("groq/*",)).rivals] == ["llama"]

    def test_a_price_that_is_in_the_book_is_there_once(self):
        own = api(model="gpt-5.mini", read=9.0, origin="file")
        assert self.rows(own, compare=("gpt*",)).prices == (own,)

    def test_the_makers_name_before_the_models_does_not_count(self):
        book = api("Together AI", "DeepSeek-V4.1-Flash", read=9.0)
        newer = api("Together AI", "deepseek-ai/DeepSeek-V4.1-Flash", read=0.3, origin="genai-prices")
        assert [row.input for row in Choice(compare=("*",), package=(newer,)).basis((book,), NOW).prices] == [0.3]

    def test_of_two_that_are_spelt_alike_neither_renews(self):
        book = api("Together AI", "DeepSeek-V3", read=1.25)
        two = tuple(api("Together AI", f"{maker}/DeepSeek-V3", origin="genai-prices") for maker in ("one", "other"))
        basis = Choice(compare=("*",), package=two).basis((book,), NOW)
        assert [row.model for row in basis.prices] == ["DeepSeek-V3", "one/DeepSeek-V3", "other/DeepSeek-V3"]
        assert basis.prices[0].input == 1.25

    def test_one_of_two_alike_that_has_the_books_name_makes_no_second_series_of_it(self):
        two = tuple(api(model=model, read=9.0, origin="genai-prices") for model in ("gpt-5.6", "gpt-5-6"))
        choice = Choice(compare=("*",), package=two)
        assert names(choice, (api(model="gpt-5.6"),)) == ["gpt-5.6", "gpt-5-6"]
