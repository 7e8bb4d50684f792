"""The commands as processes: the demo moves, a taken port is said clearly, and SIGTERM ends everything soon."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fakes.http_server import ScriptedServer, page
from fakes.nvml_fake import FakeNvml
from pentameter.catalogue import CATALOGUE
from pentameter.metric import Dimension

NOWHERE = "http://127.0.0.1:9"
PAGE = Path(__file__).parent / "captures" / "vllm-0.32.0-mfu.txt"

START_SECONDS = 30.0
MOVE_SECONDS = 20.0
"""Bounds, not expectations: a busy machine may take long, a test must not take for ever."""
END_SECONDS = 8.0

IMPOSSIBLE = {
    "pentameter_source_absent",  # in the demo everything is there
    "pentameter_model_unknown",  # and its model is known
    # Nobody is asked about the grid, and nobody said what was bought.
    "pentameter_grid_intensity_age_seconds",
    "pentameter_grid_marginal_intensity_grams_per_kwh",
    "pentameter_market_intensity_grams_per_kwh",
    "pentameter_market_carbon_grams_total",
    # What is learnt takes half an hour of traffic.
    "pentameter_goodput_capacity_requests_per_second",
    "pentameter_goodput_capacity_per_gpu_requests_per_second",
    "pentameter_goodput_capacity_constraint_info",
    "pentameter_goodput_capacity_highest_rate_requests_per_second",
    "pentameter_goodput_capacity_dispersion_ratio",
    "pentameter_goodput_load_ratio",
    "pentameter_energy_per_phase_token_joules",
    "pentameter_energy_per_phase_token_error_joules",
    "pentameter_energy_split_idle_watts",
    "pentameter_energy_split_fit_ratio",
    "pentameter_energy_split_condition",
    "pentameter_cost_per_million_tokens_at_capacity_dollars",
    "pentameter_break_even_utilization_ratio",
    # What changes takes days.
    "pentameter_cost_drift_ratio",
    "pentameter_energy_drift_ratio",
    "pentameter_carbon_drift_ratio",
    "pentameter_cost_at_capacity_drift_ratio",
    "pentameter_load_matched_ratio",
    "pentameter_load_matched_periods",
    "pentameter_load_table_days",
    # Its price is configured, and it has no adapters.
    "pentameter_gpu_price_as_of_timestamp_seconds",
    "pentameter_gpu_price_unknown",
    "pentameter_adapter_cost_dollars_total",
}
CONSTANT = {
    "pentameter_kv_cache_capacity_tokens",  # fixed when vLLM starts, like the next two
    "pentameter_gpu_memory_used_bytes",
    "pentameter_gpu_memory_total_bytes",
    "pentameter_gpu_memory_overhead_bytes",
    # What the model is and takes, and what the GPU can do.
    "pentameter_model_info",
    "pentameter_model_parameters",
    "pentameter_weights_bytes",
    "pentameter_weights_per_gpu_bytes",
    "pentameter_kv_cache_bytes_per_token",
    "pentameter_quantization_weights_bytes",
    "pentameter_gpu_peak_flops_per_second",
    "pentameter_gpu_peak_memory_bandwidth_bytes_per_second",
    "pentameter_roofline_ridge_flops_per_byte",
    "pentameter_roofline_bound",  # prefill stays limited by compute, decode by memory
    "pentameter_kv_cache_waste_reference_ratio",
    "pentameter_gpu_power_limit_watts",
    "pentameter_gpu_throttled_seconds_total",  # the simulated day stays below it
    "pentameter_gpu_temperature_celsius",  # in whole degrees, of which some seconds are not worth one
    # The simulated day never idles, sleeps or loses its counter.
    "pentameter_idle_energy_joules_total",
    "pentameter_asleep_energy_joules_total",
    "pentameter_unobserved_energy_joules_total",
    "pentameter_energy_split_known",
    "pentameter_gpu_energy_info",
    "pentameter_gpu_energy_anomalies_total",
    "pentameter_grid_intensity_grams_per_kwh",
    "pentameter_grid_resolution_info",
    "pentameter_grid_intensity_quality",
    "pentameter_other_grid_intensity_grams_per_kwh",
    "pentameter_carbon_scope_info",
    "pentameter_embodied_carbon_grams",
    "pentameter_embodied_lifetime_seconds",
    "pentameter_cost_per_hour_dollars",
    "pentameter_idle_cost_per_hour_dollars",
    "pentameter_idle_cost_dollars_total",
    "pentameter_asleep_cost_dollars_total",
    "pentameter_unobserved_cost_dollars_total",
    "pentameter_warmup_cost_dollars_total",
    "pentameter_gpu_price_per_hour_dollars",
    "pentameter_gpu_price_info",
    "pentameter_price_table_as_of_timestamp_seconds",
    "pentameter_api_price_dollars_per_million_tokens",
    "pentameter_tokens_per_thousand_words",
    "pentameter_language_extra_cost_ratio",
    "pentameter_slo_target_ratio",
    "pentameter_slo_threshold_seconds",
    "pentameter_slo_policy_info",
    "pentameter_goodput_capacity_state",
    "pentameter_goodput_capacity_windows",
    "pentameter_request_record_coverage_ratio",  # no record is lost
    "pentameter_requests_stalled_seconds",  # never 0 for long enough to be seen as anything else
}


class Running:
    """A command that serves; the port is read from its log."""

    def __init__(self, process):
        self.process = process
        self.log = []
        for line in process.stderr:
            self.log.append(line)
            if found := re.search(r"listening on (\S+)$", line):
                self.url = f"http://{found[1]}"
                until(self.answers, START_SECONDS)
                return
        pytest.fail(f"it ended before it listened: {''.join(self.log)}")

    def answers(self):
        try:
            return self.page()
        except OSError:
            return None

    def page(self):
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=5) as answer:
            return answer.read().decode()

    def samples(self):
        """Return (family, sample name, labels) -> value."""
        return {
            (family.name, sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(self.page())
            for sample in family.samples
        }

    def end(self):
        """Send SIGTERM; return the exit status, and fail when there is none soon."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(END_SECONDS)
        self.log += self.process.stderr.readlines()
        return status


