"""Small PNG files: flat colours from a palette, as drawn charts have them."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SIGNATURE = b"\x89PNG\r\n\x1a\n"
EIGHT_BITS, INDEXED = 8, 3
UNFILTERED = b"\0"
"""Neighbours in a palette have nothing to do with each other, so that PNG's filters would only make it larger."""


def indexed(width: int, height: int, colours: Sequence[Sequence[int]], pixels: bytes) -> bytes:
    """Return the file of a picture whose every pixel is one byte, its place among at most 256 (red, green, blue)."""
    lines = b"".join(UNFILTERED + pixels[start : start + width] for start in range(0, width * height, width))
    header = struct.pack(">IIBBBBB", width, height, EIGHT_BITS, INDEXED, 0, 0, 0)
    palette = bytes(part for colour in colours for part in colour)
    parts = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
