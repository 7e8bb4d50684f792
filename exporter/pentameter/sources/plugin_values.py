"""Values in the plugin's messages: each is of its kind and within reason, or the entry that holds it is refused."""

from __future__ import annotations

from typing import Any

from pentameter.vllm_plugin_wire import LONGEST_NAME

MOST_KEYS = 128
MOST_COUNT = 2**53
"""Whole numbers above it are no longer exact in a double."""


class UnsoundError(Exception):
    """A value that a field cannot have."""


def mapping(value: object, most: int = MOST_KEYS) -> dict[str, Any]:
    """Return an object of at most so many names."""
    if not isinstance(value, dict) or len(value) > most:
        raise UnsoundError("no object, or a large one")
    return value


def is_label(value: object) -> bool:
    """Say whether a value may become a label: printable text, not too long."""
    # What is printable has no line breaks, and no halves of surrogate pairs, which cannot be written as UTF-8.
    return isinstance(value, str) and len(value) <= LONGEST_NAME and value.isprintable()


def label(value: object) -> str:
    """Return a text that may become a label."""
    if not isinstance(value, str) or not is_label(value):
        raise UnsoundError("label")
    return value


def number(value: object, least: float, most: float) -> float:
    """Return a number of a range."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise UnsoundError("number")  # NaN, which Python's JSON knows, is in no range
    return value


def whole(value: object) -> int:
    """Return a whole number that is not negative."""
    if type(value) is not int or not 0 <= value <= MOST_COUNT:
        raise UnsoundError("whole number")
    return value
