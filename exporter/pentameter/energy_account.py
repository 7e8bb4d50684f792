"""The energy account of one GPU: which joules are believed, those of its counter or those of its power.

The hardware counter is exact where it is sound, and there are boards and moments where it is not. What is believed:

- the counter moved by no more than the board can draw: what it moved by (``measured``);
- it moved by more than ``MARGIN`` x power limit x time: nothing yet. If the next value fits what was before, the odd
  one was a glitch or was read late; if it does not, the counter jumped, and power x time stands in;
- it fell: nothing, for the driver was reloaded or the board reset, nobody knows when;
- it stood still for more than ``STILL_SECONDS`` while the board drew power, or did not answer for so long: power x
  time stands in from where it stopped. When it moves again it may have caught up or have lost the time: the nearer of
  the two is taken for true, and what power x time has paid already is not paid again;
- there is none: power x time from the first reading on.

Power x time (``integrated``) is the trapezoid between two readings that both tell the power and are no more than
``GAP_SECONDS`` apart. What lies in a longer gap is unknown, and earns nothing.

Pure: time is handed in. Joules, watts, seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

MARGIN = 1.2
"""How far above its power limit a board may be: limits are kept on average, and readings come early or late."""

STILL_SECONDS = 3.0
"""Counters are brought up to date every 20 to 100 ms: one that stands still for so long has stopped."""

GAP_SECONDS = 10.0
"""Longest time that a straight line between two powers stands for."""

COUNTER, INTEGRATED, UNKNOWN = "counter", "integrated", ""
"""Where the energy of the last reading comes from."""

ANOMALIES = ("reset", "rejected", "frozen", "power")
"""The counter fell; it moved by more than can be; it stood still under power; the power is above what can be."""


@dataclass(frozen=True, slots=True)
class _Point:
    """A reading of the counter, and the integral of the power at that moment."""

    time: float
    counter: float
    integral: float
    breaks: int
    """How often the integral had broken off by then."""


class EnergyAccount:
    """Keeps the account of one GPU."""

    def __init__(self) -> None:
        self.measured = 0.0
        """Joules by the counter so far."""
        self.integrated = 0.0
        """Joules by power x time so far, where the counter was silent or not to be believed."""
        self.method = UNKNOWN
        """Of the last reading: ``COUNTER``, ``INTEGRATED``, or ``UNKNOWN``: neither tells."""
        self.since: float | None = None
        """When the account begins; None while neither counter nor power has told anything."""
        self.has_counter = False
        self.has_integral = False
        """Whether anything was ever booked by power x time."""
        self.anomalies: dict[str, int] = dict.fromkeys(ANOMALIES, 0)
        self.audited_counter = 0.0
        """What the counter said over all times in which the power was known as well..."""
        self.audited_integral = 0.0
        """...and what power x time said of the same times..."""
        self.audited_seconds = 0.0
        """...which are so long."""
        self._time: float | None = None
        self._power: tuple[float, float] | None = None
        """Moment and watts of the last reading, if it told the power."""
        self._step: float | None = None
        """The joules of power x time between the last two readings, if both told the power."""
        self._integral = 0.0
        self._breaks = 0
        self._booked = 0.0
        """Up to where the integral was booked, or was covered by the counter."""
        self._base: _Point | None = None
        """When the counter was last seen to move, or to begin."""
        self._held: float | None = None
        """An impossible value that waits for the next."""
        self._frozen = False
        self._owed = 0.0
        """Joules that power x time has paid in advance for the counter."""
        self._checked: _Point | None = None

    @property
    def joules(self) -> float:
        """Return all joules believed so far; never falls."""
        return self.measured + self.integrated

    def take(self, time: float, counter: float | None, watts: float | None, limit: float | None) -> None:
        """Take in a reading; one that is not younger than the last is the same page once more, and is ignored.

        Args:
            time: monotonic seconds.
            counter: joules, or None where the board does not tell.
            watts: power now, or None; 0 is what boards say that cannot measure it, and counts as None.
            limit: the most watts that the board may draw, or None where nobody knows: then nothing is impossible.
        """
        if self._time is not None and time <= self._time:
            return
        self._time = time
        self._integrate(time, self._believable(watts, limit))
        if counter is None or not math.isfinite(counter) or counter < 0:
            self._without_counter(time)
        elif self._base is None:
            self._begin(time, counter)
        else:
            self._compare(self._base, time, counter, limit)

    def _believable(self, watts: float | None, limit: float | None) -> float | None:
        if watts is None or not math.isfinite(watts) or watts <= 0:
            return None
        if limit is not None and watts > MARGIN * limit:
            self.anomalies["power"] += 1
            return None
        return watts

    def _integrate(self, time: float, watts: float | None) -> None:
        last = self._power
        self._step = None
        self._power = None if watts is None else (time, watts)
        if last is None or watts is None or time - last[0] > GAP_SECONDS:
            self._breaks += 1
            return
        self._step = (last[1] + watts) / 2 * (time - last[0])
        self._integral += self._step
        if self.since is None:
            self.since = last[0]

    def _without_counter(self, time: float) -> None:
        if self._base is None:
            self._stand_in()
        elif time - self._base.time > STILL_SECONDS:
            self._owed += self._stand_in()
        else:
            # It may be back in a moment, and then tells this time exactly.
            self.method = UNKNOWN

    def _begin(self, time: float, counter: float) -> None:
        """Begin with a counter, whose history is not ours; until here power x time was all there was."""
        self._stand_in()
        self.since = time if self.since is None else self.since
        self.has_counter = True
        self._settle(time, counter)
        self._checked = self._base

    def _compare(self, base: _Point, time: float, counter: float, limit: float | None) -> None:
        moved = counter - base.counter
        if moved < 0:
            self.anomalies["reset"] += 1
            self._settle(time, counter)
            self._checked = self._base
            return
        if limit is not None and moved > MARGIN * limit * (time - base.time):
            self._distrust(time, counter)
            return
        if self._held is not None and counter < self._held:
            self.anomalies["rejected"] += 1
        self._held = None
        if moved > 0:
            self._move(moved, time, counter)
        else:
            self._stand_still(base, time)
        self._audit(time, counter)

    def _distrust(self, time: float, counter: float) -> None:
        if self._held is None:
            self._held = counter
            return
        self.anomalies["rejected"] += 1
        self._stand_in()
        method = self.method
        self._settle(time, counter)
        self.method = method or COUNTER
        self._checked = self._base

    def _move(self, moved: float, time: float, counter: float) -> None:
        """Book what the counter moved by, less what was paid in advance.

        After power x time has stood in: a counter that caught up shows what was paid and the last step as well, one
        that lost the time shows at most the last step. Half way between them divides the two.
        """
        stood_in = self._owed > 0 and self.method != COUNTER
        if stood_in and moved < (self._step or 0.0) + self._owed / 2:
            if self._step is None:
                self.measured += moved
            else:
                self._stand_in()
            self._owed = 0.0
        else:
            paid = min(self._owed, moved)
            self._owed -= paid
            self.measured += moved - paid
        owed = self._owed
        self._settle(time, counter)
        # What the counter has not yet made up for, because power x time said a little more.
        self._owed = owed

    def _stand_still(self, base: _Point, time: float) -> None:
        if not self._frozen:
            if self._power is None or time - base.time <= STILL_SECONDS:
                self.method = COUNTER
                return
            self._frozen = True
            self.anomalies["frozen"] += 1
        self._owed += self._stand_in()

    def _stand_in(self) -> float:
        """Book power x time up to now; return the joules."""
        joules = self._integral - self._booked
        self._booked = self._integral
        self.integrated += joules
        self.has_integral |= joules > 0
        self.method = UNKNOWN if self._step is None else INTEGRATED
        return joules

    def _settle(self, time: float, counter: float) -> None:
        """Believe the counter from here on, whatever was before."""
        self._base = _Point(time, counter, self._integral, self._breaks)
        self._booked = self._integral
        self._held = None
        self._frozen = False
        self._owed = 0.0
        self.method = COUNTER

    def _audit(self, time: float, counter: float) -> None:
        """Compare counter and power x time, believed or not, where both tell the same time."""
        last, now = self._checked, _Point(time, counter, self._integral, self._breaks)
        if last is not None and last.breaks == now.breaks:
            self.audited_counter += now.counter - last.counter
            self.audited_integral += now.integral - last.integral
            self.audited_seconds += now.time - last.time
        self._checked = now
