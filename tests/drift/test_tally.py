"""Numbers of a state, before they are believed."""

import json

import pytest

from pentameter.drift.tally import checked


def test_numbers_are_taken():
    assert checked([1.8e9, 3, -0.5], 3) == [1.8e9, 3, -0.5]


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e16", "-1e16", "1" + 400 * "0", "true", "null", '"1"'])
def test_what_no_sum_time_or_logarithm_can_be_is_refused(text):
    with pytest.raises(ValueError, match="no state of drift"):
        checked([json.loads(text)], 1)


@pytest.mark.parametrize("row", [None, {}, [], [1.0, 2.0]])
def test_a_row_of_another_length_is_refused(row):
    with pytest.raises(ValueError, match="another length"):
        checked(row, 1)
