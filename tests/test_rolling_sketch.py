"""Rolling quantiles, beside sorted lists of everything that was seen."""

import math
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pentameter.rolling_sketch import MOST, RollingSketch
from pentameter.sketch import LARGEST, LAST, SMALLEST, index_of, value_of
from pentameter.windows import Window

MINUTE = Window("1m", 60.0)
WINDOWS = (MINUTE, Window("5m", 300.0), Window("1h", 3600.0))
QS = (0.5, 0.9, 0.95, 0.99)
ONE_PER_CENT = 0.01 + 1e-12


def filled(values, time=0.0, windows=WINDOWS):
    sketch = RollingSketch(windows)
    for value in values:
        sketch.add(time, value)
    return sketch


def is_close(quantile, exact):
    """Say whether a quantile keeps what is promised of it."""
    return abs(quantile - exact) <= (ONE_PER_CENT * exact if exact > SMALLEST else SMALLEST)


# Expected values: numpy.quantile(values, q, method="inverted_cdf"), numpy 2.3.5.
TWENTY = [0.412, 0.087, 0.095, 1.31, 0.203, 0.118, 0.176, 0.0931, 0.655, 0.149]
TWENTY += [0.241, 0.102, 0.33, 0.0994, 2.87, 0.127, 0.188, 0.0845, 0.291, 0.513]


@pytest.mark.parametrize(
    ("values", "expected", "mean"),
    [
        pytest.param(TWENTY, (0.176, 0.655, 1.31, None), 0.4072, id="twenty values"),
        pytest.param(
            [number**1.5 / 1000 for number in range(1, 251)],
            (1.3975424859373686, 3.375, 3.67168517168888, 3.9055079055098583),
            1.5890523279884805,
            id="250 values",
        ),
    ],
)
def test_quantiles_are_those_of_numpy_within_one_per_cent_and_the_mean_is_exact(values, expected, mean):
    sketch = filled(values)
    quantiles = sketch.quantiles("1m", QS, 1.0)
    assert [quantile is None for quantile in quantiles] == [exact is None for exact in expected]
    for quantile, exact in zip(quantiles, expected, strict=True):
        assert quantile is None or is_close(quantile, exact)
    assert sketch.mean("1m", 1.0) == pytest.approx(mean, rel=1e-14)


@pytest.mark.parametrize(("q", "least"), [(0.5, 2), (0.9, 10), (0.95, 20), (0.99, 100), (0.999, 1000)])
def test_a_quantile_is_absent_below_its_sample_count(q, least):
    assert filled([0.1] * (least - 1)).quantile("1m", q, 1.0) is None
    assert filled([0.1] * least).quantile("1m", q, 1.0) == pytest.approx(0.1, rel=0.01)


@pytest.mark.parametrize(("q", "least"), [(0.5, 2), (0.9, 10), (0.95, 20), (0.99, 100)])
def test_with_just_enough_samples_a_quantile_is_the_second_largest(q, least):
    # ceil(0.9 * 10) = 9, and so on: one value lies above.
    assert is_close(filled(range(1, least + 1)).quantile("1m", q, 1.0), least - 1)


def test_a_rank_that_should_be_whole_is_not_taken_for_the_next():
    # In floating point 0.55 * 100 is 55.00000000000001.
    assert is_close(filled(range(1, 101)).quantile("1m", 0.55, 1.0), 55)


def test_an_empty_window_has_no_mean_and_no_quantile():
    sketch = RollingSketch(WINDOWS)
    assert sketch.count("1m", 5.0) == 0
    assert sketch.mean("1m", 5.0) is None
    assert sketch.quantiles("1m", QS, 5.0) == (None,) * 4


def test_one_value_has_a_mean_but_no_quantile():
    sketch = filled([0.3])
    assert (sketch.count("1m", 0.0), sketch.mean("1m", 0.0)) == (1, 0.3)
    assert sketch.quantile("1m", 0.5, 0.0) is None


def test_decode_times_of_one_token_are_told_as_nothing():
    assert filled([0.0] * 8 + [0.5] * 2).quantiles("1m", (0.5, 0.9), 1.0) == (0.0, value_of(index_of(0.5)))


@pytest.mark.parametrize("q", [0.0, 1.0, -0.5, 99, math.nan])
def test_a_quantile_outside_0_to_1_is_refused(q):
    with pytest.raises(ValueError, match="between 0 and 1"):
        filled([0.1] * 5).quantile("1m", q, 1.0)


def test_nan_is_refused_and_leaves_no_trace():
    sketch = filled([0.1, 0.1])
    with pytest.raises(ValueError, match="NaN"):
        sketch.add(0.0, math.nan)
    assert (sketch.count("1m", 0.0), sketch.mean("1m", 0.0)) == (2, 0.1)


def test_an_endless_value_counts_as_the_longest():
    assert filled([math.inf]).mean("1m", 0.0) == LARGEST


def test_the_mean_takes_a_very_long_value_as_it_is():
    assert filled([LARGEST - 1.0]).mean("1m", 0.0) == LARGEST - 1.0


