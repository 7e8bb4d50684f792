"""Has the server become slower than it is remembered, though nobody said that anything changed?

A board that throttles or a neighbour on the machine makes every old window promise too much. The last hour is compared
with what older windows were like at the same rate.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from pentameter.capacity.bins import Point, points
from pentameter.capacity.estimate import begins_with_backlog
from pentameter.capacity.statistics import weighted_median
from pentameter.capacity.table import tabulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pentameter.capacity.estimate import Limits
    from pentameter.capacity.load import LoadWindow

RECENT = 3600.0
FEWEST = 6
SLOWER = math.log(1.3)
EASY = math.log(0.9)
"""Windows are compared where the target was met with room to spare: beyond, severity is whatever the queue makes it."""


def recent_if_slower(windows: Sequence[LoadWindow], weights: Sequence[float]) -> Sequence[LoadWindow] | None:
    """Return the windows of the last hour if they are slower than the older ones were, else None.

    Slower: in the median of at least six windows, the severity is 1.3 times the median of older windows of the
    same rate and mix; ``weights`` say which are of that mix. Windows in order of time.
    """
    if not windows:
        return None
    border = windows[-1].start - RECENT
    older = [(w, weight) for w, weight in zip(windows, weights, strict=True) if w.start < border and weight > 0]
    recent = [w for w, weight in zip(windows, weights, strict=True) if w.start >= border and weight > 0]
    if len(recent) < FEWEST or not older:
        return None
    found = points(tabulate([w for w, _ in older], [weight for _, weight in older]), _severity)
    excess = [
        math.log(window.severity) - expected
        for window in recent
        if window.severity is not None and (expected := _between(found, window.rate)) is not None and expected < EASY
    ]
    if len(excess) < FEWEST or weighted_median(excess, [1.0] * len(excess)) < SLOWER:
        return None
    return [window for window in windows if window.start >= border]


def recent_if_refuted(
    windows: Sequence[LoadWindow], lower: float | None, limits: Limits
) -> Sequence[LoadWindow] | None:
    """Return the windows of the last hour if they refute a lower bound, in requests/s, else None.

    A server with a queue works as fast as it can. If it finishes fewer requests per second than the bound, in
    at least six windows that begin with a backlog and are followed by another one, it cannot carry the bound.
    """
    if not windows or lower is None:
        return None
    recent = [window for window in windows if window.start >= windows[-1].start - RECENT]
    full = [
        window
        for window, following in pairwise(recent)
        if begins_with_backlog(window, limits) and begins_with_backlog(following, limits)
    ]
    seconds = sum(window.seconds for window in full)
    if len(full) < FEWEST or sum(window.finished for window in full) >= lower * seconds:
        return None
    return recent


def _severity(window: LoadWindow) -> float | None:
    return None if window.severity is None else math.log(window.severity)


def _between(found: Sequence[Point], rate: float) -> float | None:
    """Return the value between the two points around a rate, or None outside of them."""
    for low, high in pairwise(found):
        if low.rate <= rate <= high.rate:
            return low.value + (high.value - low.value) * (rate - low.rate) / (high.rate - low.rate)
    return None
