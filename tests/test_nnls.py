"""Non-negative least squares, against SciPy's answers and against every set of unknowns."""

import math
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pentameter.nnls import cholesky, condition, nnls

# Rows, outcomes; scipy.optimize.nnls and the singular values by numpy.linalg.svd (SciPy 1.17.1).
BY_SCIPY = {
    "one unknown is 0": (
        [
            *([9, 6, 6, 8], [5, 7, 8, 2], [0, 3, 2, 8], [9, 0, 4, 8]),
            *([1, 7, 1, 4], [8, 3, 3, 2], [7, 2, 9, 4], [4, 5, 5, 5]),
        ],
        [7, 19, 15, 14, 12, 10, 3, 19],
        (0.0, 1.426073844, 0.177189119, 0.974261063),
        5.747685,
    ),
    "two are 0": (
        [
            *([4, 2, 8, 1], [8, 6, 1, 0], [4, 0, 1, 5], [9, 4, 8, 9]),
            *([8, 6, 4, 5], [2, 4, 3, 2], [9, 0, 0, 1], [9, 6, 8, 2]),
        ],
        [13, 4, 7, -5, 10, 15, 11, -2],
        (0.521006515, 0.227476971, 0.0, 0.0),
        4.946921,
    ),
    "nearly collinear": (
        [
            *([4, 6, 10, 6], [5, 6, 10, 1], [5, 4, 10, 2], [0, 4, 5, 0]),
            *([4, 9, 12, 2], [0, 6, 6, 3], [4, 8, 11, 6], [5, 1, 5, 8]),
        ],
        [7, 18, 10, 17, 19, 9, 2, -2],
        (0.0, 1.590143938, 0.101244206, 0.0),
        28.633295,
    ),
}


def summed(rows, outcomes):
    size = len(rows[0])
    products = [[sum(row[i] * row[j] for row in rows) for j in range(size)] for i in range(size)]
    return products, [sum(row[i] * y for row, y in zip(rows, outcomes, strict=True)) for i in range(size)]


@pytest.mark.parametrize("case", BY_SCIPY)
def test_the_unknowns_are_those_that_scipy_finds(case):
    rows, outcomes, expected, _ = BY_SCIPY[case]
    assert nnls(*summed(rows, outcomes)) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("case", BY_SCIPY)
def test_the_condition_is_that_of_the_singular_values_of_scaled_columns(case):
    rows, outcomes, _, expected = BY_SCIPY[case]
    assert condition(summed(rows, outcomes)[0]) == pytest.approx(expected, rel=1e-6)


def test_where_nothing_binds_it_is_ordinary_least_squares():
    # y = 1 + 2 x through three points of that line.
    assert nnls(*summed([[1, 0], [1, 1], [1, 2]], [1, 3, 5])) == pytest.approx((1.0, 2.0))


def test_an_unknown_that_has_no_rows_is_0():
    assert nnls(*summed([[1, 0, 0], [1, 0, 1], [1, 0, 2]], [1, 3, 5])) == pytest.approx((1.0, 0.0, 2.0))


def test_nothing_but_zeros_gives_zeros():
    assert nnls([[0.0, 0.0], [0.0, 0.0]], [0.0, 0.0]) == (0.0, 0.0)


def test_outcomes_below_0_give_zeros():
    assert nnls(*summed([[1, 0], [1, 1], [1, 2]], [-1, -3, -5])) == (0.0, 0.0)


def test_columns_that_are_one_have_no_answer():
    products, moments = summed([[1, 2], [2, 4], [3, 6]], [1, 2, 3])
    assert nnls(products, moments) is None
    assert condition(products) == math.inf
    assert cholesky(products) is None


def test_the_unit_of_a_column_changes_its_unknown_and_nothing_else():
    rows, outcomes, expected, number = BY_SCIPY["one unknown is 0"]
    small = [[a, b * 1e-9, c, d * 1e6] for a, b, c, d in rows]
    found = nnls(*summed(small, outcomes))
    assert found == pytest.approx((expected[0], expected[1] * 1e9, expected[2], expected[3] / 1e6), rel=1e-6)
    assert condition(summed(small, outcomes)[0]) == pytest.approx(number, rel=1e-6)


def test_the_condition_of_columns_at_right_angles_is_1():
    assert condition([[4.0, 0.0], [0.0, 9.0]]) == 1.0
    assert condition([[4.0, 0.0], [0.0, 0.0]]) == 1.0


def test_no_columns_have_no_condition():
    assert condition([[0.0]]) == math.inf


@given(st.lists(st.tuples(*[st.integers(-9, 9)] * 4), min_size=6, max_size=10))
def test_the_answer_meets_the_conditions_of_kuhn_and_tucker(lines):
    rows, outcomes = [line[:3] for line in lines], [line[3] for line in lines]
    products, moments = summed(rows, outcomes)
    found = nnls(products, moments)
    if found is None:
        return
    slopes = [sum(products[i][j] * found[j] for j in range(3)) - moments[i] for i in range(3)]
    size = max(1.0, *(abs(moment) for moment in moments))
    for value, slope in zip(found, slopes, strict=True):
        # Downhill leads out of what is allowed, or nowhere.
        assert value >= 0
        assert slope >= -1e-6 * size
        assert value == 0 or abs(slope) <= 1e-6 * size


@given(st.lists(st.tuples(*[st.integers(0, 9)] * 4), min_size=6, max_size=10))
def test_no_pair_of_unknowns_does_better(lines):
    rows, outcomes = [line[:3] for line in lines], [line[3] for line in lines]
    products, moments = summed(rows, outcomes)
    found = nnls(products, moments)
    if found is None:
        return

    def squares(x):
        return sum(
            (y - sum(a * b for a, b in zip(row, x, strict=True))) ** 2 for row, y in zip(rows, outcomes, strict=True)
        )

    best = squares(found)
    for i, j in combinations(range(3), 2):
        for a in range(5):
            for b in range(5):
                x = [0.0] * 3
                x[i], x[j] = a / 2, b / 2
                assert best <= squares(x) + 1e-6
