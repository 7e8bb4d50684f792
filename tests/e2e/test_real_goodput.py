"""Attainment, goodput and quantiles beside vLLM's own benchmark client, on the same requests of a real vLLM."""

from __future__ import annotations

import pytest

from e2e.rig.page import sample
from e2e.rig.prometheus import promtool_check_metrics
from e2e.rig.timings import Threshold, good, order_statistic
from e2e.rig.watched_load import LEVELS, SLOS, WINDOW, WITH_RECORDS, Observatory

pytestmark = pytest.mark.real

POINT = 0.01
"""The most that our attainment may differ from the client's."""

ROUNDING = 1e-9
"""Bound and share are quotients of the same counts, worked out in different orders."""

SLO_NAMES = [name for name, _, _ in SLOS]
CLIENTS_SLO = "middle"
"""The one that the client judges by too."""

RAW = {"plugin": "plugin", "otlp": "otlp", "both": "plugin"}
"""Exporter -> whose raw records it saw (``both``: they are the same)."""

levels = pytest.mark.parametrize("level", LEVELS)
recorders = pytest.mark.parametrize("exporter", WITH_RECORDS)


@pytest.fixture(scope="module")
def observatory(rig):
    everything = Observatory()
    try:
        everything.start()
        yield everything
    finally:
        everything.stop()


@pytest.fixture(scope="module")
def calibration(observatory):
    return observatory.calibrate()


@pytest.fixture(scope="module")
def runs(observatory, calibration):
    """One load per level; the client judges by one of the SLOs, with the offset of the calibration granted to it."""
    threshold = calibration.thresholds[CLIENTS_SLO]
    goodput = {"ttft": threshold.ttft + calibration.ttft_offset, "tpot": threshold.tpot}
    return {level: observatory.watch_level(calibration, level, goodput) for level in LEVELS}


@pytest.fixture
def seen(runs, level):
    return runs[level]


def verdicts(page, slo):
    """Return the good and the bad requests that an exporter counted."""
    good_and_bad = [sample(page, "pentameter_slo_requests_total", slo=slo, verdict=word) for word in ("good", "bad")]
    assert None not in good_and_bad
    return good_and_bad


def attainment(page, slo, bound="exact"):
    return sample(page, "pentameter_slo_attainment_ratio", slo=slo, bound=bound, window=WINDOW)


def finished_on_the_page(page):
    """Return how many requests the last vLLM page that an exporter read had counted since its first."""
    rate = sample(page, "pentameter_requests_per_second", window=WINDOW)
    requests = rate * sample(page, "pentameter_window_coverage_seconds", window=WINDOW)
    assert requests == pytest.approx(round(requests), abs=1e-6)
    return round(requests)


@levels
def test_the_client_the_plugin_and_the_spans_tell_of_the_same_requests(seen, level):
    """The rig itself is sound: otherwise nothing below means anything."""
    assert seen.client.errors == 0
    assert seen.lost == 0
    tokens = {name: timing.output_tokens for name, timing in seen.client.timings.items()}
    assert len(tokens) >= 30
    for records in seen.records.values():
        assert {name: timing.output_tokens for name, timing in records.items()} == tokens


def test_the_levels_are_what_they_are_called(runs):
    """On a machine whose speed others decide about too, what is certain is the order."""
    light, knee, overload = (runs[level].shares() for level in ("light", "knee", "overload"))
    assert sum(light) >= sum(knee) >= sum(overload)
    assert sum(light) > sum(overload)


@levels
def test_plugin_and_span_agree_on_every_ttft_and_tpot_to_the_bit(seen, level):
    assert seen.records["plugin"] == seen.records["otlp"]


@levels
@recorders
def test_every_request_is_counted_and_judged_once(seen, level, exporter):
    page, sent = seen.last(exporter), len(seen.client.timings)
    assert sample(page, "pentameter_request_records_total", outcome="counted") == sent
    assert [sum(verdicts(page, slo)) for slo in SLO_NAMES] == [sent] * len(SLO_NAMES)
    assert sample(page, "pentameter_request_record_coverage_ratio", window=WINDOW) == 1.0


@levels
def test_with_plugin_and_spans_at_once_each_request_comes_twice_and_one_of_the_two_is_a_duplicate(seen, level):
    page, sent = seen.last("both"), len(seen.client.timings)
    for source in ("plugin", "otlp"):
        assert sample(page, "pentameter_request_records_total", source=source, outcome="accepted") == sent
    assert sample(page, "pentameter_request_records_total", outcome="duplicate") == sent


@levels
@recorders
@pytest.mark.parametrize("slo", SLO_NAMES)
def test_the_verdicts_are_those_that_the_raw_records_give(seen, level, exporter, slo):
    expected = good(seen.records[RAW[exporter]].values(), seen.thresholds[slo])
    page, sent = seen.last(exporter), len(seen.client.timings)
    assert verdicts(page, slo) == [expected, sent - expected]
    assert attainment(page, slo) == pytest.approx(expected / sent, abs=1e-12)
    assert sample(page, "pentameter_slo_score_ratio_bucket", slo=slo, le="1.0") == expected


@levels
@recorders
@pytest.mark.parametrize("slo", SLO_NAMES)
def test_attainment_is_the_clients_within_a_point_once_the_offset_in_ttft_is_taken_off(seen, level, exporter, slo):
    least, most = (count / len(seen.client.timings) for count in seen.clients_good(RAW[exporter], seen.thresholds[slo]))
    assert least - POINT <= attainment(seen.last(exporter), slo) <= most + POINT


