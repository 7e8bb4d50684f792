"""Datagrams of the plugin, and of others who pretend, as records."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.plugin_messages import message, request
from pentameter.records import EngineConfig, FinishedRequest, IterationFacts, StepRow
from pentameter.sketch import LAST
from pentameter.sources.plugin_message import Message, UnreadableError, decode


def iteration(**fields):
    return {"kind": "iteration", "engine": "0", "sums": {}, "gauges": {}, "gaps": {}, "gap_sum": 0.0, **fields}


def config(**fields):
    return {"kind": "config", "engines": ["0"], "facts": {}, **fields}


def refused(*entries):
    """Return how many of the entries are refused, when a sound one stands before and after them."""
    told = decode(message(request(), *entries, request()))
    assert len(told.requests) == 2
    assert len(told.requests) + len(told.iterations) + len(told.configs) + told.refused == 2 + len(entries)
    return told.refused


def outcome(datagram):
    with pytest.raises(UnreadableError) as caught:
        decode(datagram)
    return caught.value.outcome


def test_a_request_becomes_a_record():
    told = decode(message(request(), sender="west"))
    assert told.requests == (
        FinishedRequest(
            origin="plugin",
            arrival_wall=1000.25,
            e2e=1.0,
            output_tokens=5,
            prompt_tokens=100,
            ttft=0.5,
            decode=0.5,
            queue=0.125,
            prefill=0.25,
            cached_tokens=64,
            preemptions=0,
            finish_reason="stop",
            request_id="cmpl-1",
            sender="west",
            model_name="tiny",
            engine="0",
        ),
    )


def test_what_vllm_does_not_know_is_unknown():
    unknown = ("ttft", "decode", "queue", "prefill", "cached_tokens", "preemptions")
    (record,) = decode(message(request(**dict.fromkeys(unknown), request_id=""))).requests
    assert [getattr(record, name) for name in unknown] == [None] * len(unknown)
    assert record.request_id == ""


def test_an_iteration_becomes_facts():
    entry = iteration(engine="3", sums={"steps": 7}, gauges={"running": 2}, gaps={"0": 1, "460": 5}, gap_sum=0.5)
    assert decode(message(entry, sender="west")).iterations == (
        IterationFacts("tiny", "3", "west", {"steps": 7}, {"running": 2}, {0: 1, 460: 5}, 0.5),
    )


def test_steps_become_rows_in_seconds():
    told = decode(message(iteration(steps=[[250_000, 240_000, 3, 1, 640, 1_500_000, 6], [0] * 7]))).iterations[0]
    assert told.steps == (StepRow(0.25, 0.24, 3, 1, 640, 1.5, 6), StepRow(0.0, 0.0, 0, 0, 0, 0.0, 0))


def test_a_later_plugin_may_say_more_of_a_step():
    assert decode(message(iteration(steps=[[0, 0, 1, 0, 0, 0, 1, 99]]))).iterations[0].steps[0].decoded == 1


def test_outputs_by_adapter_are_told_whatever_the_adapters_are_called():
    told = decode(message(iteration(steps=[], adapters={"": 3, "poet": 4, "o\ndd": 1, "\tworse": 2}))).iterations[0]
    assert told.adapters == {"": 3, "poet": 4, "unprintable": 3}


def test_no_steps_told_and_no_step_done_are_not_the_same():
    assert [decode(message(iteration(**more))).iterations[0].steps for more in ({}, {"steps": []})] == [None, ()]


def test_a_configuration_is_that_of_each_engine():
    facts = {"dtype": "bfloat16", "max_num_seqs": 128, "fraction": 0.9, "caching": True, "quantization": None}
    assert decode(message(config(engines=["0", "1"], facts=facts))).configs == (
        EngineConfig("tiny", "0", "", facts),
        EngineConfig("tiny", "1", "", facts),
    )


def test_totals_are_those_known_and_zero_where_left_out():
    told = decode(message(totals={"dropped": 3, "errors": 1, "applause": 5}))
    assert told == Message("abc", {"dropped": 3, "unheard": 0, "errors": 1}, (), (), (), 0)


@pytest.mark.parametrize("version", [0, 2, 10**4000, -1])
def test_another_version_is_told_from_nonsense(version):
    assert outcome(message(v=version)) == "unknown_version"


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\xff\xfe\x00",
        b"hello",
        b"[]",
        b"7",
        b"{}",
        b'{"v":1}',
        b"[" * 60_000,
        b'{"v":' * 10_000,
        b'{"v":1,"entries":[],"totals":NaN}',
        b'{"v":1,"entries":[' + b"9" * 5000 + b"]}",
        message(v=True),
        message(v=1.0),
        message(v="1"),
        message(v=None),
        message(entries={}),
        message(entries=None),
        message(sender=None),
        message(sender="two\nlines"),
        message(model_name="\ud800"),
        message(model_name="x" * 1025),
        message(instance=7),
        message(totals=[]),
        message(totals={"dropped": -1}),
        message(totals={"dropped": 2**53 + 1}),
        message(totals={"dropped": 1.5}),
        message(totals={"errors": True}),
    ],
)
def test_nonsense_is_refused_as_a_whole(datagram):
    assert outcome(datagram) == "malformed_datagram"


@pytest.mark.parametrize(
    "fields",
    [
        {"e2e": -0.001},
        {"e2e": None},
        {"e2e": "1.0"},
        {"e2e": True},
        {"e2e": 1e9},
        {"ttft": -1.0},
        {"ttft": [0.5]},
        {"decode": 1e300},
        {"queue": False},
        {"prefill": {}},
        {"arrival": None},
        {"arrival": -1.0},
        {"output_tokens": None},
        {"output_tokens": 2.0},
        {"output_tokens": -1},
        {"output_tokens": 2**60},
        {"prompt_tokens": "many"},
        {"cached_tokens": -1},
        {"preemptions": 0.5},
        {"finish_reason": None},
        {"finish_reason": "x" * 1025},
        {"engine": None},
        {"engine": 0},
        {"engine": "0\n1"},
        {"kind": "riddle"},
        {"kind": None},
    ],
)
def test_a_request_that_is_not_sound_is_refused_alone(fields):
    assert refused(request(**fields)) == 1


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "-1e999", "1" + "0" * 400])
def test_a_number_beyond_all_bounds_is_refused_alone(number):
    datagram = message(request(e2e=123.0), request()).replace(b"123.0", number.encode())
    assert (decode(datagram).refused, len(decode(datagram).requests)) == (1, 1)


@pytest.mark.parametrize(
    "entry",
    [
        None,
        7,
        [],
        {},
        iteration(engine=None),
        iteration(sums=[]),
        iteration(sums={"steps": -1}),
        iteration(sums={"steps": "1"}),
        iteration(sums={"st\neps": 1}),
        iteration(sums={f"sum {number}": 1 for number in range(200)}),
        iteration(gauges={"running": None}),
        iteration(gauges={"running": 1e300}),
        iteration(gaps={"-1": 1}),
        iteration(gaps={"x": 1}),
        iteration(steps={}),
        iteration(adapters=[]),
        iteration(adapters={"poet": -1}),
        iteration(steps=[7]),
        iteration(steps=[[0] * 6]),
        iteration(steps=[[0, 0, -1, 0, 0, 0, 0]]),
        iteration(steps=[[0, 0, 0.5, 0, 0, 0, 0]]),
        iteration(steps=[[0] * 7] * 5000),
        iteration(gaps={"²": 1}),
        iteration(gaps={"1.5": 1}),
        iteration(gaps={str(LAST + 1): 1}),
        iteration(gaps={"9" * 5000: 1}),
        iteration(gaps={"5": 1.5}),
        iteration(gaps={"5": -1}),
        iteration(gap_sum=-1),
        config(engines=None),
        config(engines=[7]),
        config(engines=["0"] * 200),
        config(facts=None),
        config(facts={"dtype": ["bfloat16"]}),
        config(facts={"dtype": "two\nlines"}),
        config(facts={"dtype": "x" * 40_000}),
        config(facts={"two\nlines": 1}),
        config(facts={"size": 1e300}),
        config(facts={f"fact {number}": 1 for number in range(200)}),
        config(facts={"hf_config": "no json"}),
        config(facts={"hf_config": "[1]"}),
        config(facts={"hf_config": "[" * 30_000}),
        config(facts={"hf_config": 7}),
    ],
)
def test_another_entry_that_is_not_sound_is_refused_alone(entry):
    assert refused(entry) == 1


@pytest.mark.parametrize("request_id", ["two\nlines", "\ud800", "x" * 1025, 7, None])
def test_an_odd_request_id_does_not_cost_the_record(request_id):
    (record,) = decode(message(request(request_id=request_id))).requests
    assert record.request_id == ""


def test_the_highest_bucket_is_taken():
    assert decode(message(iteration(gaps={str(LAST): 2}))).iterations[0].gaps == {LAST: 2}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@given(st.binary(max_size=200))
def test_whatever_bytes_come_nothing_but_a_refusal_is_raised(datagram):
    with pytest.raises(UnreadableError):
        decode(datagram)


@given(st.sampled_from([request(), iteration(), config()]), st.data())
def test_whatever_stands_in_a_field_the_rest_is_read_and_what_is_read_is_sound(sound, data):
    field = data.draw(st.sampled_from(sorted(sound)))
    value = data.draw(JSON)
    told = decode(message({**sound, field: value}, request(request_id="rest")))
    assert told.requests[-1].request_id == "rest"
    assert len(told.requests) + len(told.iterations) + len(told.configs) + told.refused >= (
        1 if field == "engines" else 2
    )
    for record in told.requests:
        durations = (record.e2e, record.ttft, record.decode, record.queue, record.prefill)
        assert all(0 <= seconds <= 1e8 for seconds in durations if seconds is not None)
        labels = (record.engine, record.finish_reason, record.request_id)
        assert all(label.isprintable() and label.encode() is not None for label in labels)
    for facts in told.iterations:
        assert all(0 <= index <= LAST and count >= 0 for index, count in facts.gaps.items())
        assert all(math.isfinite(number) for number in (*facts.sums.values(), *facts.gauges.values(), facts.gap_sum))
