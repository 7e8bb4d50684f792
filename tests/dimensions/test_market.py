"""A server against the market."""

import pytest

from builders import WINDOW, deployment, engine, found, names, slo, value, world
from pentameter.capacity.estimate import Capacity
from pentameter.cost.book import ApiPrice
from pentameter.dimensions import market
from pentameter.market.basis import MarketBasis, Rival
from pentameter.windows import Interval
from pentameter.world import CapacityOf, Rolled

SONNET = ApiPrice("Anthropic", "Claude Sonnet 4.5", 3, 15, 0.3, as_of="2026-11-23")
SCOUT = ApiPrice("Together AI", "Llama 4 Scout", 0.18, 0.59, as_of="2026-11-23", status="retired")
LECTURE = ApiPrice("OpenAI", "GPT-5", 1.25, 10, as_of="2025-10-01", baseline=True)

# One hour: 12 million tokens of input, 0.8 million of them from the cache, and 3 million of output.
HOUR = {"prompt_tokens": 12e6, "prompt_tokens_by_source/local_compute": 11.2e6, "generation_tokens": 3e6}
UNTOLD = {"prompt_tokens": 12e6, "generation_tokens": 3e6}


def at(*prices, token_ratio=1.0):
    return MarketBasis(prices, tuple(Rival(price, token_ratio) for price in prices))


def busy(deltas=HOUR, **more):
    return engine(deltas, seconds=3600.0, **more)


def samples(*engines, prices=(SONNET,), token_ratio=1.0, price=3.95, capacities=(), **more):
    server = deployment(*engines, gpu_count=1, price=price, **more)
    return list(market.samples(world(server, market=at(*prices, token_ratio=token_ratio), capacities=capacities)))


def rated(estimate, prompt=800.0, output=200.0, *, model="m", server="a"):
    """Return a goodput capacity of so many requests/s with the same mix of input and output."""
    state = "unknown" if estimate is None else "observed"
    capacity = Capacity(state, estimate=estimate, prompt_tokens=prompt, output_tokens=output)
    return CapacityOf(server, model, "0", slo("chat", ttft=1.0), capacity)


def test_a_price_is_shown_with_its_vintage_its_state_its_day_and_where_it_is_from():
    shown = list(market.samples(world(market=at(SONNET, SCOUT, LECTURE))))
    kind = "api_price_dollars_per_million_tokens"
    assert value(shown, kind, api_model="Claude Sonnet 4.5", tokens="input") == 3
    assert value(shown, kind, api_model="Claude Sonnet 4.5", tokens="cached_input", origin="shipped") == 0.3
    assert value(shown, kind, api_model="Claude Sonnet 4.5", tokens="output", vintage="current", status="listed") == 15
    assert value(shown, kind, api_model="Llama 4 Scout", tokens="output", status="retired", as_of="2026-11-23") == 0.59
    assert value(shown, kind, api_provider="OpenAI", tokens="input", vintage="baseline", as_of="2025-10-01") == 1.25
    assert found(shown, kind, api_model="GPT-5", tokens="cached_input") == []


def test_the_same_traffic_at_an_api_by_hand():
    made = samples(busy())
    # 11.2 x 3 + 0.8 x 0.30 + 3 x 15 dollars.
    assert value(made, "api_equivalent_cost_per_hour_dollars", window=WINDOW) == pytest.approx(78.84)
    assert value(made, "self_hosting_cost_ratio", window=WINDOW) == pytest.approx(3.95 / 78.84)


def test_the_break_even_by_hand():
    made = samples(busy())
    # 78.84 dollars / 15 million tokens = 5.256 dollars per million.
    assert value(made, "break_even_tokens_per_hour") == pytest.approx(3.95e6 / 5.256)
    assert value(made, "break_even_tokens_per_month") == pytest.approx(730 * 3.95e6 / 5.256)


def test_the_hundred_million_tokens_of_the_lecture_as_a_line():
    made = samples(busy())
    # 3.95 x 730 = 2883.50 dollars a month, against 525.60 for 100 million tokens of this mix: not 50 to 80 % less.
    at_a_hundred_million = value(made, "break_even_tokens_per_month") / 100e6
    assert at_a_hundred_million == pytest.approx(2883.5 / 525.6)


def test_the_ratio_of_the_tokenizers_multiplies_what_the_api_counts_and_not_our_tokens():
    made = samples(busy(), token_ratio=1.25)
    assert value(made, "api_equivalent_cost_per_hour_dollars") == pytest.approx(1.25 * 78.84)
    assert value(made, "break_even_tokens_per_hour") == pytest.approx(3.95e6 / 5.256 / 1.25)


def test_baseline_retired_and_current_prices_stand_side_by_side():
    made = samples(busy(), prices=(SONNET, SCOUT, LECTURE))
    ratio = "self_hosting_cost_ratio"
    assert value(made, ratio, api_model="GPT-5", vintage="baseline") == pytest.approx(3.95 / 45)
    assert value(made, ratio, api_model="Llama 4 Scout", status="retired") == pytest.approx(3.95 / 3.93)
    assert value(made, ratio, vintage="current", status="listed") == pytest.approx(3.95 / 78.84)


