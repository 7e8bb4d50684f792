"""The page writer: what the official client would write, byte for byte, from one snapshot to the next."""

from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

import scenario
from pentameter.dimensions.timing import RUNNING
from pentameter.exposition import SnapshotCollector
from pentameter.page_writer import FORGET_ABOVE, PageWriter
from pentameter.snapshot import Snapshot

CAPTURES = sorted((Path(__file__).parent / "captures").glob("*.txt"))
FORMATS = {
    "text": "",
    "text 1.0.0": "text/plain;version=1.0.0;escaping=allow-utf-8",
    "OpenMetrics 1.0.0": "application/openmetrics-text;version=1.0.0",
}


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
@pytest.mark.parametrize("strange", ['with "quotes"', "back\\slash", "line\nbreak", "ü", "", "# EOF", "a 1"])
@pytest.mark.parametrize("value", [0.0, 1.0, -1.5, 1e300, float("inf")])
def test_strange_labels_and_values_are_written_as_the_library_writes_them(strange, value, accept):
    encode, _ = choose_encoder(accept)
    snapshot = Snapshot((RUNNING(value, strange, "m", "0"),), (), 0.0, 0.0)
    writer = PageWriter(encode)
    assert writer.write(snapshot.samples) == writer.write(snapshot.samples) == by_the_library(encode, snapshot)


def test_series_that_have_gone_do_not_fill_the_memory():
    writer = PageWriter(choose_encoder("")[0])
    for i in range(100):
        writer.write((RUNNING(1, f"server {i}", "m", "0"),))
    assert len(writer._series) <= FORGET_ABOVE + 1


def test_no_samples_make_an_empty_page():
    assert PageWriter(choose_encoder("")[0]).write(()) == ""