def test_a_window_that_there_is_not_is_refused():
    with pytest.raises(KeyError):
        filled([0.1]).count("2m", 0.0)


def test_each_window_sees_its_own_length():
    sketch = RollingSketch(WINDOWS)
    for second in range(3600):
        sketch.add(float(second), float(second))
    # Half of the last 60, 300 and 3600 seconds; a window's beginning is at most 1/60 of its length off.
    for label, middle, slack in (("1m", 3569.5, 0.5), ("5m", 3449.5, 2.5), ("1h", 1799.5, 30.0)):
        assert sketch.mean(label, 3599.5) == pytest.approx(middle, abs=slack)
        assert sketch.quantile(label, 0.5, 3599.5) == pytest.approx(middle, rel=0.01, abs=slack)


def test_a_window_is_neither_longer_nor_shorter_than_it_says():
    sketch, counts = RollingSketch((MINUTE,)), []
    for tenth in range(2000):
        sketch.add(tenth / 10, 0.1)
        if tenth > 700 and tenth % 37 == 0:
            counts.append(sketch.count("1m", tenth / 10))
    # One value each tenth of a second, each slice a second: half a slice more would be 605.
    assert sum(counts) / len(counts) == pytest.approx(600, abs=2)


@pytest.mark.parametrize("window", WINDOWS, ids=lambda window: window.label)
def test_a_lone_value_leaves_when_its_window_ends(window):
    sketch = filled([0.1], time=100.0)
    assert sketch.count(window.label, 99.9 + window.seconds) == 1
    assert sketch.count(window.label, 100.0 + window.seconds) == 0
    assert sketch.mean(window.label, 100.0 + window.seconds) is None


def test_what_has_left_is_in_no_quantile_any_more():
    sketch = filled([9.0] * 50, time=0.0)
    for _ in range(50):
        sketch.add(50.0, 0.1)
    assert sketch.quantile("1m", 0.9, 59.0) == pytest.approx(9.0, rel=0.01)
    assert sketch.quantile("1m", 0.9, 61.0) == pytest.approx(0.1, rel=0.01)
    assert sketch.mean("1m", 61.0) == pytest.approx(0.1)


def test_the_mean_keeps_nothing_of_large_values_that_have_left():
    sketch = RollingSketch((MINUTE,))
    for second in range(120):
        sketch.add(float(second), 9e5 + 0.1 if second < 60 else 1e-3)
    assert sketch.mean("1m", 125.0) == pytest.approx(1e-3, rel=1e-14)


def test_after_hours_of_silence_everything_has_left_and_counting_goes_on():
    sketch = filled([5.0] * 200)
    sketch.add(1e6, 0.2)
    assert [sketch.count(window.label, 1e6) for window in WINDOWS] == [1, 1, 1]
    assert sketch.mean("1h", 1e6) == 0.2


def test_time_may_stand_still():
    sketch = filled([0.1] * 1000, time=7.0)
    assert sketch.count("1m", 7.0) == 1000


def test_a_value_older_than_the_newest_counts_as_new():
    sketch = RollingSketch((MINUTE,))
    sketch.add(1000.0, 0.1)
    sketch.add(10.0, 0.3)
    assert sketch.count("1m", 1000.0) == 2
    assert sketch.count("1m", 1059.9) == 2
    assert sketch.count("1m", 1060.0) == 0


def test_a_question_changes_nothing_that_is_answered_later():
    asked, left_alone = RollingSketch(WINDOWS), RollingSketch(WINDOWS)
    for tenth in range(4000):
        for sketch in (asked, left_alone):
            sketch.add(tenth / 10, 0.1 + tenth % 97)
        asked.quantiles("1m", QS, tenth / 10)
    for label in ("1m", "5m", "1h"):
        assert asked.count(label, 400.0) == pytest.approx(left_alone.count(label, 400.0), rel=1 / 60)
    assert asked.quantiles("1h", QS, 400.0) == left_alone.quantiles("1h", QS, 400.0)


def test_the_same_question_is_answered_anew_when_something_came_or_left():
    sketch = filled([0.1] * 10)
    assert sketch.quantile("1m", 0.9, 1.0) == sketch.quantile("1m", 0.9, 2.0) == pytest.approx(0.1, rel=0.01)
    for _ in range(90):
        sketch.add(30.0, 2.0)
    assert sketch.quantile("1m", 0.9, 30.0) == pytest.approx(2.0, rel=0.01)
    assert sketch.quantile("1m", 0.9, 90.0) is None


def test_different_questions_have_different_answers():
    sketch = filled(range(1, 101))
    assert is_close(sketch.quantile("1m", 0.5, 0.0), 50)
    assert is_close(sketch.quantile("1m", 0.9, 0.0), 90)
    assert sketch.quantiles("1m", [0.9, 0.5], 0.0) == (
        sketch.quantile("1m", 0.9, 0.0),
        sketch.quantile("1m", 0.5, 0.0),
    )


arrivals = st.lists(
    st.tuples(
        st.floats(0, 40) | st.sampled_from([0.0, 1.0, 5.0, 60.0, 299.0, 5000.0]),
        st.floats(0, LARGEST) | st.floats(1e-3, 10),
        st.booleans(),
    ),
    min_size=1,
    max_size=300,
)