def test_the_traffic_of_all_engines_adds_up():
    half = {key: tokens / 2 for key, tokens in HOUR.items()}
    made = samples(busy(half), engine(half, seconds=1800.0, name="1"), name="")
    # Half of it in an hour, and half in half an hour: 1.5 times as much per hour.
    assert value(made, "api_equivalent_cost_per_hour_dollars") == pytest.approx(1.5 * 78.84)


def test_without_the_cached_tokens_only_apis_that_do_not_care_are_compared_with():
    made = samples(busy(UNTOLD), prices=(SONNET, LECTURE))
    assert found(made, "api_equivalent_cost_per_hour_dollars", api_model="Claude Sonnet 4.5") == []
    assert value(made, "api_equivalent_cost_per_hour_dollars", api_model="GPT-5") == pytest.approx(45)
    assert found(made, "break_even_tokens_per_hour", api_model="Claude Sonnet 4.5") == []


def test_one_engine_that_does_not_tell_them_hides_those_of_the_server():
    made = samples(busy(), busy(UNTOLD, name="1"), name="")
    assert found(made, "api_equivalent_cost_per_hour_dollars") == []


def test_hits_of_the_prefix_cache_are_the_cached_tokens_before_vllm_tells_sources():
    made = samples(busy({**UNTOLD, "prefix_cache_queries": 12e6, "prefix_cache_hits": 0.8e6}))
    assert value(made, "api_equivalent_cost_per_hour_dollars") == pytest.approx(78.84)


def test_more_computed_than_asked_within_a_window_is_no_negative_cache():
    made = samples(busy({**HOUR, "prompt_tokens_by_source/local_compute": 13e6}))
    assert value(made, "api_equivalent_cost_per_hour_dollars") == pytest.approx(12 * 3 + 3 * 15)


def test_without_a_price_of_its_own_a_server_still_has_its_equivalents():
    made = samples(busy(), price=None)
    assert names(made) == {"api_price_dollars_per_million_tokens", "api_equivalent_cost_per_hour_dollars"}


def test_without_traffic_apis_cost_nothing_and_nothing_is_divided_by_it():
    made = samples(busy(dict.fromkeys(HOUR, 0.0)))
    assert value(made, "api_equivalent_cost_per_hour_dollars") == 0
    assert names(made) == {"api_price_dollars_per_million_tokens", "api_equivalent_cost_per_hour_dollars"}


@pytest.mark.parametrize(
    "engines",
    [
        pytest.param((), id="no engine answers"),
        pytest.param((engine(None),), id="no window covers anything yet"),
        pytest.param((busy(), engine(None, name="1")), id="one engine has no window yet"),
        pytest.param((busy({"prompt_tokens": 12e6}),), id="the output is not told"),
    ],
)
def test_traffic_that_is_not_known_is_not_priced(engines):
    assert names(samples(*engines)) == {"api_price_dollars_per_million_tokens"}


def test_the_break_even_is_of_the_mix_of_the_longest_window():
    one = busy()
    short = {"prompt_tokens": 0.0, "prompt_tokens_by_source/local_compute": 0.0, "generation_tokens": 3e6}
    windows = {"1h": one.rolled.windows[WINDOW], WINDOW: Interval(60.0, short)}
    both = type(one)(**{name: getattr(one, name) for name in one.__slots__} | {"rolled": Rolled(windows)})
    server = deployment(both, gpu_count=1, price=3.95)
    made = list(market.samples(world(server, windows=(WINDOW, "1h"), market=at(SONNET))))
    assert value(made, "break_even_tokens_per_hour") == pytest.approx(3.95e6 / 5.256)
    assert value(made, "api_equivalent_cost_per_hour_dollars", window=WINDOW) == pytest.approx(60 * 45)


def test_whether_the_server_can_carry_the_break_even():
    made = samples(busy(), capacities=(rated(2.0),))
    # 2 requests/s x 1000 tokens x 3600 s = 7.2 million tokens per hour.
    assert value(made, "break_even_utilization_ratio", slo="chat") == pytest.approx(3.95 / 5.256 / 7.2)


@pytest.mark.parametrize(
    "capacity",
    [
        pytest.param(rated(None), id="it is not estimated"),
        pytest.param(rated(2.0, prompt=None), id="nobody says how long the prompts were"),
        pytest.param(rated(2.0, server="b"), id="it is another server's"),
        pytest.param(rated(2.0, model="n"), id="it is another model's"),
    ],
)
def test_without_the_capacity_nobody_says_what_share_of_it_is_needed(capacity):
    assert found(samples(busy(), capacities=(capacity,)), "break_even_utilization_ratio") == []


def test_the_longest_window_is_the_one_that_covers_the_most():
    server = deployment(engine(HOUR, seconds=30.0))
    assert market.longest_window(server) == WINDOW
    assert market.longest_window(deployment()) is None
