"""Energy for what it bought: joules per token, per request, per good request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import WINDOW, deployment, engine, gpu, names, served, slo, value, verdicts, world
from pentameter.dimensions import energy_intensity
from pentameter.world import HostPart

# 100 W beside the GPUs.
HOST = HostPart({"measured": 100.0}, {WINDOW: 100.0})


def measured(*deployments, **more):
    return list(energy_intensity.samples(world(*deployments, **more)))


def test_the_lectures_400_watts_at_10_tokens_per_second_are_40_joules_per_token():
    # Ten seconds: 4000 J and 100 tokens.
    samples = measured(deployment(engine({"generation_tokens": 100.0}), gpus=[gpu(4000.0)]))
    assert value(samples, "energy_per_token_joules", tokens="generated", scope="gpu", window="1m") == 40


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


@given(joules=st.floats(1.0, 1e7), tokens=st.integers(1, 10**7), seconds=st.floats(1.0, 3600.0))
def test_joules_per_token_times_tokens_per_second_are_watts(joules, tokens, seconds):
    server = deployment(engine({"generation_tokens": tokens}, seconds=seconds), gpus=[gpu(joules, seconds=seconds)])
    per_token = value(measured(server), "energy_per_token_joules", tokens="generated")
    assert per_token * tokens / seconds == pytest.approx(joules / seconds)


def test_every_scope_that_is_known_has_its_figure():
    server = deployment(engine({"generation_tokens": 100.0}), gpus=[gpu(4000.0)], host=HOST, pue=1.2)
    samples = measured(server)
    # 400 W, with the host 500 W, with the building 600 W, at 10 tokens/s
    figures = [
        value(samples, "energy_per_token_joules", tokens="generated", scope=s) for s in ("gpu", "it", "facility")
    ]
    assert figures == [40, 50, 60]


# ---------------------------------------------------------------------------- per request


def test_energy_per_request_is_power_over_finished_requests():
    done = {"request_success/stop": 6.0, "request_success/length": 2.0}
    samples = measured(deployment(engine(done), gpus=[gpu(4000.0)], host=HOST))
    # 4000 J / 8; 5000 J / 8
    assert value(samples, "energy_per_request_joules", scope="gpu") == 500
    assert value(samples, "energy_per_request_joules", scope="it") == 625


def test_the_requests_of_all_replicas_count():
    engines = (engine({"request_success/stop": 6.0}), engine({"request_success/stop": 4.0}, name="1"))
    samples = measured(deployment(*engines, gpus=[gpu(4000.0), gpu(4000.0, uuid="GPU-1")], name=""))
    assert value(samples, "energy_per_request_joules", engine="") == 800


@pytest.mark.parametrize(
    "engines",
    [
        pytest.param((engine({"request_success/stop": 0.0}),), id="none finished"),
        pytest.param((engine({"generation_tokens": 5.0}),), id="not published"),
        pytest.param((engine({"request_success/stop": 5.0}), engine({}, name="1")), id="one engine does not tell"),
        pytest.param((), id="no engine answers"),
    ],
)
def test_an_unknown_energy_per_request_is_left_out(engines):
    assert "energy_per_request_joules" not in names(measured(deployment(*engines, gpus=[gpu(4000.0)])))


# ---------------------------------------------------------------------------- per good request


def judged(*verdicts_of, gpus=None, **more):
    engines = [engine({}, name=str(i)) for i in range(len(verdicts_of))]
    records = tuple(served(one, name=str(i)) for i, one in enumerate(verdicts_of))
    gpus = (gpu(4000.0),) if gpus is None else gpus
    server = deployment(*engines, gpus=gpus, host=HOST, pue=1.2, name="0" if len(engines) == 1 else "")
    return measured(server, served=records, slos=(slo("chat", ttft=0.5),), **more)


def test_what_bad_requests_used_is_charged_to_the_good_ones():
    samples = judged(verdicts(good=5, bad=3))
    figures = [value(samples, "energy_per_good_request_joules", slo="chat", scope=s) for s in ("gpu", "it", "facility")]
    # 4000, 5000 and 6000 J / 5
    assert figures == [800, 1000, 1200]


def test_the_good_requests_of_all_replicas_count():
    samples = judged(verdicts(good=5), verdicts(good=3), gpus=(gpu(4000.0), gpu(4000.0, uuid="GPU-1")))
    assert value(samples, "energy_per_good_request_joules", scope="gpu", engine="") == 1000


@pytest.mark.parametrize(
    "records",
    [
        pytest.param([verdicts(bad=3)], id="none good"),
        pytest.param([verdicts(good=3, unknown=1)], id="one not judged"),
        pytest.param([verdicts(good=3, ended=30.0)], id="too few records"),
        pytest.param([verdicts(good=3), verdicts(good=3, ended=30.0)], id="one engine with too few records"),
    ],
)
def test_an_unknown_energy_per_good_request_is_left_out(records):
    assert "energy_per_good_request_joules" not in names(judged(*records))


def test_an_engine_without_records_leaves_the_servers_good_requests_unknown():
    server = deployment(engine({}), engine({}, name="1"), gpus=[gpu(4000.0)], name="")
    samples = measured(server, served=(served(verdicts(good=3)),), slos=(slo("chat", ttft=0.5),))
    assert "energy_per_good_request_joules" not in names(samples)


def test_good_requests_of_another_server_do_not_count():
    server = deployment(engine({}), gpus=[gpu(4000.0)])
    records = (served(verdicts(good=5)), served(verdicts(good=50), server="b"))
    samples = measured(server, served=records, slos=(slo("chat", ttft=0.5),))
    assert value(samples, "energy_per_good_request_joules") == 800