@given(arrivals, st.floats(0, 400), st.sampled_from(WINDOWS))
def test_every_answer_is_that_of_a_sorted_list_of_the_windows_values(steps, later, window):
    sketch, seen, time = RollingSketch(WINDOWS), [], 0.0
    for pause, value, ask in steps:
        time += pause
        sketch.add(time, value)
        seen.append((time, value))
        if ask:
            sketch.count(window.label, time)
    now = time + later
    count = sketch.count(window.label, now)
    # Values leave in the order in which they came: those of the window are the last ones.
    gone, here = seen[: len(seen) - count], seen[len(seen) - count :]
    slack = window.seconds / 60 + 1e-6
    assert all(came <= now - window.seconds + slack for came, _ in gone)
    assert all(came > now - window.seconds - slack for came, _ in here)
    exact = sorted(value for _, value in here)
    if exact:
        assert sketch.mean(window.label, now) == pytest.approx(math.fsum(exact) / count, rel=1e-12)
    for q, quantile in zip(QS, sketch.quantiles(window.label, QS, now), strict=True):
        rank = ceil(round(q * count, 9))
        assert quantile is None if rank >= count else is_close(quantile, exact[rank - 1])


@given(st.lists(st.floats(1e-5, 100), min_size=2, max_size=200))
def test_counts_by_bucket_are_as_good_as_the_values(values):
    counts = {}
    for value in values:
        counts[index_of(value)] = counts.get(index_of(value), 0) + 1
    one, other = filled(values), RollingSketch(WINDOWS)
    other.add_counts(0.0, counts, sum(values))
    assert one.quantiles("5m", QS, 1.0) == other.quantiles("5m", QS, 1.0)
    assert other.mean("5m", 1.0) == pytest.approx(sum(values) / len(values))
    assert other.count("5m", 1.0) == len(values)


def test_counts_by_bucket_leave_like_values():
    sketch = RollingSketch((MINUTE,))
    sketch.add_counts(0.0, {600: 5}, 1.0)
    sketch.add_counts(30.0, {500: 4}, 0.08)
    assert (sketch.count("1m", 59.0), sketch.count("1m", 60.0), sketch.count("1m", 90.0)) == (9, 4, 0)


def test_what_no_sender_can_have_counted_is_mended():
    sketch = RollingSketch((MINUTE,))
    sketch.add_counts(0.0, {-3: 1, -2: 1, 10**30: 3, 5: 0, 6: -4}, LARGEST)
    assert sketch.count("1m", 0.0) == 5
    assert sketch.quantiles("1m", (0.2, 0.7), 0.0) == (0.0, value_of(LAST))
    sketch.add_counts(10.0, {7: 10**30}, 1.0)
    assert sketch.count("1m", 10.0) == 5 + MOST
    assert sketch.count("1m", 60.0) == MOST


@pytest.mark.parametrize("total", [math.nan, math.inf, -1.0, 1e300, 4.1 * LARGEST])
def test_a_sum_that_the_counts_do_not_allow_is_that_of_the_buckets(total):
    sketch = RollingSketch((MINUTE,))
    sketch.add_counts(0.0, {index_of(0.25): 4}, total)
    assert sketch.mean("1m", 0.0) == pytest.approx(0.25, rel=0.01)


@pytest.mark.parametrize("counts", [{}, {5: 0}, {5: -1}])
def test_counts_of_nothing_are_nothing_whatever_their_sum(counts):
    sketch = RollingSketch((MINUTE,))
    sketch.add_counts(0.0, counts, 7.0)
    sketch.add(1.0, 0.5)
    assert (sketch.count("1m", 1.0), sketch.mean("1m", 1.0)) == (1, 0.5)


def test_the_slices_are_about_sixty_whatever_the_rate_and_nothing_is_kept_of_what_has_left():
    sketch = RollingSketch(WINDOWS)
    for tenth in range(80_000):
        sketch.add(tenth / 10, 1e-5 * 1.01 ** (tenth % 2000))
    for rolling in sketch._rolling.values():
        assert 55 <= len(rolling._slices) <= 62
    assert 1 < len(sketch._fresh) <= 10  # handed on once a second
    for second in range(8000, 8050):
        sketch.add(float(second), 0.2)
    assert len(sketch._rolling["1m"]._counts) < 200
    sketch.add(1e9, 0.1)
    sketch.count("1m", 1e9)
    for rolling in sketch._rolling.values():
        assert (len(rolling._slices), len(rolling._counts)) == (1, 1)


def test_great_counts_survive_being_packed():
    sketch = RollingSketch((MINUTE,))
    for second, count in enumerate((1, 70_000, 5_000_000_000, 3)):
        # More than the least, the middle and the widest array of a slice can hold.
        sketch.add_counts(second * 10.0, {600: count}, 0.15 * count)
    assert sketch.count("1m", 30.0) == 70_004 + MOST
    assert sketch.count("1m", 60.0) == 70_003 + MOST
    assert sketch.count("1m", 70.0) == 3 + MOST
    assert sketch.count("1m", 80.0) == 3
