"""The wire format, beside the official library."""

import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.descriptor_pb2 import FileOptions, UninterpretedOption
from google.protobuf.message import DecodeError
from google.protobuf.wrappers_pb2 import Int64Value
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pentameter.sources.otlp_wire import WireError, fields, with_length, with_number

TOO_LONG = bytes([0x80] * 10 + [0x01])


def walk(data):
    return list(fields(data, 0, len(data)))


def test_a_message_is_walked_field_by_field():
    data = Span(trace_id=b"ab", name="x" * 200, kind=300, start_time_unix_nano=5, flags=7).SerializeToString()
    assert walk(data) == [(0x0A, 2, 4), (0x2A, 7, 207), (0x30, 300, 210), (0x39, 211, 219), (0x85, 221, 225)]
    assert data[7:207] == b"x" * 200
    assert data[211:219] == (5).to_bytes(8, "little")
    assert data[221:225] == (7).to_bytes(4, "little")


def test_only_the_part_that_is_asked_for_is_walked():
    data = b"junk" + Any(type_url="t", value=b"v").SerializeToString() + b"junk"
    assert list(fields(data, 4, len(data) - 4)) == [(0x0A, 6, 7), (0x12, 9, 10)]
    assert list(fields(data, 4, 4)) == []


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_number_reads_as_it_was_written_modulo_its_sign(value):
    [(tag, read, _)] = walk(UninterpretedOption(negative_int_value=value).SerializeToString())
    assert (tag, read) == (5 << 3, value % 2**64)


@given(st.integers(0, 2**63 - 1), st.binary(max_size=300))
def test_what_is_written_here_is_read_there(number, payload):
    assert Int64Value.FromString(with_number(1, number)).value == number
    assert Any.FromString(with_length(1, b"t") + with_length(2, payload)) == Any(type_url="t", value=payload)


def test_field_numbers_above_fifteen_take_two_bytes():
    assert FileOptions.FromString(with_length(36, b"Ab") + with_number(42, 1)).objc_class_prefix == "Ab"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x0a", "cut off"),
        (b"\x0a\x05abcd", "5 bytes does not fit into the 4"),
        (b"\x0a\xff\xff\xff\xff\x0f", "does not fit"),
        (b"\x09\x00\x00\x00", "8 bytes does not fit into the 3"),
        (b"\x0d\x00\x00\x00", "4 bytes does not fit into the 3"),
        (b"\x08", "cut off"),
        (b"\x08\x80", "cut off"),
        (b"\x08" + TOO_LONG, "more than ten bytes"),
        (b"\x02\x00", "tag 2"),
        (b"\x80\x80\x80\x80\x10\x00", "tag 4294967296"),
        (b"\x0e", "wire type 6"),
        (b"\x0f", "wire type 7"),
    ],
)
def test_what_cannot_be_is_refused_here_and_there(data, why):
    with pytest.raises(WireError, match=why):
        walk(data)
    with pytest.raises(DecodeError):
        Int64Value.FromString(data)


def test_a_number_may_not_reach_beyond_its_message():
    with pytest.raises(WireError, match="cut off"):
        list(fields(b"\x08\x80\x01", 0, 2))
    with pytest.raises(WireError, match="does not fit"):
        list(fields(b"\x0a\x02ab", 0, 3))


def test_a_number_has_sixty_four_bits_and_what_is_above_them_does_not_count():
    for last in (1, 0x7F):
        data = b"\x08" + b"\xff" * 9 + bytes([last])
        assert walk(data) == [(8, 2**64 - 1, 11)]
        assert Int64Value.FromString(data).value == -1


def test_a_group_is_refused_though_the_library_would_skip_it():
    with pytest.raises(WireError, match="group"):
        walk(b"\x0b\x0c")


@given(st.binary(max_size=60))
def test_any_bytes_are_walked_within_their_bounds_or_refused(data):
    try:
        found = walk(data)
    except WireError:
        return
    assert all(tag & 7 == 0 or 0 < a <= b <= len(data) for tag, a, b in found)
