"""Non-negative least squares for a handful of unknowns, from sums of products alone.

Whoever fits has rows (features x, outcome y) and adds up x x' and x y: the rows themselves need not be kept.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SINGULAR = 1e-10
"""A pivot of the scaled matrix below this has lost all its digits but six: the unknown cannot be told from others."""


def nnls(products: Sequence[Sequence[float]], moments: Sequence[float]) -> tuple[float, ...] | None:
    """Return the x >= 0 that makes x' A x - 2 b' x smallest; None where several do.

    With A = sum of x x' and b = sum of x y over the rows these are the least squares under the constraint. The answer
    is the ordinary least-squares solution on those unknowns that are not 0 in it (Lawson and Hanson 1974, chapter 23),
    so that the best of the feasible ones among all sets of unknowns is it: at most 2^n - 1 systems, and one where no
    constraint binds. An unknown whose column is all 0 is 0.

    Args:
        products: A, symmetric and positive semidefinite, n x n.
        moments: b, of n.

    Returns:
        The n unknowns, in the outcome's unit by the feature's; None where A is singular on the columns that are not 0.

    >>> nnls([[4.0, 0.0], [0.0, 16.0]], [12.0, -1.0])
    (3.0, 0.0)
    """
    used = [i for i in range(len(moments)) if products[i][i] > 0]
    scale = {i: math.sqrt(products[i][i]) for i in used}
    scaled = {i: moments[i] / scale[i] for i in used}

    def solved(places: Sequence[int]) -> list[float] | None:
        matrix = [[products[i][j] / (scale[i] * scale[j]) for j in places] for i in places]
        lower = cholesky(matrix)
        return None if lower is None else _substitute(lower, [scaled[i] for i in places])

    best, places = solved(used), used
    if best is None:
        return None
    if min(best, default=0.0) < 0:
        best, places, fall = [], [], 0.0
        for chosen in (list(part) for size in range(1, len(used)) for part in combinations(used, size)):
            found = solved(chosen)
            if found is None or min(found) < 0:
                continue
            # A least-squares solution x lies b' x below x = 0 in the sum of squares.
            gain = sum(x * scaled[i] for x, i in zip(found, chosen, strict=True))
            if gain > fall:
                best, places, fall = found, chosen, gain
    at = dict(zip(places, best, strict=True))
    return tuple(at[i] / scale[i] if i in at else 0.0 for i in range(len(moments)))


def cholesky(matrix: Sequence[Sequence[float]]) -> list[list[float]] | None:
    """Return the lower triangle L with L L' = matrix, whose diagonal is 1; None where it is singular, or nearly.

    >>> cholesky([[1.0, 0.6], [0.6, 1.0]])
    [[1.0], [0.6, 0.8]]
    """
    lower: list[list[float]] = []
    for i, row in enumerate(matrix):
        line: list[float] = []
        for j in range(i):
            line.append((row[j] - sum(x * y for x, y in zip(line, lower[j], strict=False))) / lower[j][j])
        pivot = row[i] - sum(x * x for x in line)
        if not pivot > SINGULAR:
            return None
        lower.append([*line, math.sqrt(pivot)])
    return lower


def _substitute(lower: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """Return x with L L' x = right."""
    half: list[float] = []
    for line, value in zip(lower, right, strict=True):
        half.append((value - sum(x * y for x, y in zip(line, half, strict=False))) / line[-1])
    size = len(half)
    whole = [0.0] * size
    for i in reversed(range(size)):
        whole[i] = (half[i] - sum(lower[j][i] * whole[j] for j in range(i + 1, size))) / lower[i][i]
    return whole


def condition(products: Sequence[Sequence[float]], *, sweeps: int = 30) -> float:
    """Return the scaled condition number of the rows: greatest over smallest singular value, columns of length 1.

    The measure of Belsley, Kuh and Welsch (1980, chapter 3), who call 30 and more harmful. Columns of 0 are left out.
    The eigenvalues of the scaled A are found by Jacobi's rotations; inf where the smallest is 0 or lost in rounding.

    >>> round(condition([[1.0, 0.6], [0.6, 1.0]]), 6)  # eigenvalues 1.6 and 0.4
    2.0
    """
    used = [i for i in range(len(products)) if products[i][i] > 0]
    if not used:
        return math.inf
    a = [[products[i][j] / math.sqrt(products[i][i] * products[j][j]) for j in used] for i in used]
    for _ in range(sweeps):
        if sum(a[i][j] ** 2 for i in range(len(a)) for j in range(i)) < 1e-24:
            break
        for i, j in combinations(range(len(a)), 2):
            _rotate(a, i, j)
    values = [a[i][i] for i in range(len(a))]
    return math.sqrt(max(values) / min(values)) if min(values) > SINGULAR else math.inf


def _rotate(a: list[list[float]], i: int, j: int) -> None:
    """Turn the axes i and j so that a[i][j] becomes 0."""
    if a[i][j] == 0:
        return
    angle = 0.5 * math.atan2(2 * a[i][j], a[j][j] - a[i][i])
    cos, sin = math.cos(angle), math.sin(angle)
    for row in a:
        row[i], row[j] = cos * row[i] - sin * row[j], sin * row[i] + cos * row[j]
    a[i], a[j] = (
        [cos * x - sin * y for x, y in zip(a[i], a[j], strict=True)],
        [sin * x + cos * y for x, y in zip(a[i], a[j], strict=True)],
    )
