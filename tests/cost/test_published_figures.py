"""Figures that others have published, through our own formulas: prices, tokens and hours in, their dollars out."""

import pytest

from builders import EIGHT_H100
from pentameter.cost.book import ApiPrice
from pentameter.cost.owned import per_gpu_hour
from pentameter.cost.plan import CostPlan, Quote, energy_dollars_per_hour, fixed_per_hour, with_energy
from pentameter.cost.split import Ratios, Tokens, measured_costs, ratio_costs, share
from pentameter.dimensions.economics import dollars_per_million
from pentameter.dimensions.energy import joules_per_token
from pentameter.facts.prices import shipped_book
from pentameter.market.break_even import self_hosting_ratio
from pentameter.market.equivalent import Traffic, equivalent_dollars
from pentameter.units import MILLION, SECONDS_PER_DAY, SECONDS_PER_HOUR, joules_to_kwh

# ---------------------------------------------------------------------- DeepSeek's day
# DeepSeek-V3/R1 Inference System Overview, 1 March 2025 (deepseek-ai/open-infra-index, day 6): 24 hours from noon of 27
# February 2025, UTC+8. 226.75 nodes of eight H800 on average, at 2 dollars per GPU and hour; 608 billion input tokens,
# of which 342 billion hit the cache on disk, and 168 billion output tokens; 87,072 dollars a day.
NODES, PER_NODE = 226.75, 8
INPUT, CACHED, OUTPUT = 608e9, 342e9, 168e9


def deepseek_per_hour():
    # Nodes came and went with the load, so that their number is a mean; the cost is linear in it.
    [of_one_node] = fixed_per_hour(CostPlan(Quote(2.0, "configured")), PER_NODE).values()
    return NODES * of_one_node


def test_deepseek_paid_87072_dollars_a_day():
    assert deepseek_per_hour() * 24 == pytest.approx(87_072)


@pytest.mark.parametrize(
    ("tokens", "dollars"),
    [
        pytest.param(INPUT + OUTPUT, 0.112, id="all tokens"),
        pytest.param(OUTPUT, 0.518, id="all on the output"),
        pytest.param(INPUT - CACHED + OUTPUT, 0.201, id="without those that hit the cache"),
    ],
)
def test_deepseek_paid_so_much_per_million_tokens(tokens, dollars):
    paid = dollars_per_million(deepseek_per_hour(), tokens / SECONDS_PER_DAY)
    assert paid == pytest.approx(dollars, abs=5e-4)


def test_deepseek_would_have_earned_562000_dollars_and_545_percent():
    # At R1's prices: 0.14 dollars per million input tokens that hit the cache, 0.55 that do not, 2.19 of output. They
    # print 562,027 dollars and a margin of 545 % of the cost; the tokens, which they round to billions, give 562,100.
    r1 = ApiPrice("DeepSeek", "R1", input=0.55, cached_input=0.14, output=2.19)
    earned = equivalent_dollars(r1, Traffic(INPUT, CACHED, OUTPUT))
    assert earned == pytest.approx(562_100)
    assert earned == pytest.approx(562_027, rel=2e-4)
    ratio = self_hosting_ratio(deepseek_per_hour() * 24, earned)
    assert 1 / ratio - 1 == pytest.approx(5.45, abs=0.01)


# ---------------------------------------------------------------------- InferenceMAX
# SemiAnalysis, InferenceMAX: Open Source Inference Benchmarking, 9 October 2025: gpt-oss-120b, 1k tokens in and 8k out,
# at 90 tokens/s per user, in tokens per second and megawatt of the utility. Kilowatts per GPU, all included, and
# dollars per GPU and hour of a hyperscaler that owns them: constants of SemiAnalysisAI/InferenceX-app (power, costh).
@pytest.mark.parametrize(
    ("per_megawatt", "kilowatts", "price", "per_gpu", "dollars", "joules"),
    [
        pytest.param(0.9e6, 1.73, 1.30, 1557, 0.232, 1.11, id="H100"),
        pytest.param(2.8e6, 2.17, 1.95, 6076, 0.089, 0.36, id="B200"),
        pytest.param(0.75e6, 1.79, 1.12, 1342.5, 0.232, 1.33, id="MI300X"),
        pytest.param(2.55e6, 2.65, 1.48, 6757.5, 0.061, 0.39, id="MI355X"),
    ],
)
def test_a_million_tokens_of_gpt_oss_120b_cost_as_inferencemax_found(
    per_megawatt, kilowatts, price, per_gpu, dollars, joules
):
    speed = per_megawatt * kilowatts / 1000
    assert speed == pytest.approx(per_gpu, abs=0.5)
    assert dollars_per_million(price, speed) == pytest.approx(dollars, abs=5e-4)
    assert joules_per_token(1000 * kilowatts, speed) == pytest.approx(joules, abs=5e-3)


# ---------------------------------------------------------------------- OpenCost's example
# opencost/opencost, docs/inference-cost-tracking.md, "Example Calculation": an hour at 3.20 dollars, 12 million prompt
# and 3 million generated tokens, 600 s of prefill and 600 s of decode, 0.8 million tokens from the cache.
PROMPT, HIT, GENERATED = 12e6, 0.8e6, 3e6


