"""Energy: joules, watts, joules per token."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import deployment, engine, gpu, names, value, world
from pentameter.dimensions import energy
from pentameter.dimensions.energy import gpu_joules, joules_per_token
from pentameter.units import joules_to_kwh


def measured(*deployments, **more):
    return list(energy.samples(world(*deployments, **more)))


def grown(*deployments, **more):
    return list(energy.increments(world(*deployments, **more)))


def test_the_lectures_400_watts_at_10_tokens_per_second_are_40_joules_per_token():
    # Ten seconds: 4000 J and 100 tokens.
    samples = measured(deployment(engine({"generation_tokens": 100.0}), gpus=[gpu(4000.0)]))
    assert value(samples, "energy_per_token_joules", tokens="generated", scope="gpu", window="1m") == 40


def test_the_lectures_40_joules_per_token_are_11_kwh_per_million():
    # 40 J x 1,000,000 / 3,600,000 J per kWh
    assert joules_to_kwh(joules_per_token(400, 10) * 1_000_000) == pytest.approx(11.1, abs=0.02)


def test_per_token_of_all_counts_the_prompt_as_well():
    tokens = {"generation_tokens": 100.0, "prompt_tokens": 300.0}
    samples = measured(deployment(engine(tokens), gpus=[gpu(4000.0)]))
    # 4000 J / (300 + 100)
    assert value(samples, "energy_per_token_joules", tokens="all") == 10
    assert value(samples, "energy_per_token_joules", tokens="generated") == 40


def test_several_engines_and_gpus_make_one_figure_for_the_server():
    server = deployment(
        engine({"generation_tokens": 100.0}),
        engine({"generation_tokens": 300.0}, name="1"),
        gpus=[gpu(4000.0), gpu(2000.0, uuid="GPU-1")],
        name="",
    )
    # 6000 J / 400 tokens
    assert value(measured(server), "energy_per_token_joules", tokens="generated", engine="", model_name="m") == 15


def test_windows_of_unlike_length_are_compared_as_rates():
    server = deployment(engine({"generation_tokens": 600.0}, seconds=60), gpus=[gpu(4000.0, seconds=10)])
    # 400 W at 10 tokens/s
    assert value(measured(server), "energy_per_token_joules", tokens="generated") == 40


@pytest.mark.parametrize(
    "server",
    [
        pytest.param(deployment(engine({"generation_tokens": 0.0}), gpus=[gpu(4000.0)]), id="no token produced"),
        pytest.param(deployment(engine({"generation_tokens": 9.0})), id="no GPU"),
        pytest.param(
            deployment(engine({"generation_tokens": 9.0}), gpus=[gpu(4000.0), gpu(uuid="GPU-1")]),
            id="one GPU counts no energy",
        ),
        pytest.param(deployment(gpus=[gpu(4000.0)]), id="no engine answers"),
        pytest.param(deployment(engine({}), gpus=[gpu(4000.0)]), id="tokens are not published"),
    ],
)
def test_an_unknown_energy_per_token_is_left_out(server):
    assert "energy_per_token_joules" not in names(measured(server))


def test_an_idle_gpus_energy_still_counts():
    assert (
        value(grown(deployment(gpus=[gpu(tick=75.0)])), "energy_joules_total", component="gpu", basis="measured") == 75
    )


def test_the_servers_energy_is_the_sum_of_its_gpus():
    samples = grown(deployment(gpus=[gpu(tick=500.0), gpu(tick=300.0, uuid="GPU-1")]))
    assert value(samples, "energy_joules_total") == 800
    assert value(samples, "gpu_energy_joules_total", gpu="GPU-0") == 500
    assert value(samples, "gpu_energy_joules_total", gpu="GPU-1") == 300


def test_half_of_the_energy_is_no_energy_of_the_server():
    samples = grown(deployment(gpus=[gpu(tick=500.0), gpu(uuid="GPU-1")]))
    assert value(samples, "energy_joules_total") is None
    assert value(samples, "gpu_energy_joules_total", gpu="GPU-0") == 500
    assert value(samples, "gpu_energy_joules_total", gpu="GPU-1") is None


def test_without_a_new_reading_the_counters_stand_still_and_stay():
    samples = grown(deployment(gpus=[gpu(500.0)]))
    assert value(samples, "energy_joules_total") == 0
    assert value(samples, "gpu_energy_joules_total") == 0


def test_of_no_gpus_the_energy_is_unknown_and_not_zero():
    assert gpu_joules(()) is None
    assert grown(deployment(engine({"generation_tokens": 5.0}))) == []


def test_power_is_the_sum_over_the_servers_gpus():
    samples = measured(deployment(gpus=[gpu(power_watts=510.0), gpu(power_watts=290.0, uuid="GPU-1")]))
    assert value(samples, "power_watts", component="gpu") == 800
    assert value(samples, "gpu_power_watts", gpu="GPU-1") == 290


def test_power_of_which_a_part_is_unknown_is_unknown():
    samples = measured(deployment(gpus=[gpu(power_watts=510.0), gpu(uuid="GPU-1")]))
    assert value(samples, "power_watts") is None
    assert value(samples, "gpu_power_watts", gpu="GPU-0") == 510


def test_a_gpu_shows_what_it_offers_and_nothing_else():
    full = gpu(power_limit_watts=700.0, utilization_ratio=0.0, temperature_celsius=61.0)
    samples = measured(gpus=(full, gpu(uuid="GPU-1")))
    assert value(samples, "gpu_power_limit_watts", gpu="GPU-0") == 700
    assert value(samples, "gpu_utilization_ratio", gpu="GPU-0") == 0
    assert value(samples, "gpu_temperature_celsius", gpu="GPU-0") == 61
    assert len(samples) == 3


def test_a_gpu_that_is_nobodys_has_its_own_figures_only():
    stray = gpu(tick=9.0, power_watts=60.0)
    assert names(measured(gpus=(stray,))) == {"gpu_power_watts"}
    assert names(grown(gpus=(stray,))) == {"gpu_energy_joules_total"}


@given(joules=st.floats(1.0, 1e7), tokens=st.integers(1, 10**7), seconds=st.floats(1.0, 3600.0))
def test_joules_per_token_times_tokens_per_second_are_watts(joules, tokens, seconds):
    server = deployment(engine({"generation_tokens": tokens}, seconds=seconds), gpus=[gpu(joules, seconds=seconds)])
    per_token = value(measured(server), "energy_per_token_joules", tokens="generated")
    assert per_token * tokens / seconds == pytest.approx(joules / seconds)
