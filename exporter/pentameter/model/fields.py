"""Typed access to a configuration that anybody may have written: what is odd is named, not guessed at."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence

from pentameter.model.spec import UnknownModelError

LARGEST = 1_000_000_000
"""More than any dimension of any model; it keeps products finite as floating point numbers."""


class Fields:
    """The keys of one JSON object.

    A key that is null counts as missing, because a configuration that was read and written again has null for what
    was never set. Every method raises ``UnknownModelError`` that names the key.
    """

    def __init__(self, values: object, place: str = "") -> None:
        if not isinstance(values, Mapping):
            raise UnknownModelError(f"{place or 'the configuration'} is not an object")
        self._values: Mapping[str, object] = values
        self._place = f"{place}." if place else ""

    def __contains__(self, key: str) -> bool:
        """Say whether the key is there and not null."""
        return self._values.get(key) is not None

    def states(self, key: str) -> bool:
        """Say whether the key is there, though it may be null."""
        return key in self._values

    def child(self, key: str) -> Fields:
        """Return the object under the key."""
        return Fields(self._values.get(key), f"{self._place}{key}")

    def integer(self, *keys: str, default: int | None = None, least: int = 1, most: int = LARGEST) -> int:
        """Return a whole number under the first of the keys that is there; without a default one must be there."""
        for key in keys:
            value = self._values.get(key)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise self.odd(key, f"not a whole number from {least} to {most}")
            return value
        if default is None:
            raise UnknownModelError(f"{self._place}{keys[0]} is missing")
        return default

    def maybe_integer(self, key: str, *, least: int = 1, most: int = LARGEST) -> int | None:
        """Return a whole number, or None where there is none."""
        return self.integer(key, least=least, most=most) if key in self else None

    def boolean(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self._values.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.odd(key, "neither true nor false")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """Return a string."""
        value = self._values.get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise self.odd(key, "not a string")
        return value

    def items(self, key: str) -> Sequence[object]:
        """Return a list; an empty one where there is none."""
        value = self._values.get(key)
        if value is None:
            return ()
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise self.odd(key, "not a list")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of strings; an empty one where there is none."""
        found = self.items(key)
        texts = tuple(item for item in found if isinstance(item, str))
        if len(texts) != len(found):
            raise self.odd(key, "not a list of strings")
        return texts

    def integers(self, key: str) -> tuple[int, ...]:
        """Return a list of whole numbers; an empty one where there is none."""
        found = self.items(key)
        numbers = tuple(item for item in found if isinstance(item, int) and not isinstance(item, bool))
        if len(numbers) != len(found):
            raise self.odd(key, "not a list of whole numbers")
        return numbers

    def names(self) -> tuple[str, ...]:
        """Return the keys that are strings."""
        return tuple(str(key) for key in self._values)

    def odd(self, key: str, why: str) -> UnknownModelError:
        """Return an error about the value of a key."""
        return UnknownModelError(f"{self._place}{key} is {shown(self._values.get(key))}: {why}")


def shown(value: object) -> str:
    """Return a value as a message can hold it; Python refuses to write integers of thousands of digits."""
    if isinstance(value, int) and abs(value) > 10**40:
        return "a number of more than 40 digits"
    return reprlib.repr(value)[:40]
