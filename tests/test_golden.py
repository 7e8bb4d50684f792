"""Whole pages, from what a real vLLM said to what we say: ``pytest --update-golden`` writes them anew.

Read the difference before you accept it: these pages are what users see.
"""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

import scenario
from builders import found, value
from pentameter.dimensions.economics import BY_STATE, COST
from pentameter.exposition import SnapshotCollector

HERE = Path(__file__).parent
PAGES = sorted((HERE / "captures").glob("*.txt"))
GOLDEN = HERE / "golden"

FULL = "vllm-0.32.0-mfu.full"
"""The page beside which everything else is there too: request records, SLOs, a known model."""

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def golden_file(page):
    return GOLDEN / f"{page.stem}.metrics"


def rendered(snapshot):
    """Return the page without the figures of our own process, which no two runs share."""
    registry = CollectorRegistry()
    registry.register(SnapshotCollector(lambda: snapshot))
    return generate_latest(registry)


def vllm_total(page, name):
    """Return what a vLLM page counts in all, by prometheus_client's parser."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(page.read_text())
        for sample in family.samples
        if sample.name.removeprefix("ray_") in (f"vllm:{name}", f"vllm_{name}") and "server" not in sample.labels
    )


@each_page
def test_the_page_is_byte_for_byte_the_golden_one(page, request):
    made, golden = rendered(scenario.played(page.read_text())), golden_file(page)
    if request.config.getoption("--update-golden"):
        golden.write_bytes(made)
    assert golden.exists(), f"{golden.name} is not there yet: run pytest --update-golden and read it"
    assert made.decode().splitlines() == golden.read_text().splitlines()
    assert made == golden.read_bytes()


def full_page():
    return scenario.played((HERE / "captures" / "vllm-0.32.0-mfu.txt").read_text(), records=True)


def test_the_page_with_everything_on_it_is_byte_for_byte_the_golden_one(request):
    made, golden = rendered(full_page()), GOLDEN / f"{FULL}.metrics"
    if request.config.getoption("--update-golden"):
        golden.write_bytes(made)
    assert made.decode().splitlines() == golden.read_text().splitlines()
    assert made == golden.read_bytes()


def test_on_the_page_with_everything_the_phases_add_up_and_so_does_the_cache():
    samples = full_page().samples
    for name, labels in (
        ("mfu_ratio", {}),
        ("mbu_ratio", {}),
        ("model_flops_total", {}),
        ("memory_read_bytes_total", {"what": "weights"}),
        ("memory_read_bytes_total", {"what": "kv"}),
        ("memory_written_bytes_total", {"what": "kv"}),
    ):
        parts = [value(samples, name, phase=phase, basis="model", **labels) for phase in ("prefill", "decode", "all")]
        assert parts[0] + parts[1] == pytest.approx(parts[2])
        assert min(parts) > 0
    states = {state: value(samples, "kv_cache_bytes", state=state) for state in ("allocated", "live", "wasted")}
    assert states["live"] + states["wasted"] == pytest.approx(states["allocated"])
    # vLLM's own figure, kv_cache_memory_bytes
    assert value(samples, "kv_cache_bytes", state="capacity") == 1_073_741_824


def test_no_golden_page_has_lost_its_capture():
    assert {golden.stem for golden in GOLDEN.glob("*.metrics")} <= {*(page.stem for page in PAGES), FULL}


@each_page
def test_promtool_has_nothing_to_say_against_it(page, promtool):
    assert promtool(golden_file(page).read_bytes()) == ""


@each_page
def test_every_rate_is_vllms_counter_over_ten_seconds(page):
    samples = scenario.played(page.read_text()).samples
    for phase, counter in (("generation", "generation_tokens_total"), ("prompt", "prompt_tokens_total")):
        assert sum(found(samples, "tokens_per_second", phase=phase)) == pytest.approx(vllm_total(page, counter) / 10)
    finished = sum(found(samples, "requests_per_second"))
    assert finished == pytest.approx(vllm_total(page, "request_success_total") / 10)


@each_page
def test_the_figures_agree_with_one_another(page):
    samples = scenario.played(page.read_text()).samples
    output, prompt = (sum(found(samples, "tokens_per_second", phase=phase)) for phase in ("generation", "prompt"))
    # The two GPUs used 8000 J in the ten seconds, at 588.6 g/kWh, and cost 3.60 dollars an hour.
    assert value(samples, "energy_joules_total") == sum(found(samples, "gpu_energy_joules_total")) == 8000
    assert value(samples, "energy_per_token_joules", tokens="generated") * output == pytest.approx(800)
    assert value(samples, "energy_per_token_joules", tokens="all") * (output + prompt) == pytest.approx(800)
    assert value(samples, "carbon_grams_total") == pytest.approx(8000 / 3_600_000 * 588.6)
    assert value(samples, "carbon_per_token_grams") * output * 10 == pytest.approx(value(samples, "carbon_grams_total"))
    assert value(samples, "cost_dollars_total") == pytest.approx(0.01)
    of_output, blended = (
        value(samples, "cost_per_million_tokens_dollars", tokens=which, method=method)
        for which, method in (("output", "output_only"), ("blended", "all_tokens"))
    )
    assert of_output * output * 10 / 1e6 == pytest.approx(0.01)
    assert blended * (output + prompt) * 10 / 1e6 == pytest.approx(0.01)


@each_page
def test_no_share_is_below_zero_or_above_one_and_no_more_is_computed_than_asked(page):
    samples = scenario.played(page.read_text()).samples
    # One counter over another may be above 1.
    shares = [s for s in samples if s.metric.name.endswith("_ratio") and not s.metric.name.endswith("_audit_ratio")]
    assert [s for s in shares if not 0 <= s.value <= 1] == []
    asked, computed = (sum(found(samples, "tokens_per_second", phase=p)) for p in ("prompt", "prompt_computed"))
    assert computed <= asked


def test_counters_stay_on_the_page_while_nothing_new_is_read():
    meter = scenario.metered((HERE / "captures" / "vllm-0.32.0-mfu.txt").read_text())

    with_time = {COST, *BY_STATE.values()}

    def counters(seconds):
        samples = meter.measure(scenario.END + seconds, 0.0).samples
        return {s.key: s.value for s in samples if s.metric.kind == "counter" and s.metric not in with_time}

    at_once = counters(0.0)
    assert len({name for name, _ in at_once}) > 5
    assert counters(0.5) == at_once
    assert counters(1.0) == at_once


def test_cached_blocks_are_not_taken_for_cached_tokens():
    samples = scenario.played((HERE / "captures" / "vllm-0.8.5-v1.written.txt").read_text()).samples
    # Of 5040 prompt tokens 256 came from the cache, which this release counts as 16 blocks.
    assert value(samples, "tokens_per_second", phase="prompt_computed") in (None, pytest.approx(478.4))
