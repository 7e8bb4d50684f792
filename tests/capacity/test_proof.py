"""What bands of windows prove."""

import pytest

from capacity.made import window
from pentameter.capacity.proof import carried_rate, missed_rate
from pentameter.capacity.table import tabulate

SHAVE = (1 - 3000**-0.5) * 0.97
"""Of windows of 10 requests/s and 300 s."""


def table(*windows, weights=None):
    return tabulate(windows, weights or [1.0] * len(windows))


def test_six_windows_in_a_band_prove_its_low_edge():
    rates = [10.0, 10.1, 10.2, 10.3, 10.4, 10.9]
    assert carried_rate(table(*[window(rate) for rate in rates]), 0.9) == pytest.approx(10 * SHAVE, rel=1e-3)


def test_five_do_not_nor_six_of_which_one_is_out_of_the_band():
    rates = [10.0, 10.1, 10.2, 10.3, 10.4]
    assert carried_rate(table(*[window(rate) for rate in rates]), 0.9) is None
    assert carried_rate(table(*[window(rate) for rate in [*rates, 11.01]]), 0.9) is None


def test_few_requests_prove_nothing():
    assert carried_rate(table(*[window(0.1)] * 6), 0.9) is None
    assert carried_rate(table(*[window(0.12)] * 6), 0.9) is not None


def test_faded_windows_count_for_less():
    windows = [window(10.0)] * 10
    assert carried_rate(table(*windows, weights=[0.5] * 10), 0.9) is None
    assert carried_rate(table(*windows, weights=[0.7] * 10), 0.9) is not None


def test_a_share_just_at_the_target_is_no_proof():
    assert carried_rate(table(*[window(10.0, good=0.9)] * 6), 0.9) is None
    assert carried_rate(table(*[window(10.0, good=0.93)] * 6), 0.9) is not None


def test_windows_that_differ_among_themselves_prove_less_than_their_requests():
    # The same 95 % of 18 000 requests: alike in all windows, or from 80 % to 100 %.
    alike = [window(10.0, good=0.95)] * 6
    unlike = [window(10.0, good=share) for share in (0.8, 1.0, 1.0, 1.0, 1.0, 0.9)]
    assert carried_rate(table(*alike), 0.9) is not None
    assert carried_rate(table(*unlike), 0.9) is None


def test_six_windows_prove_less_than_thirty_by_student_s_distribution():
    # 90.65 % of 18 000: 2.33 standard errors are 0.51 points, but Student's 3.3 for six windows are 0.72.
    assert carried_rate(table(*[window(10.0, good=0.9065)] * 6), 0.9) is None
    assert carried_rate(table(*[window(10.0, good=0.9065)] * 30), 0.9) is not None


def test_a_lower_rate_that_misses_takes_the_proof_away():
    good_ones = [window(10.0)] * 6
    bad_ones = [window(5.0, good=0.2)] * 12
    assert carried_rate(table(*bad_ones, *good_ones), 0.9) is None


def test_missing_is_proved_alike_from_the_other_side():
    rates = [10.0, 10.1, 10.2, 10.3, 10.4, 10.9]
    proved = missed_rate(table(*[window(rate, good=0.5) for rate in rates]), 0.9)
    count = sum(300 * rate for rate in rates) / 6
    assert proved == pytest.approx(10.9 * (1 + count**-0.5) * 1.03, rel=1e-3)
    assert missed_rate(table(*[window(rate, good=0.897) for rate in rates]), 0.9) is None
    assert missed_rate(table(*[window(rate) for rate in rates]), 0.9) is None
