"""A simulated day through the whole meter: an overload, preemptions, clients that give up, one-token requests.

What the simulator knows and tells nobody is the truth that the figures are held against at every snapshot.
"""

from collections import defaultdict
from dataclasses import replace

import pytest

from builders import slo
from pentameter.meter import Meter
from pentameter.server_plan import ServerPlan
from pentameter.simulator.offline import WALL_AT_ZERO, OfflineVllm
from pentameter.simulator.presets import DEFAULT
from pentameter.snapshot import SourceHealth
from pentameter.units import MEBI
from pentameter.windows import Window

SERVER = "simulator"
WINDOWS = (Window("20s", 20.0), Window("2m", 120.0))
SECONDS = 130
"""The overload of the simulated day lasts from 75 to 105."""

SLOS = (
    slo("chat", ttft=0.5, tpot=0.025),
    slo("between_bounds", ttft=0.3, tpot=0.011, e2e=3.7),
    slo("gaps", ttft=1.0, inter_token=0.05),
    slo("all_count", ttft=0.5, tpot=0.02, policy={"aborted": "bad", "one_token": "bad"}),
    slo(
        "few_count", ttft=0.5, tpot=0.02, policy={"aborted": "exclude", "one_token": "exclude", "preempted": "exclude"}
    ),
)


class Played:
    """The snapshots of a day, and what was true at each of them."""

    def __init__(self, preset, every):
        self.meter = Meter(WINDOWS, [ServerPlan(SERVER, gpu_count=2)], find_spec=lambda name: None, slos=SLOS)
        self.every = every
        self.records, self.snapshots, self.truth = [], [], []
        vllm = OfflineVllm(preset, seed=3)
        arrived = vllm.arrived
        for source, server in (("vllm", SERVER), ("plugin", "")):
            self.meter.take_health(SourceHealth(source, server, up=True, reason=""))
        for time in range(0, SECONDS + 1, every):
            reading = vllm.advance_to(float(time))
            self.records += reading.requests
            self.meter.take_vllm(vllm.read_page())
            self.meter.take_records(reading, "plugin")
            snapshot = self.meter.measure(float(time), WALL_AT_ZERO + time)
            self.snapshots.append({sample.key: sample for sample in snapshot.samples})
            self.truth.append((vllm.arrived - arrived, len(vllm.abandoned), len(self.records)))

    def total(self, snapshot, name, **labels):
        """Return the sum of the samples with this name and these labels."""
        return sum(
            sample.value
            for (found, _), sample in snapshot.items()
            if found == f"pentameter_{name}" and labels.items() <= labels_of(sample).items()
        )


def labels_of(sample):
    return dict(zip(sample.metric.labels, sample.labels, strict=True))


@pytest.fixture(scope="module", params=[(1, 2), (2, 5)], ids=["one engine", "two engines"])
def day(request):
    # With less memory than an H100 has, requests are preempted on two engines as well.
    engines, every = request.param
    return Played(replace(DEFAULT, engines=engines, board=replace(DEFAULT.board, memory_bytes=30_000 * MEBI)), every)


def test_the_day_holds_all_that_is_hard(day):
    assert {record.preemptions > 0 for record in day.records} == {True, False}
    assert {record.output_tokens == 1 for record in day.records} == {True, False}
    assert day.truth[-1][1] > 20
    last = day.snapshots[-1]
    for verdict in ("good", "bad"):
        assert all(day.total(last, "slo_requests_total", verdict=verdict, slo=one.name) > 20 for one in SLOS)


def test_the_exact_attainment_lies_between_the_bounds_of_the_histograms(day):
    seen = defaultdict(int)
    for snapshot in day.snapshots:
        shares = defaultdict(dict)
        for (name, labels), sample in snapshot.items():
            if name == "pentameter_slo_attainment_ratio":
                shares[labels[:-1]][labels[-1]] = sample.value
        for place, share in shares.items():
            assert 0 <= share.get("lower", 0) <= share.get("upper", 1) <= 1
            if "exact" in share and "lower" in share:
                assert share["lower"] - 1e-9 <= share["exact"] <= share["upper"] + 1e-9, place
                seen[place[-1]] += 1
    assert all(seen[one.name] > 100 for one in SLOS if one.name != "gaps")


def test_the_goodput_lies_between_its_bounds(day):
    compared = 0
    for snapshot in day.snapshots:
        for (name, labels), sample in snapshot.items():
            if name == "pentameter_goodput_bound_requests_per_second":
                exact = snapshot.get(("pentameter_goodput_requests_per_second", labels[:-1]))
                if exact is not None:
                    least, most = (sample.value, exact.value) if labels[-1] == "lower" else (exact.value, sample.value)
                    assert least <= most + 1e-9, labels
                    compared += 1
    assert compared > 500


