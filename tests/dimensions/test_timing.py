"""Time: latencies from histograms, throughput, queue."""

import math

import pytest

from builders import deployment, engine, names, value, world
from pentameter.dimensions import timing
from pentameter.dimensions.timing import computed_prompt_tokens
from pentameter.readings import Histogram
from pentameter.windows import Interval

INF = math.inf
TTFT = Histogram((0.1, 0.2, 0.4, INF), (4.0, 8.0, 10.0, 10.0), 1.5)


def measured(*engines):
    return list(timing.samples(world(deployment(*engines))))


def test_throughput_is_the_increase_over_the_seconds_covered():
    samples = measured(engine({"generation_tokens": 6000.0, "prompt_tokens": 9000.0}, seconds=60))
    assert value(samples, "tokens_per_second", phase="generation") == 100
    assert value(samples, "tokens_per_second", phase="prompt") == 150


def test_a_server_without_traffic_produces_zero_tokens_per_second():
    assert value(measured(engine({"generation_tokens": 0.0})), "tokens_per_second", phase="generation") == 0


def test_each_window_has_its_own_throughput():
    one = engine({"generation_tokens": 600.0}, seconds=60)
    one.rolled.windows["5m"] = Interval(300.0, {"generation_tokens": 600.0})
    samples = measured(one)
    assert value(samples, "tokens_per_second", window="1m") == 10
    assert value(samples, "tokens_per_second", window="5m") == 2
    assert value(samples, "window_coverage_seconds", window="5m") == 300


def test_each_engine_has_its_own_throughput():
    samples = measured(engine({"generation_tokens": 10.0}), engine({"generation_tokens": 30.0}, name="1"))
    assert value(samples, "tokens_per_second", engine="0") == 1
    assert value(samples, "tokens_per_second", engine="1") == 3


def test_finished_requests_are_counted_whatever_their_reason():
    deltas = {"request_success/stop": 30.0, "request_success/length": 8.0, "request_success/abort": 2.0}
    assert value(measured(engine(deltas, seconds=10)), "requests_per_second") == 4


def test_computed_prompt_tokens_are_what_vllm_says_they_are():
    deltas = {"prompt_tokens": 100.0, "prefix_cache_hits": 7.0, "prompt_tokens_by_source/local_compute": 60.0}
    samples = measured(engine(deltas, seconds=10))
    assert value(samples, "tokens_per_second", phase="prompt_computed") == 6
    assert value(samples, "tokens_per_second", phase="prompt") == 10


def test_before_vllm_0_16_computed_prompt_tokens_are_the_prompt_without_its_cache_hits():
    samples = measured(engine({"prompt_tokens": 100.0, "prefix_cache_hits": 30.0}, seconds=10))
    assert value(samples, "tokens_per_second", phase="prompt_computed") == 7


def test_cache_hits_that_come_before_their_prompt_do_not_make_a_negative_rate():
    assert computed_prompt_tokens(Interval(10.0, {"prompt_tokens": 10.0, "prefix_cache_hits": 40.0})) == 0


def test_without_a_count_of_cache_hits_the_computed_prompt_tokens_are_unknown():
    samples = measured(engine({"prompt_tokens": 100.0}))
    assert value(samples, "tokens_per_second", phase="prompt_computed") is None


def test_the_quantiles_are_read_from_the_curve_of_normal_scores():
    thousand = Histogram((0.1, 0.25, 0.5, 1.0, 2.5, INF), (0.0, 300.0, 700.0, 950.0, 1000.0, 1000.0), 450.0)
    samples = measured(engine({}, histograms={"ttft": thousand}))
    # By SciPy: PchipInterpolator(log(bound), norm.ppf(share)), the outer shares 0.0005 and 0.9995.
    assert value(samples, "ttft_seconds", stat="p50", basis="histogram") == pytest.approx(0.344377413)
    assert value(samples, "ttft_seconds", stat="p90", basis="histogram") == pytest.approx(0.804070319)
    assert value(samples, "ttft_seconds", stat="p95", basis="histogram") == pytest.approx(1.0)
    assert value(samples, "ttft_seconds", stat="p99", basis="histogram") == pytest.approx(1.479872690)
    assert value(samples, "ttft_seconds", stat="mean", basis="histogram") == pytest.approx(0.45)


