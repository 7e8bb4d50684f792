"""The captured and written pages: whole, telling nothing of the machine, and readable by Pentameter."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from captures import story
from captures.write_pages import pages
from pentameter.sources.vllm_page import PageReader

FOLDER = Path(__file__).parent
FILES = sorted(path.name for path in FOLDER.glob("*.txt"))
WRITTEN = sorted(pages())


def samples(page):
    return [
        (sample.name, tuple(sorted(sample.labels.items())), sample.value)
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    ]


def engines(file):
    """Return what Pentameter reads of a page."""
    body = (FOLDER / file).read_bytes()
    return PageReader("server").read(body, "text/plain", monotonic=0.0, wall=0.0).engines


def test_every_page_is_in_the_readme_and_every_row_has_its_page():
    readme = (FOLDER / "README.md").read_text()
    assert sorted(re.findall(r"^\| `([^`]+\.txt)` \|", readme, re.MULTILINE)) == FILES


@pytest.mark.parametrize("file", FILES)
def test_a_page_names_no_folder_host_or_address_of_the_machine_it_was_made_on(file):
    page = (FOLDER / file).read_text()
    assert not re.findall(r'="(?:/|[A-Z]:)(?!v1/|tokenize)[^"]*"|127\.0\.0\.1|localhost', page)


@pytest.mark.parametrize("file", WRITTEN)
def test_a_written_page_is_what_the_writer_writes(file):
    assert samples((FOLDER / file).read_text()) == samples(pages()[file])


@pytest.mark.parametrize("file", FILES)
def test_pentameter_reads_every_page(file):
    for engine in engines(file):
        assert engine.counters["prompt_tokens"] >= 0
        assert engine.histograms["ttft"].count == engine.histograms["e2e"].count


@pytest.mark.parametrize("file", WRITTEN)
def test_every_engine_of_a_written_page_tells_the_story(file):
    for engine in engines(file):
        assert engine.counters["prompt_tokens"] == 5040
        assert engine.counters["generation_tokens"] == 1280
        assert engine.histograms["e2e"].count == 40
        assert engine.histograms["inter_token"].count == 1240
        assert engine.gauges["running"] == 2
        assert engine.gauges["kv_cache_usage"] == 0.03125


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("vllm-0.32.0-mfu.txt", ["0"]),
        ("vllm-0.32.0-two-engines.txt", ["0", "1"]),
        ("vllm-0.32.0-two-engines-multiprocess.txt", ["0", "1"]),
        ("vllm-0.32.0-rust-frontend.txt", ["0"]),
        ("vllm-0.8.5-v0.written.txt", ["0"]),
        ("vllm-0.24.0-ray-serve.written.txt", ["replica-a/0", "replica-b/0"]),
        ("vllm-0.24.0-behind-router.written.txt", ["0"]),
        ("llm-d-inference-sim-0.9.2.written.txt", ["0"]),
    ],
)
def test_pentameter_finds_the_engines_of_a_page(file, expected):
    assert [engine.engine for engine in engines(file)] == expected


@pytest.mark.parametrize(
    "file",
    [
        "vllm-0.32.0-mfu.txt",
        "vllm-0.32.0-mfu-off.txt",
        "vllm-0.32.0-custom-buckets.txt",
        "vllm-0.32.0-two-engines.txt",
        "vllm-0.32.0-two-engines-multiprocess.txt",
        "vllm-0.32.0-rust-frontend.txt",
    ],
)
def test_the_engines_of_a_captured_page_add_up_to_the_load_that_the_client_sent(file):
    found = engines(file)
    assert sum(engine.counters["prompt_tokens"] for engine in found) == 7104
    assert sum(engine.counters["generation_tokens"] for engine in found) == 2177
    assert sum(engine.counters["request_success/length"] for engine in found) == 60


def test_the_story_adds_up():
    assert sum(story.PROMPT_TOKENS) == 5040
    assert sum(story.OUTPUT_TOKENS) == 1280
    assert story.CACHED_TOKENS == 256
    assert sum(story.STEPS) == 5040 + 1280
