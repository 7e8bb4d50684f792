"""The doctor at the SLOs: thresholds that are no bucket bounds, and what to change."""

import pytest

from examining import NO_GPUS, capture, findings_for, old_page, vllm
from fakes.http_server import ScriptedServer
from given_settings import settings
from pentameter.findings import Finding

OFF = (
    "SLO thresholds between vLLM's bucket bounds: chat ttft 0.2 s (between 0.1 and 0.25), chat e2e 7 s (between 5 and "
    "10). Without request records their whole buckets widen the bounds of the attainment"
)
OPTION = (
    "vllm serve ... --custom-histogram-buckets '"
    '{"time_to_first_token": [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.2, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, '
    '10, 20, 40, 80, 160, 640, 2560], "request_latency": [0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 7, 10, 15, 20, 30, 40, 50, '
    "60, 120, 240, 480, 960, 1920, 7680]}'    # "
)
PLUGIN = "pip install pentameter    # where vLLM is installed: its plugin sends request records, which are exact"


def found(slos, version="0.32.0", metrics=None):
    """Return what is said about SLOs of a server."""
    with ScriptedServer(vllm(metrics or capture("idle"), version)) as server:
        chosen = settings({"vllm": {"servers": [{"url": server.url, "name": "a"}]}, "slos": slos, **NO_GPUS})
        return [one for one in findings_for(chosen) if "SLO threshold" in one.message]


CHAT = {"name": "chat", "ttft_seconds": 0.2, "tpot_seconds": 0.05, "e2e_seconds": 7}


@pytest.mark.parametrize(
    ("version", "fix"),
    [
        ("0.32.0", OPTION + "add what it holds already; or use request records"),
        ("0.33.1", OPTION + "add what it holds already; or use request records"),
        (None, OPTION + "vLLM 0.32 or newer; add what it holds already; or use request records"),
        ("0.31.2", PLUGIN + "; or take bounds as thresholds"),
    ],
)
def test_a_threshold_that_is_no_bound_is_a_warning_with_the_line_for_the_release(version, fix):
    assert found([CHAT], version) == [Finding("warning", "vllm a", OFF, fix)]


def test_thresholds_that_are_bounds_are_fine():
    on_bounds = {"name": "chat", "ttft_seconds": 0.5, "tpot_seconds": 0.05}
    assert found([on_bounds]) == [Finding("ok", "vllm a", "every SLO threshold of ./tiny is a bucket bound")]


def test_several_engines_of_one_model_are_one_finding():
    assert len(found([CHAT], metrics=capture("two-engines"))) == 1


def test_of_a_page_without_histograms_nothing_is_said():
    assert found([CHAT], metrics=old_page("generation_tokens_total")) == []


@pytest.mark.parametrize("slos", [[], [{**CHAT, "model": "another"}]], ids=["none", "of another model"])
def test_without_an_slo_for_the_model_nothing_is_said(slos):
    assert found(slos) == []
