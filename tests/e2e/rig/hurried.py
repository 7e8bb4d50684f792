"""Pentameter on a clock that runs faster: ``python -m e2e.rig.hurried SPEED ARGUMENTS...`` for a day in minutes.

Nothing of Pentameter is replaced. Its clocks, those of ``time``, tell so many times the seconds that have passed, and
what its event loop waits for comes so many times sooner.
"""

from __future__ import annotations

import selectors
import sys
import time


def hurry(speed: float) -> None:
    """Make this process live so many times faster from now on; what is asked for before has a slow clock."""
    monotonic, begun, begun_wall = time.monotonic, time.monotonic(), time.time()

    class Selector(selectors.DefaultSelector):
        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            found: list[tuple[selectors.SelectorKey, int]] = super().select(timeout and timeout / speed)
            return found

    def passed() -> float:
        return (monotonic() - begun) * speed

    selectors.DefaultSelector = Selector  # type: ignore[misc]  # what asyncio makes its loops with
    time.monotonic = lambda: begun + passed()
    time.time = lambda: begun_wall + passed()


if __name__ == "__main__":
    hurry(float(sys.argv[1]))
    # Only now: some modules take a clock when they are loaded.
    from pentameter.cli import main

    sys.exit(main(sys.argv[2:]))
