"""Buckets on a logarithmic scale, fine enough that any quantile is within 1 % of the exact one.

Bucket i holds (SMALLEST * GAMMA**(i-1), SMALLEST * GAMMA**i]; its representative is off by at most
(GAMMA - 1) / (GAMMA + 1) = 1 % from everything in it (Masson et al. 2019, DDSketch, section 2). Only the standard
library is used here: the plugin inside vLLM shares it.
"""

from __future__ import annotations

import math

RELATIVE_ERROR = 0.01
GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
SMALLEST = 1e-6
"""Seconds; what is not longer counts as none at all, as the decode time of one token does."""
LARGEST = 1e6
"""Seconds, eleven days; what is longer counts as this."""
_SCALE = 1.0 / math.log(GAMMA)
_OFFSET = math.log(SMALLEST) * _SCALE
LAST = math.ceil(math.log(LARGEST) * _SCALE - _OFFSET)
"""The highest bucket."""


def index_of(value: float) -> int:
    """Return the bucket of a value in seconds: 0 for everything up to ``SMALLEST``, ``LAST`` from ``LARGEST`` on.

    Raises ``ValueError`` for NaN.
    """
    if value <= SMALLEST:
        return 0
    if value >= LARGEST:
        return LAST
    return math.ceil(math.log(value) * _SCALE - _OFFSET) or 1  # rounding may put the shortest of bucket 1 below it


def value_of(index: int) -> float:
    """Return a bucket's representative in seconds, within 1 % of everything in it; 0 for the lowest.

    An index below the lowest bucket or above the highest stands for that bucket.
    """
    return SMALLEST * 2.0 * GAMMA ** min(index, LAST) / (GAMMA + 1.0) if index > 0 else 0.0
