"""The fast parser against its reference, prometheus_client.parser."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, Summary
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from pentameter.sources import prometheus_text
from pentameter.sources.prometheus_text import MalformedPageError, TextParser, strip_exemplars

CAPTURES = sorted((Path(__file__).parents[1] / "captures").glob("*.txt"))


def reference(text):
    return [(s.name, s.labels, s.value) for family in text_string_to_metric_families(text) for s in family.samples]


def everything():
    return TextParser(lambda name, labels: (name, dict(labels)))


def parsed(text, parser=None):
    return [(name, labels, value) for (name, labels), value in (parser or everything()).parse(text)]


def same(ours, theirs):
    """Equal, and NaN equal to NaN."""
    return len(ours) == len(theirs) and all(
        a[:2] == b[:2] and (a[2] == b[2] or (math.isnan(a[2]) and math.isnan(b[2])))
        for a, b in zip(ours, theirs, strict=True)
    )


@pytest.mark.parametrize("page", CAPTURES, ids=lambda path: path.name)
def test_every_captured_page_reads_as_the_reference_reads_it(page):
    text = page.read_text(encoding="utf-8")
    parser = everything()
    assert same(parsed(text, parser), reference(text))
    assert same(parsed(text, parser), reference(text)), "the second time, from the table of known series"


names = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,12}", fullmatch=True).filter(
    lambda name: not name.startswith("__") and not name.endswith(("_total", "_created", "_info", "_bucket"))
)
label_names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,6}", fullmatch=True).filter(
    lambda name: not name.startswith("__") and name not in {"le", "quantile"}
)
label_values = st.text(max_size=12)
values = st.floats(allow_nan=True, allow_infinity=True)


@st.composite
def pages(draw):
    """A page written by the official client from random metrics."""
    registry = CollectorRegistry()
    for name in draw(st.lists(names, max_size=6, unique=True)):
        kind = draw(st.sampled_from([Counter, Gauge, Histogram, Summary, Info]))
        labels = draw(st.lists(label_names, max_size=3, unique=True))
        try:
            metric = kind(name, draw(st.text(max_size=20)), labels, registry=registry)
        except ValueError:
            continue  # two names that differ by a suffix only
        for _ in range(draw(st.integers(1, 3))):
            child = metric.labels(*[draw(label_values) for _ in labels]) if labels else metric
            if kind is Gauge:
                child.set(draw(values))
            elif kind is Info:
                child.info({"version": draw(label_values)})
            elif kind is Counter:
                child.inc(abs(draw(st.floats(allow_nan=False, allow_infinity=False, max_value=1e300, min_value=0))))
            else:
                child.observe(draw(st.floats(allow_nan=False, allow_infinity=False, width=32)))
    return generate_latest(registry).decode()


@given(pages())
def test_every_page_that_the_official_client_can_write_reads_as_the_reference_reads_it(text):
    parser = everything()
    assert same(parsed(text, parser), reference(text))
    assert same(parsed(text, parser), reference(text))


fragments = st.sampled_from(
    ["a", "b_total", "le", "{", "}", '"', "=", ",", " ", "\t", "\\", "\\n", "#", "1", "2.5", "NaN", "+Inf", "1_0", "\r"]
)


@given(st.lists(st.lists(fragments, max_size=12).map("".join), max_size=4).map("\n".join))
def test_what_the_reference_refuses_is_refused_and_what_it_reads_is_read(text):
    try:
        expected = reference(text)
    except (ValueError, IndexError):
        with pytest.raises(MalformedPageError):
            parsed(text)
    else:
        assert same(parsed(text), expected)


@pytest.mark.parametrize(
    "line",
    [
        'a{b="x\\\\y",c="line\\nbreak",d="\\"quoted\\""} 1',
        'a{b="1",} 2',
        'a{ b = "1" } 3',
        'a{b="}"} 4',
        'a{b="a # {not an exemplar} 7"} 5',
        "a 6 1395066363000",
        "a\t7",
        "  a 8  ",
        '{"utf8.name",b="ü"} 9',
        "a +Inf",
        "a 1e-300",
    ],
)
def test_an_unusual_line_is_handed_to_the_reference(line):
    assert same(parsed(line + "\n"), reference(line + "\n"))


@pytest.mark.parametrize("line", ["a", "a b", "a 1_000", 'a{b="1" 2', 'a{b="1",b="2"} 3', "<html>", "1a 2"])
def test_a_line_that_is_no_sample_is_named(line):
    with pytest.raises(MalformedPageError, match="not a sample"):
        parsed(f"ok 1\n{line}\n")


def test_a_counter_without_its_suffix_gets_it_as_in_the_reference():
    text = '# TYPE ray_vllm_preemptions counter\nray_vllm_preemptions{engine="0"} 4\n'
    assert parsed(text) == reference(text) == [("ray_vllm_preemptions_total", {"engine": "0"}, 4.0)]


def test_a_series_is_resolved_once_and_unwanted_ones_are_left_out():
    asked = []

    def resolve(name, labels):
        asked.append(name)
        return name if name == "wanted" else None

    parser = TextParser(resolve)
    for value in (1, 2):
        assert parser.parse(f"wanted {value}\nunwanted 5\n") == [("wanted", value)]
    assert asked == ["wanted", "unwanted"]


def test_labels_that_never_repeat_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(prometheus_text, "MAX_KNOWN_SERIES", 10)
    parser = everything()
    for i in range(100):
        parser.parse(f'a{{id="{i}"}} 1\n')
    assert len(parser._known) <= 12


def test_exemplars_of_openmetrics_are_taken_off():
    text = '# TYPE a histogram\na_bucket{le="1"} 3 # {trace_id="x"} 0.5 1.2\na_sum 1\n# EOF\n'
    assert parsed(strip_exemplars(text)) == [("a_bucket", {"le": "1"}, 3.0), ("a_sum", {}, 1.0)]
