"""The cost of a million tokens."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import deployment, engine, found, names, rented, served, value, work, world
from pentameter.cost.split import Ratios
from pentameter.dimensions import cost_per_token
from pentameter.readings import Histogram

# Ten seconds: 1000 output tokens and 3000 prompt tokens per second.
BUSY = engine({"generation_tokens": 10_000.0, "prompt_tokens": 30_000.0}, seconds=10)


def measured(*deployments):
    return list(cost_per_token.samples(world(*deployments)))


def test_the_output_alone_bears_the_cost_or_shares_it_with_the_prompt():
    samples = measured(deployment(BUSY, gpu_count=2, price=3.6))
    # 7.20 dollars an hour over 3.6 million output tokens; over 14.4 million of all tokens.
    assert value(samples, "cost_per_million_tokens_dollars", tokens="output", method="output_only") == pytest.approx(
        2.0
    )
    assert value(samples, "cost_per_million_tokens_dollars", tokens="blended", method="all_tokens") == pytest.approx(
        0.5
    )


def test_the_tokens_of_several_engines_share_the_cost_of_their_server():
    server = deployment(BUSY, engine(BUSY.reading.counters, seconds=10, name="1"), gpu_count=2, price=3.6, name="")
    assert value(measured(server), "cost_per_million_tokens_dollars", tokens="output", engine="") == pytest.approx(1.0)


def test_a_server_without_traffic_costs_but_has_no_cost_per_token():
    idle = engine({"generation_tokens": 0.0, "prompt_tokens": 0.0})
    assert names(measured(deployment(idle, gpu_count=1, price=2.0))) == set()


def test_prompts_without_output_have_a_blended_cost_only():
    prefill = engine({"generation_tokens": 0.0, "prompt_tokens": 100.0})
    samples = measured(deployment(prefill, gpu_count=1, price=3.6))
    # 0.001 dollars a second over 10 tokens a second.
    assert value(samples, "cost_per_million_tokens_dollars", tokens="blended") == pytest.approx(100)
    assert value(samples, "cost_per_million_tokens_dollars", tokens="output") is None


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


# ------------------------------------------------------------------ by kind

PER_MILLION, SHARE = "cost_per_million_tokens_dollars", "cost_input_share_ratio"
# 3.20 dollars an hour; an hour of 12 M prompt tokens, 0.8 M of them cached, and 3 M generated: OpenCost's example.
OPENCOST = {
    "prompt_tokens": 12e6,
    "prompt_tokens_by_source/local_compute": 11.2e6,
    "generation_tokens": 3e6,
}
HALF = {"prefill": Histogram((math.inf,), (9.0,), 7.0), "decode": Histogram((math.inf,), (9.0,), 7.0)}
FLOPS = work(flops_prefill_16bit=3e15, flops_decode_16bit=1e15)


def steps(prefill=6.0, decode=4.0, unsplit=0.0, tokens=3e6):
    """Return what the plugin's steps say of an hour."""
    return {
        "step_seconds/prefill": prefill,
        "step_seconds/decode": decode,
        "step_seconds/unsplit": unsplit,
        "step_tokens": tokens,
    }


def an_hour(deltas=OPENCOST, **more):
    return engine(deltas, seconds=3600.0, **more)


def hour_of(one, told=None, *, ratios=None):
    cost = replace(rented(3.20), ratios=ratios)
    records = () if told is None else (served(told, seconds=3600.0),)
    return list(cost_per_token.samples(world(deployment(one, gpu_count=1, cost=cost), served=records)))


def test_opencosts_documented_example_by_its_own_method():
    samples = hour_of(an_hour(histograms=HALF))
    assert value(samples, SHARE, method="request_time") == 0.5
    assert round(value(samples, PER_MILLION, tokens="blended"), 3) == 0.213
    assert round(value(samples, PER_MILLION, tokens="input", method="request_time"), 3) == 0.143
    assert round(value(samples, PER_MILLION, tokens="output", method="request_time"), 3) == 0.533
    assert value(samples, PER_MILLION, tokens="cached_input", method="request_time") == 0


def test_by_gpu_time_the_input_bears_its_share_of_the_steps():
    samples = hour_of(an_hour(), steps(prefill=6.0, decode=4.0))
    assert value(samples, SHARE, method="gpu_time") == pytest.approx(0.6)
    assert value(samples, PER_MILLION, tokens="input", method="gpu_time") == pytest.approx(3.20 * 0.6 / 11.2)
    assert value(samples, PER_MILLION, tokens="output", method="gpu_time") == pytest.approx(3.20 * 0.4 / 3)


