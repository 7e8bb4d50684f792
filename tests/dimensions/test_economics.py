"""Economics: cost per hour, per million tokens, and counted up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import deployment, engine, found, names, value, world
from pentameter.dimensions import economics
from pentameter.dimensions.economics import dollars_per_million

# Ten seconds: 1000 output tokens and 3000 prompt tokens per second.
BUSY = engine({"generation_tokens": 10_000.0, "prompt_tokens": 30_000.0}, seconds=10)


def measured(*deployments):
    return list(economics.samples(world(*deployments)))


def grown(*deployments, elapsed=1.0):
    return list(economics.increments(world(*deployments, elapsed_seconds=elapsed)))


@pytest.mark.parametrize(
    ("price", "dollars"),
    [
        # The lecture's prices of an H100; 1000 tokens/s are 3.6 million an hour.
        pytest.param(6.88, 1.9111, id="AWS"),
        pytest.param(3.95, 1.0972, id="Modal"),
        pytest.param(1.49, 0.4139, id="Prime Intellect"),
    ],
)
def test_a_million_tokens_at_1000_tokens_per_second(price, dollars):
    assert dollars_per_million(price, 1000) == pytest.approx(dollars, abs=5e-5)


def test_the_output_alone_bears_the_cost_or_shares_it_with_the_prompt():
    samples = measured(deployment(BUSY, gpu_count=2, price=3.6))
    # 7.20 dollars an hour over 3.6 million output tokens; over 14.4 million of all tokens.
    assert value(samples, "cost_per_million_tokens_dollars", tokens="output", method="output_only") == pytest.approx(
        2.0
    )
    assert value(samples, "cost_per_million_tokens_dollars", tokens="blended", method="all_tokens") == pytest.approx(
        0.5
    )


def test_the_cost_per_hour_is_gpus_times_price():
    samples = measured(deployment(gpu_count=8, price=1.49))
    assert value(samples, "cost_per_hour_dollars", component="gpu") == pytest.approx(11.92)


def test_the_components_of_the_cost_per_hour_add_up_to_the_total():
    samples = measured(deployment(gpu_count=8, price=1.49))
    every = found(samples, "cost_per_hour_dollars")
    total = value(samples, "cost_per_hour_dollars", component="total")
    assert sum(every) - total == pytest.approx(total)


def test_the_tokens_of_several_engines_share_the_cost_of_their_server():
    server = deployment(BUSY, engine(BUSY.reading.counters, seconds=10, name="1"), gpu_count=2, price=3.6, name="")
    assert value(measured(server), "cost_per_million_tokens_dollars", tokens="output", engine="") == pytest.approx(1.0)


def test_a_server_without_traffic_costs_but_has_no_cost_per_token():
    idle = engine({"generation_tokens": 0.0, "prompt_tokens": 0.0})
    assert names(measured(deployment(idle, gpu_count=1, price=2.0))) == {"cost_per_hour_dollars"}


def test_prompts_without_output_have_a_blended_cost_only():
    prefill = engine({"generation_tokens": 0.0, "prompt_tokens": 100.0})
    samples = measured(deployment(prefill, gpu_count=1, price=3.6))
    # 0.001 dollars a second over 10 tokens a second.
    assert value(samples, "cost_per_million_tokens_dollars", tokens="blended") == pytest.approx(100)
    assert value(samples, "cost_per_million_tokens_dollars", tokens="output") is None


def test_a_server_that_does_not_answer_costs_all_the_same():
    server = deployment(gpu_count=2, price=1.8)
    assert names(measured(server)) == {"cost_per_hour_dollars"}
    # 3.60 dollars an hour for 10 seconds.
    assert value(grown(server, elapsed=10.0), "cost_dollars_total", component="gpu") == pytest.approx(0.01)


@pytest.mark.parametrize(
    "server",
    [
        pytest.param(deployment(BUSY, gpu_count=2), id="the price is unknown"),
        pytest.param(deployment(BUSY, price=2.0), id="the number of GPUs is unknown"),
    ],
)
def test_an_unknown_cost_is_left_out(server):
    assert measured(server) == []
    assert grown(server) == []


def test_a_price_of_zero_is_a_price():
    assert value(measured(deployment(gpu_count=1, price=0.0)), "cost_per_hour_dollars", component="total") == 0


def test_the_counter_begins_at_zero_with_the_first_snapshot():
    assert value(grown(deployment(gpu_count=1, price=2.0), elapsed=None), "cost_dollars_total") == 0


@given(
    price=st.floats(0.01, 100.0),
    prompt=st.integers(0, 10**7),
    output=st.integers(1, 10**7),
    seconds=st.floats(1.0, 3600.0),
)
def test_what_the_tokens_cost_is_what_the_server_costs(price, prompt, output, seconds):
    one = engine({"generation_tokens": output, "prompt_tokens": prompt}, seconds=seconds)
    samples = measured(deployment(one, gpu_count=1, price=price))
    of_output = value(samples, "cost_per_million_tokens_dollars", tokens="output")
    blended = value(samples, "cost_per_million_tokens_dollars", tokens="blended")
    cost = price * seconds / 3600
    assert of_output * output / 1e6 == pytest.approx(cost)
    assert blended * (output + prompt) / 1e6 == pytest.approx(cost)
    assert blended <= of_output * (1 + 1e-12)
