"""Bucket arithmetic on cumulative histograms: means, quantiles, shares, and what is certain about them.

Observations are durations: none is below 0. Histograms may be the differences of two readings.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, NamedTuple

from pentameter.probit import curve_of, normal_score
from pentameter.readings import Histogram  # noqa: TC001 - the doctests need the name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pentameter.probit import MonotoneCurve

TIGHT = 1.5
"""A guaranteed bracket of at most this ratio is narrow enough that its geometric middle stands for what lies in it: the
middle is off by at most sqrt(1.5) - 1 = 22.5 %."""

_ROUNDING = 1e-9

_SPARE = 0.01
"""Observations that limits by a sum allow beyond what it says: a sum of millions of floats has lost some digits."""


class Bracket(NamedTuple):
    """Two limits between which the truth lies for certain."""

    lower: float
    upper: float


def mean(histogram: Histogram) -> float | None:
    """Return the mean observation, sum / count, or None while there is none.

    A negative sum (the server's wall clock stepped back between two of its time stamps) has no meaning
    as a mean of durations and gives None as well.

    >>> mean(Histogram((1.0, math.inf), (3.0, 4.0), 6.0))
    1.5
    """
    if histogram.count <= 0 or histogram.sum < 0:
        return None
    return histogram.sum / histogram.count


def quantile(histogram: Histogram, q: float) -> float | None:
    """Return the q-quantile, 0 < q < 1, or None; ``quantiles`` says how."""
    return quantiles(histogram, (q,))[0]


def quantiles(histogram: Histogram, qs: Sequence[float]) -> list[float | None]:
    """Return the q-quantiles, 0 < q < 1, each None where the histogram does not tell it.

    The normal score of the share of observations up to a bound is interpolated over log(bound) by a monotone cubic
    (``pentameter.probit.curve_of``). The answer always lies in ``bracket``: in its bucket, and never above
    mean / (1 - q).

    Where no bound divides the observations, or the quantile lies in the lowest bucket, which has no lower end on a
    logarithmic scale, nothing fixes the shape: then the answer is the geometric middle of the bracket if that is
    ``TIGHT``, else None.

    None as well for a quantile above the highest finite bound (PromQL answers that bound, which is only a lower
    limit), and where fewer than one observation is expected above the quantile, n (1 - q) < 1: p50 needs 2
    observations, p90 10, p95 20 and p99 100.

    Raises ``ValueError`` for q outside (0, 1).

    Where PromQL's even spread makes a median of 150 ms of queue times of 10 microseconds, nothing is said:

    >>> round(quantile(Histogram((1.0, 2.0, 4.0, math.inf), (2.0, 6.0, 10.0, 10.0), 20.0), 0.5), 2)
    1.73
    >>> quantile(Histogram((0.3, math.inf), (100.0, 100.0), 100 * 10e-6), 0.5) is None
    True
    """
    curve = curve_of(histogram.bounds, histogram.counts, mean(histogram))
    extremes = _extreme_sums(histogram)
    return [_quantile(histogram, q, extremes, curve) for q in qs]


def bracket(histogram: Histogram, q: float) -> Bracket | None:
    """Return limits of the q-quantile of what was observed, 0 < q < 1, or None while there is nothing.

    The quantile is the smallest observation with a share of at least q up to it. It lies in the bucket that holds rank
    q * n. The sum of all observations limits it further. With every other observation as low as its bucket allows,
    those from the rank up in its bucket can share at most what is left of the sum:

        upper = lower bound + (sum - sum of everyone's lower bounds) / observations of the bucket from the rank up

    which in the lowest bucket is at most mean / (1 - q), Markov's inequality. And with every other observation as high
    as its bucket allows, those up to the rank must make up for what the sum lacks. The upper limit is +Inf for a
    quantile above the highest finite bound where the sum says nothing.

    Raises ``ValueError`` for q outside (0, 1).

    >>> bracket(Histogram((1.0, 2.0, 4.0, math.inf), (2.0, 6.0, 10.0, 10.0), 20.0), 0.5)
    Bracket(lower=1.0, upper=2.0)
    >>> bracket(Histogram((0.01, math.inf), (100.0, 100.0), 0.2), 0.5)
    Bracket(lower=0.0, upper=0.004)
    """
    rank = _rank(histogram, q)
    return _bracket(histogram, rank, _extreme_sums(histogram)) if histogram.count > 0 else None


def share_below(histogram: Histogram, threshold: float) -> Bracket | None:
    """Return limits of the share of observations that are at most ``threshold``, or None while there is nothing.

    The two are equal where the threshold is a bound, because bounds are inclusive. Between two bounds the bucket's
    observations may lie on either side, as far as the sum of all observations allows: those above the threshold must
    not need more of it than there is, those below must not leave any of it over.

    >>> share_below(Histogram((1.0, 2.0, math.inf), (5.0, 8.0, 10.0), 30.0), 2.0)
    Bracket(lower=0.8, upper=0.8)
    >>> share_below(Histogram((1.0, 2.0, math.inf), (5.0, 8.0, 10.0), 30.0), 1.5)
    Bracket(lower=0.5, upper=0.8)
    """
    limits = count_below(histogram, threshold)
    if limits is None:
        return None
    return Bracket(limits.lower / histogram.count, limits.upper / histogram.count)


def count_below(histogram: Histogram, threshold: float) -> Bracket | None:
    """Return limits of the number of observations that are at most ``threshold``; see ``share_below``."""
    if histogram.count <= 0:
        return None
    after = bisect_right(histogram.bounds, threshold)
    certain, low = (histogram.counts[after - 1], histogram.bounds[after - 1]) if after else (0.0, 0.0)
    if after and low == threshold:
        return Bracket(certain, certain)
    possible, high = histogram.counts[after], histogram.bounds[after]
    if histogram.sum < 0 or threshold <= low:
        return Bracket(certain, possible)
    least, most = _extreme_sums(histogram)
    inside = possible - certain
    above = _whole((histogram.sum - least) / (threshold - low))
    below = _whole((most - histogram.sum) / (high - threshold)) if math.isfinite(most) else inside
    return Bracket(possible - min(inside, above), certain + min(inside, below))


def _whole(number: float) -> float:
    """Round down to a whole number of observations, not below 0."""
    return float(max(0, math.floor(number + _SPARE)))


def _rank(histogram: Histogram, q: float) -> float:
    """Return q * n, whole where only rounding keeps it from being whole: a bound may divide exactly there.

    Raises ``ValueError`` for q outside (0, 1).
    """
    if not 0 < q < 1:
        message = f"a quantile lies between 0 and 1, got {q}"
        raise ValueError(message)
    rank = q * histogram.count
    return float(round(rank)) if abs(rank - round(rank)) <= _ROUNDING * histogram.count else rank


def _extreme_sums(histogram: Histogram) -> tuple[float, float]:
    """Return the least and the greatest sum that the buckets allow; the latter is +Inf if the last is not empty."""
    least = most = below = lower = 0.0
    for bound, count in zip(histogram.bounds, histogram.counts, strict=True):
        if count > below:
            least += (count - below) * lower
            most += (count - below) * bound
        below, lower = count, bound
    return least, most


def _bracket(histogram: Histogram, rank: float, extremes: tuple[float, float]) -> Bracket:
    index = bisect_left(histogram.counts, rank)
    lower, upto = (histogram.bounds[index - 1], rank - histogram.counts[index - 1]) if index else (0.0, rank)
    bound, beyond = histogram.bounds[index], histogram.counts[index] - rank
    upper = bound
    if histogram.sum < 0:
        return Bracket(lower, upper)
    least, most = extremes
    if beyond > 0:
        upper = max(lower, min(upper, lower + (histogram.sum - least) / beyond))
    if math.isfinite(most):
        lower = min(upper, max(lower, bound - (most - histogram.sum) / upto))
    return Bracket(lower, upper)


def _quantile(
    histogram: Histogram, q: float, extremes: tuple[float, float], curve: MonotoneCurve | None
) -> float | None:
    rank = _rank(histogram, q)
    if histogram.count - rank < 1:
        return None
    index = bisect_left(histogram.counts, rank)
    if math.isinf(histogram.bounds[index]):
        return None
    limits = _bracket(histogram, rank, extremes)
    if curve is None or index == 0 or histogram.bounds[index - 1] <= 0:
        tight = limits.upper <= limits.lower * TIGHT
        return _rounded(math.sqrt(limits.lower) * math.sqrt(limits.upper)) if tight else None
    return _rounded(min(limits.upper, max(limits.lower, math.exp(curve.where(normal_score(q))))))


def _rounded(value: float) -> float:
    """Round to nine digits: the last ones of logarithms differ between machines, and mean nothing."""
    return float(f"{value:.9g}")
