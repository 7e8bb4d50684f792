"""Logarithmic buckets."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pentameter.sketch import GAMMA, LARGEST, LAST, SMALLEST, index_of, value_of

ROUNDING = 1e-12


def test_the_base_is_that_of_ddsketch_for_one_per_cent():
    # Masson et al. 2019, section 2: gamma = (1 + alpha) / (1 - alpha), here 1.01 / 0.99.
    assert pytest.approx(1.0202020202020203, rel=1e-15) == GAMMA


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [
        # ceil(ln(seconds / 1e-6) / ln(1.01 / 0.99)), by hand.
        (1.01e-6, 1),
        (1.0203e-6, 2),
        (0.001, 346),
        (0.25, 622),
        (1.0, 691),
        (60.0, 896),
    ],
)
def test_a_value_lies_in_the_bucket_of_its_logarithm(seconds, bucket):
    assert index_of(seconds) == bucket


@given(st.floats(SMALLEST, LARGEST))
@example(math.nextafter(SMALLEST, 1))
@example(math.nextafter(LARGEST, 0))
def test_a_bucket_stands_for_each_of_its_values_within_one_per_cent(seconds):
    if seconds > SMALLEST:
        assert abs(value_of(index_of(seconds)) - seconds) <= (0.01 + ROUNDING) * seconds


@given(st.floats(0, 1e7), st.floats(0, 1e7))
def test_a_longer_value_is_never_in_a_lower_bucket(one, other):
    short, long = sorted((one, other))
    assert index_of(short) <= index_of(long)


@pytest.mark.parametrize("seconds", [0.0, SMALLEST, 1e-9, -1.0, -math.inf])
def test_what_is_no_longer_than_a_microsecond_is_told_as_nothing(seconds):
    assert index_of(seconds) == 0
    assert value_of(0) == 0.0


@pytest.mark.parametrize("seconds", [LARGEST, 1e9, math.inf])
def test_what_is_longer_than_the_longest_is_in_the_last_bucket(seconds):
    assert index_of(seconds) == LAST
    assert value_of(LAST) == pytest.approx(LARGEST, rel=0.01)


def test_every_bucket_has_a_value_of_its_own_that_lies_in_it():
    assert [index_of(value_of(bucket)) for bucket in range(LAST + 1)] == list(range(LAST + 1))


def test_a_bucket_that_there_is_not_stands_for_the_nearest():
    assert value_of(-5) == 0.0
    assert value_of(10**9) == value_of(LAST)


def test_nan_is_no_duration():
    with pytest.raises(ValueError, match="NaN"):
        index_of(math.nan)
