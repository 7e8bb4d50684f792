"""Unpacking with a limit."""

import gzip
import tracemalloc
import zlib

import pytest

from pentameter.sources.otlp_gzip import TooLargeError, unpack
from pentameter.sources.otlp_wire import WireError

BODY = bytes(range(256)) * 40


def test_a_body_of_exactly_the_limit_is_unpacked():
    assert unpack(gzip.compress(BODY), len(BODY)) == BODY
    assert unpack(gzip.compress(b""), 1024) == b""


def test_one_byte_more_is_too_large():
    with pytest.raises(TooLargeError, match="more than 10239 bytes"):
        unpack(gzip.compress(BODY), len(BODY) - 1)


def test_a_bomb_is_not_unpacked_beyond_the_limit():
    bomb = gzip.compress(bytes(16 * 1024 * 1024), 9)
    assert len(bomb) < 25_000
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError):
            unpack(bomb, 64 * 1024)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1024 * 1024


@pytest.mark.parametrize("cut", [0, 5, 10, 40, len(gzip.compress(BODY)) - 8, len(gzip.compress(BODY)) - 1])
def test_a_stream_that_is_cut_off_is_refused(cut):
    with pytest.raises(WireError, match="cut off"):
        unpack(gzip.compress(BODY)[:cut], 1_000_000)


def test_what_is_not_gzip_is_refused():
    for data in (b"no gzip at all", zlib.compress(BODY), BODY):
        with pytest.raises(WireError, match="not gzip"):
            unpack(data, 1_000_000)


def test_a_damaged_stream_is_refused():
    packed = bytearray(gzip.compress(BODY))
    packed[-5] ^= 1  # of the checksum
    with pytest.raises(WireError, match="not gzip"):
        unpack(bytes(packed), 1_000_000)


def test_more_behind_the_end_is_refused():
    with pytest.raises(WireError, match="behind the end"):
        unpack(gzip.compress(BODY) + gzip.compress(BODY), 1_000_000)
