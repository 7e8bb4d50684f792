"""Bucket arithmetic: means, quantiles, and what is certain about both."""

import math
from bisect import bisect_right
from itertools import pairwise
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pentameter.histogram import bracket, count_below, mean, quantile, quantiles, share_below
from pentameter.readings import Histogram

INF = math.inf
NORMAL = NormalDist()
QS = (0.5, 0.9, 0.95, 0.99)

# The finite bounds of vLLM 0.32.
TTFT = (
    0.001,
    0.005,
    0.01,
    0.02,
    0.04,
    0.06,
    0.08,
    0.1,
    0.25,
    0.5,
    0.75,
    1,
    2.5,
    5,
    7.5,
    10,
    20,
    40,
    80,
    160,
    640,
    2560,
)
TPOT = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80)


def of(bounds, values):
    """Return the histogram of these values."""
    values = sorted(values)
    return Histogram((*bounds, INF), tuple(float(bisect_right(values, b)) for b in (*bounds, INF)), math.fsum(values))


class Lognormal:
    def __init__(self, median, sigma):
        self.median, self.sigma = median, sigma

    def share(self, value):
        return NORMAL.cdf(math.log(value / self.median) / self.sigma)

    @property
    def mean(self):
        return self.median * math.exp(self.sigma**2 / 2)

    def quantile(self, q):
        return self.median * math.exp(self.sigma * NORMAL.inv_cdf(q))


class Mixture:
    def __init__(self, *parts):
        self.parts = parts

    def share(self, value):
        return sum(weight * part.share(value) for weight, part in self.parts)

    @property
    def mean(self):
        return sum(weight * part.mean for weight, part in self.parts)

    def quantile(self, q):
        low, high = 1e-6, 1e6
        for _ in range(100):
            middle = math.sqrt(low * high)
            low, high = (middle, high) if self.share(middle) < q else (low, middle)
        return low


def large(distribution, bounds, n=1e9):
    """Return the histogram of so many observations that chance is gone."""
    counts = [round(n * distribution.share(bound)) for bound in bounds]
    return Histogram((*bounds, INF), (*counts, n), n * distribution.mean)


def errors(distributions, bounds):
    """Return, per quantile, the relative errors where there is an answer."""
    found = [[] for _ in QS]
    for one in distributions:
        for place, q, value in zip(found, QS, quantiles(large(one, bounds), QS), strict=True):
            if value is not None:
                place.append(abs(value / one.quantile(q) - 1))
    return found


def test_the_mean_is_sum_over_count():
    assert mean(Histogram((1.0, INF), (3, 4), 6)) == 1.5


def test_a_sum_that_fell_has_no_mean():
    assert mean(Histogram((1.0, INF), (3, 4), -6)) is None


def test_nothing_observed_means_no_figure_at_all():
    empty = Histogram((1.0, INF), (0, 0), 0)
    assert mean(empty) is None
    assert quantile(empty, 0.5) is None
    assert bracket(empty, 0.5) is None
    assert share_below(empty, 1.0) is None


@pytest.mark.parametrize("q", [0, 1, -0.1, 1.5])
@pytest.mark.parametrize("histogram", [Histogram((1.0, INF), (4, 4), 1), Histogram((1.0, INF), (0, 0), 0)])
@pytest.mark.parametrize("figure", [quantile, bracket])
def test_a_quantile_outside_0_to_1_is_refused(figure, histogram, q):
    with pytest.raises(ValueError, match="between 0 and 1"):
        figure(histogram, q)


def test_quantiles_have_nine_digits_so_that_every_machine_says_the_same():
    found = quantiles(Histogram((0.1, 0.25, 0.5, 1.0, 2.5, INF), (0, 300, 700, 950, 1000, 1000), 450), QS)
    assert [str(value) for value in found] == ["0.344377413", "0.804070319", "1.0", "1.47987269"]


def test_quantiles_come_from_the_curve_of_normal_scores():
    # By SciPy: PchipInterpolator(log(bound), norm.ppf(share)), the outer shares 0.0005 and 0.9995.
    histogram = Histogram((0.1, 0.25, 0.5, 1.0, 2.5, INF), (0, 300, 700, 950, 1000, 1000), 450)
    assert quantiles(histogram, QS) == pytest.approx([0.344377413, 0.804070319, 1.0, 1.479872690], abs=1e-8)


