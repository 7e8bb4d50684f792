"""The world: sums over a server's engines and GPUs, and when there is none."""

import pytest

from builders import deployment, engine, gpu

GENERATION = ("generation_tokens",)
ALL = ("prompt_tokens", "generation_tokens")


def test_the_token_rates_of_all_engines_add_up():
    server = deployment(
        engine({"generation_tokens": 100.0}, seconds=10),
        engine({"generation_tokens": 60.0}, seconds=20, name="1"),
    )
    # 100 / 10 + 60 / 20: each engine by the seconds that its own window covers.
    assert server.token_rate("1m", *GENERATION) == 13


def test_concepts_add_up_too():
    server = deployment(engine({"prompt_tokens": 300.0, "generation_tokens": 100.0}, seconds=10))
    assert server.token_rate("1m", *ALL) == 40


@pytest.mark.parametrize(
    "engines",
    [
        pytest.param((), id="no engine answers"),
        pytest.param((engine({"generation_tokens": 1.0}), engine(None, name="1")), id="one engine has no window yet"),
        pytest.param((engine({"prompt_tokens": 1.0}),), id="a concept is not published"),
    ],
)
def test_a_token_rate_of_which_a_part_is_unknown_is_unknown(engines):
    assert deployment(*engines).token_rate("1m", *GENERATION) is None


def test_a_window_that_covers_nothing_has_no_token_rate():
    assert deployment(engine({"generation_tokens": 1.0})).token_rate("1h", *GENERATION) is None


def test_a_server_that_produced_nothing_has_a_rate_of_zero():
    assert deployment(engine({"generation_tokens": 0.0})).token_rate("1m", *GENERATION) == 0


def test_the_mean_power_of_all_gpus_adds_up():
    # 5000 J in 10 s and 3000 J in 20 s.
    server = deployment(gpus=(gpu(5000.0, seconds=10), gpu(3000.0, seconds=20, uuid="GPU-1")))
    assert server.gpu_watts("1m") == 650


@pytest.mark.parametrize(
    "gpus",
    [
        pytest.param((), id="no GPU"),
        pytest.param((gpu(1.0), gpu(None, uuid="GPU-1")), id="one GPU counts no energy"),
    ],
)
def test_a_mean_power_of_which_a_part_is_unknown_is_unknown(gpus):
    assert deployment(gpus=gpus).gpu_watts("1m") is None


def test_an_engine_and_its_server_are_labelled_alike():
    one = engine({}, server="a", model="llama", name="3")
    assert one.labels == ("a", "llama", "3")
    assert deployment(one, server="a", model="llama", name="3").labels == one.labels
