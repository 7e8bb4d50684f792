"""The statistics against published values."""

import math

import pytest

from pentameter.capacity.statistics import Z_90, Z_99, line, student, weighted_median, wilson


@pytest.mark.parametrize(
    ("good", "judged", "lower", "upper"),
    [
        # Newcombe 1998, Statistics in Medicine 17, table I, method 3 (score without continuity correction), 95 %.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_published_score_intervals(good, judged, lower, upper):
    assert wilson(good, judged, 1.959964) == pytest.approx((lower, upper), abs=5e-5)


def test_the_default_is_the_two_sided_90_percent_interval():
    # The quantile of 0.95 from tables; nothing missed of 10: 10 / (10 + z^2).
    assert pytest.approx(1.644854, abs=1e-6) == Z_90
    assert wilson(10, 10) == pytest.approx((10 / (10 + 1.644854**2), 1.0))


def test_counts_may_be_fractions():
    assert wilson(4.5, 5.0)[0] < wilson(45, 50)[0] < 0.9 < wilson(45, 50)[1]


def test_a_line_through_points_on_a_line():
    fitted = line([1, 2, 4], [3, 5, 9], [1, 7, 2])
    assert (fitted.at(0), fitted.slope, fitted.reaches(21)) == pytest.approx((1, 2, 10))
    assert fitted.error_at(100) == pytest.approx(0, abs=1e-9)


def test_weights_count_like_repeated_points():
    # By hand: at 0 the mean is 0, at 1 it is 1.5.
    for fitted in (line([0, 0, 1, 1], [0, 0, 0, 3], [1, 1, 1, 1]), line([0, 1, 1], [0, 0, 3], [2, 1, 1])):
        assert (fitted.at(0), fitted.slope) == pytest.approx((0, 1.5))


def test_the_standard_error_is_white_s_with_the_small_sample_factor():
    # By hand: x = -1, 0, 1 and y = 0, 1, 0 have level 1/3, slope 0, residuals -1/3, 2/3, -1/3. Var(level) =
    # (1/9 + 4/9 + 1/9) / 9 = 2/27; Var(slope) = (1/9 + 1/9) / 4 = 1/18; covariance 0; factor 3 / (3 - 2).
    fitted = line([-1, 0, 1], [0, 1, 0], [1, 1, 1])
    assert fitted.error_at(0) == pytest.approx(math.sqrt(3 * 2 / 27))
    assert fitted.error_at(2) == pytest.approx(math.sqrt(3 * (2 / 27 + 4 / 18)))


def test_two_points_have_no_error_and_so_no_line():
    assert line([1, 2], [1, 2], [1, 1]) is None


@pytest.mark.parametrize(("freedom", "table"), [(5, 3.365), (7, 2.998), (10, 2.764), (30, 2.457), (120, 2.358)])
def test_student_s_quantile_of_099_from_tables(freedom, table):
    assert student(Z_99, freedom) == pytest.approx(table, rel=0.02)


def test_no_line_through_one_place():
    assert line([2, 2, 2], [1, 2, 3], [1, 1, 1]) is None


def test_the_median_is_where_half_of_the_weight_is():
    assert weighted_median([10, 20, 30, 40], [1, 1, 1, 1]) == 20
    assert weighted_median([40, 10, 30, 20], [5, 1, 1, 1]) == 40
    assert weighted_median([1], [0.1]) == 1


def test_no_median_of_nothing():
    with pytest.raises(ValueError, match="no values"):
        weighted_median([], [])
