"""The page: both formats, what is on it, and what the parsers of others make of it."""

import re
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.utils import floatToGoString

import scenario
from pentameter.catalogue import CATALOGUE
from pentameter.dimensions import drift, energy_split
from pentameter.dimensions.energy import ENERGY
from pentameter.dimensions.prices import PRICE_UNKNOWN
from pentameter.dimensions.requests import REQUEST_TTFT
from pentameter.dimensions.served_model import MODEL_UNKNOWN
from pentameter.dimensions.timing import RUNNING
from pentameter.exposition import MAX_FORMATS, Exposition
from pentameter.health import SOURCE_ABSENT, SOURCE_UP
from pentameter.page_writer import PageWriter
from pentameter.record_histograms import CumulativeHistogram, latency_bounds
from pentameter.snapshot import Snapshot

PAGE = (Path(__file__).parent / "captures" / "vllm-0.32.0-mfu.txt").read_text()
FULL = scenario.played(PAGE, records=True)

# What the scrapers really send.
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
PROMETHEUS_3_TEXT = "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
PROTOBUF = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.5,"
    "text/plain;version=0.0.4;q=0.4"
)


class Latest:
    """The newest snapshot, as the daemon holds it."""

    def __init__(self, *samples, sequence=1):
        self.show(*samples, sequence=sequence)

    def show(self, *samples, sequence):
        self.snapshot = Snapshot(samples, (), 0.0, 0.0, sequence)

    def __call__(self):
        return self.snapshot


def rendered(accept="", snapshot=FULL):
    body, content_type = Exposition(lambda: snapshot).render(accept)
    return body.decode(), content_type


def series(families):
    """Return {(name, labels): value} without the figures of our own process."""
    found = [sample for family in families for sample in family.samples if not sample.name.startswith("process_")]
    as_dict = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in found}
    assert len(as_dict) == len(found), "a series is there twice"
    return as_dict


def expected(snapshot):
    return {key: value for sample in snapshot.samples for key, value in series_of(sample)}


def series_of(sample):
    """Yield (name, labels) and value of what a sample is on the page: a histogram is many series."""
    name, labels = sample.metric.name, tuple(zip(sample.metric.labels, sample.labels, strict=True))
    if sample.histogram is None:
        yield (name, tuple(sorted(labels))), sample.value
        return
    for bound, count in zip(sample.histogram.bounds, sample.histogram.counts, strict=True):
        yield (f"{name}_bucket", tuple(sorted((*labels, ("le", floatToGoString(bound)))))), count
    yield (f"{name}_sum", tuple(sorted(labels))), sample.histogram.sum
    yield (f"{name}_count", tuple(sorted(labels))), sample.histogram.count


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        pytest.param(PROMETHEUS_2, "application/openmetrics-text; version=1.0.0", id="Prometheus 2"),
        pytest.param(PROMETHEUS_3, "application/openmetrics-text; version=1.0.0", id="Prometheus 3"),
        pytest.param(PROMETHEUS_3_TEXT, "text/plain; version=1.0.0", id="Prometheus 3, text only"),
        pytest.param(PROTOBUF, "text/plain; version=0.0.4", id="a scraper that would like protobuf"),
        pytest.param("", "text/plain; version=0.0.4", id="curl without a header"),
        pytest.param("*/*", "text/plain; version=0.0.4", id="curl"),
        pytest.param("text/html,application/xhtml+xml,*/*;q=0.8", "text/plain; version=0.0.4", id="a browser"),
        pytest.param("text/plain;version=x;q,,;=", "text/plain; version=0.0.4", id="nonsense"),
    ],
)
def test_the_format_is_what_the_scraper_asks_for(accept, content_type):
    page, answered = rendered(accept)
    assert answered.startswith(content_type)
    assert "charset=utf-8" in answered
    assert page.endswith("# EOF\n") == content_type.startswith("application/openmetrics-text")
    assert "pentameter_tokens_per_second{" in page


def test_the_text_page_says_what_the_snapshot_says():
    assert series(parse_text(rendered()[0])) == expected(FULL)


@pytest.mark.parametrize("accept", [PROMETHEUS_2, PROMETHEUS_3])
def test_the_openmetrics_page_says_what_the_snapshot_says(accept):
    assert series(parse_openmetrics(rendered(accept)[0])) == expected(FULL)


def test_an_openmetrics_page_ends_once():
    page = rendered(PROMETHEUS_2)[0]
    assert page.count("# EOF") == 1
    assert page.endswith("\n# EOF\n")


def test_an_openmetrics_counter_is_a_family_without_total_and_a_sample_with_it():
    page = rendered(PROMETHEUS_2)[0]
    assert "# TYPE pentameter_energy_joules counter\n" in page
    assert re.search(r"^pentameter_energy_joules_total\{.*\} 8000\.0$", page, re.MULTILINE)
    assert "_created" not in page


def test_a_text_counter_has_its_whole_name_everywhere():
    page = rendered()[0]
    assert "# TYPE pentameter_energy_joules_total counter\n" in page
    assert "# HELP pentameter_energy_joules_total " in page


@pytest.mark.parametrize("accept", ["", PROMETHEUS_2])
def test_the_families_come_in_the_order_of_the_catalogue(accept):
    page = rendered(accept)[0]
    shown = [name for name in re.findall(r"^# TYPE (\S+)", page, re.MULTILINE) if not name.startswith("process_")]
    order = {metric.name: place for place, metric in enumerate(CATALOGUE)}
    places = [order.get(name, order.get(f"{name}_total")) for name in shown]
    assert places == sorted(places)
    assert len(shown) == len(set(shown)) == len({sample.metric for sample in FULL.samples})


