"""From OTLP bodies to records: against the official library, and on what real servers sent."""

from __future__ import annotations

import contextlib
import math
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from otlp_bodies import ATTRIBUTES, SERVICE, body, fill, message, span
from pentameter.records import FinishedRequest
from pentameter.sources import otlp_spans
from pentameter.sources.otlp_spans import MAX_SPANS, Decoded, decode
from pentameter.sources.otlp_wire import WireError, with_length

CAPTURES = Path(__file__).parents[1] / "captures" / "otlp"

RECORD = FinishedRequest(
    origin="otlp",
    arrival_wall=1_700_000_000.25,
    e2e=1.5,
    output_tokens=12,
    prompt_tokens=300,
    ttft=0.125,
    decode=1.375,
    queue=0.0625,
    prefill=0.03125,
    request_id="cmpl-4f1b2c3d4e5f6071-0",
    sender="vllm-a",
)
E2E, TTFT, DECODE = (f"gen_ai.latency.{name}" for name in ("e2e", "time_to_first_token", "time_in_model_decode"))
PROMPT, COMPLETION = "gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens"


def one(*args, resource=SERVICE, **changes):
    """Return the record of a body with one span that differs from the plain one."""
    decoded = decode(body(span(*args, **changes), resource=resource))
    assert (len(decoded.requests), decoded.ignored, decoded.malformed) == (1, 0, 0), decoded
    return decoded.requests[0]


# What a span means


def test_a_span_of_vllm_becomes_a_record():
    assert one() == RECORD
    assert RECORD.tpot == 0.125


def test_other_spans_are_counted_and_skipped():
    decoded = decode(body(span("Load model"), span(), span("llm_request2"), span("LLM_REQUEST"), span("")))
    assert decoded == Decoded((RECORD,), ignored=4)


def test_the_names_of_the_semantic_conventions_are_read_too():
    request = one(
        without=(PROMPT, COMPLETION),
        usage__input_tokens=31,
        usage__output_tokens=2,
        usage__cache_read__input_tokens=16,
        response__model="llama",
        response__finish_reasons=["length"],
    )
    assert (request.prompt_tokens, request.output_tokens, request.cached_tokens) == (31, 2, 16)
    assert (request.model_name, request.finish_reason) == ("llama", "length")


def test_the_model_is_the_one_that_answered_or_else_the_one_asked_for():
    assert one(request__model="asked").model_name == "asked"
    assert one(request__model="asked", response__model="answered").model_name == "answered"


def test_a_finish_reason_may_be_a_plain_text_and_none_of_several_but_the_first():
    assert one(response__finish_reasons="stop").finish_reason == "stop"
    assert one(response__finish_reasons=["stop", "length"]).finish_reason == "stop"
    assert one(response__finish_reasons=[]).finish_reason == ""
    assert one(response__finish_reasons=[["stop"]]).finish_reason == ""
    assert one(response__finish_reasons=[3]).finish_reason == ""


@pytest.mark.parametrize("name", ["unknown_service", "unknown_service:python", ""])
def test_a_service_that_nobody_named_has_no_name(name):
    assert one(resource={"service.name": name}).sender == ""


def test_the_name_of_the_service_is_the_sender():
    assert one(resource={"service.name": "unknown_service_of_mine"}).sender == "unknown_service_of_mine"
    assert one(resource={"service.name": 3}).sender == ""
    assert one(resource={}).sender == ""


def test_each_resource_has_its_own_sender():
    data = body(span(), resource={"service.name": "a"}) + body(span()) + body(span(), resource={})
    assert [request.sender for request in decode(data).requests] == ["a", "vllm-a", ""]


def test_one_token_takes_no_time_after_the_first_even_where_nobody_says_so():
    assert one(without=(DECODE,), usage__completion_tokens=1).decode == 0.0


def test_an_engine_that_does_not_tell_the_decode_time_leaves_it_unknown():
    assert one(without=(DECODE,)) == replace(RECORD, decode=None)


def test_a_request_without_a_token_had_no_first_one():
    changes = {"latency__time_in_model_prefill": 86_400.0, "latency__time_in_queue": -86_400.0}
    request = one(usage__completion_tokens=0, latency__time_to_first_token=-3.0, **changes)
    assert request == replace(RECORD, output_tokens=0, ttft=None, decode=None, queue=None, prefill=None)


