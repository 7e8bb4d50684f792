"""Monotone interpolation and normal scores, beside SciPy 1.17.1 and tables of the normal distribution."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pentameter.probit import MonotoneCurve, curve_of, lognormal_sigma, monotone_slopes, normal_score

INF = math.inf

# RPN 14, the data of Fritsch and Carlson 1980, table 1.
X = [7.99, 8.09, 8.19, 8.7, 9.2, 10, 12, 15, 20]
Y = [0, 2.76429e-5, 4.37498e-2, 0.169183, 0.469428, 0.943740, 0.998636, 0.999919, 0.999994]

rising_points = st.lists(
    st.tuples(st.floats(0.01, 10), st.one_of(st.just(0.0), st.floats(1e-6, 100))), min_size=2, max_size=12
).map(lambda steps: ([sum(x for x, _ in steps[: i + 1]) for i in range(len(steps))], running_sums(steps)))


def running_sums(steps):
    return [sum(y for _, y in steps[: i + 1]) for i in range(len(steps))]


def test_the_slopes_are_those_of_scipy():
    # By the derivative of a PchipInterpolator of X and Y at X.
    expected = [
        0,
        0.0005525086819,
        0.3358768346,
        0.3494491677,
        0.5969582389,
        0.06032184552,
        9.003953828e-4,
        3.142468e-5,
    ]
    assert monotone_slopes(X, Y)[:8] == pytest.approx(expected, rel=1e-6)
    assert monotone_slopes(X, Y)[8] == pytest.approx(0, abs=1e-18)


@pytest.mark.parametrize(
    ("xs", "ys", "expected"),
    [
        ([0, 1, 2, 3, 4, 5, 6], [0, 0, 1, 1, 1, 5, 6], [0, 0, 0, 0, 0, 1.6, 0]),
        ([0, 1, 3], [0, 1, 1.1], [1.31666666667, 0.105882352941, 0]),
        ([0, 1, 1.5], [0, 0.1, 5], [0, 0.222166246851, 13.0333333333]),
        ([2, 5], [1, 7], [2, 2]),
    ],
    ids=["flat", "slower", "faster", "two points"],
)
def test_the_slopes_of_small_cases_are_those_of_scipy(xs, ys, expected):
    assert monotone_slopes(xs, ys) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(
    ("y", "x"),
    [
        (1e-5, 8.050131055),
        (0.01, 8.125655812),
        (0.1, 8.416684004),
        (0.3, 8.944210987),
        (0.5, 9.248762256),
        (0.9, 9.831800568),
        (0.99, 11.169088622),
        (0.9995, 13.266574983),
    ],
)
def test_read_backwards_the_curve_is_scipys(y, x):
    # By brentq, of SciPy as well, on that interpolator.
    assert MonotoneCurve(X, Y).where(y) == pytest.approx(x, abs=1e-8)


@pytest.mark.parametrize(
    ("y", "x"),
    [(1001, 0.4621708645), (1005, 5.1), (1005.01, 5.5411701437), (1006, 7.9956094407), (1009.9, 10.0661018605)],
)
def test_a_curve_that_is_all_but_flat_in_the_middle_is_read_as_scipy_reads_it(y, x):
    assert MonotoneCurve([0, 0.1, 10.1, 10.2], [0, 1000, 1010, 2010]).where(y) == pytest.approx(x, abs=1e-9)


def test_a_point_of_the_curve_is_met_exactly():
    curve = MonotoneCurve(X, Y)
    assert [curve.where(y) for y in Y] == pytest.approx(X, abs=1e-12)


def test_outside_its_range_the_curve_ends():
    curve = MonotoneCurve(X, Y)
    assert (curve.where(-1), curve.where(2)) == (7.99, 20)


def test_where_the_curve_is_flat_its_beginning_is_meant():
    assert MonotoneCurve([0, 1, 2, 3], [0, 5, 5, 6]).where(5) == 1


@given(rising_points, st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_read_backwards_a_rising_curve_rises_and_keeps_to_its_points(points, shares):
    xs, ys = points
    curve = MonotoneCurve(xs, ys)
    heights = sorted(ys[0] + share * (ys[-1] - ys[0]) for share in shares)
    found = [curve.where(height) for height in heights]
    assert all(before <= after + 1e-9 for before, after in pairwise(found))
    for height, x in zip(heights, found, strict=True):
        below = [a for a, b in zip(xs, ys, strict=True) if b < height]
        above = [a for a, b in zip(xs, ys, strict=True) if b >= height]
        assert max(below, default=xs[0]) - 1e-9 <= x <= min(above, default=xs[-1]) + 1e-9


@pytest.mark.parametrize(
    ("share", "score"), [(0.5, 0), (0.841344746, 1), (0.9, 1.281551566), (0.99, 2.326347874), (0.025, -1.959963985)]
)
def test_normal_scores_are_those_of_the_tables(share, score):
    assert normal_score(share) == pytest.approx(score, abs=1e-8)


@pytest.mark.parametrize("score", [-1.5, -0.2, 0.4, 2.0])
@pytest.mark.parametrize("sigma", [0.05, 0.3])
def test_one_share_and_the_mean_give_sigma_of_a_lognormal(score, sigma):
    # log(value) = mu + score * sigma with mu = -1
    found = lognormal_sigma(math.exp(-1 + score * sigma), score, math.exp(-1 + sigma * sigma / 2))
    assert found == pytest.approx(sigma)


def test_a_mean_that_no_lognormal_has_gives_no_sigma():
    # Half of the observations below 1: the mean of a lognormal is then above 1.
    assert lognormal_sigma(1.0, 0.0, 0.9) is None
    # Most above 1, and a mean below: the roots are negative.
    assert lognormal_sigma(1.0, -2.0, 0.9) is None


def test_the_curve_goes_through_the_bounds_that_divide_the_observations():
    # By SciPy: PchipInterpolator(log(bound), norm.ppf(share)), the outer shares 0.0005 and 0.9995.
    curve = curve_of((0.1, 0.25, 0.5, 1.0, 2.5, 5.0, INF), (0, 300, 700, 950, 1000, 1000, 1000), 0.45)
    for q, seconds in ((0.5, 0.344377413), (0.9, 0.804070319), (0.95, 1.0), (0.99, 1.479872690)):
        assert math.exp(curve.where(normal_score(q))) == pytest.approx(seconds, abs=1e-8)


def test_the_outer_points_are_half_an_observation_from_nothing_and_all():
    # A straight line from (1, 1/200) over (2, 100/200) to (4, 199/200); the mean is so high that it draws nothing in.
    curve = curve_of((0.5, 1.0, 2.0, 4.0, 8.0, INF), (0, 0, 50, 100, 100, 100), 3.0)
    assert math.exp(curve.where(-9)) == pytest.approx(1.0)
    assert math.exp(curve.where(9)) == pytest.approx(4.0)
    assert math.exp(curve.where(normal_score(0.005))) == pytest.approx(1.0)
    assert math.exp(curve.where(normal_score(0.995))) == pytest.approx(4.0)


def test_one_dividing_bound_and_the_mean_draw_the_outer_points_in():
    # Median 2 and mean 2 exp(0.02): sigma is 0.2. p99.5 is 2 exp(2.5758 * 0.2), well within (2, 4].
    curve = curve_of((1.0, 2.0, 4.0, INF), (0, 50, 100, 100), 2 * math.exp(0.02))
    assert math.exp(curve.where(9)) == pytest.approx(2 * math.exp(2.575829 * 0.2), rel=1e-6)
    assert math.exp(curve.where(-9)) == pytest.approx(2 * math.exp(-2.575829 * 0.2), rel=1e-6)


def test_two_dividing_bounds_draw_the_outer_points_in():
    # Scores -1 and 1 at 2 and 3: sigma is log(1.5) / 2, and 1/2n of 10^6 observations lies 4.891638 sigma out.
    low, high = round(1e6 * 0.1586552539), round(1e6 * 0.8413447461)
    curve = curve_of((0.01, 2.0, 3.0, 900.0, INF), (0, low, high, 1e6, 1e6), 2.5)
    sigma, middle = math.log(1.5) / 2, math.sqrt(6)
    assert math.exp(curve.where(9)) == pytest.approx(middle * math.exp(4.891638 * sigma), rel=1e-4)
    assert math.exp(curve.where(-9)) == pytest.approx(middle * math.exp(-4.891638 * sigma), rel=1e-4)


def test_each_end_continues_the_chord_beside_it():
    # By SciPy's norm.ppf: at 1, 2 and 3 the scores are -2.0537, 0 and 2.3263, and half of a millionth is at -4.8916.
    curve = curve_of((0.01, 1.0, 2.0, 3.0, 900.0, INF), (0, 20_000, 500_000, 990_000, 1e6, 1e6), 2.0)
    assert math.exp(curve.where(-9)) == pytest.approx(0.3837372157, rel=1e-9)
    assert math.exp(curve.where(9)) == pytest.approx(4.6913638257, rel=1e-9)


@pytest.mark.parametrize(
    ("bounds", "counts"),
    [
        ((1.0, 2.0, INF), (0, 10, 10)),
        ((1.0, 2.0, INF), (10, 10, 10)),
        ((1.0, 2.0, INF), (0, 0, 10)),
        ((1.0, 2.0, 3.0, 4.0, INF), (0, 5, 5, 10, 10)),
        ((1.0, 2.0, INF), (0, 0, 0)),
        ((1.0, INF), (5, 10)),
    ],
    ids=["one bucket", "the lowest", "the highest", "two heaps", "nothing", "one bound"],
)
def test_without_a_known_width_there_is_no_curve(bounds, counts):
    assert curve_of(bounds, counts, 1.5) is None


def test_a_bound_at_zero_has_no_logarithm_and_is_passed_over():
    curve = curve_of((0.0, 1.0, 2.0, 4.0, INF), (2, 4, 8, 10, 10), 1.5)
    assert math.exp(curve.where(normal_score(0.4))) == pytest.approx(1.0)


def test_without_a_mean_one_dividing_bound_reaches_to_its_neighbours():
    curve = curve_of((1.0, 2.0, 4.0, INF), (0, 50, 100, 100), None)
    assert math.exp(curve.where(9)) == pytest.approx(4.0)
