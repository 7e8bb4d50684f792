"""Which windows speak for the traffic of now: those whose requests were about as long.

A request twice as long takes about twice the server, so a capacity in requests/s holds for one mix of lengths. The mix
of now is that of the last hour. A window of another mix is left out, the sooner the less the means of neighbouring
windows scatter by chance.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from pentameter.capacity.statistics import weighted_median

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pentameter.capacity.load import LoadWindow

RECENT = 3600.0
TOLERANCE = 0.1
"""Difference of mean lengths, as a logarithm, that does not count."""
SCATTER = 1.5
"""Further tolerance, in typical differences between one window and the next."""


def similarity(windows: Sequence[LoadWindow]) -> list[float]:
    """Return a weight from 0 to 1 for each window, oldest first: 1 for the present mix, 0 for quite another one.

    With d = |ln(mean tokens / mean tokens of the last hour)|: 1 up to a tolerance t, falling to 0 at 2 t; the smaller
    one of output and prompt tokens. Windows without tokens weigh 1.
    """
    outputs = _likeness(windows, [window.output_tokens for window in windows])
    prompts = _likeness(windows, [window.prompt_tokens for window in windows])
    return [min(pair) for pair in zip(outputs, prompts, strict=True)]


def _likeness(windows: Sequence[LoadWindow], tokens: Sequence[float]) -> list[float]:
    known = [(window, math.log(mean)) for window, mean in zip(windows, tokens, strict=True) if mean > 0]
    if not known:
        return [1.0] * len(windows)
    newest = known[-1][0].start
    recent = [(window.arrivals, level) for window, level in known if window.start >= newest - RECENT]
    now = sum(count * level for count, level in recent) / sum(count for count, _ in recent)
    steps = [abs(b - a) for (_, a), (_, b) in pairwise(known)]
    tolerance = TOLERANCE + SCATTER * (weighted_median(steps, [1.0] * len(steps)) if steps else 0.0)
    return [1.0 if mean <= 0 else min(1.0, max(0.0, 2 - abs(math.log(mean) - now) / tolerance)) for mean in tokens]