@contextlib.contextmanager
def running(*arguments, nvml=None):
    command = [sys.executable, "-m", "pentameter"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PENTAMETER_")}
    if nvml is not None:
        environment |= nvml.environment()
    else:
        environment["PENTAMETER_NVML__ENABLED"] = "false"
    command += [*arguments, "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    with process:
        try:
            yield Running(process)
        finally:
            process.kill()


def until(condition, seconds=MOVE_SECONDS):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def test_in_the_demo_every_metric_has_a_value_and_whatever_can_move_moves():
    names = {metric.name for metric in CATALOGUE} - IMPOSSIBLE
    moving = {m.name for m in CATALOGUE if m.dimension is not Dimension.HEALTH} - CONSTANT - IMPOSSIBLE
    with running("demo") as demo:
        seen = {}
        moved = set()

        def everything_moved():
            for key, value in demo.samples().items():
                if seen.setdefault(key, value) != value:
                    moved.update(key[:2])
            return names <= shown() and moving <= moved

        def shown():
            """Return names of families and of samples: of a histogram the first is ours, of a counter the second."""
            return {name for key in seen for name in key[:2]}

        with contextlib.suppress(AssertionError):
            until(everything_moved)
        assert names - shown() == set(), "without a value"
        assert moving - moved == set(), "without a move"
        assert demo.end() == 0
    log = "".join(demo.log)
    assert re.search(r"simulating h100-8b at http://127\.0\.0\.1:\d+\n", log)
    examples = "{'economics': {'gpu_dollars_per_hour': 2.5, 'split': {"
    assert f"for the example only: {examples}" in log
    assert "Traceback" not in log


def test_the_demo_of_a_real_server_simulates_and_invents_nothing():
    vllm = ScriptedServer({"/metrics": page(PAGE.read_bytes())})
    with vllm, running("demo", "--vllm-url", vllm.url) as demo:
        server = vllm.url.removeprefix("http://")
        up = f'pentameter_source_up{{reason="",server="{server}",source="vllm"}} 1.0'
        until(lambda: up in demo.page())
        text = demo.page()
        assert demo.end() == 0
    assert "simulat" not in text + "".join(demo.log)
    assert "pentameter_cost_per_hour_dollars{" not in text
    assert "pentameter_grid_intensity_grams_per_kwh{" not in text


def test_sigterm_ends_serve_soon_and_well():
    with running("serve", "--vllm-url", NOWHERE) as serve:
        until(lambda: 'reason="unreachable"' in serve.page())
        assert serve.end() == 0
    assert "Traceback" not in "".join(serve.log)


def test_sigterm_ends_serve_soon_although_a_driver_call_does_not_return(tmp_path_factory):
    nvml = FakeNvml.for_tests(tmp_path_factory)
    nvml.hang("nvmlDeviceGetTotalEnergyConsumption", 60_000)
    with running("serve", "--vllm-url", NOWHERE, nvml=nvml) as serve:
        until(lambda: 'reason="unreachable"' in serve.page())
        # The first reads began together: vLLM's has ended, and this one hangs.
        assert 'pentameter_source_up{reason="starting",server="",source="nvml"} 0.0' in serve.page()
        assert serve.end() == 0
    assert "Traceback" not in "".join(serve.log)


def finished(*arguments, **options):
    """Run a command to its end."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PENTAMETER_")}
    command = [sys.executable, "-m", "pentameter", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=START_SECONDS, check=False)


def test_a_port_in_use_is_said_without_a_traceback():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = finished("serve", "--vllm-url", NOWHERE, "--listen", listen)
    assert ended.returncode == 1
    assert ended.stderr == (
        f"pentameter: cannot listen on {listen}: Address already in use; choose another address with --listen\n"
    )
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("arguments", [["check"], ["once", "--vllm-url", NOWHERE, "--seconds", "0.1"]])
def test_a_reader_that_goes_away_is_no_error_worth_a_traceback(arguments):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PENTAMETER_")}
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, "-m", "pentameter", *arguments]
    try:
        ended = subprocess.run(
            command,
            stdout=write_end,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            timeout=START_SECONDS,
            check=False,
        )
    finally:
        os.close(write_end)
    assert ended.returncode == 1
    assert "BrokenPipeError" not in ended.stderr
    assert "Broken pipe" not in ended.stderr
