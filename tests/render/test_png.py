"""Small PNG files."""

import struct
import zlib

from render import png


def chunks(file):
    """Return the kinds and contents of a file's chunks, by the specification's layout: length, kind, data, CRC."""
    found, rest = [], file[8:]
    while rest:
        (length,) = struct.unpack(">I", rest[:4])
        kind, data, crc = rest[4:8], rest[8 : 8 + length], rest[8 + length : 12 + length]
        assert struct.unpack(">I", crc)[0] == zlib.crc32(kind + data)
        found.append((kind, data))
        rest = rest[12 + length :]
    return found


def test_a_picture_of_two_colours_is_a_palette_and_lines_of_places():
    file = png.indexed(2, 2, [(0, 0, 0), (255, 128, 64)], bytes([0, 1, 1, 0]))

    assert file[:8] == bytes([137, 80, 78, 71, 13, 10, 26, 10])
    header, palette, lines, end = chunks(file)
    # Width, height, bits per pixel, colour type 3 (a palette), then compression, filter and interlacing as ever.
    assert header == (b"IHDR", bytes([0, 0, 0, 2, 0, 0, 0, 2, 8, 3, 0, 0, 0]))
    assert palette == (b"PLTE", bytes([0, 0, 0, 255, 128, 64]))
    # Each line begins with its filter, 0 for none.
    assert (lines[0], zlib.decompress(lines[1])) == (b"IDAT", bytes([0, 0, 1, 0, 1, 0]))
    assert end == (b"IEND", b"")