TTFT_LOGNORMALS = [
    Lognormal(median, sigma)
    for median in (0.03, 0.05, 0.08, 0.12, 0.18, 0.25, 0.35, 0.5, 0.8, 1.2, 2.0, 3.5)
    for sigma in (0.3, 0.5, 0.8, 1.1)
]
TPOT_LOGNORMALS = [
    Lognormal(median, sigma)
    for median in (0.006, 0.009, 0.012, 0.016, 0.02, 0.03, 0.04, 0.06, 0.09, 0.14)
    for sigma in (0.1, 0.2, 0.35, 0.5)
]
CACHE_HITS = [
    Mixture((hits, Lognormal(fast, 0.35)), (1 - hits, Lognormal(slow, 0.5)))
    for fast, slow in ((0.05, 0.4), (0.06, 0.8), (0.15, 1.5), (0.03, 0.2))
    for hits in (0.3, 0.7)
]


@pytest.mark.parametrize(
    ("distributions", "bounds", "ceilings"),
    [
        # Linear interpolation: 23, 57, 66 and 52 %.
        (TTFT_LOGNORMALS, TTFT, (0.002, 0.002, 0.002, 0.004)),
        # Linear interpolation: 44, 72, 87 and 111 %.
        (TPOT_LOGNORMALS, TPOT, (0.035, 0.06, 0.065, 0.08)),
        # Linear interpolation: 15, 38, 36 and 56 %.
        (CACHE_HITS, TTFT, (0.03, 0.025, 0.02, 0.01)),
    ],
    ids=["TTFT", "TPOT", "TTFT with cache hits"],
)
def test_with_vllms_bounds_the_errors_stay_below_their_ceilings(distributions, bounds, ceilings):
    for found, ceiling in zip(errors(distributions, bounds), ceilings, strict=True):
        assert max(found) <= ceiling


def test_of_eighty_eight_distributions_only_those_in_the_lowest_bucket_have_no_quantile():
    assert [len(found) for found in errors(TTFT_LOGNORMALS, TTFT)] == [48, 48, 48, 48]
    # Medians of 6 and 9 ms lie below TPOT's lowest bound of 10 ms; at sigma 0.1 and 6 ms everything does.
    assert [len(found) for found in errors(TPOT_LOGNORMALS, TPOT)] == [32, 37, 38, 38]


@pytest.mark.parametrize(("q", "fewest"), [(0.5, 2), (0.9, 10), (0.95, 20), (0.99, 100)])
def test_a_quantile_needs_one_observation_above_it(q, fewest):
    def spread(n):
        return of((0.5, 1.0, 2.0, 4.0, 8.0), [0.5 + 7 * i / n for i in range(n)])

    assert quantile(spread(fewest - 1), q) is None
    assert quantile(spread(fewest), q) is not None


def test_a_quantile_above_the_highest_finite_bound_is_unknown():
    histogram = Histogram((0.5, 1.0, INF), (20, 80, 100), 99)
    assert quantile(histogram, 0.9) is None
    assert 0.5 < quantile(histogram, 0.5) < 1.0


def test_a_quantile_in_the_lowest_bucket_is_unknown_and_those_above_it_are_not():
    histogram = Histogram((1.0, 2.0, 4.0, INF), (70, 90, 100, 100), 100)
    assert quantile(histogram, 0.5) is None
    assert 1.0 < quantile(histogram, 0.8) < 2.0


def test_a_quantile_between_zero_and_the_first_bound_above_it_is_unknown():
    assert quantile(Histogram((0.0, 1.0, 2.0, 4.0, INF), (10, 70, 90, 100, 100), 100), 0.5) is None


def test_of_nothing_but_zeros_every_quantile_is_zero():
    assert quantiles(Histogram((0.01, INF), (100, 100), 0.0), QS) == [0, 0, 0, 0]


def test_with_everything_in_one_bucket_a_quantile_is_said_where_the_sum_leaves_little_room():
    # Between 25 and 50 ms, 30 ms on average. The upper half cannot be above 35 ms, or the mean would be higher.
    narrow = Histogram((0.025, 0.05, INF), (0, 100, 100), 3.0)
    assert bracket(narrow, 0.5) == pytest.approx((0.025, 0.035))
    assert quantile(narrow, 0.5) == pytest.approx(math.sqrt(0.025 * 0.035))
    # p99 may be anything from 29.8 to 50 ms.
    assert bracket(narrow, 0.99) == pytest.approx((0.0297979798, 0.05))
    assert quantile(narrow, 0.99) is None


