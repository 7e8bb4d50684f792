"""Files that others wrote, such as JSON objects: regular files only, of a limited size, read strictly.

A named pipe would hold a read for ever, and of a key that stands twice nobody knows which value counts.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections import Counter
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from pentameter.sources import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEEPEST = 100
"""Levels of nesting that are still read; configurations of models have fewer than ten."""


def read_object(path: Path, most_bytes: int) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises ``SourceError`` with the reason ``not_found``, ``unreadable``, ``too_large`` or ``malformed``.
    """
    with open_regular(path) as file:
        body = file.read(most_bytes + 1)
    if len(body) > most_bytes:
        raise SourceError("too_large", f"{path} is larger than {most_bytes} bytes")
    return parse_object(body, str(path))


@contextlib.contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file, or what a symbolic link to one leads to.

    Raises ``SourceError`` with the reason ``not_found`` or ``unreadable``, also for an error while it is read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except ValueError as error:  # a NUL, or a character that the file system cannot encode
        raise SourceError("not_found", f"{str(path)!r} is not the name of a file") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceError("not_found", f"there is no {path}") from error
    except OSError as error:
        raise SourceError("unreadable", f"cannot read {path}: {error.strerror}") from error
    try:
        _refuse_irregular(os.fstat(handle), path)
        with os.fdopen(handle, "rb", closefd=False) as file:
            yield file
    except OSError as error:
        raise SourceError("unreadable", f"cannot read {path}: {error.strerror}") from error
    finally:
        os.close(handle)


def _refuse_irregular(found: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise SourceError("unreadable", f"{path} is not a regular file")


def parse_object(body: bytes, place: str) -> dict[str, Any]:
    """Return a JSON object; infinities are taken, because published configurations hold them (``time_step_limit``).

    Raises ``SourceError("malformed")`` for anything else, NaN and a key that stands twice included.
    """
    try:
        value = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_distinct, parse_constant=_constant)
    except RecursionError as error:
        raise SourceError("malformed", f"{place} is nested too deeply") from error
    except ValueError as error:
        raise SourceError("malformed", f"{place} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise SourceError("malformed", f"{place} is JSON, but not an object")
    if _deeper_than(value, DEEPEST):
        raise SourceError("malformed", f"{place} is nested too deeply")
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        [(twin, _)] = Counter(name for name, _ in pairs).most_common(1)
        message = f"the key {twin[:80]!r} stands twice"
        raise ValueError(message)
    return value


def _constant(name: str) -> float:
    if name == "NaN":
        _refuse(name)
    return float(name)


def _refuse(name: str) -> NoReturn:
    message = f"{name} is no number"
    raise ValueError(message)


def _deeper_than(value: object, most: int) -> bool:
    """Say whether lists and objects are nested deeper; level by level, without recursion."""
    level = [value]
    for _ in range(most):
        level = [
            item
            for outer in level
            if isinstance(outer, (dict, list))
            for item in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(item, (dict, list))
        ]
        if not level:
            return False
    return True
