"""What an API would bill: the lecture's prices by hand, and a published day of an API that told its tokens."""

import pytest

from pentameter.cost.book import ApiPrice
from pentameter.facts.prices import shipped_book
from pentameter.market.equivalent import Traffic, equivalent_dollars

# OpenCost's documented example: 12 million tokens of input, of which 0.8 million cached, and 3 million of output.
HOUR = Traffic(input=12e6, cached=0.8e6, output=3e6)


def price(read, cached, made):
    return ApiPrice("Somebody", "some model", input=read, cached_input=cached, output=made)


def lecture(model):
    (found,) = [row for row in shipped_book().apis if row.baseline and row.model == model]
    return found


@pytest.mark.parametrize(
    ("model", "dollars"),
    [
        ("Claude Sonnet 4.5", 78.84),  # 11.2 x 3 + 0.8 x 0.30 + 3 x 15
        ("Claude Haiku 4.5", 26.28),  # 11.2 x 1 + 0.8 x 0.10 + 3 x 5
        ("Claude Opus 4.1", 394.2),  # 11.2 x 15 + 0.8 x 1.50 + 3 x 75
        ("Gemini 2.5 Pro", 44.1),  # 11.2 x 1.25 + 0.8 x 0.125 + 3 x 10
        ("Gemini 2.5 Flash", 10.884),  # 11.2 x 0.30 + 0.8 x 0.03 + 3 x 2.50
        ("Gemini 2.5 Flash-Lite", 2.328),  # 11.2 x 0.10 + 0.8 x 0.01 + 3 x 0.40
        ("GPT-5", 45.0),  # 12 x 1.25 + 3 x 10: the lecture has no price for its cached input
        ("GPT-5 mini", 9.0),  # 12 x 0.25 + 3 x 2
        ("GPT-5 nano", 1.8),  # 12 x 0.05 + 3 x 0.40
        ("Llama 4 Maverick", 5.79),  # 12 x 0.27 + 3 x 0.85
        ("Llama 4 Scout", 3.93),  # 12 x 0.18 + 3 x 0.59
        ("DeepSeek-V3", 12.3),  # 12 x 0.60 + 3 x 1.70
    ],
)
def test_each_api_of_the_lecture_by_hand(model, dollars):
    assert equivalent_dollars(lecture(model), HOUR) == pytest.approx(dollars, rel=1e-12)


def test_the_published_day_of_deepseek():
    # Day 6 of its Open Infra Index: 608 billion tokens in, 342 of them from its cache, 168 out; at R1's prices
    # "a theoretical total daily revenue of 562,027 dollars".
    day = Traffic(input=608e9, cached=342e9, output=168e9)
    billed = equivalent_dollars(price(0.55, 0.14, 2.19), day)
    assert billed == pytest.approx(562_100, rel=1e-9)
    assert billed == pytest.approx(562_027, rel=1e-3)


def test_the_full_price_applies_to_cached_input_that_has_none_of_its_own():
    assert equivalent_dollars(price(3, None, 15), HOUR) == pytest.approx(81.0)


def test_without_the_cached_tokens_a_price_that_depends_on_them_gives_no_figure():
    unknown = Traffic(input=12e6, cached=None, output=3e6)
    assert equivalent_dollars(price(3, 0.3, 15), unknown) is None


@pytest.mark.parametrize("cached_price", [None, 3])
def test_without_the_cached_tokens_a_price_that_does_not_depend_on_them_is_exact(cached_price):
    unknown = Traffic(input=12e6, cached=None, output=3e6)
    assert equivalent_dollars(price(3, cached_price, 15), unknown) == pytest.approx(81.0)


def test_an_api_that_counts_more_tokens_bills_more():
    assert equivalent_dollars(lecture("Claude Sonnet 4.5"), HOUR, token_ratio=1.2) == pytest.approx(94.608)


def test_no_traffic_costs_nothing():
    assert equivalent_dollars(price(3, 0.3, 15), Traffic(0.0, 0.0, 0.0)) == 0