def test_the_room_left_may_be_half_as_much_again():
    def histogram(average):
        return Histogram((1.0, 2.0, INF), (0, 100, 100), 100 * average)

    assert quantile(histogram(1.25), 0.5) == pytest.approx(math.sqrt(1.5))
    assert quantile(histogram(1.2501), 0.5) is None


def test_two_heaps_of_unknown_width_have_no_quantile():
    assert quantile(Histogram((1.0, 2.0, 8.0, 16.0, INF), (0, 50, 50, 100, 100), 600), 0.9) is None


def test_one_dividing_bound_and_the_mean_give_the_quantiles_of_a_lognormal():
    # Median 20 ms, sigma 0.15: only the bound of 25 ms divides 1000 observations.
    true = Lognormal(0.020, 0.15)
    histogram = large(true, TPOT, n=1000)
    assert histogram.counts[:3] == (0, 932, 1000)
    for q in QS:
        assert quantile(histogram, q) == pytest.approx(true.quantile(q), rel=0.01)


def test_a_quantile_is_never_outside_what_is_certain():
    # The curve alone would say 1.41: but nine tenths are at 1.1 or above, by the sum.
    histogram = Histogram((1.0, 2.0, 4.0, INF), (0, 90, 100, 100), 90 * 1.05 + 10 * 2)
    limits = bracket(histogram, 0.5)
    assert limits.upper < 1.2
    assert quantile(histogram, 0.5) <= limits.upper * (1 + 1e-8)


def test_a_sum_that_fell_sets_no_limit():
    histogram = Histogram((1.0, 2.0, 4.0, 8.0, INF), (0, 30, 70, 100, 100), -6)
    assert bracket(histogram, 0.5) == (2.0, 4.0)
    assert 2.0 < quantile(histogram, 0.5) < 4.0
    assert share_below(histogram, 3.0) == (0.3, 0.7)


def test_a_rank_on_a_bound_is_that_bound_and_not_the_next_heap():
    histogram = Histogram((1.0, 2.0, 3.0, 30.0, 40.0, INF), (0, 40, 80, 80, 100, 100), 800)
    assert quantile(histogram, 0.8) == pytest.approx(3.0)
    # 0.57 * 100 is 56.99999999999999.
    assert bracket(Histogram((1.0, 2.0, INF), (57, 100, 100), 100), 0.57).upper == 1.0
    # 0.07 * 100 is 7.000000000000001.
    assert bracket(Histogram((1.0, 2.0, INF), (7, 100, 100), 150), 0.07).upper == 1.0


def test_the_bracket_of_queue_times_of_microseconds_is_markovs():
    # 123 queue times of 10.5 microseconds on average: half of them cannot be above 21.
    queue = Histogram((0.3, 0.5, INF), (123, 123, 123), 0.0012872210008936236)
    assert bracket(queue, 0.5) == pytest.approx((0, 2.093e-05), rel=1e-3)
    assert bracket(queue, 0.99) == pytest.approx((0, 1.0465e-03), rel=1e-3)


def test_the_bracket_of_a_quantile_above_all_finite_bounds_is_open_or_closed_by_the_sum():
    histogram = Histogram((1.0, 2.0, INF), (50, 60, 100), 50 * 0 + 10 * 1 + 40 * 2 + 120)
    # p90 is above 2 s, and 10 requests from there on share at most 120 s beyond their 2 s each.
    assert bracket(histogram, 0.9) == (2.0, 14.0)
    assert bracket(Histogram((1.0, INF), (50, 100), 0.0), 0.9) == (1.0, 1.0)
    assert bracket(Histogram((1.0, INF), (50, 100), -1.0), 0.9) == (1.0, INF)


def test_low_observations_must_make_up_for_a_high_sum():
    # All of 10 in (1, 2] and 19.5 s together: the lowest five lack at most 0.5 s of 2 s each.
    assert bracket(Histogram((1.0, 2.0, INF), (0, 10, 10), 19.5), 0.5) == pytest.approx((1.9, 1.9 + 0.1))


