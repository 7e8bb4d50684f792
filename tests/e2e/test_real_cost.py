"""Unit costs of a real vLLM under load: the parts make the whole, and each method is what it says.

Two loads: requests one by one, of which each has the engine for itself, and many at a time, which share it.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import pytest

from e2e.rig.exporter import ExporterProcess
from e2e.rig.load import Load, Plan
from e2e.rig.page import sample
from e2e.rig.vllm import VllmServer
from e2e.rig.waiting import wait_until

pytestmark = pytest.mark.real

DOLLARS_PER_HOUR = 3.6
OUTPUT_RATIO, CACHED_RATIO = 5.0, 0.1
WINDOW = "1h"
"""Longer than an exporter lives here: it holds all since its start."""

SOLO = Plan(requests=25, seconds=60.0, rate=20.0, in_flight=1, prompt_tokens=(100, 900), output_tokens=(8, 40))
CROWD = Plan(
    requests=150, seconds=30.0, rate=12.0, in_flight=16, prompt_tokens=(50, 900), output_tokens=(16, 80), seed=2
)
BUDGET = 256
"""Tokens of a step, so that most prompts take several."""

METHODS = ("gpu_time", "flops", "request_time", "ratio")
COST = "pentameter_cost_per_million_tokens_dollars"
SHARE = "pentameter_cost_input_share_ratio"
RECORDS = "pentameter_request_records_total"
LAST_READ = "pentameter_source_last_success_timestamp_seconds"
OF_REQUESTS = "vllm:request_prefill_time_seconds_sum", "vllm:request_decode_time_seconds_sum"

methods = pytest.mark.parametrize("method", METHODS)


@dataclass(frozen=True)
class Seen:
    """A load, as an exporter saw it that was started before it."""

    page: str
    prefill_seconds: float
    """Of all requests together, by vLLM's own page."""
    decode_seconds: float
    requests: int

    def value(self, name: str, **labels: str) -> float:
        """Return a figure of the window."""
        found = sample(self.page, name, window=WINDOW, **labels)
        assert found is not None, f"{name} {labels} is not on the page"
        return found

    def tokens_per_hour(self, kind: str) -> float:
        """Return millions of tokens per hour."""
        rates = {
            phase: self.value("pentameter_tokens_per_second", phase=phase)
            for phase in ("prompt", "prompt_computed", "generation")
        }
        rate = {
            "input": rates["prompt_computed"],
            "cached_input": rates["prompt"] - rates["prompt_computed"],
            "output": rates["generation"],
            "blended": rates["prompt"] + rates["generation"],
        }[kind]
        return rate * 3600 / 1e6


SOCKET = f"@pentameter-cost-{os.getpid()}"


@pytest.fixture(scope="module")
def server(rig):
    started = VllmServer(plugin=SOCKET, args=["--max-num-batched-tokens", str(BUDGET)])
    try:
        started.start()
        yield started
    finally:
        started.stop()


def look_on(server: VllmServer, plan: Plan) -> Seen:
    """Send a load with a fresh exporter beside the server."""
    exporter = ExporterProcess(
        settings={
            "vllm": {"servers": [{"name": "real", "url": server.url, "gpu_count": 1}]},
            "plugin": {"socket": SOCKET},
            "nvml": {"enabled": False},
            "host": {"enabled": False},
            "slos": [{"name": "any", "e2e_seconds": 600}],
            "economics": {
                "gpu_dollars_per_hour": DOLLARS_PER_HOUR,
                "split": {"output_to_input_ratio": OUTPUT_RATIO, "cached_to_input_ratio": CACHED_RATIO},
            },
        }
    )
    try:
        exporter.start()
        wait_until(
            "Pentameter knows the model",
            lambda: sample(exporter.metrics(), "pentameter_engine_steps_total") is not None,
        )
        before = [sample(server.metrics(), name) or 0.0 for name in OF_REQUESTS]
        totals = Load(server.url, server.model_name, plan).run()
        assert totals.errors == 0
        wait_until(
            "Pentameter has every record",
            lambda: sample(exporter.metrics(), RECORDS, outcome="counted") == totals.requests,
        )
        now = time.time() + 1.0  # the last steps are told a moment after the last records
        wait_until("Pentameter is done", lambda: (sample(exporter.metrics(), LAST_READ, source="vllm") or 0.0) > now)
        after = [sample(server.metrics(), name) or 0.0 for name in OF_REQUESTS]
        prefill, decode = (end - begin for begin, end in zip(before, after, strict=True))
        return Seen(exporter.metrics(), prefill, decode, totals.requests)
    finally:
        exporter.stop()


@pytest.fixture(scope="module")
def both(server):
    return {name: look_on(server, plan) for name, plan in (("solo", SOLO), ("crowd", CROWD))}


loads = pytest.mark.parametrize("load", ["solo", "crowd"])


@loads
@methods
def test_what_input_and_output_cost_is_what_the_server_costs(both, load, method):
    spent = sum(
        (sample(both[load].page, COST, window=WINDOW, tokens=kind, method=method) or 0.0)
        * both[load].tokens_per_hour(kind)
        for kind in ("input", "cached_input", "output")
    )
    assert spent == pytest.approx(DOLLARS_PER_HOUR, rel=1e-9)


@loads
def test_what_all_tokens_cost_is_what_the_server_costs(both, load):
    blended = both[load].value(COST, tokens="blended", method="all_tokens")
    assert blended * both[load].tokens_per_hour("blended") == pytest.approx(DOLLARS_PER_HOUR, rel=1e-9)


@loads
def test_time_of_requests_is_what_vllms_histograms_say(both, load):
    one = both[load]
    expected = one.prefill_seconds / (one.prefill_seconds + one.decode_seconds)
    assert one.value(SHARE, method="request_time") == pytest.approx(expected, rel=1e-9)


def test_of_requests_that_have_the_engine_for_themselves_time_of_requests_and_of_the_gpu_are_one(both):
    solo = both["solo"]
    assert solo.value(SHARE, method="gpu_time") == pytest.approx(solo.value(SHARE, method="request_time"), rel=0.15)


def test_where_many_decode_at_a_time_the_input_bears_more_than_time_of_requests_says(both):
    crowd = both["crowd"]
    assert crowd.value(SHARE, method="gpu_time") > 2 * crowd.value(SHARE, method="request_time")


@loads
def test_requests_cost_together_what_the_server_costs_and_good_ones_as_much(both, load):
    seconds = both[load].value("pentameter_window_coverage_seconds")
    each = both[load].value("pentameter_cost_per_request_dollars")
    assert each * both[load].requests == pytest.approx(DOLLARS_PER_HOUR * seconds / 3600, rel=1e-9)
    good = both[load].value("pentameter_cost_per_good_request_dollars", slo="any")
    rate = both[load].value("pentameter_goodput_requests_per_second", slo="any")
    assert good * rate * 3600 == pytest.approx(DOLLARS_PER_HOUR, rel=1e-9)
