"""Which windows are of the present mix of lengths."""

from dataclasses import replace

import pytest

from capacity.made import HOUR, day, window
from pentameter.capacity.mix import similarity


def hours(*lengths, prompt=0.0):
    """Return one window every five minutes, an hour for each mean length."""
    return [
        replace(window(5.0, at=HOUR * i + 300.0 * k), output_tokens=float(tokens), prompt_tokens=prompt)
        for i, tokens in enumerate(lengths)
        for k in range(12)
    ]


def test_without_drift_every_window_counts():
    assert similarity(day(8.0, 10.0)) == [1.0] * 288


def test_no_windows_no_weights():
    assert similarity([]) == []


def test_windows_of_another_length_do_not_count_however_many_they_are():
    weights = similarity(hours(200, 200, 200, 300, 300))
    assert weights == [0.0] * 36 + [1.0] * 24


@pytest.mark.parametrize(("factor", "expected"), [(1.10, 1.0), (1.161834, 0.5), (1.23, 0.0), (0.9048374, 1.0)])
def test_the_tolerance_is_10_percent_and_what_is_twice_as_far_weighs_nothing(factor, expected):
    # ln 1.1618 = 0.15: half-way between 0.1 and 0.2.
    assert similarity(hours(100 * factor, 100, 100))[0] == pytest.approx(expected, abs=1e-5)


def test_the_mix_is_that_of_the_last_hour_by_requests():
    windows = hours(100, 100)
    windows[-1] = replace(windows[-1], output_tokens=1000.0, arrivals=1)
    assert similarity(windows)[:12] == [1.0] * 12


def test_chance_from_one_window_to_the_next_widens_the_tolerance():
    noisy = [replace(w, output_tokens=100.0 * (1.3 if i % 2 else 0.77)) for i, w in enumerate(hours(100, 100))]
    assert min(similarity(noisy)) == 1.0


def test_prompts_count_as_well_where_they_are_known():
    windows = hours(100, prompt=1000.0) + [replace(w, start=w.start + HOUR) for w in hours(100, prompt=2000.0)]
    assert similarity(windows) == [0.0] * 12 + [1.0] * 12
    without = [replace(w, prompt_tokens=0.0) for w in windows[:12]] + windows[12:]
    assert similarity(without) == [1.0] * 24
