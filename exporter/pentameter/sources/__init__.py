"""All I/O: each module turns one part of the outside world into a frozen reading.

A source has a ``name``, a blocking ``read()`` that returns a reading or raises ``SourceError``, and
``close()``. It is called by one thread at a time; it never retries, never sleeps and never logs: the
daemon does all three, once, for every source.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

ReadingT_co = TypeVar("ReadingT_co", covariant=True)


class SourceError(Exception):
    """A source could not be read.

    ``reason`` is one word from a closed set and becomes a label value of ``pentameter_source_up``;
    the message is for the log and says what was being done.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class SourceAbsent(SourceError):  # noqa: N818 - an absence is a normal state, not an error
    """The thing to be read does not exist here (no NVIDIA driver, say): normal, and said once."""


class Source(Protocol[ReadingT_co]):
    """What the daemon needs of a source."""

    @property
    def name(self) -> str:
        """Return the value of the ``source`` label."""

    @property
    def server(self) -> str:
        """Return the vLLM server that the source belongs to, or the empty string."""

    def read(self) -> ReadingT_co:
        """Read once, blocking; raise ``SourceError`` with the reason."""

    def close(self) -> None:
        """Release what the source holds; never raises."""