def test_opencost_example_blended():
    rate = (PROMPT + GENERATED) / SECONDS_PER_HOUR
    assert dollars_per_million(3.20, rate) == pytest.approx(0.213, abs=5e-4)


def test_opencost_example_by_time_with_the_cached_tokens_left_out():
    # Of June 2026: "effective input tokens".
    costs = measured_costs(3.20, Tokens(PROMPT - HIT, HIT, GENERATED), share(600, 600))
    assert costs.input * MILLION == pytest.approx(0.143, abs=5e-4)
    assert costs.cached_input == 0
    assert costs.output * MILLION == pytest.approx(0.533, abs=5e-4)


def test_opencost_example_by_time_over_all_delivered_tokens():
    # Of July 2026 and later: "delivered input tokens", cached ones among them.
    costs = measured_costs(3.20, Tokens(PROMPT, 0.0, GENERATED), share(600, 600))
    assert costs.input * MILLION == pytest.approx(0.133, abs=5e-4)
    assert costs.output * MILLION == pytest.approx(0.533, abs=5e-4)


def test_opencost_fallback_makes_an_output_token_two_and_a_half_times_as_dear():
    # x = 3.20 / (12e6 + 2.5 x 3e6) = 0.16410 dollars per million.
    costs = ratio_costs(3.20, Tokens(PROMPT, 0.0, GENERATED), Ratios(2.5))
    assert costs.input * MILLION == pytest.approx(0.16410, abs=5e-6)
    assert costs.output * MILLION == pytest.approx(0.41026, abs=5e-6)


def test_input_and_output_of_opencost_example_add_up_to_the_bill():
    tokens = Tokens(PROMPT - HIT, HIT, GENERATED)
    for costs in (measured_costs(3.20, tokens, 0.5), ratio_costs(3.20, tokens, Ratios(2.5, 0.1))):
        whole = zip(costs, tokens, strict=True)
        assert sum(each * number for each, number in whole) == pytest.approx(3.20, rel=1e-12)


# ---------------------------------------------------------------------- a machine of one's own
# Eight H100 for 250,000 dollars and 15 % more for the network, over four years at 10 %, the machine worth 15 % at the
# end; 8 kW in a building of PUE 1.25 at 8 cents; 10.2 kW of colocation at 150 dollars per kW and month; 5 % of all that
# a year for operations. Reckoned by hand: 122,361 dollars a year. SemiAnalysis has 1.69 dollars for a new cloud's H100.


def owned_per_hour():
    parts = per_gpu_hour(EIGHT_H100)
    plan = CostPlan(Quote(parts.pop("gpu"), "owned"), parts, dollars_per_kwh=0.08)
    fixed = fixed_per_hour(plan, 8)
    return with_energy(plan, fixed, energy_dollars_per_hour(8000 * 1.25, plan.dollars_per_kwh))


def test_an_owned_h100_costs_a_dollar_seventy_five_an_hour():
    total = sum(owned_per_hour().values())
    assert total / 8 == pytest.approx(1.75, abs=5e-3)
    assert total * 8760 == pytest.approx(122_361, abs=1)


def test_an_owned_h100_is_capital_above_all():
    parts = owned_per_hour()
    total = sum(parts.values())
    assert (parts["gpu"] + parts["network"]) / total == pytest.approx(0.675, abs=5e-4)
    # Colocation 18,360 and operations 14,375 dollars a year: 15.0 % and 11.7 %.
    assert parts["overhead"] / total == pytest.approx(0.2675, abs=5e-4)
    assert parts["energy"] / total == pytest.approx(0.0573, abs=5e-4)


# ---------------------------------------------------------------------- the lecture
# Neubig, Measuring Efficiency in LLM Inference, October 2025, "GPU Costs".
@pytest.mark.parametrize(
    ("gpu", "lowest", "highest", "spread"),
    [("H100-80GB", 1.26, 11.06, 8.8), ("A100-80GB", 0.79, 6.25, 7.9), ("A100-40GB", 2.10, 4.05, 1.9)],
)
def test_prices_of_one_gpu_spread_less_than_the_lecture_says(gpu, lowest, highest, spread):
    # It says 5 to 18 times; its own table has 8.8 at most.
    prices = [row.dollars_per_gpu_hour for row in shipped_book().offers if row.gpu == gpu and "Neubig" in row.source]
    assert (min(prices), max(prices)) == (lowest, highest)
    assert max(prices) / min(prices) == pytest.approx(spread, abs=0.05)


def test_the_lecture_stream_of_400_watts_costs_as_much_as_its_electricity_says():
    # "400 W at 10 tokens/s": 40 J per token, 11.1 kWh per million; at 8 cents 0.89 dollars, of electricity alone.
    joules = joules_per_token(400, 10) * MILLION
    assert joules_to_kwh(joules) == pytest.approx(11.11, abs=5e-3)
    assert dollars_per_million(energy_dollars_per_hour(400, 0.08), 10) == pytest.approx(0.889, abs=5e-4)