def test_the_full_page_shows_every_metric_of_the_catalogue():
    # Every source of the scenario is there, so none is absent, and its model and its price are known.
    unknown = {SOURCE_ABSENT, MODEL_UNKNOWN, PRICE_UNKNOWN}
    # How the energy divides takes 20 minutes to learn, and what has changed takes days.
    learnt = set(energy_split.METRICS) - {energy_split.PHASE_ENERGY, energy_split.KNOWN}
    learnt |= set(drift.METRICS) - {drift.COST_AT_CAPACITY}
    assert {sample.metric for sample in FULL.samples} == set(CATALOGUE) - unknown - learnt


def test_a_metric_without_samples_leaves_no_empty_family():
    page = rendered(snapshot=Snapshot((RUNNING(1, "a", "m", "0"),), (), 0.0, 0.0, 1))[0]
    assert re.findall(r"^# TYPE (pentameter_\S+)", page, re.MULTILINE) == ["pentameter_requests_running"]


def test_our_own_process_is_on_the_page():
    names = {sample.name for family in parse_text(rendered()[0]) for sample in family.samples}
    assert {"process_resident_memory_bytes", "process_cpu_seconds_total"} <= names


def with_a_histogram():
    """Return a snapshot of one histogram, with SLOs at 0.2 s and 3 s, that has seen four requests."""
    histogram = CumulativeHistogram(latency_bounds("ttft", [0.2, 3.0]))
    for seconds in (0.05, 0.2, 0.200001, 500.0):
        histogram.observe(seconds)
    return Snapshot((REQUEST_TTFT.observe(histogram.reading(), "a", "m", "0"),), (), 0.0, 0.0, 1)


@pytest.mark.parametrize(
    ("accept", "parse"),
    [("", parse_text), (PROMETHEUS_2, parse_openmetrics), (PROMETHEUS_3, parse_openmetrics)],
    ids=["text", "Prometheus 2", "Prometheus 3"],
)
def test_a_histogram_is_read_as_it_was_counted(accept, parse):
    page = rendered(accept, with_a_histogram())[0]
    (family,) = (family for family in parse(page) if not family.name.startswith("process_"))
    assert (family.name, family.type) == ("pentameter_request_ttft_seconds", "histogram")
    values = {
        sample.name.removeprefix(f"{family.name}_") + sample.labels.get("le", ""): sample.value
        for sample in family.samples
    }
    assert [values[key] for key in ("bucket0.037", "bucket0.1", "bucket0.2", "bucket0.27")] == [0, 1, 2, 3]
    assert [values[key] for key in ("bucket3.0", "bucket+Inf", "count")] == [3, 4, 4]
    assert values["sum"] == pytest.approx(500.450001)
    assert "_created" not in page


def test_promtool_has_nothing_to_say_against_a_histogram(promtool):
    assert promtool(rendered("", with_a_histogram())[0].encode()) == ""


def test_before_the_first_snapshot_there_is_only_our_own_process():
    page = Exposition(lambda: None).render(PROMETHEUS_2)[0].decode()
    assert series(parse_openmetrics(page)) == {}
    assert "process_" in page


def test_what_has_gone_is_gone_from_the_page():
    latest = Latest(RUNNING(3, "a", "m", "0"), SOURCE_UP(1, "vllm", "a", ""))
    exposition = Exposition(latest)
    assert b"pentameter_requests_running{" in exposition.render("")[0]
    latest.show(SOURCE_UP(0, "vllm", "a", "timeout"), sequence=2)
    page = exposition.render("")[0]
    assert b"pentameter_requests_running" not in page
    assert b'pentameter_source_up{reason="timeout",server="a",source="vllm"} 0.0' in page
    assert page.count(b"pentameter_source_up{") == 1


def test_a_snapshot_is_rendered_once_for_each_format_however_many_scrape_it(monkeypatch):
    written = []
    write = PageWriter.write
    monkeypatch.setattr(PageWriter, "write", lambda self, samples: (written.append(1), write(self, samples))[1])
    exposition = Exposition(Latest(RUNNING(3, "a", "m", "0")))
    for _ in range(5):
        exposition.render("")
        exposition.render(PROMETHEUS_2)
    assert len(written) == 2


def test_whoever_names_ever_new_formats_fills_nothing():
    exposition = Exposition(lambda: FULL)
    for number in range(100):
        exposition.render(f"application/openmetrics-text;version=1.{number}.0")
    assert len(exposition._rendered) <= MAX_FORMATS


def test_strange_label_values_survive_both_formats():
    strange = 'ünïcode "quoted" back\\slash\nnew line, {brace}'
    snapshot = Snapshot(
        (RUNNING(1, "a", strange, "0"), ENERGY(5, "a", strange, "0", "gpu", "measured")), (), 0.0, 0.0, 1
    )
    assert series(parse_text(rendered("", snapshot)[0])) == expected(snapshot)
    assert series(parse_openmetrics(rendered(PROMETHEUS_3, snapshot)[0])) == expected(snapshot)


def test_promtool_has_nothing_to_say_against_the_page_our_own_process_included(promtool):
    assert promtool(rendered()[0].encode()) == ""
