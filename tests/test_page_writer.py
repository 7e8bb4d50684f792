"""The page writer: what the official client would write, byte for byte, from one snapshot to the next."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

import scenario
from pentameter.dimensions.requests import REQUEST_TTFT
from pentameter.dimensions.timing import RUNNING
from pentameter.exposition import SnapshotCollector
from pentameter.page_writer import FORGET_ABOVE, PageWriter
from pentameter.readings import Histogram
from pentameter.snapshot import Snapshot

CAPTURES = sorted((Path(__file__).parent / "captures").glob("*.txt"))
FORMATS = {
    "text": "",
    "text 1.0.0": "text/plain;version=1.0.0;escaping=allow-utf-8",
    "OpenMetrics 1.0.0": "application/openmetrics-text;version=1.0.0",
}


STRANGE = ['with "quotes"', "back\\slash", "line\nbreak", "ü", "", "# EOF", "a 1", "form\ffeed", "next\u2028line"]


def ttft(bounds, counts, total, *labels):
    return REQUEST_TTFT.observe(Histogram((*bounds, math.inf), counts, total), *(labels or ("a", "m", "0")))


def page_of(*samples):
    return Snapshot(samples, (), 0.0, 0.0)


def by_the_library(encode, snapshot):
    registry = CollectorRegistry()
    registry.register(SnapshotCollector(lambda: snapshot))
    return encode(registry).decode().removesuffix("# EOF\n")


@pytest.mark.parametrize("accept", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("page", CAPTURES, ids=lambda path: path.stem)
def test_a_page_is_the_librarys_page_byte_for_byte_the_first_time_and_ever_after(page, accept):
    encode, _ = choose_encoder(accept)
    snapshot = scenario.played(page.read_text())
    writer = PageWriter(encode)
    for factor in (1.0, 1.5, 1e-9, 1e21):
        changed = replace(
            snapshot, samples=tuple(replace(sample, value=sample.value * factor) for sample in snapshot.samples)
        )
        assert writer.write(changed.samples) == by_the_library(encode, changed)


@pytest.mark.parametrize("accept", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("strange", STRANGE)
@pytest.mark.parametrize("value", [0.0, 1.0, -1.5, 1e300, float("inf")])
def test_strange_labels_and_values_are_written_as_the_library_writes_them(strange, value, accept):
    encode, _ = choose_encoder(accept)
    snapshot = Snapshot((RUNNING(value, strange, "m", "0"),), (), 0.0, 0.0)
    writer = PageWriter(encode)
    assert writer.write(snapshot.samples) == writer.write(snapshot.samples) == by_the_library(encode, snapshot)


@pytest.mark.parametrize("accept", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("strange", STRANGE)
@pytest.mark.parametrize("total", [0.0, 0.30000000000000004, 1e16])
def test_a_histogram_is_written_as_the_library_writes_it_the_first_time_and_ever_after(strange, total, accept):
    encode, _ = choose_encoder(accept)
    writer = PageWriter(encode)
    for counts in ((0.0, 0.0, 0.0, 0.0), (1.0, 1.0, 3.0, 4.0), (1e6, 1234567.0, 1e9, 1e21)):
        snapshot = page_of(
            RUNNING(2, "a", "m", "0"),
            ttft((0.00052, 0.15, 2000000.0), counts, total, strange, "m", "0"),
            ttft((0.00052, 0.15, 2000000.0), counts[:1] * 4, 1.0, strange, "m", "1"),
        )
        assert writer.write(snapshot.samples) == by_the_library(encode, snapshot)


@pytest.mark.parametrize("accept", FORMATS.values(), ids=FORMATS)
def test_a_histogram_whose_bounds_have_changed_is_written_anew(accept):
    encode, _ = choose_encoder(accept)
    writer = PageWriter(encode)
    for bounds in ((0.1, 0.2), (0.1, 0.25), (0.1,), (0.1, 0.2)):
        snapshot = page_of(ttft(bounds, tuple(range(len(bounds) + 1)), 1.0))
        assert writer.write(snapshot.samples) == by_the_library(encode, snapshot)


def test_a_histogram_is_its_buckets_its_count_and_its_sum():
    page = PageWriter(choose_encoder("")[0]).write((ttft((0.1, 1.0), (2.0, 3.0, 7.0), 21.5),))
    assert page.splitlines()[1:] == [
        "# TYPE pentameter_request_ttft_seconds histogram",
        'pentameter_request_ttft_seconds_bucket{engine="0",le="0.1",model_name="m",server="a"} 2.0',
        'pentameter_request_ttft_seconds_bucket{engine="0",le="1.0",model_name="m",server="a"} 3.0',
        'pentameter_request_ttft_seconds_bucket{engine="0",le="+Inf",model_name="m",server="a"} 7.0',
        'pentameter_request_ttft_seconds_count{engine="0",model_name="m",server="a"} 7.0',
        'pentameter_request_ttft_seconds_sum{engine="0",model_name="m",server="a"} 21.5',
    ]


def test_histograms_that_have_gone_do_not_fill_the_memory():
    writer = PageWriter(choose_encoder("")[0])
    for i in range(100):
        writer.write((ttft((0.1,), (1, 2), 1.0, f"server {i}", "m", "0"),))
    assert len(writer._histograms) <= FORGET_ABOVE + 1


def test_series_that_have_gone_do_not_fill_the_memory():
    writer = PageWriter(choose_encoder("")[0])
    for i in range(100):
        writer.write((RUNNING(1, f"server {i}", "m", "0"),))
    assert len(writer._series) <= FORGET_ABOVE + 1


def test_no_samples_make_an_empty_page():
    assert PageWriter(choose_encoder("")[0]).write(()) == ""