def test_a_threshold_on_a_bound_is_exact_because_bounds_are_inclusive():
    histogram = Histogram((0.1, 0.2, INF), (4, 8, 10), 50)
    assert share_below(histogram, 0.1) == (0.4, 0.4)
    assert share_below(histogram, 0.2) == (0.8, 0.8)


@pytest.mark.parametrize(
    ("threshold", "limits"), [(0.05, (0.0, 0.4)), (0.15, (0.4, 0.8)), (0.3, (0.8, 1.0))], ids=["below", "in", "above"]
)
def test_a_threshold_between_bounds_may_divide_its_bucket_anywhere(threshold, limits):
    # Two observations above 0.2 whose sum is not bounded by anything.
    assert share_below(Histogram((0.1, 0.2, INF), (4, 8, 10), 50), threshold) == limits


def test_a_threshold_of_zero_divides_the_lowest_bucket_anywhere():
    assert count_below(Histogram((0.1, INF), (4, 4), 0.2), 0.0) == (0, 4)


def test_observations_above_a_threshold_must_not_need_more_than_the_sum():
    # 100 of 2 ms on average below 10 ms: at most 40 of them are above 5 ms.
    assert count_below(Histogram((0.01, INF), (100, 100), 0.2), 0.005) == (60, 100)


def test_observations_below_a_threshold_must_not_leave_any_of_the_sum_over():
    # 100 of 9 ms on average up to 10 ms: at most 20 of them are at 5 ms or below.
    assert count_below(Histogram((0.01, INF), (100, 100), 0.9), 0.005) == (0, 20)


def test_the_sum_speaks_of_other_buckets_first():
    # In (0, 1] 10, in (1, 2] 10: they sum up to 10 at least, which leaves 4 for those above 1.5, half a second each.
    histogram = Histogram((1.0, 2.0, INF), (10, 20, 20), 14)
    assert count_below(histogram, 1.5) == (12, 20)
    # And up to 30 at most: 24 lack 6, so at most 12 may be below 1.5; there are only 10.
    assert count_below(Histogram((1.0, 2.0, INF), (10, 20, 20), 28), 1.5) == (10, 14)


def test_rounding_takes_no_observation_away():
    # Three of exactly 0.1 in (0, 0.3]: (3 * 0.3 - 3 * 0.1) / (0.3 - 0.1) is 2.9999999999999996 in floats.
    assert count_below(Histogram((0.3, INF), (3, 3), 0.1 * 3), 0.1) == (0, 3)


BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.4, 1.0, 5.0)
values = st.lists(
    st.one_of(st.floats(0, 0.12), st.floats(0, 12), st.sampled_from([0.0, *BOUNDS])), min_size=1, max_size=150
)


@given(values, st.floats(0.01, 0.99))
def test_the_quantile_of_what_was_observed_always_lies_in_the_bracket(observed, q):
    limits = bracket(of(BOUNDS, observed), q)
    true = sorted(observed)[math.ceil(round(q * len(observed), 9)) - 1]
    assert limits.lower - 1e-9 <= true <= limits.upper + 1e-9


@given(values, st.one_of(st.floats(0.001, 20), st.sampled_from(BOUNDS)))
def test_the_share_of_what_was_observed_always_lies_within_its_limits(observed, threshold):
    limits = share_below(of(BOUNDS, observed), threshold)
    true = sum(value <= threshold for value in observed) / len(observed)
    assert limits.lower - 1e-12 <= true <= limits.upper + 1e-12


@given(values)
def test_quantiles_lie_in_their_brackets_and_in_order(observed):
    histogram = of(BOUNDS, observed)
    found = quantiles(histogram, QS)
    known = [value for value in found if value is not None]
    assert all(before <= after * (1 + 1e-9) for before, after in pairwise(known))
    for q, value in zip(QS, found, strict=True):
        if value is not None:
            limits = bracket(histogram, q)
            assert limits.lower * (1 - 1e-8) <= value <= limits.upper * (1 + 1e-8)


@given(st.lists(st.integers(0, 40), min_size=3, max_size=3), st.floats(-5, 100))
def test_buckets_that_do_not_add_up_break_nothing(counts, total):
    # A glitch in a living server can leave the difference of two pages like this.
    histogram = Histogram((1.0, 2.0, INF), tuple(map(float, counts)), total)
    quantiles(histogram, QS)
    share_below(histogram, 1.5)
