"""Monotone cubic interpolation, and a distribution drawn through a few known shares.

The normal score of a share F is the standard normal quantile of F. Of a lognormal distribution it is a straight line
over log(value), so that interpolating normal scores over log(value) reproduces every lognormal exactly, and bends
little for what latencies really look like; interpolating F itself, as PromQL does, assumes an even spread over each
bucket, which no latency has.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import pairwise
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_NORMAL = NormalDist()
_STEPS = 60
_CLOSE = 1e-12


def normal_score(share: float) -> float:
    """Return the standard normal quantile of a share; raises ``ValueError`` outside (0, 1).

    >>> round(normal_score(0.975), 6)
    1.959964
    """
    return _NORMAL.inv_cdf(share)


def monotone_slopes(xs: Sequence[float], ys: Sequence[float]) -> list[float]:
    """Return slopes for which the cubic Hermite interpolant of rising data rises everywhere.

    ``xs`` ascend strictly, ``ys`` do not fall; at least two of each. Three-point differences to start with, one-sided
    at the ends, 0 where the data are flat; then, with a and b the slopes at the two ends of an interval over its
    chord's, both are scaled down to the circle a^2 + b^2 = 9 where they lie outside (Fritsch and Carlson 1980,
    Monotone Piecewise Cubic Interpolation, region S2).
    """
    widths = [right - left for left, right in pairwise(xs)]
    chords = [(above - below) / width for (below, above), width in zip(pairwise(ys), widths, strict=True)]
    if len(chords) == 1:
        return chords * 2
    slopes = [_end_slope(widths[0], widths[1], chords[0], chords[1])]
    for i in range(1, len(chords)):
        before, after = widths[i - 1], widths[i]
        slopes.append((after * chords[i - 1] + before * chords[i]) / (before + after))
    slopes.append(_end_slope(widths[-1], widths[-2], chords[-1], chords[-2]))
    for i, chord in enumerate(chords):
        if chord <= 0:
            slopes[i] = slopes[i + 1] = 0.0
            continue
        length = math.hypot(slopes[i], slopes[i + 1]) / chord
        if length > 3:
            slopes[i] *= 3 / length
            slopes[i + 1] *= 3 / length
    return slopes


def _end_slope(width: float, next_width: float, chord: float, next_chord: float) -> float:
    """Return the slope at an end of the parabola through the three outermost points, at least 0."""
    return max(0.0, ((2 * width + next_width) * chord - width * next_chord) / (width + next_width))


class MonotoneCurve:
    """A rising curve through given points, read backwards."""

    def __init__(self, xs: Sequence[float], ys: Sequence[float]) -> None:
        """Take the points; the demands are those of ``monotone_slopes``."""
        self._xs = xs
        self._ys = ys
        self._slopes = monotone_slopes(xs, ys)

    def where(self, y: float) -> float:
        """Return the lowest x at which the curve is as high as ``y``; the nearer end where it never is."""
        right = bisect_left(self._ys, y)
        if right == 0:
            return self._xs[0]
        if right == len(self._ys):
            return self._xs[-1]
        width = self._xs[right] - self._xs[right - 1]
        rise = self._ys[right] - self._ys[right - 1]
        first, last = self._slopes[right - 1] * width, self._slopes[right] * width
        cubic = (y - self._ys[right - 1], first, 3 * rise - 2 * first - last, first + last - 2 * rise)
        return self._xs[right - 1] + width * _root(*cubic)


def _root(height: float, first: float, second: float, third: float) -> float:
    """Return t in [0, 1] with first t + second t^2 + third t^3 = height, of a cubic that rises from 0 past height.

    Newton's method, halving the bracket where it would leave it.
    """
    low, high, t = 0.0, 1.0, height / (first + second + third)
    for _ in range(_STEPS):
        error = ((third * t + second) * t + first) * t - height
        if error > 0:
            high = t
        else:
            low = t
        slope = (3 * third * t + 2 * second) * t + first
        step = t - error / slope if slope > 0 else low
        if not low < step < high:
            step = (low + high) / 2
        if abs(step - t) <= _CLOSE:
            return step
        t = step
    return t


def lognormal_sigma(value: float, score: float, mean: float) -> float | None:
    """Return sigma of the lognormal distribution with this mean and with this normal score at a value, or None.

    log(mean) = mu + sigma^2 / 2 and log(value) = mu + score * sigma, so that
    sigma^2 / 2 - score * sigma - log(mean / value) = 0. Of two positive roots the smaller one is meant: the other is
    a spread of several orders of magnitude. None where there is no positive root.

    >>> round(lognormal_sigma(math.exp(0.5), 1.0, math.exp(0.125)), 9)
    0.5
    """
    discriminant = score * score + 2 * math.log(mean / value)
    if discriminant < 0:
        return None
    half = math.sqrt(discriminant)
    return min((root for root in (score - half, score + half) if root > 0), default=None)
