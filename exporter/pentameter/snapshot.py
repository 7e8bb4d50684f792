"""What is published: the samples of one moment and the health of every source, immutable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pentameter.metric import Sample


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """How a source is doing; kept apart from its data, and never inferred from it."""

    source: str
    server: str = ""
    up: bool = False
    reason: str = "starting"
    """One word from a closed set while the source is down; empty while it is up."""
    message: str = ""
    last_success: float | None = None
    """Wall-clock seconds."""
    duration_seconds: float | None = None
    """Of the last successful read."""
    failures: int = 0
    successes: int = 0
    absent: bool = False
    """The thing to be read does not exist here, which is a normal state."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment, ready to be shown."""

    samples: tuple[Sample, ...]
    sources: tuple[SourceHealth, ...]
    wall: float
    monotonic: float
    sequence: int = 0
