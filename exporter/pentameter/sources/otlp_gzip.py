"""Unpacks gzip without ever holding more than was allowed."""

from __future__ import annotations

import zlib

from pentameter.sources.otlp_wire import WireError

_GZIP = 31
"""zlib's number for "a gzip header is required"."""


class TooLargeError(Exception):
    """The body is larger than was allowed."""


def unpack(packed: bytes, limit: int) -> bytes:
    """Return the unpacked body.

    Raises ``TooLargeError`` when it has more than ``limit`` bytes (no more than that is unpacked) and ``WireError``
    when it is not one complete gzip stream and nothing else.
    """
    stream = zlib.decompressobj(wbits=_GZIP)
    try:
        body = stream.decompress(packed, limit + 1)
    except zlib.error as error:
        message = f"the body is not gzip: {error}"
        raise WireError(message) from error
    if len(body) > limit:
        message = f"the unpacked body has more than {limit} bytes"
        raise TooLargeError(message)
    if not stream.eof:
        raise WireError("the gzip stream is cut off")
    if stream.unused_data:
        raise WireError("there is more behind the end of the gzip stream")
    return body
