"""Lines to the rate at which something runs out."""

import math
from dataclasses import replace

import pytest

from capacity.made import day, window
from pentameter.capacity.bins import points, upper_part
from pentameter.capacity.limits import margin_limit, resource_limit
from pentameter.capacity.table import tabulate

KNEE = 10.0


def table(windows):
    return tabulate(windows, [1.0] * len(windows))


def kv_limit(windows):
    return resource_limit(table(windows), lambda w: w.kv_peak, lambda w: w.kv_mean, 0.98, 0.95)


def test_points_are_medians_by_rate_and_thin_groups_are_left_out():
    windows = [window(float(rate), severity=severity) for rate in (1, 8, 15) for severity in (0.1, 0.2, 0.9)]
    windows += [window(4.0, severity=0.7)] * 2
    found = points(table(windows), lambda w: w.severity)
    assert [(point.rate, point.value, point.weight) for point in found] == [(1, 0.2, 3), (8, 0.2, 3), (15, 0.2, 3)]


def test_windows_without_the_value_make_no_points():
    assert points(table(day(8.0, KNEE)), lambda w: w.kv_peak) == []
    assert points(table([window(5.0)] * 9), lambda w: w.severity) == []


def test_only_the_upper_rates_shape_a_line_where_there_are_enough():
    found = points(table(day(10.0, 20.0)), lambda w: w.severity)
    kept = upper_part(found)
    assert len(found) == 14
    assert all(point.rate >= 6.0 for point in kept)
    assert kept == [point for point in found if point.rate >= 0.6 * found[-1].rate]
    assert upper_part(found[:3]) == []


@pytest.mark.parametrize("start", [1.5, 2.0, 5.0])
def test_a_straight_line_of_1_over_severity_is_prolonged_to_1(start):
    limit = margin_limit(table(day(8.0, KNEE, start=start)), None)
    assert (limit.low, limit.rate, limit.high) == pytest.approx((KNEE, KNEE, KNEE), rel=0.03)


def test_each_objective_has_its_own_line():
    windows = [replace(w, margins={"tpot": w.severity, "ttft": w.severity / 1.25}) for w in day(8.0, KNEE)]
    # 1 / ttft = 1.25 * (2 - rate / 10) is 1 at 12.
    assert margin_limit(table(windows), "ttft").rate == pytest.approx(12.0, rel=0.02)
    assert margin_limit(table(windows), "tpot").rate == pytest.approx(10.0, rel=0.02)
    assert margin_limit(table(windows), "e2e") is None


def test_a_line_that_does_not_fall_has_its_limit_nowhere():
    windows = [replace(w, severity=0.5) for w in day(8.0, KNEE)]
    limit = margin_limit(table(windows), None)
    assert (limit.rate, limit.low, limit.high) == (math.inf, math.inf, math.inf)


def test_scatter_widens_the_range():
    windows = [replace(w, severity=w.severity * (1.2 if int(w.rate * 4) % 2 else 0.8)) for w in day(8.0, KNEE)]
    limit = margin_limit(table(windows), None)
    assert limit.low < limit.rate < limit.high
    assert limit.high - limit.low > 0.1 * limit.rate


def test_1_over_rate_is_straight_in_1_over_use():
    # Little's law with a step time linear in the batch: B = rate * a / (1 - b * rate), here 0.04 * rate / (1 - 0.05 *
    # rate); it is 0.98 at 1 / rate = 0.05 + 0.04 / 0.98, and three quarters of it are 0.95 at 0.05 + 0.03 / 0.95.
    windows = [
        replace(w, kv_peak=0.04 * w.rate / (1 - 0.05 * w.rate), kv_mean=0.03 * w.rate / (1 - 0.05 * w.rate))
        for w in day(9.0, 1000.0)
    ]
    limit = kv_limit(windows)
    low, high = 1 / (0.05 + 0.04 / 0.98), 1 / (0.05 + 0.03 / 0.95)
    assert (limit.low, limit.high) == pytest.approx((low, high), rel=0.01)
    assert limit.rate == pytest.approx((low * high) ** 0.5, rel=0.01)


def test_a_resource_far_from_full_or_not_reported_has_no_limit():
    assert kv_limit([replace(w, kv_peak=0.01 * w.rate, kv_mean=0.01 * w.rate) for w in day(8.0, KNEE)]) is None
    assert kv_limit(day(8.0, KNEE)) is None


def test_a_resource_that_does_not_fill_with_the_load_has_no_limit():
    assert kv_limit([replace(w, kv_peak=0.9 - 0.05 * w.rate, kv_mean=0.3) for w in day(8.0, KNEE)]) is None


def test_a_resource_that_is_full_already_has_its_lower_limit_there():
    windows = [replace(w, kv_peak=1.0 if w.rate > 6.0 else 0.5, kv_mean=0.08 * w.rate) for w in day(8.0, KNEE)]
    assert kv_limit(windows).low == pytest.approx(6.0, rel=0.08)


def test_without_a_mean_the_upper_end_is_open():
    limit = kv_limit([replace(w, kv_peak=w.rate / 10) for w in day(8.5, KNEE)])
    assert (limit.rate, limit.high) == (limit.low, math.inf)