def test_by_flops_the_input_bears_its_share_of_the_models_work():
    samples = hour_of(an_hour(work=FLOPS))
    assert value(samples, SHARE, method="flops") == 0.75
    assert value(samples, PER_MILLION, tokens="output", method="flops") == pytest.approx(3.20 * 0.25 / 3)


def test_by_ratio_a_cached_token_has_a_price_too():
    """11.2 + 0.1 x 0.8 + 4 x 3 = 23.28 M tokens' worth of input."""
    samples = hour_of(an_hour(), ratios=Ratios(4.0, 0.1))
    unit = 3.20 / 23.28
    assert value(samples, PER_MILLION, tokens="input", method="ratio") == pytest.approx(unit)
    assert value(samples, PER_MILLION, tokens="cached_input", method="ratio") == pytest.approx(0.1 * unit)
    assert value(samples, PER_MILLION, tokens="output", method="ratio") == pytest.approx(4 * unit)
    assert value(samples, SHARE, method="ratio") == pytest.approx(11.28 / 23.28)


METHODS = ("gpu_time", "flops", "request_time", "ratio")


@pytest.mark.parametrize("method", METHODS)
def test_by_every_method_the_tokens_cost_what_the_server_costs(method):
    samples = hour_of(an_hour(histograms=HALF, work=FLOPS), steps(), ratios=Ratios(5.0, 0.1))
    millions = {"input": 11.2, "cached_input": 0.8, "output": 3.0}
    spent = sum(value(samples, PER_MILLION, tokens=kind, method=method) * number for kind, number in millions.items())
    assert spent == pytest.approx(3.20)


def test_a_method_whose_input_nobody_knows_is_left_out():
    samples = hour_of(an_hour())
    assert found(samples, SHARE) == []
    assert {sample.labels[-1] for sample in samples} == {"all_tokens", "output_only"}


@pytest.mark.parametrize(
    "told",
    [
        steps(tokens=2e6),
        steps(prefill=5.0, decode=4.0, unsplit=1.0),
        steps(prefill=0.0, decode=0.0),
        {"finished": 5.0},
    ],
    ids=["a third of the tokens is of other steps", "a tenth is not divided", "no time", "a plugin without steps"],
)
def test_steps_that_do_not_tell_all_say_nothing(told):
    assert value(hour_of(an_hour(), told), SHARE, method="gpu_time") is None


def test_an_engine_that_made_nothing_need_not_tell_its_steps():
    idle = an_hour({"prompt_tokens": 0.0, "generation_tokens": 0.0}, name="1")
    here = deployment(an_hour(), idle, gpu_count=2, price=1.60, name="")
    samples = list(cost_per_token.samples(world(here, served=(served(steps(), seconds=3600.0),))))
    assert value(samples, SHARE, method="gpu_time", engine="") == pytest.approx(0.6)


@pytest.mark.parametrize("method", ["gpu_time", "flops", "request_time"])
def test_an_engine_that_does_not_tell_silences_the_server(method):
    other = an_hour(name="1")
    here = deployment(an_hour(histograms=HALF, work=FLOPS), other, gpu_count=2, price=1.60, name="")
    samples = list(cost_per_token.samples(world(here, served=(served(steps(), seconds=3600.0),))))
    assert value(samples, SHARE, method=method) is None


def test_engines_share_by_what_each_of_them_spent():
    """6 of 10 s and 1 of 30 s: 7 of 40 s."""
    here = deployment(an_hour(), an_hour(name="1"), gpu_count=2, price=1.60, name="")
    told = (
        served(steps(6.0, 4.0), seconds=3600.0),
        served(steps(1.0, 29.0), seconds=3600.0, name="1"),
    )
    assert value(list(cost_per_token.samples(world(here, served=told))), SHARE, method="gpu_time") == pytest.approx(
        0.175
    )


def test_a_share_needs_no_price():
    samples = list(cost_per_token.samples(world(deployment(an_hour(histograms=HALF)))))
    assert value(samples, SHARE, method="request_time") == 0.5
    assert found(samples, PER_MILLION) == []


def test_a_server_that_rests_has_no_share():
    resting = an_hour(
        dict.fromkeys(OPENCOST, 0.0), work=work(), histograms={k: replace(h, sum=0.0) for k, h in HALF.items()}
    )
    assert hour_of(resting, steps(0.0, 0.0, tokens=0.0), ratios=Ratios(4.0)) == []