def test_verdicts_are_those_of_whoever_judges_every_request_by_hand(day):
    good = [
        record
        for record in day.records
        if record.ttft <= 0.5 and (record.output_tokens < 2 or record.decode / (record.output_tokens - 1) <= 0.025)
    ]
    last = day.snapshots[-1]
    assert day.total(last, "slo_requests_total", slo="chat", verdict="good") == len(good)
    assert day.total(last, "slo_requests_total", slo="chat", verdict="bad") == len(day.records) - len(good)
    assert day.total(last, "slo_good_tokens_total", slo="chat") == sum(record.output_tokens for record in good)
    late = sum(record.ttft > 0.5 for record in day.records)
    assert day.total(last, "slo_objective_misses_total", slo="chat", objective="ttft") == late


def test_counters_never_fall(day):
    for before, after in zip(day.snapshots, day.snapshots[1:], strict=False):
        for key, sample in before.items():
            if sample.metric.kind == "counter":
                assert after[key].value >= sample.value, key
            elif sample.metric.kind == "histogram":
                pairs = zip(sample.histogram.counts, after[key].histogram.counts, strict=True)
                assert all(now >= then for then, now in pairs), key


def test_every_finished_request_has_become_one_thing_for_every_slo(day):
    for snapshot, (_, _, finished) in zip(day.snapshots, day.truth, strict=True):
        aborted = day.total(snapshot, "requests_aborted_total")
        for one in SLOS:
            judged = day.total(snapshot, "slo_requests_total", slo=one.name)
            others = day.total(snapshot, "slo_unjudged_requests_total", slo=one.name)
            # Those aborted before the first record came are in no account.
            assert finished <= judged + others <= finished + aborted
            scores = [
                s.histogram
                for (name, labels), s in snapshot.items()
                if name == "pentameter_slo_score_ratio" and labels[-1] == one.name
            ]
            assert sum(score.count for score in scores) == judged
            good = sum(score.counts[score.bounds.index(1.0)] for score in scores)
            assert good == day.total(snapshot, "slo_requests_total", slo=one.name, verdict="good")


def test_all_records_are_counted_and_cover_what_vllm_counts(day):
    for snapshot, (_, _, finished) in zip(day.snapshots, day.truth, strict=True):
        assert day.total(snapshot, "request_records_total", outcome="counted") == finished
        coverage = {s.value for (name, _), s in snapshot.items() if name == "pentameter_request_record_coverage_ratio"}
        assert coverage <= {1.0}


def test_arrivals_and_aborts_are_never_more_than_the_truth(day):
    for snapshot, (arrived, aborted, _) in zip(day.snapshots, day.truth, strict=True):
        assert day.total(snapshot, "requests_arrived_total") <= arrived
        assert day.total(snapshot, "requests_aborted_total") <= aborted


def test_where_one_engine_makes_all_answers_every_abort_is_found_and_with_it_every_arrival(day):
    arrived, aborted, _ = day.truth[-1]
    if len({record.engine for record in day.records}) == 1:
        assert day.total(day.snapshots[-1], "requests_aborted_total") >= aborted - 1
        assert day.total(day.snapshots[-1], "requests_arrived_total") >= arrived - 1


def test_goodput_is_never_more_than_what_is_finished(day):
    for snapshot in day.snapshots:
        for (name, labels), sample in snapshot.items():
            if name == "pentameter_goodput_requests_per_second":
                served = snapshot["pentameter_requests_per_second", labels[:-1]].value
                assert 0 <= sample.value <= served + 1e-9


def test_goodput_per_gpu_is_half_of_that_of_all_engines_on_two(day):
    last = day.snapshots[-1]
    whole = day.total(last, "goodput_requests_per_second", slo="chat", window="2m")
    assert day.total(last, "goodput_per_gpu_requests_per_second", slo="chat", window="2m") == pytest.approx(whole / 2)


def test_quantiles_of_records_are_within_one_percent_of_the_order_statistic(day):
    # All of the day up to its first 100 seconds fits into the longer window.
    index = 100 // day.every
    snapshot, (_, _, finished) = day.snapshots[index], day.truth[index]
    for engine in {record.engine for record in day.records}:
        ttfts = sorted(record.ttft for record in day.records[:finished] if record.engine == engine)
        for stat, share in (("p50", 0.5), ("p95", 0.95)):
            [shown] = [
                s.value
                for (name, _), s in snapshot.items()
                if name == "pentameter_ttft_seconds"
                and {"engine": engine, "window": "2m", "stat": stat, "basis": "requests"}.items()
                <= labels_of(s).items()
            ]
            true = ttfts[-int(-share * len(ttfts) // 1) - 1]
            assert shown == pytest.approx(true, rel=0.0101)
