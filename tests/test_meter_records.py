"""Request records through the whole meter: what they add, and what happens when sources come, go and restart."""

import math

import pytest

from builders import finished, found, names, records, slo, value
from pentameter.meter import Meter, MixedBackendsError
from pentameter.readings import EngineReading, Histogram, VllmReading
from pentameter.records import EngineConfig
from pentameter.server_plan import ServerPlan
from pentameter.snapshot import SourceHealth
from pentameter.windows import Window

CHAT = slo(ttft=0.5)
MINUTE = (Window("1m", 60.0),)


def page(time, ended, held=0, *, start=1000.0, rejected=0):
    """Return a page of the only engine of server a, whose process started at a Unix time."""
    engine = EngineReading(
        "m",
        "0",
        {"request_success/stop": float(ended)},
        {"running": float(held), "waiting": 0.0},
        {"ttft": Histogram((math.inf,), (float(ended),), 0.0)},
    )
    counters = {"admission_rejections/queue_full": float(rejected)}
    return VllmReading("a", time, 1000.0 + time, start, (engine,), counters)


class Playing(Meter):
    """A meter of one server and one SLO."""

    def __init__(self, slos=(CHAT,)):
        super().__init__(MINUTE, [ServerPlan("a")], find_spec=lambda name: None, slos=slos)
        self.tell("vllm", "a")
        self.tell("plugin")

    def tell(self, source, server="", *, up=True):
        self.take_health(SourceHealth(source, server, up=up, reason="" if up else "unreachable"))

    def hear(self, time, *requests, **more):
        self.take_records(records(time, *requests, **more), "plugin")

    def see(self, time):
        return self.measure(time, 1000.0 + time).samples


def serving(seconds=11, meter=None):
    """Return a meter that has followed a request per second, every second one of them in time."""
    meter = meter or Playing()
    for time in range(seconds):
        meter.take_vllm(page(float(time), time))
        if time:
            meter.hear(float(time), finished(ttft=0.1 if time % 2 else 0.9, request_id=str(time)))
        meter.see(float(time))
    return meter


def test_attainment_and_goodput_stand_on_the_page_with_their_counters():
    samples = serving(11).see(10.5)
    assert value(samples, "slo_attainment_ratio", bound="exact", window="1m") == 0.5
    assert value(samples, "goodput_requests_per_second", window="1m") == pytest.approx(5 / 10.5)
    assert value(samples, "slo_requests_total", verdict="good") == 5
    assert value(samples, "slo_requests_total", verdict="bad") == 5
    assert value(samples, "slo_objective_misses_total", objective="ttft") == 5
    assert value(samples, "requests_arrived_total") == 10
    assert value(samples, "offered_requests_per_second", window="1m") == 1.0
    assert value(samples, "request_records_total", source="plugin", outcome="counted") == 10
    assert value(samples, "request_record_coverage_ratio") == 1.0


def test_a_source_of_records_that_is_down_takes_its_figures_away_and_brings_its_counters_back():
    meter = serving(11)
    meter.tell("plugin", up=False)
    down = meter.see(11.0)
    assert found(down, "slo_attainment_ratio", bound="exact") == []
    assert not {"goodput_requests_per_second", "slo_requests_total", "slo_score_ratio"} & names(down)
    assert value(down, "slo_target_ratio") == 0.9
    meter.tell("plugin")
    meter.hear(12.0, finished(ttft=0.1, request_id="back"))
    back = meter.see(12.0)
    assert value(back, "slo_requests_total", verdict="good") == 6
    assert value(back, "slo_requests_total", verdict="bad") == 5


def test_after_an_outage_of_the_records_attainment_is_not_exact_until_they_cover_the_window_again():
    meter = serving(11)
    meter.tell("plugin", up=False)
    for time in range(11, 41):
        meter.take_vllm(page(float(time), time))
        meter.see(float(time))
    meter.tell("plugin")
    meter.hear(41.0, finished(ttft=0.1, request_id="back"))
    assert value(meter.see(41.0), "slo_attainment_ratio", bound="exact") is None
    for time in range(42, 110):
        meter.take_vllm(page(float(time), time))
        meter.hear(float(time), finished(ttft=0.1, request_id=str(time)))
        samples = meter.see(float(time))
    assert value(samples, "slo_attainment_ratio", bound="exact") == 1.0


def test_while_the_page_cannot_be_read_records_go_on():
    meter = serving(11)
    meter.tell("vllm", "a", up=False)
    meter.hear(11.0, finished(ttft=0.1, request_id="still"))
    samples = meter.see(11.0)
    assert value(samples, "slo_requests_total", verdict="good") == 6
    assert value(samples, "slo_attainment_ratio", bound="exact") == pytest.approx(6 / 11)
    assert value(samples, "offered_requests_per_second") is None
    assert value(samples, "requests_stalled_seconds") is None


def test_a_plugin_that_says_hello_before_the_first_page_is_no_trouble():
    meter = Playing()
    meter.hear(0.0, configs=(EngineConfig("m", "0"),))
    assert value(meter.see(0.0), "slo_attainment_ratio", bound="exact") is None
    serving(11, meter)
    assert value(meter.see(11.0), "slo_attainment_ratio", bound="exact") == 0.5


def test_a_restart_of_vllm_loses_no_verdict_and_invents_no_arrival():
    meter = serving(11)
    # A new process, whose counters already stand higher than those of the old one.
    meter.take_vllm(page(60.0, 30, 2, start=1050.0))
    samples = meter.see(60.0)
    assert value(samples, "slo_requests_total", verdict="good") == 5
    assert value(samples, "requests_arrived_total") == 10 + 32
    assert value(samples, "requests_aborted_total") == 0


def test_the_pages_of_another_process_invent_neither_arrivals_nor_rejections():
    meter = serving(11)
    with pytest.raises(MixedBackendsError):
        meter.take_vllm(page(11.0, 5000, 40, start=500.0, rejected=300))
    meter.take_vllm(page(12.0, 5001, 40, start=500.0, rejected=301))
    samples = meter.see(12.0)
    assert value(samples, "requests_arrived_total") == 11
    assert value(samples, "slo_requests_total", verdict="bad") == 5 + 1


def test_rejected_requests_lower_the_attainment():
    meter = serving(11)
    meter.take_vllm(page(11.0, 10, rejected=10))
    samples = meter.see(11.0)
    assert value(samples, "slo_attainment_ratio", bound="exact") == 5 / 20
    assert value(samples, "slo_requests_total", verdict="bad") == 15


def test_a_stall_shows_as_requests_that_are_held_while_nothing_is_judged():
    meter = serving(11)
    for time in range(11, 100):
        meter.take_vllm(page(float(time), 10, 7))
        samples = meter.see(float(time))
    assert value(samples, "requests_running") == 7
    assert value(samples, "requests_stalled_seconds") == 88
    assert value(samples, "slo_attainment_ratio", bound="exact") is None
    assert value(samples, "goodput_requests_per_second") == 0


def test_without_slos_records_give_latencies_and_no_verdicts():
    meter = serving(11, Playing(slos=()))
    samples = meter.see(10.5)
    assert value(samples, "ttft_seconds", window="1m", stat="mean", basis="requests") == pytest.approx(0.5)
    assert {name for name in (s.metric.name for s in samples) if "slo" in name or "goodput" in name} == set()


def test_every_series_is_made_once():
    samples = serving(11).see(11.0)
    keys = [sample.key for sample in samples]
    assert len(set(keys)) == len(keys)
