"""The wire format of Protocol Buffers, as far as OTLP needs it: the fields of a message, without schema and copies.

A message is walked by offsets into the body, so that memory does not depend on what is in it. Lengths, numbers and
tags that cannot be are refused; what nobody looks into is not checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_MORE = 0x80
"""This bit of a byte says that the number goes on in the next one."""
_LONGEST_VARINT_BITS = 70
"""Ten bytes of seven bits, of which the last six do not count."""
_64_BITS = (1 << 64) - 1


class WireError(ValueError):
    """The bytes are no OTLP; the message says what is wrong with them."""


def fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield (tag, a, b) for each field of the message at ``data[start:end]``; raises ``WireError``.

    The tag is field number * 8 + wire type. A field with a length lies at ``data[a:b]``, and so does a number of fixed
    size; of a variable-length number ``a`` is the (unsigned) value itself. Groups, which OTLP does not have, are
    refused.
    """
    while start < end:
        tag = data[start]
        start += 1
        if tag >= _MORE:
            tag, start = _varint(data, start - 1, end)
        if not 8 <= tag < 1 << 32:
            message = f"no field can have the tag {tag}"
            raise WireError(message)
        kind = tag & 7
        if kind == _LENGTH:
            if start < end and data[start] < _MORE:
                size = data[start]
                start += 1
            else:
                size, start = _varint(data, start, end)
        elif kind == _VARINT:
            value, start = _varint(data, start, end)
            yield tag, value, start
            continue
        elif kind == _FIXED64:
            size = 8
        elif kind == _FIXED32:
            size = 4
        else:
            message = f"wire type {kind} (a group, or none at all) is not used by OTLP"
            raise WireError(message)
        stop = start + size
        if stop > end:
            message = f"a field of {size} bytes does not fit into the {end - start} that are left of its message"
            raise WireError(message)
        yield tag, start, stop
        start = stop


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return a number of variable length and where it ends."""
    if at < end and data[at] < _MORE:
        return data[at], at + 1
    value = 0
    for shift in range(0, _LONGEST_VARINT_BITS, 7):
        if at >= end:
            raise WireError("a number is cut off")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < _MORE:
            return value & _64_BITS, at
    raise WireError("a number has more than ten bytes")


def with_length(number: int, payload: bytes) -> bytes:
    """Return field ``number`` with these bytes in it, of any length: text, or another message.

    >>> with_length(2, b"no")
    b'\\x12\\x02no'
    """
    return _encoded(number << 3 | _LENGTH) + _encoded(len(payload)) + payload


def with_number(number: int, value: int) -> bytes:
    """Return field ``number`` with this integer, which is not negative."""
    return _encoded(number << 3 | _VARINT) + _encoded(value)


def _encoded(value: int) -> bytes:
    written = bytearray()
    while value >= _MORE:
        written.append(value & 0x7F | _MORE)
        value >>= 7
    written.append(value)
    return bytes(written)
