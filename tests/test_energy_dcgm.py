"""A dcgm-exporter's page drives the same figures as NVML."""

import pytest

from builders import H100, POLAND, rented, value
from fakes.http_server import ScriptedServer, page
from pentameter.meter import Meter
from pentameter.readings import EngineReading, VllmReading
from pentameter.server_plan import ServerPlan
from pentameter.sources.dcgm import DcgmSource
from pentameter.windows import Window

BOARD = "GPU-11111111-aaaa-4bbb-8ccc-000000000000"
WINDOWS = (Window("5m", 300.0),)
STEP = 30.0
WATTS = 600.0


def shown(time):
    """Return the exporter's page at a moment: 600 W, the memory active 40 % of the time."""
    about = f'gpu="0",UUID="{BOARD}",device="nvidia0",modelName="{H100.nvml_names[0]}",Hostname="node-1"'
    rows = {
        "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": ("counter", round(1e9 + WATTS * time * 1000)),
        "DCGM_FI_DEV_POWER_USAGE": ("gauge", WATTS),
        # No two pages are alike, or the second would be the first once more.
        "DCGM_FI_DEV_GPU_TEMP": ("gauge", 40 + time / STEP),
        "DCGM_FI_PROF_DRAM_ACTIVE": ("gauge", 0.4),
        "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": ("gauge", 0.2),
    }
    return page("".join(f"# TYPE {name} {kind}\n{name}{{{about}}} {number}\n" for name, (kind, number) in rows.items()))


@pytest.fixture(scope="module")
def samples():
    """Return what is said after five minutes of a page every thirty seconds."""
    now = 0.0
    meter = Meter(
        WINDOWS,
        [ServerPlan("a", (BOARD,), cost=rented(2.0))],
        find_spec={H100.nvml_names[0]: H100}.get,
        grid=POLAND,
    )
    with ScriptedServer({}) as server:
        source = DcgmSource(server.url)
        fetch = source._client.get

        def get(path):
            answer = fetch(path)
            return type(answer)(answer.body, answer.content_type, now, now)

        source._client.get = get
        for second in range(0, 301, 5):
            now = float(second)
            server.answers["/metrics"] = shown(now // STEP * STEP)
            counters = {"generation_tokens": 100.0 * now, "prompt_tokens": 0.0}
            engine = EngineReading("m", "0", counters, {"running": 1.0}, {})
            meter.take_vllm(VllmReading("a", now, now, 1.0, (engine,), {}))
            meter.take_gpus(source.read(), "dcgm")
            snapshot = meter.measure(now, now)
        source.close()
    return snapshot.samples


def test_the_joules_are_those_of_the_pages(samples):
    # 600 W for 300 s.
    assert value(samples, "energy_joules_total", component="gpu", basis="measured") == pytest.approx(180_000, rel=1e-6)


def test_joules_per_token_and_grams_follow(samples):
    per_token = value(samples, "energy_per_token_joules", tokens="generated", scope="gpu")
    assert per_token == pytest.approx(6.0, rel=0.02)
    # 0.05 kWh x 588.6 g/kWh
    assert value(samples, "carbon_grams_total", kind="operational") == pytest.approx(29.43, rel=1e-3)


def test_the_hardwares_own_shares_are_the_measured_mbu_and_mfu(samples):
    assert value(samples, "mbu_ratio", basis="measured") == pytest.approx(0.4)
    assert value(samples, "mfu_ratio", basis="measured") == pytest.approx(0.2)


def test_who_speaks_is_told(samples):
    [info] = [sample for sample in samples if sample.metric.name == "pentameter_gpu_info"]
    assert dict(zip(info.metric.labels, info.labels, strict=True))["source"] == "dcgm"
