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
"""Seconds; what is shorter counts as this."""
_SCALE = 1.0 / math.log(GAMMA)
_OFFSET = math.log(SMALLEST) * _SCALE


def index_of(value: float) -> int:
    """Return the bucket of a value in seconds; 0 for everything up to ``SMALLEST``."""
    if value <= SMALLEST:
        return 0
    return math.ceil(math.log(value) * _SCALE - _OFFSET)


def value_of(index: int) -> float:
    """Return a bucket's representative, within 1 % of everything in it.

    >>> round(value_of(index_of(0.25)), 2)
    0.25
    """
    return SMALLEST if index <= 0 else SMALLEST * 2.0 * GAMMA**index / (GAMMA + 1.0)