def test_whole_numbers_are_seconds_too():
    assert one(latency__e2e=2, latency__time_to_first_token=1).e2e == 2.0
    assert type(one(latency__e2e=2).e2e) is float


@pytest.mark.parametrize(
    ("field", "attribute", "value"),
    [
        ("queue", "latency__time_in_queue", -0.001),
        ("prefill", "latency__time_in_model_prefill", math.nan),
        ("queue", "latency__time_in_queue", "0.1"),
        ("cached_tokens", "usage__cache_read__input_tokens", -1),
        ("cached_tokens", "usage__cache_read__input_tokens", 3.0),
    ],
)
def test_what_is_not_essential_is_unknown_where_it_cannot_be(field, attribute, value):
    assert one(**{attribute: value}) == replace(RECORD, **{field: None})


@pytest.mark.parametrize("lacking", [E2E, TTFT, PROMPT, COMPLETION])
def test_a_span_that_lacks_what_is_essential_is_malformed_and_does_not_spoil_the_others(lacking):
    decoded = decode(body(span(), span(without=(lacking,)), span()))
    assert decoded.requests == (RECORD, RECORD)
    assert (decoded.ignored, decoded.malformed) == (0, 1)
    assert decoded.complaint.startswith("an llm_request span has no ")


@pytest.mark.parametrize(
    ("attribute", "value", "complaint"),
    [
        ("latency__e2e", -1e-9, "end-to-end latency"),
        ("latency__e2e", math.nan, "end-to-end latency"),
        ("latency__e2e", math.inf, "end-to-end latency"),
        ("latency__e2e", 2_592_001.0, "end-to-end latency"),
        ("latency__e2e", "1.5", "end-to-end latency"),
        ("latency__e2e", True, "end-to-end latency"),
        ("latency__e2e", None, "end-to-end latency"),
        ("latency__e2e", [1.5, 2.5], None),
        ("latency__time_to_first_token", -0.1, "time to first token"),
        ("latency__time_to_first_token", 1.6, "after its end"),
        ("latency__time_in_model_decode", -0.1, "decode time"),
        ("latency__time_in_model_decode", "x", "decode time"),
        ("usage__completion_tokens", -1, "output tokens"),
        ("usage__completion_tokens", 12.0, "output tokens"),
        ("usage__completion_tokens", 1_000_000_001, "output tokens"),
        ("usage__prompt_tokens", "300", "prompt tokens"),
        ("usage__prompt_tokens", {"a": 1}, "prompt tokens"),
        ("usage__prompt_tokens", b"300", "prompt tokens"),
    ],
)
def test_a_span_that_garbles_what_is_essential_is_malformed(attribute, value, complaint):
    decoded = decode(body(span(**{attribute: value})))
    if complaint is None:  # an array stands for its first element, whatever it is of
        assert decoded.requests == (RECORD,)
    else:
        assert (decoded.requests, decoded.malformed) == ((), 1)
        assert complaint in decoded.complaint


def test_a_span_without_a_start_is_malformed():
    assert decode(body(span(start=0))).complaint == "an llm_request span has no start time"


def test_the_first_complaint_is_kept():
    decoded = decode(body(span(start=0), span(without=(E2E,))))
    assert (decoded.malformed, decoded.complaint) == (2, "an llm_request span has no start time")


@pytest.mark.parametrize("character", ["x", "ż", "語", "😀"])
@pytest.mark.parametrize("length", [1023, 1024, 1025, 2000])
def test_of_long_texts_the_beginning_is_kept_without_half_a_character(character, length):
    assert one(request__id="y" + character * (length - 1)).request_id == "y" + character * min(length - 1, 1023)


# What may be on the wire


def test_an_empty_body_holds_nothing():
    assert decode(b"") == Decoded()
    assert decode(body()) == Decoded()


def test_fields_may_come_in_any_order():
    written = message(span()).resource_spans[0]
    one_span = written.scope_spans[0].spans[0]
    late_name = (
        Span(attributes=one_span.attributes).SerializeToString()
        + Span(start_time_unix_nano=one_span.start_time_unix_nano, name=one_span.name).SerializeToString()
    )
    scope = ScopeSpans.FromString(with_length(2, late_name)).SerializeToString()
    late_resource = with_length(2, scope) + with_length(1, written.resource.SerializeToString())
    assert decode(with_length(1, late_resource)).requests == (RECORD,)


