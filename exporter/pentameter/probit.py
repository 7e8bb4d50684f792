"""Monotone cubic interpolation, and a distribution drawn through a few known shares.

The normal score of a share F is the standard normal quantile of F. Of a lognormal distribution it is a straight line
over log(value), so that interpolating normal scores over log(value) reproduces every lognormal exactly, and bends
little for what latencies really look like; interpolating F itself, as PromQL does, assumes an even spread over each
bucket, which no latency has.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from itertools import pairwise
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_NORMAL = NormalDist()
_STEPS = 60
_CLOSE = 1e-12
_NARROWEST = 1e-6


def normal_score(share: float) -> float:
    """Return the standard normal quantile of a share; raises ``ValueError`` outside (0, 1).

    >>> round(normal_score(0.975), 6)
    1.959964
    """
    return _NORMAL.inv_cdf(share)


def monotone_slopes(xs: Sequence[float], ys: Sequence[float]) -> list[float]:
    """Return slopes for which the cubic Hermite interpolant of rising data rises everywhere.

    ``xs`` ascend strictly, ``ys`` do not fall; at least two of each. Inside, the slope is a weighted harmonic mean of
    the chords on both sides, 0 where one of them is flat (Fritsch and Butland 1984, A Method for Constructing Local
    Monotone Piecewise Cubic Interpolants). At the ends it is that of the parabola through the three outermost points,
    at least 0; it is at most twice the outermost chord, and up to three times keep the curve rising (Fritsch and
    Carlson 1980). This is what SciPy's ``PchipInterpolator`` does.
    """
    widths = [right - left for left, right in pairwise(xs)]
    chords = [(above - below) / width for (below, above), width in zip(pairwise(ys), widths, strict=True)]
    if len(chords) == 1:
        return chords * 2
    slopes = [_end_slope(widths[0], widths[1], chords[0], chords[1])]
    for (before, after), (left, right) in zip(pairwise(widths), pairwise(chords), strict=True):
        if left <= 0 or right <= 0:
            slopes.append(0.0)
        else:
            near, far = before + 2 * after, 2 * before + after
            slopes.append((near + far) / (near / left + far / right))
    slopes.append(_end_slope(widths[-1], widths[-2], chords[-1], chords[-2]))
    return slopes


def _end_slope(width: float, inner_width: float, chord: float, inner_chord: float) -> float:
    return max(0.0, ((2 * width + inner_width) * chord - width * inner_chord) / (width + inner_width))


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


def curve_of(bounds: Sequence[float], counts: Sequence[float], mean: float | None) -> MonotoneCurve | None:
    """Return the normal score of the share of observations over log(bound), or None where nothing fixes the shape.

    ``counts[i]`` of ``counts[-1]`` observations are <= ``bounds[i]``; the last bound may be +Inf. The curve goes
    through every bound that divides the observations, from the last bound below all of them to the first above all.
    These two outer bounds are known for no more than at most one observation beyond them: they count as the shares
    1/2n and 1 - 1/2n of n observations, and as the farthest that the distribution may reach. Where a lognormal
    distribution through the two outermost dividing bounds, or through the only one and with the same mean, has those
    shares nearer by, the outer point is drawn in to there. Every lognormal distribution is so reproduced exactly.

    None where no bound divides the observations, or all that do divide them alike: then they lie in one or two heaps
    without a known width.
    """
    n = counts[-1]
    first = max(bisect_right(counts, 0) - 1, bisect_right(bounds, 0), 0)
    end = bisect_left(counts, n) + 1
    inside = range(first, end if math.isfinite(bounds[end - 1]) else end - 1)
    dividing = [i - first for i in inside if 0 < counts[i] < n]
    if not dividing or len(inside) == 1:
        return None
    logs = [math.log(bounds[i]) for i in inside]
    scores = [normal_score(min(max(counts[i], 0.5), n - 0.5) / n) for i in inside]
    low, high = dividing[0], dividing[-1]
    if low < high:
        if scores[low] == scores[high]:
            return None
        below, above = _chord(logs, scores, low), _chord(logs, scores, high - 1)
    else:
        below = above = lognormal_sigma(bounds[inside[low]], scores[low], mean) if mean else None
    if low > 0 and below is not None:
        logs[0] = max(logs[0], logs[low] + below * (scores[0] - scores[low]))
    if high + 1 < len(logs) and above is not None:
        logs[-1] = min(logs[-1], logs[high] + above * (scores[-1] - scores[high]))
    return MonotoneCurve(logs, scores)


def _chord(logs: list[float], scores: list[float], i: int) -> float | None:
    """Return sigma of the lognormal distribution through a point and the next; None where they divide alike."""
    rise = scores[i + 1] - scores[i]
    return (logs[i + 1] - logs[i]) / rise if rise > 0 else None


def lognormal_sigma(value: float, score: float, mean: float) -> float | None:
    """Return sigma of the lognormal distribution with this mean and with this normal score at a value, or None.

    log(mean) = mu + sigma^2 / 2 and log(value) = mu + score * sigma, so that
    sigma^2 / 2 - score * sigma - log(mean / value) = 0. Of two positive roots the smaller one is meant: the other
    is the wider spread, of several orders of magnitude. None where no root is above a millionth.

    >>> round(lognormal_sigma(math.exp(0.5), 1.0, math.exp(0.125)), 9)
    0.5
    """
    discriminant = score * score + 2 * math.log(mean / value)
    if discriminant < 0:
        return None
    half = math.sqrt(discriminant)
    return min((root for root in (score - half, score + half) if root > _NARROWEST), default=None)
