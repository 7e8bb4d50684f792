"""The division of the cost between input and output."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pentameter.cost.split import Ratios, Tokens, UnitCosts, measured_costs, ratio_costs, ratio_share, share

counts = st.integers(1, 10**9).map(float)
dollars = st.floats(0.01, 1e4)


def spent(costs, tokens):
    return sum(each * number for each, number in zip(costs, tokens, strict=True) if each is not None)


def test_opencosts_documented_example():
    """3.20 dollars an hour, 12 M prompt tokens of which 0.8 M were cached, 3 M generated, half of the cost each."""
    tokens = Tokens(computed=12e6 - 0.8e6, cached=0.8e6, generated=3e6)
    costs = measured_costs(3.20, tokens, 0.5)
    assert round(1e6 * costs.input, 3) == 0.143
    assert round(1e6 * costs.output, 3) == 0.533
    assert costs.cached_input == 0
    assert round(1e6 * 3.20 / tokens.all, 3) == 0.213


def test_time_of_requests_gives_too_little_to_the_input_where_many_decode_at_a_time():
    """0.1 s of prefill, 4 s of decode: 2.4 % by the requests' time; 62 % by the GPU's, which decodes 64 at a time."""
    assert share(0.1, 4.0) == pytest.approx(0.1 / 4.1)
    assert round(100 * share(0.1, 4.0), 1) == 2.4
    assert round(100 * share(0.1, 4.0 / 64)) == 62


def test_of_nothing_there_is_no_share():
    assert share(0.0, 0.0) is None
    assert ratio_share(Tokens(0.0, 0.0, 0.0), Ratios(4.0)) is None


def test_prices_keep_their_ratios():
    """5 x 100 + 0.1 x 300 + 470 = 1000: an input token costs a thousandth of the total."""
    tokens, ratios = Tokens(computed=470.0, cached=300.0, generated=100.0), Ratios(5.0, 0.1)
    assert ratio_costs(2.0, tokens, ratios) == pytest.approx((0.002, 0.0002, 0.01))
    assert ratio_share(tokens, ratios) == pytest.approx(0.5)


@given(total=dollars, tokens=st.builds(Tokens, counts, counts, counts), part=st.floats(0.0, 1.0))
def test_by_any_measured_share_the_tokens_cost_what_the_server_costs(total, tokens, part):
    assert spent(measured_costs(total, tokens, part), tokens) == pytest.approx(total)


@given(
    total=dollars,
    tokens=st.builds(Tokens, counts, st.one_of(st.just(0.0), counts), st.one_of(st.just(0.0), counts)),
    ratios=st.builds(Ratios, st.floats(0.1, 100.0), st.floats(0.0, 1.0)),
)
def test_by_ratios_the_tokens_cost_what_the_server_costs_whichever_kinds_there_are(total, tokens, ratios):
    assert spent(ratio_costs(total, tokens, ratios), tokens) == pytest.approx(total)


@given(
    tokens=st.builds(Tokens, counts, counts, counts),
    ratios=st.builds(Ratios, st.floats(0.1, 100.0), st.floats(0.0, 1.0)),
)
def test_the_share_of_ratios_is_what_the_input_pays(tokens, ratios):
    costs = ratio_costs(1.0, tokens, ratios)
    paid = costs.input * tokens.computed + costs.cached_input * tokens.cached
    assert ratio_share(tokens, ratios) == pytest.approx(paid)


@pytest.mark.parametrize(
    ("tokens", "missing"),
    [
        (Tokens(0.0, 0.0, 5.0), ["input", "cached_input"]),
        (Tokens(5.0, 0.0, 0.0), ["cached_input", "output"]),
        (Tokens(0.0, 0.0, 0.0), ["input", "cached_input", "output"]),
    ],
)
def test_a_kind_without_tokens_has_no_cost(tokens, missing):
    whole = 0.0 if "input" in missing else 1.0
    for costs in (measured_costs(1.0, tokens, whole), ratio_costs(1.0, tokens, Ratios(4.0))):
        assert [name for name, each in zip(UnitCosts._fields, costs, strict=True) if each is None] == missing


@pytest.mark.parametrize("tokens", [Tokens(0.0, 3.0, 5.0), Tokens(5.0, 0.0, 0.0)])
def test_a_part_that_no_token_bears_leaves_all_costs_out(tokens):
    assert measured_costs(1.0, tokens, 0.5) == UnitCosts(None, None, None)