def test_a_value_may_come_before_its_key():
    turned = b""
    for attribute in message(span()).resource_spans[0].scope_spans[0].spans[0].attributes:
        value_first = (
            KeyValue(value=attribute.value).SerializeToString() + KeyValue(key=attribute.key).SerializeToString()
        )
        turned += with_length(9, value_first)
    plain = Span(name="llm_request", start_time_unix_nano=1_700_000_000_250_000_000).SerializeToString()
    scope = ScopeSpans.FromString(with_length(2, plain + turned)).SerializeToString()
    assert decode(with_length(1, with_length(2, scope))).requests == (replace(RECORD, sender=""),)


def test_two_parts_of_a_resource_are_one():
    named = Resource()
    fill(named.attributes, SERVICE)
    other = Resource(dropped_attributes_count=1)
    spans = message(span()).resource_spans[0].scope_spans[0].SerializeToString()
    data = with_length(1, named.SerializeToString()) + with_length(1, other.SerializeToString()) + with_length(2, spans)
    assert ResourceSpans.FromString(data).resource.attributes == named.attributes
    assert decode(with_length(1, data)).requests == (RECORD,)


def test_unknown_fields_are_skipped():
    data = b""
    for part in (
        message(span()).SerializeToString(),
        with_length(77, b"new"),
        b"\x85\x01four",
        b"\x81\x01eightbyt",
        b"\x80\x01\x01",
    ):
        data += part
    assert decode(data).requests == (RECORD,)


def test_a_span_without_any_name_is_another_one():
    assert decode(body(("", 5, ATTRIBUTES))) == Decoded(ignored=1)


def test_a_text_that_is_not_utf8_is_refused_here_and_there():
    data = body(span(request__id="zzzzzz")).replace(b"zzzzzz", b"zz\xff\xfezz")
    with pytest.raises(WireError, match="UTF-8"):
        decode(data)
    with pytest.raises(DecodeError):
        ExportTraceServiceRequest.FromString(data)


def test_a_body_cut_off_anywhere_is_refused_unless_what_is_left_is_whole():
    data = body(span(), span("x"), span(request__id="ż")) + body(span())
    for end in range(len(data) + 1):
        try:
            whole = sum(
                len(s.spans)
                for r in ExportTraceServiceRequest.FromString(data[:end]).resource_spans
                for s in r.scope_spans
            )
        except DecodeError:
            with pytest.raises(WireError):
                decode(data[:end])
        else:
            decoded = decode(data[:end])
            assert len(decoded.requests) + decoded.ignored == whole


def test_nothing_of_a_body_counts_that_is_broken_at_its_end():
    with pytest.raises(WireError):
        decode(body(span()) + b"\x0a\x7f")


def test_arrays_in_arrays_are_not_followed_however_deep():
    value = b""
    for _ in range(3000):
        value = with_length(5, with_length(1, value))
    attribute = with_length(1, b"gen_ai.request.id") + with_length(2, value)
    data = with_length(5, b"llm_request") + with_length(9, attribute)
    assert decode(with_length(1, with_length(2, with_length(2, data)))).malformed == 1


def test_a_body_of_countless_empty_spans_is_refused_and_holds_no_memory(monkeypatch):
    monkeypatch.setattr(otlp_spans, "MAX_SPANS", 10_000)
    data = with_length(1, with_length(2, b"\x12\x00" * 1_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(WireError, match="more than 10000 spans"):
            decode(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 * 1024


def test_as_many_spans_as_are_allowed_are_read():
    assert MAX_SPANS == 65_536
    assert decode(with_length(1, with_length(2, b"\x12\x00" * MAX_SPANS))).ignored == MAX_SPANS
    with pytest.raises(WireError, match="more than 65536 spans"):
        decode(with_length(1, with_length(2, b"\x12\x00" * (MAX_SPANS + 1))))


# Against the official library

KEYS = st.sampled_from([*ATTRIBUTES, "gen_ai.usage.output_tokens", "gen_ai.response.finish_reasons", "other", ""])
SCALARS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 100),
    st.floats(),
    st.floats(0, 10),
    st.text(max_size=8),
    st.booleans(),
    st.binary(max_size=4),
    st.none(),
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS.filter(lambda value: value is not None), max_size=3))
NEARLY_GOOD = st.dictionaries(KEYS, VALUES, max_size=3).map(lambda changes: ATTRIBUTES | changes)
SPANS = st.tuples(
    st.sampled_from(["llm_request", "llm_request", "llm_request", "other", ""]),
    st.sampled_from([0, 1, 1_700_000_000_000_000_000, 2**64 - 1_500_000_001]),
    st.one_of(NEARLY_GOOD, st.dictionaries(KEYS, VALUES)),
)
RESOURCES = st.dictionaries(st.sampled_from(["service.name", "other"]), st.one_of(SCALARS, st.just("vllm-b")))
MESSAGES = st.lists(st.tuples(st.lists(SPANS, max_size=4), RESOURCES), max_size=3)


