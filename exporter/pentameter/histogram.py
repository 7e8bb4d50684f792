"""Bucket arithmetic on cumulative histograms: differences, means and quantiles."""

from __future__ import annotations

import math
from bisect import bisect_left

from pentameter.readings import Histogram  # noqa: TC001 - the doctests need the name


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
    """Return the q-quantile, 0 < q < 1, by linear interpolation inside its bucket.

    This is the rule of PromQL's ``histogram_quantile`` for classic histograms: observations are spread
    evenly in a bucket, the lowest bucket starts at 0. It differs where PromQL answers what cannot be:

    - An empty histogram gives None, and so does a quantile in the +Inf bucket (PromQL answers the highest
      finite bound, which is only a lower bound of the truth).
    - The answer is never above mean / (1 - q), the most that the mean allows a quantile of durations to be
      (Markov's inequality). It matters in a wide lowest bucket: with all of 100 queue times of 10 microseconds
      in (0, 0.3], the evenly spread median would be 0.15 s.

    Raises ``ValueError`` for q outside (0, 1).

    >>> quantile(Histogram((1.0, 2.0, 4.0, math.inf), (2.0, 6.0, 10.0, 10.0), 20.0), 0.5)
    1.75
    >>> quantile(Histogram((1.0, 2.0, 4.0, math.inf), (2.0, 6.0, 8.0, 10.0), 20.0), 0.9) is None
    True
    >>> quantile(Histogram((0.3, math.inf), (100.0, 100.0), 100 * 10e-6), 0.5)
    2e-05
    """
    if not 0 < q < 1:
        message = f"a quantile lies between 0 and 1, got {q}"
        raise ValueError(message)
    if histogram.count <= 0:
        return None
    rank = q * histogram.count
    index = bisect_left(histogram.counts, rank)
    upper = histogram.bounds[index]
    if math.isinf(upper):
        return None
    lower = histogram.bounds[index - 1] if index else min(0.0, upper)
    below = histogram.counts[index - 1] if index else 0.0
    spread = lower + (upper - lower) * (rank - below) / (histogram.counts[index] - below)
    average = mean(histogram)
    return spread if average is None else min(spread, average / (1 - q))
