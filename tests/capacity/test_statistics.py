import pytest

from pentameter.capacity.statistics import Z_90, line, weighted_median, wilson


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
    assert line([1, 2, 4], [3, 5, 9], [1, 7, 2]) == pytest.approx((1, 2))


def test_weights_count_like_repeated_points():
    # By hand: at 0 the mean is 0, at 1 it is 1.5.
    repeated = line([0, 0, 1, 1], [0, 0, 0, 3], [1, 1, 1, 1])
    assert line([0, 1, 1], [0, 0, 3], [2, 1, 1]) == pytest.approx(repeated)
    assert repeated == pytest.approx((0, 1.5))


def test_no_line_through_one_place():
    assert line([2, 2, 2], [1, 2, 3], [1, 1, 1]) is None


def test_the_median_is_where_half_of_the_weight_is():
    assert weighted_median([10, 20, 30, 40], [1, 1, 1, 1]) == 20
    assert weighted_median([40, 10, 30, 20], [5, 1, 1, 1]) == 40
    assert weighted_median([1], [0.1]) == 1


def test_no_median_of_nothing():
    with pytest.raises(ValueError, match="no values"):
        weighted_median([], [])
