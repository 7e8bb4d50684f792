"""How long the clocks of one GPU were held down, and why.

The driver tells the reasons of this moment as a bitmask, and of one of them, the power cap, it also counts the time:

- ``counter``: where it counts, what its count moved by. A count that fell (the driver was reloaded, the board reset)
  or moved by more than the time that has passed earns nothing, and is believed from there on;
- ``sampled``: else a reason that is there at a reading is held to have lasted since the reading before. What lies in a
  gap of more than ``GAP_SECONDS``, or before a reading that failed, is unknown and earns nothing.

The first reading that tells anything of a reason settles which of the two it is, for good: no second is counted twice.

NVML's other counts (fields 269 to 271) are left alone: drivers up to 580 at least number them 251 to 253, and mean
settings of power smoothing by 269 to 271.

Pure: time is handed in. Seconds.
"""

from __future__ import annotations

import math

COUNTER, SAMPLED = "counter", "sampled"

POWER_CAP, SYNC_BOOST, SW_THERMAL = "power_cap", "sync_boost", "sw_thermal"
HW_THERMAL, HW_POWER_BRAKE, HW_SLOWDOWN = "hw_thermal", "hw_power_brake", "hw_slowdown"

_BITS = {
    POWER_CAP: 0x4,
    SYNC_BOOST: 0x10,
    SW_THERMAL: 0x20,
    HW_THERMAL: 0x40,
    HW_POWER_BRAKE: 0x80,
    HW_SLOWDOWN: 0x8,
}
"""As ``nvml.h`` has them. Idle (0x1), clocks that somebody has set (0x2) and a display's (0x100) are no throttling."""

REASONS = tuple(_BITS)

GAP_SECONDS = 90.0
"""One and a half times the longest pause between two readings that can be set."""

SLACK_SECONDS = 1.0
"""By how much a count may be ahead: the driver brings it up to date in steps, and answers late."""


class ThrottleAccount:
    """Keeps the account of one GPU."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        """By reason, so far; never falls. A reason that the board has not been found to tell is missing."""
        self.bases: dict[str, str] = {}
        """Reason -> ``COUNTER`` or ``SAMPLED``."""
        self._time: float | None = None
        self._sampled: float | None = None
        """When the bitmask was last told, if the last reading told it."""
        self._count: tuple[float, float] | None = None
        """When the driver's count was last told, and what it was."""

    def take(self, time: float, reasons: int | None, known: int | None, capped: float | None) -> None:
        """Take in a reading; one that is not younger than the last is the same once more, and is ignored.

        Args:
            time: monotonic seconds.
            reasons: the bitmask of this moment, or None.
            known: the bits that the board can set at all, or None: then only what has been seen set is known.
            capped: the driver's own count of the seconds under its power cap, or None.
        """
        if self._time is not None and time <= self._time:
            return
        self._time = time
        self._take_count(time, capped)
        last, self._sampled = self._sampled, None
        if reasons is not None:
            self._sampled = time
            self._take_sample(reasons, known or 0, 0.0 if last is None or time - last > GAP_SECONDS else time - last)

    def break_off(self) -> None:
        """Note that a reading failed: nobody knows what was until the next."""
        self._sampled = None

    def _take_count(self, time: float, capped: float | None) -> None:
        if capped is None or not math.isfinite(capped) or self._basis(POWER_CAP, COUNTER) != COUNTER:
            return
        last, self._count = self._count, (time, capped)
        if last is not None and 0 <= capped - last[1] <= time - last[0] + SLACK_SECONDS:
            self.seconds[POWER_CAP] += capped - last[1]

    def _take_sample(self, reasons: int, known: int, seconds: float) -> None:
        held = held_by(reasons)
        for reason, bit in _BITS.items():
            if (known | reasons) & bit and self._basis(reason, SAMPLED) == SAMPLED and reason in held:
                self.seconds[reason] += seconds

    def _basis(self, reason: str, otherwise: str) -> str:
        self.seconds.setdefault(reason, 0.0)
        return self.bases.setdefault(reason, otherwise)


def held_by(reasons: int) -> frozenset[str]:
    """Return the reasons that a bitmask names, none of them twice.

    The hardware's slowdown is set together with its cause where the board knows the cause.

    >>> [sorted(held_by(mask)) for mask in (0x4 | 0x20, 0x8 | 0x40, 0x8, 0x1 | 0x2 | 0x100)]
    [['power_cap', 'sw_thermal'], ['hw_thermal'], ['hw_slowdown'], []]
    """
    named = {reason for reason, bit in _BITS.items() if reasons & bit}
    if named & {HW_THERMAL, HW_POWER_BRAKE}:
        named.discard(HW_SLOWDOWN)
    return frozenset(named)
