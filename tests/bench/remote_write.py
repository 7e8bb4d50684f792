"""Prometheus's remote write, as far as sending needs it: a protobuf in a snappy block that is not compressed.

``WriteRequest { repeated TimeSeries timeseries = 1; }``, ``TimeSeries { repeated Label labels = 1; repeated Sample
samples = 2; }``, ``Label { string name = 1; string value = 2; }`` and, in milliseconds,
``Sample { double value = 1; int64 timestamp = 2; }``.
"""

from __future__ import annotations

import struct
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    # The labels of a series as encoded, and its values at the times of the piece.
    Row = tuple[bytes, Sequence[float]]

_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


def varint(number: int) -> bytes:
    """Return a number as protobuf writes it: seven bits a byte, the lowest first.

    >>> varint(300).hex()
    'ac02'
    """
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def labels(given: dict[str, str]) -> bytes:
    """Return the labels of a series, encoded, in order of their names."""
    return b"".join(
        _field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in sorted(given.items())
    )


class Piece:
    """Writes values of many series at the same times."""

    def __init__(self, milliseconds: Sequence[int]) -> None:
        times = [b"\x10" + varint(moment) for moment in milliseconds]
        # Packing all samples of a series at once is what makes hundreds of millions bearable.
        width = len(times[0])
        self._pack = struct.Struct("<" + f"3sd{width}s" * len(times)).pack
        head = bytes([2 << 3 | 2, 1 + 8 + width, 1 << 3 | 1])
        self._template = [part for time in times for part in (head, 0.0, time)]

    def request(self, rows: Iterable[Row]) -> bytes:
        """Return the body of a request."""
        parts, template, pack = [], self._template, self._pack
        for encoded, values in rows:
            template[1::3] = values
            parts.append(_field(1, encoded + pack(*template)))
        return uncompressed_snappy(b"".join(parts))


def uncompressed_snappy(content: bytes) -> bytes:
    """Return a snappy block of one literal.

    >>> uncompressed_snappy(b"abc").hex()
    '03fc02000000616263'
    """
    return varint(len(content)) + b"\xfc" + struct.pack("<I", len(content) - 1) + content


def send(url: str, body: bytes) -> None:
    """Send one request; raise ``OSError`` when it is refused."""
    request = urllib.request.Request(f"{url}/api/v1/write", body, _HEADERS)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60.0) as response:
        response.read()
