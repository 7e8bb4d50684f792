"""Thresholds between bucket bounds, and vLLM's option that would make them bounds."""

import json
import math
import shlex

import pytest

from pentameter.bucket_advice import OffBound, advise
from pentameter.readings import EngineReading, Histogram
from pentameter.slo import Slo

INF = math.inf


def engine(model="llama", **bounds):
    """Return an engine with histograms of these finite bounds."""
    histograms = {key: Histogram((*finite, INF), (0.0,) * (len(finite) + 1), 0.0) for key, finite in bounds.items()}
    return EngineReading(model, "0", {}, {}, histograms)


def test_a_threshold_on_a_bound_needs_no_advice():
    assert advise([Slo("chat", {"ttft": 0.25, "tpot": 0.05})], engine(ttft=(0.1, 0.25), tpot=(0.025, 0.05))) is None


@pytest.mark.parametrize(
    ("threshold", "below", "above", "said"),
    [
        (0.2, 0.1, 0.25, "chat ttft 0.2 s (between 0.1 and 0.25)"),
        (0.05, 0.0, 0.1, "chat ttft 0.05 s (between 0 and 0.1)"),
        (30.0, 0.25, INF, "chat ttft 30 s (highest bound 0.25)"),
    ],
)
def test_a_threshold_between_two_bounds_is_told_with_both(threshold, below, above, said):
    advice = advise([Slo("chat", {"ttft": threshold})], engine(ttft=(0.1, 0.25)))
    assert advice.off == (OffBound("chat", "ttft", threshold, below, above),)
    assert str(advice.off[0]) == said


@pytest.mark.parametrize(
    ("objective", "family"),
    [
        ("ttft", "time_to_first_token"),
        ("tpot", "inter_token_latency"),
        ("inter_token", "inter_token_latency"),
        ("e2e", "request_latency"),
    ],
)
def test_the_option_names_vllms_family_and_keeps_the_bounds_that_there_are(objective, family):
    advice = advise([Slo("chat", {objective: 0.2})], engine(**{objective: (0.1, 0.25, 1.0)}))
    option, value = shlex.split(advice.option)
    assert option == "--custom-histogram-buckets"
    assert json.loads(value) == {family: [0.1, 0.2, 0.25, 1.0]}


def test_the_option_is_what_vllm_0_32_was_seen_to_take():
    advice = advise([Slo("chat", {"ttft": 0.2, "e2e": 7.0})], engine(ttft=(0.1, 0.25, 1.0), e2e=(5.0, 10.0)))
    assert advice.option == (
        '--custom-histogram-buckets \'{"time_to_first_token": [0.1, 0.2, 0.25, 1], "request_latency": [5, 7, 10]}\''
    )


def test_two_objectives_of_one_family_share_its_bounds():
    slos = [Slo("chat", {"tpot": 0.03}), Slo("code", {"inter_token": 0.3, "tpot": 0.05})]
    advice = advise(slos, engine(tpot=(0.025, 0.05), inter_token=(0.025, 0.05)))
    assert advice.buckets == {"inter_token_latency": (0.025, 0.03, 0.05, 0.3)}
    assert [one.slo for one in advice.off] == ["chat", "code"]


def test_a_family_whose_thresholds_are_all_bounds_is_left_alone():
    advice = advise([Slo("chat", {"ttft": 0.25, "tpot": 0.03})], engine(ttft=(0.1, 0.25), tpot=(0.025, 0.05)))
    assert list(advice.buckets) == ["inter_token_latency"]


def test_an_slo_of_another_model_is_not_looked_at():
    assert advise([Slo("chat", {"ttft": 0.2}, model="qwen*")], engine(ttft=(0.1, 0.25))) is None


def test_a_histogram_that_the_page_does_not_show_is_passed_over():
    assert advise([Slo("chat", {"ttft": 0.25, "tpot": 0.03})], engine(ttft=(0.1, 0.25))) is None
