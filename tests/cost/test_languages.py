"""What a language costs: the lecture's tables to the cent, and the identities behind them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pentameter.cost.languages import (
    LECTURE,
    count_words,
    dollars_per_thousand_words,
    extra_cost,
    tokens_per_thousand_words,
)

# Lecture, "Cost Impact of Tokenization": GPT-4 for 100,000 words, read at 10 and written at 30 dollars per million.
HUNDRED_THOUSAND = 100  # thousands of words


@pytest.mark.parametrize(
    ("language", "tokens", "dollars", "extra_percent"),
    [("en", 77_000, 3.08, 0), ("es", 79_000, 3.16, 3), ("ru", 110_000, 4.40, 43), ("hi", 140_000, 5.60, 82)],
)
def test_the_lectures_table_of_gpt_4_is_right_to_the_cent(language, tokens, dollars, extra_percent):
    per_thousand = LECTURE[language]
    assert per_thousand * HUNDRED_THOUSAND == tokens
    read = dollars_per_thousand_words(per_thousand, 10.0) * HUNDRED_THOUSAND
    written = dollars_per_thousand_words(per_thousand, 30.0) * HUNDRED_THOUSAND
    assert round(read + written, 2) == dollars
    assert round(100 * extra_cost(per_thousand, LECTURE["en"])) == extra_percent


def test_the_lectures_ratios_to_english_are_those_of_its_tokens():
    printed = {"en": 1.0, "es": 1.03, "de": 1.19, "ru": 1.43, "ar": 1.49, "hi": 1.82, "ja": 1.69}
    assert {language: round(1 + extra_cost(tokens, 770), 2) for language, tokens in LECTURE.items()} == printed


def test_tokens_are_spread_over_the_english_words():
    assert tokens_per_thousand_words(1531, 1361) == pytest.approx(1124.908, abs=5e-4)  # 1531 x 1000 / 1361, by hand


def test_without_words_or_english_tokens_nothing_is_said():
    assert tokens_per_thousand_words(5, 0) is None
    assert extra_cost(5, 0) is None


def test_words_are_what_stands_between_white_space():
    assert count_words([]) == 0
    assert count_words(["co-operation with\nthe United  Nations ,", ""]) == 6


@given(st.integers(1, 10**7), st.integers(1, 10**7), st.integers(1, 10**6), st.floats(1e-3, 1e3))
def test_the_extra_cost_is_that_of_the_dollars_whatever_the_price_and_the_text(tokens, english, words, price):
    costs = [dollars_per_thousand_words(tokens_per_thousand_words(each, words), price) for each in (tokens, english)]
    assert costs[0] / costs[1] - 1 == pytest.approx(extra_cost(tokens, english), rel=1e-9, abs=1e-9)
