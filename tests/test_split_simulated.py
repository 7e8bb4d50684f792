"""The split of energy on simulated traffic, whose energy is known by phase.

All cases are in ``tests/bench/test_energy_split.py``. The seeds are none of those with which the limits of the split
were chosen (1 to 3 and 11 to 14).
"""

from itertools import pairwise

import pytest

from pentameter.simulator.presets import DEFAULT
from split_cases import GREAT, RAG, Stretch, follow, served, true_joules_per_token

# Steps of the greater model are long, and there are few to simulate.
RESTING = {
    "bursts": [Stretch(20 if i % 2 else 40, 2.0 if i % 2 else 0.05) for i in range(56)],
    "a quiet chat": [Stretch(1800, 0.2)],
    "retrieval by day": [Stretch(400, rate, **RAG) for rate in (0.1, 0.2, 0.4, 0.6, 0.4, 0.2, 0.1)],
}
each = pytest.mark.parametrize("case", RESTING)


@pytest.fixture(scope="module")
def runs():
    return {case: list(follow(stretches, 21, preset=GREAT)) for case, stretches in RESTING.items()}


def test_what_the_phases_used_and_idle_power_are_all_that_the_board_drew():
    *_, (now, joules, engine) = served([Stretch(60, 6.0)], 4)
    board = DEFAULT.board
    start = board.energy_before_start_joules + board.idle_watts * 1.0  # the meter begins a second early
    # The step in progress is booked whole.
    whole = engine.truth["prefill"] + engine.truth["decode"] + board.idle_watts * now
    assert whole == pytest.approx(joules - start, abs=board.power_limit_watts * 0.3)


@each
def test_joules_per_token_of_both_phases_and_idle_power_are_within_a_tenth(runs, case):
    *_, (_, split, truth, _) = runs[case]
    assert split.silent == ""
    assert set(split.fit.joules_per_token) == {"prefill", "decode"}
    for phase, (joules, _) in split.fit.joules_per_token.items():
        assert joules == pytest.approx(true_joules_per_token(truth, dict.fromkeys(truth, 0), phase), rel=0.1), phase
    assert split.fit.idle_watts == pytest.approx(60.0, rel=0.1)


@each
def test_prefill_decode_idle_and_unattributed_add_up_to_the_measured_energy(runs, case):
    total = 0.0
    for now, split, _, measured in runs[case]:
        total += sum(split.grown.values())
        # All but the open window, which is at most eleven seconds old.
        assert 0 <= measured - total + 1e-6 <= 11 * 700.0, now


@each
def test_the_joules_of_minutes_that_are_split_are_attributed_within_a_tenth(runs, case):
    minutes = [
        (split.grown, truth - before)
        for (_, _, before, _), (_, split, truth, _) in pairwise(runs[case])
        if not split.grown["unattributed"]
    ]
    total = sum(sum(grown.values()) for grown, _ in minutes)
    assert len(minutes) >= 3
    for phase in ("prefill", "decode"):
        attributed, used = (sum(side[phase] for side in sides) for sides in zip(*minutes, strict=True))
        # The edges of minutes are not those of windows.
        assert attributed == pytest.approx(used, rel=0.1, abs=0.02 * total), phase


def test_a_server_that_never_rests_is_not_split():
    *_, (_, split, _, _) = follow([Stretch(1260, 2.0)], 22, preset=GREAT)
    assert split.silent == "ill_conditioned"
    # R^2 alone would have let it pass.
    assert split.fit.r2 > 0.9
    assert split.fit.joules_per_token == {}