def test_few_observations_have_no_high_quantile():
    samples = measured(engine({}, histograms={"ttft": TTFT}))
    assert [value(samples, "ttft_seconds", stat=stat) is None for stat in ("p50", "p90", "p95", "p99")] == [
        False,
        False,
        True,
        True,
    ]
    assert value(samples, "ttft_seconds", stat="mean") == pytest.approx(0.15)  # 1.5 s / 10


def test_below_the_lowest_bound_little_but_the_mean_is_known():
    fast = Histogram((0.01, 0.025, INF), (1000.0, 1000.0, 1000.0), 7.0)
    samples = measured(engine({}, histograms={"tpot": fast}))
    assert value(samples, "tpot_seconds", stat="mean") == 0.007
    assert value(samples, "tpot_seconds", stat="p50") is None
    assert value(samples, "tpot_seconds", stat="p90") is None
    # Of a mean of 7 ms the highest hundredth can hold 10 ms at most; without it the mean is still 6.97 ms.
    assert value(samples, "tpot_seconds", stat="p99") == pytest.approx(math.sqrt(0.01 * 0.00696969697))


def test_a_quantile_above_the_highest_finite_bound_is_left_out_and_the_mean_stays():
    samples = measured(engine({}, histograms={"e2e": Histogram((0.5, 1.0, INF), (1.0, 8.0, 10.0), 30.0)}))
    assert 0.5 < value(samples, "e2e_latency_seconds", stat="p50") < 1.0
    assert value(samples, "e2e_latency_seconds", stat="p90") is None
    assert value(samples, "e2e_latency_seconds", stat="mean") == 3


def test_without_an_observation_in_the_window_there_is_no_latency():
    assert names(measured(engine({}, histograms={"ttft": Histogram((1.0, INF), (0.0, 0.0), 0.0)}))) == {
        "window_coverage_seconds"
    }


@pytest.mark.parametrize(
    ("concept", "name"),
    [
        ("ttft", "ttft_seconds"),
        ("tpot", "tpot_seconds"),
        ("inter_token", "inter_token_latency_seconds"),
        ("e2e", "e2e_latency_seconds"),
        ("queue", "queue_time_seconds"),
        ("prefill", "prefill_time_seconds"),
        ("decode", "decode_time_seconds"),
    ],
)
def test_every_latency_comes_from_its_own_histogram(concept, name):
    samples = measured(engine({}, histograms={concept: TTFT}))
    assert names(samples) == {name, "window_coverage_seconds"}
    assert value(samples, name, stat="mean") == pytest.approx(0.15)


def test_the_queue_is_what_the_last_page_says():
    samples = measured(engine(gauges={"running": 3.0, "waiting": 0.0}))
    assert value(samples, "requests_running") == 3
    assert value(samples, "requests_waiting") == 0


def test_before_a_second_scrape_only_the_queue_is_known():
    assert names(measured(engine(gauges={"running": 3.0}))) == {"requests_running"}


def test_what_vllm_does_not_publish_is_left_out():
    assert names(measured(engine({}))) == {"window_coverage_seconds"}


def counted(one):
    return list(timing.increments(world(deployment(one))))


def test_tokens_are_counted_as_vllm_counts_them():
    grown = counted(engine(tick={"prompt_tokens": 300.0, "generation_tokens": 50.0}))
    assert value(grown, "tokens_total", phase="prompt") == 300
    assert value(grown, "tokens_total", phase="generation") == 50


def test_the_count_stays_on_the_page_while_nothing_new_is_read():
    still = counted(engine(counters={"prompt_tokens": 300.0, "generation_tokens": 50.0}))
    assert [sample.value for sample in still] == [0, 0]


def test_tokens_that_vllm_does_not_count_are_no_zero():
    assert {sample.labels[-1] for sample in counted(engine(counters={"generation_tokens": 5.0}))} == {"generation"}
