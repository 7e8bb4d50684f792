"""Own cost against the API's, and the traffic at which they are the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pentameter.cost.book import ApiPrice
from pentameter.facts.prices import shipped_book
from pentameter.market.break_even import break_even_tokens, per_month, ratio_at, self_hosting_ratio
from pentameter.market.equivalent import Traffic, equivalent_dollars

HOUR = Traffic(input=12e6, cached=0.8e6, output=3e6)
DOLLARS = 78.84
"""What Claude Sonnet 4.5 asks for it."""

money = st.floats(0.01, 1e4)
price = st.floats(0.01, 100)
tokens = st.floats(1e3, 1e10)


def test_the_ratio_is_own_cost_over_the_apis():
    assert self_hosting_ratio(3.2, DOLLARS) == pytest.approx(0.0405885)


def test_nothing_is_compared_with_an_api_that_is_free():
    assert self_hosting_ratio(3.2, 0.0) is None
    assert break_even_tokens(3.2, 0.0, 15e6) is None


def test_the_break_even_is_own_cost_over_the_price_of_a_token():
    # 78.84 dollars / 15 million tokens = 5.256 dollars per million; 3.95 / 5.256 = 0.751522 million.
    assert break_even_tokens(3.95, DOLLARS, 15e6) == pytest.approx(751_522.07)


def test_a_month_has_730_hours():
    assert per_month(1.0) == 730


@given(own=money, read=price, cached=price, made=price, prompt=tokens, hit=st.floats(0, 1), output=tokens)
def test_at_the_break_even_the_api_asks_what_the_server_costs(own, read, cached, made, prompt, hit, output):
    api = ApiPrice("p", "m", input=read, cached_input=cached, output=made)
    asked = equivalent_dollars(api, Traffic(prompt, hit * prompt, output))
    scale = break_even_tokens(own, asked, prompt + output) / (prompt + output)
    there = equivalent_dollars(api, Traffic(scale * prompt, scale * hit * prompt, scale * output))
    assert there == pytest.approx(own, rel=1e-9)
    assert self_hosting_ratio(own, there) == pytest.approx(1, rel=1e-9)


@given(own=money, asked=money, total=tokens)
def test_the_ratio_times_what_the_api_asks_is_the_own_cost(own, asked, total):
    assert self_hosting_ratio(own, asked) * asked == pytest.approx(own, rel=1e-12)
    # The same from the break-even: at the present traffic it is the present ratio.
    assert ratio_at(total, break_even_tokens(own, asked, total)) == pytest.approx(own / asked, rel=1e-12)


class TestTheLecturesHundredMillionTokensAMonth:
    """ "For high-traffic applications (>100M tokens/month), self-hosting can reduce costs by 50-80 %"."""

    def ratio(self, dollars_per_gpu_hour, model):
        (api,) = [row for row in shipped_book().apis if row.baseline and row.model == model]
        month = per_month(break_even_tokens(dollars_per_gpu_hour, equivalent_dollars(api, HOUR), HOUR.total))
        return ratio_at(100e6, month)

    def test_one_h100_costs_more_there_than_the_dearest_api_of_the_table(self):
        # 3.95 x 730 = 2883.50 dollars a month, or 28.835 per million tokens of 100 million. Of this mix Claude Opus 4.1
        # asks 394.20 / 15 = 26.28 per million, which is 2628 dollars.
        assert self.ratio(3.95, "Claude Opus 4.1") == pytest.approx(2883.5 / 2628, rel=1e-9)
        assert self.ratio(3.95, "Claude Sonnet 4.5") == pytest.approx(2883.5 / 525.6, rel=1e-9)

    def test_so_it_does_at_every_other_api_of_the_table(self):
        ratios = [self.ratio(3.95, row.model) for row in shipped_book().apis if row.baseline]
        assert len(ratios) == 12
        assert min(ratios) == pytest.approx(1.0972, abs=1e-4)
        assert max(ratios) == pytest.approx(2883.5 / 12, rel=1e-9)  # GPT-5 nano: 1.8 / 15 = 0.12 dollars per million

    def test_the_cheapest_h100_of_the_lecture_halves_the_bill_of_the_dearest_api_alone(self):
        # 1.26 x 730 = 919.80 dollars a month at SF Compute.
        assert self.ratio(1.26, "Claude Opus 4.1") == pytest.approx(0.35, abs=1e-9)
        assert self.ratio(1.26, "Claude Sonnet 4.5") == pytest.approx(1.75, abs=1e-9)

    def test_the_saving_comes_with_a_billion_tokens(self):
        # 50 to 80 % are saved at 2 to 5 times the break-even, which is 548.6 million tokens against Claude Sonnet 4.5.
        month = per_month(break_even_tokens(3.95, DOLLARS, 15e6))
        assert month == pytest.approx(548.6e6, rel=1e-4)
        assert ratio_at(2 * month, month) == pytest.approx(0.5)
        assert ratio_at(5 * month, month) == pytest.approx(0.2)