def read(value):
    """Return what counts of an ``AnyValue``, by the official library."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        values = value.array_value.values
        return read(values[0]) if values and values[0].WhichOneof("value") != "array_value" else None
    return getattr(value, kind) if kind in ("string_value", "int_value", "double_value") else None


def number(found, kinds, limit, *names):
    for name in reversed(found):
        if name in names:
            value = found[name]
            return value if isinstance(value, kinds) and 0 <= value <= limit else None
    return None


def expected(request, sender):
    """Return the record of an official span, or None of a malformed one."""
    found = {}
    for attribute in request.attributes:
        if attribute.HasField("value"):
            found.pop(attribute.key, None)
            found[attribute.key] = read(attribute.value)

    def seconds(name):
        return number(found, (int, float), 2_592_000, f"gen_ai.latency.{name}")

    def tokens(*names):
        return number(found, int, 10**9, *(f"gen_ai.usage.{name}" for name in names))

    def text(name):
        return found[name] if isinstance(found.get(name), str) else ""

    output, e2e = tokens("completion_tokens", "output_tokens"), seconds("e2e")
    ttft, decode_time = seconds("time_to_first_token"), seconds("time_in_model_decode")
    prompt = tokens("prompt_tokens", "input_tokens")
    if not request.start_time_unix_nano or None in (output, e2e, prompt):
        return None
    if output and (ttft is None or ttft > e2e or (found.get(DECODE) is not None and decode_time is None)):
        return None
    if output == 1 and decode_time is None:
        decode_time = 0.0
    return FinishedRequest(
        origin="otlp",
        arrival_wall=request.start_time_unix_nano / 10**9,
        e2e=e2e,
        output_tokens=output,
        prompt_tokens=prompt,
        ttft=ttft if output else None,
        decode=decode_time if output else None,
        queue=seconds("time_in_queue") if output else None,
        prefill=seconds("time_in_model_prefill") if output else None,
        finish_reason=text("gen_ai.response.finish_reasons"),
        request_id=text("gen_ai.request.id"),
        sender=sender,
    )


def oracle(data):
    """Return what the official library makes of a body."""
    requests, ignored, malformed = [], 0, 0
    for resource_spans in ExportTraceServiceRequest.FromString(data).resource_spans:
        sender = ""
        for attribute in resource_spans.resource.attributes:
            if attribute.key == "service.name":
                sender = read(attribute.value) if attribute.value.HasField("string_value") else ""
        for scope_spans in resource_spans.scope_spans:
            for one_span in scope_spans.spans:
                request = expected(one_span, sender)
                ignored += one_span.name != "llm_request"
                if one_span.name == "llm_request":
                    malformed += request is None
                    requests += [request] if request else []
    return tuple(requests), ignored, malformed


@settings(max_examples=60)
@given(MESSAGES)
def test_any_message_reads_as_the_official_library_reads_it(parts):
    data = b"".join(body(*spans, resource=resource) for spans, resource in parts)
    decoded = decode(data)
    assert (decoded.requests, decoded.ignored, decoded.malformed) == oracle(data)
    assert bool(decoded.complaint) == bool(decoded.malformed)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_with_the_one_error(data):
    for framed in (
        data,
        with_length(1, data),
        with_length(1, with_length(2, with_length(2, with_length(5, b"llm_request") + data))),
    ):
        with contextlib.suppress(WireError):
            decode(framed)


@given(st.data())
def test_a_damaged_body_is_refused_only_where_the_official_library_refuses_it(data):
    damaged = bytearray(body(span(request__id="ż", response__finish_reasons=["stop"]), span("other")))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(damaged))
    except WireError as error:
        if "group" not in str(error):  # which the library skips where it does not know the field
            with pytest.raises(DecodeError):
                ExportTraceServiceRequest.FromString(bytes(damaged))


# What real servers sent

PLAIN, STREAMED, FIRST_OF_TWO, SECOND_OF_TWO, ONE_TOKEN = range(5)


def capture(name):
    return decode((CAPTURES / f"vllm-0.32.0-{name}.pb").read_bytes())


def test_the_requests_of_a_real_server_over_http():
    decoded = capture("http-requests")
    assert (len(decoded.requests), decoded.ignored, decoded.malformed) == (12, 2, 0)
    assert decoded.requests[PLAIN] == FinishedRequest(
        origin="otlp",
        arrival_wall=1795446739.4604129,
        e2e=0.051451921463012695,
        output_tokens=8,
        prompt_tokens=5,
        ttft=0.018572568893432617,
        decode=0.03326416399977461,
        queue=4.5577000491903163e-05,
        prefill=0.010507909000807558,
        request_id="cmpl-9d19c7544f235915-0",
        sender="vllm-a",
    )
    assert decoded.requests[ONE_TOKEN] == FinishedRequest(
        origin="otlp",
        arrival_wall=1795446739.6283011,
        e2e=0.006836414337158203,
        output_tokens=1,
        prompt_tokens=5,
        ttft=0.006836414337158203,
        decode=0.0,
        queue=2.1211000785115175e-05,
        prefill=0.004853560998526518,
        request_id="cmpl-9dc5ee3ffcf6f4bc-0",
        sender="vllm-a",
    )


def test_a_real_server_names_completions_with_the_number_of_their_prompt_behind_the_clients_id():
    ids = [request.request_id for request in capture("http-requests").requests]
    assert ids == [
        "cmpl-9d19c7544f235915-0",
        "cmpl-976df1f1c9f8e251-0",
        "cmpl-a73dca7b6de2cc3d-0",  # n=2: both sequences have one id
        "cmpl-a73dca7b6de2cc3d-0",
        "cmpl-9dc5ee3ffcf6f4bc-0",
        "cmpl-mine-123-0",
        "chatcmpl-a3e22b09fb6d56ee",  # chats have the client's id as it is
        "chatcmpl-mine-456",
        "cmpl-b77e974493bce47d-0",  # two prompts
        "cmpl-b77e974493bce47d-1",
        "cmpl-8fb3319c3ec384eb-0",
        "cmpl-" + "x" * 300 + "-0",
    ]


def test_the_requests_of_a_real_server_over_grpc_whose_service_has_no_name():
    decoded = capture("grpc-requests")
    assert (len(decoded.requests), decoded.ignored, decoded.malformed) == (12, 2, 0)
    assert decoded.requests[SECOND_OF_TWO] == FinishedRequest(
        origin="otlp",
        arrival_wall=1795446783.0259902,
        e2e=0.038812875747680664,
        output_tokens=8,
        prompt_tokens=5,
        ttft=0.012458562850952148,
        decode=0.02643234199967992,
        queue=8.001001333468594e-06,
        prefill=0.006576804998985608,
        request_id="cmpl-b22999559415e50e-0",
    )
    assert {request.sender for request in decoded.requests} == {""}


def test_the_spans_of_a_starting_server_are_all_of_other_names():
    assert capture("start-up") == Decoded(ignored=7)


@pytest.mark.parametrize("name", ["http-requests", "grpc-requests", "start-up"])
def test_what_real_servers_sent_reads_as_the_official_library_reads_it(name):
    data = (CAPTURES / f"vllm-0.32.0-{name}.pb").read_bytes()
    decoded = capture(name)
    requests, ignored, malformed = oracle(data)
    named = tuple(
        replace(r, sender="" if r.sender.startswith("unknown_service") else r.sender, request_id=r.request_id[:1024])
        for r in requests
    )
    assert (decoded.requests, decoded.ignored, decoded.malformed) == (named, ignored, malformed)


def test_a_capture_tells_nothing_of_the_machine_it_was_made_on():
    for file in CAPTURES.glob("*.pb"):
        data = file.read_bytes()
        assert b"code.filepath" not in data or b"/opt/environments/" in data
        assert b"/work/" not in data
        assert b"/home/" not in data
