"""Least-squares regression under the one assumption that more load never helps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def antitonic(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Return the non-increasing sequence nearest to ``values`` in weighted squares.

    Pool adjacent violators (Ayer et al. 1955; Barlow et al. 1972, section 1.2). Weights are positive; raises
    ``ValueError`` where the lengths differ.

    >>> antitonic([1.0, 0.4, 0.8, 0.2], [1.0, 1.0, 1.0, 1.0])
    [1.0, 0.6000000000000001, 0.6000000000000001, 0.2]
    """
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        total, mass, length = value * weight, weight, 1
        while blocks and blocks[-1][0] * mass < total * blocks[-1][1]:
            earlier = blocks.pop()
            total, mass, length = total + earlier[0], mass + earlier[1], length + earlier[2]
        blocks.append((total, mass, length))
    return [total / mass for total, mass, length in blocks for _ in range(length)]


def last_at_least(fit: Sequence[float], level: float) -> int:
    """Return the index of the last value of a non-increasing fit that reaches a level, or -1."""
    low, high = 0, len(fit)
    while low < high:
        middle = (low + high) // 2
        if fit[middle] >= level:
            low = middle + 1
        else:
            high = middle
    return low - 1
