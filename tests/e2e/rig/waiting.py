"""Waiting for something to become true, without sleeping longer than needed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def wait_until(what: str, condition: Callable[[], bool], seconds: float = 90.0) -> None:
    """Return as soon as the condition holds; raise ``AssertionError`` that names it when it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still not so: {what}"
        time.sleep(0.1)