@levels
def test_the_client_judges_as_the_rig_does(seen, level, calibration):
    """Its own goodput is its own timings against its own thresholds: the comparison above is with its verdicts."""
    judged = good(seen.client.timings.values(), seen.thresholds[CLIENTS_SLO], calibration.ttft_offset)
    assert seen.client.goodput * seen.client.duration == pytest.approx(judged, abs=1.0)


@levels
@recorders
def test_goodput_is_the_clients_within_a_point_of_the_throughput(seen, level, exporter):
    served, _ = verdicts(seen.last(exporter), CLIENTS_SLO)
    least, most = seen.clients_good(RAW[exporter], seen.thresholds[CLIENTS_SLO])
    slack = POINT * len(seen.client.timings)
    assert least - slack <= served <= most + slack


@levels
@recorders
@pytest.mark.parametrize("slo", SLO_NAMES)
def test_the_goodput_gauge_is_the_good_requests_over_the_time_watched(seen, level, exporter, slo):
    served, _ = verdicts(seen.last(exporter), slo)
    rate = sample(seen.last(exporter), "pentameter_goodput_requests_per_second", slo=slo, window=WINDOW)
    shortest, longest = seen.lifetimes[exporter]
    assert served / longest <= rate <= served / shortest


@levels
@recorders
@pytest.mark.parametrize("latency", ["ttft", "tpot"])
@pytest.mark.parametrize(("stat", "q"), [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)])
def test_a_quantile_is_that_of_the_raw_records_within_two_percent(seen, level, exporter, latency, stat, q):
    values = [getattr(timing, latency) for timing in seen.records[RAW[exporter]].values()]
    page, name = seen.last(exporter), f"pentameter_{latency}_seconds"
    said = sample(page, name, stat=stat, basis="requests", window=WINDOW)
    if round(len(values) * (1 - q), 6) < 1:
        assert said is None
    else:
        assert said == pytest.approx(order_statistic(values, q), rel=0.02)


@levels
@recorders
@pytest.mark.parametrize("latency", ["ttft", "tpot"])
def test_the_aggregatable_histogram_counts_exactly_at_every_threshold(seen, level, exporter, latency):
    page = seen.last(exporter)
    values = [getattr(timing, latency) for timing in seen.records[RAW[exporter]].values()]
    for threshold in seen.thresholds.values():
        bound = getattr(threshold, latency)
        kept = sum(value <= bound for value in values)
        assert sample(page, f"pentameter_request_{latency}_seconds_bucket", le=repr(bound)) == kept


@levels
@pytest.mark.parametrize("exporter", [*WITH_RECORDS, "histograms"])
@pytest.mark.parametrize("slo", SLO_NAMES)
def test_at_every_scrape_the_bounds_hold_the_truth_about_the_requests_on_vllms_page(seen, level, exporter, slo):
    """vLLM counts requests as they finish, so the first n of them are those that its page held."""
    raw = [seen.records["plugin"][name] for name in seen.finishing_order]
    bounded = 0
    for page in seen.scrapes[exporter]:
        lower, upper = attainment(page, slo, "lower"), attainment(page, slo, "upper")
        if lower is not None:
            requests = finished_on_the_page(page)
            share = good(raw[:requests], seen.thresholds[slo]) / requests
            assert lower - ROUNDING <= share <= upper + ROUNDING
            bounded += 1
    assert bounded >= 3


@levels
@recorders
@pytest.mark.parametrize("slo", SLO_NAMES)
def test_once_all_have_finished_the_exact_value_lies_within_the_bounds_beside_it(seen, level, exporter, slo):
    lower, exact, upper = (attainment(seen.last(exporter), slo, bound) for bound in ("lower", "exact", "upper"))
    assert lower - ROUNDING <= exact <= upper + ROUNDING


@levels
def test_without_records_nothing_is_called_exact(seen, level):
    page = seen.last("histograms")
    assert sample(page, "pentameter_slo_attainment_ratio", bound="exact") is None
    assert sample(page, "pentameter_goodput_requests_per_second") is None
    assert sample(page, "pentameter_ttft_seconds", basis="requests") is None


@levels
def test_no_client_reads_its_first_token_sooner_than_the_record_says(seen, level):
    """The offset is the way there and back: what is taken off the client's figures above is a delay of its own."""
    for source in seen.records:
        assert min(seen.ttft_offsets(source)) > 0.0


def test_a_wrong_threshold_would_be_noticed(runs):
    """A TPOT that half as many requests keep is another SLO: the comparison above has teeth near the knee."""
    seen = runs["knee"]
    said = attainment(seen.last("plugin"), CLIENTS_SLO)
    tpots = [timing.tpot for timing in seen.client.timings.values()]
    wrong = Threshold(seen.thresholds[CLIENTS_SLO].ttft, order_statistic(tpots, said / 2))
    _, most = seen.clients_good("plugin", wrong)
    assert most / len(tpots) + POINT < said


@pytest.mark.parametrize("exporter", [*WITH_RECORDS, "histograms"])
def test_promtool_has_nothing_to_say_about_a_page_with_slos(runs, exporter):
    assert promtool_check_metrics(runs["overload"].last(exporter)) == (0, "")
