"""Pentameter beside a real vLLM, read through a real Prometheus."""

from __future__ import annotations

import time

import pytest

from e2e.rig.load import Load, Plan
from e2e.rig.page import mean_between, sample
from e2e.rig.prometheus import promtool_check_metrics

pytestmark = pytest.mark.real

EXACT = 1e-6
"""Relative; only the rounding of a division and its inverse is forgiven."""

IN_WINDOW = (
    'pentameter_tokens_per_second{{phase="{phase}",window="5m"}}'
    " * on (server, model_name, engine, window) group_left ()"
    ' pentameter_window_coverage_seconds{{window="5m"}}'
)
"""Tokens in the window: the rate times the seconds that it really covers."""


def test_the_client_and_vllm_agree_on_the_tokens_of_the_load(loaded):
    """The rig itself is sound: otherwise nothing below means anything."""

    def counted(name):
        return (sample(loaded.vllm_after, name) or 0.0) - (sample(loaded.vllm_before, name) or 0.0)

    assert loaded.totals.errors == 0
    assert loaded.totals.requests == 150
    assert counted("vllm:generation_tokens_total") == loaded.totals.completion_tokens
    assert counted("vllm:prompt_tokens_total") == loaded.totals.prompt_tokens


def test_the_generated_tokens_in_the_window_are_those_that_the_client_received(watched, loaded):
    generated = watched.one(IN_WINDOW.format(phase="generation"))
    assert generated == pytest.approx(loaded.totals.completion_tokens, rel=EXACT)


def test_the_prompt_tokens_in_the_window_are_those_that_the_client_sent(watched, loaded):
    prompted = watched.one(IN_WINDOW.format(phase="prompt"))
    assert prompted == pytest.approx(loaded.totals.prompt_tokens, rel=EXACT)


def test_the_requests_in_the_window_are_those_that_the_client_made(watched, loaded):
    finished = watched.one(
        'pentameter_requests_per_second{window="5m"} * on (server, model_name, engine, window)'
        ' pentameter_window_coverage_seconds{window="5m"}'
    )
    assert finished == pytest.approx(loaded.totals.requests, rel=EXACT)


@pytest.mark.parametrize(
    ("metric", "vllm_histogram"),
    [
        ("pentameter_ttft_seconds", "vllm:time_to_first_token_seconds"),
        ("pentameter_tpot_seconds", "vllm:request_time_per_output_token_seconds"),
        ("pentameter_inter_token_latency_seconds", "vllm:inter_token_latency_seconds"),
        ("pentameter_e2e_latency_seconds", "vllm:e2e_request_latency_seconds"),
    ],
)
def test_a_rolling_mean_is_the_mean_of_vllms_own_counters(watched, loaded, metric, vllm_histogram):
    mean = watched.one(f'{metric}{{stat="mean",basis="histogram",window="5m"}}')
    expected = mean_between(loaded.vllm_before, loaded.vllm_after, vllm_histogram)
    assert mean == pytest.approx(expected, rel=EXACT)


def test_rolling_figures_say_server_model_engine_and_window(watched, loaded):
    [(labels, _)] = watched.prometheus.query('pentameter_tokens_per_second{phase="generation",window="5m"}')
    assert labels["server"] == watched.vllm.url.removeprefix("http://")
    assert (labels["model_name"], labels["engine"], labels["window"]) == ("tiny-llama", "0", "5m")


def test_no_request_is_left_running_or_waiting_after_the_load(watched, loaded):
    assert watched.one("pentameter_requests_running") == 0.0
    assert watched.one("pentameter_requests_waiting") == 0.0


def test_promtool_has_nothing_to_say_about_the_page(loaded):
    assert promtool_check_metrics(loaded.exporter_after) == (0, "")


def test_promtool_would_have_something_to_say_about_a_bad_page(rig):
    status, output = promtool_check_metrics("# HELP no_total A counter.\n# TYPE no_total counter\nother 1\n")
    assert (status, "no help text" in output) == (3, True)


def test_no_read_of_vllm_fails_under_load(loaded):
    def failures(page):
        return sample(page, "pentameter_source_failures_total", source="vllm") or 0.0

    assert failures(loaded.exporter_before) == failures(loaded.exporter_after) == 0.0


def test_every_scrape_of_the_exporter_succeeded(watched, loaded):
    instance = watched.exporter.address
    assert watched.one(f'min_over_time(up{{instance="{instance}"}}[5m])') == 1.0


def test_a_killed_and_restarted_vllm_shows_as_down_and_up_and_earns_no_absurd_rate(watched, loaded):
    """Runs last: it kills the server that all share, and starts it again on the same port."""
    began = time.time()
    load = Load(watched.vllm.url, watched.vllm.model_name, Plan(requests=60, seconds=10.0, rate=10.0, seed=2))
    load.start()
    watched.wait_for_a_read_after(began + 2.0)
    try:
        watched.vllm.kill()
        load.stop()
        watched.wait_for_vllm(up=False)
        rate_while_down = watched.prometheus.query("pentameter_tokens_per_second")
    finally:
        watched.vllm.start()
    watched.wait_for_vllm(up=True)
    second = Load(watched.vllm.url, watched.vllm.model_name, Plan(requests=30, seconds=30.0, rate=10.0, seed=3))
    totals = second.run()
    watched.wait_for_a_read_after(time.time())
    ended = time.time()

    assert totals.errors == 0
    assert any(record.error for record in load.records), "the kill came too late to cut an answer off"
    assert rate_while_down == []
    assert changes(watched, 'max(pentameter_source_up{source="vllm"})', began, ended) == [1.0, 0.0, 1.0]

    asked = loaded.totals.completion_tokens + load.tokens_asked() + second.tokens_asked()
    generated = values(watched, IN_WINDOW.format(phase="generation"), began, ended)
    assert min(generated) >= 0.0
    assert max(generated) <= asked * (1 + EXACT)
    # Nothing of the new process is lost: what it did before its first scrape counts too.
    assert generated[-1] >= (loaded.totals.completion_tokens + totals.completion_tokens) * (1 - EXACT)
    rates = values(watched, "pentameter_tokens_per_second", began, ended)
    assert min(rates) >= 0.0


def values(watched, promql, start, end):
    """Return every value that a query has over a time, whatever the series."""
    return [value for _, points in watched.prometheus.query_range(promql, start, end) for _, value in points]


def changes(watched, promql, start, end):
    """Return the values of a query over a time, each run of equal ones once."""
    found = values(watched, promql, start, end)
    return [value for i, value in enumerate(found) if i == 0 or value != found[i - 1]]
