"""The split of energy: windows of a known law, its coefficients, and where it must not speak."""

import random
from dataclasses import replace

import pytest

from pentameter.energy_split import MEMORY_SECONDS, PARTS, UNATTRIBUTED, PhaseSplit
from pentameter.energy_sums import Span

# Watts, joules per step, per prompt token, per decode token, per full cache and step.
LAW = (75.0, 1.9, 0.017, 0.016, 7.5)


def window(number, *, prompts=0, steps=0, tokens_per_step=5.0, cache=0.02, law=LAW, noise=0.0, tokens=500.0):
    """Return ten seconds with so many prompts and so many decode steps."""
    bare = Span(10.0 * number, 10.0, 0.0, tokens * prompts, tokens_per_step * steps, prompts, steps, cache * steps)
    return replace(bare, joules=sum(bare.parts(law)) + noise)


def varied(count, *, sigma=0.0, noise_seed=0, law=LAW):
    """Yield windows of traffic that changes in every respect, with noise of so many joules."""
    draw, noise = random.Random(1), random.Random(f"noise {noise_seed}")
    for number in range(1, count + 1):
        steps = draw.randint(0, 1300)
        yield window(
            number,
            prompts=draw.randint(0, 40),
            steps=steps,
            tokens_per_step=draw.uniform(1, 20),
            cache=draw.uniform(0, 0.1),
            noise=noise.gauss(0, sigma),
            law=law,
        )


def fed(windows):
    split = PhaseSplit()
    taken = [split.take(one) for one in windows]
    return split, taken


def learned(windows):
    """Return the fit after all of them, without the ones in between."""
    split, windows = PhaseSplit(), list(windows)
    for one in windows[:-1]:
        split._remember(one)
    split.take(windows[-1])
    return split.fit


def test_a_law_without_noise_is_found_exactly():
    split, _ = fed(varied(120))
    assert split.silent == ""
    assert split.fit.coefficients == pytest.approx(LAW, rel=1e-6)
    assert split.fit.idle_watts == pytest.approx(75.0)
    assert split.fit.r2 == 1.0
    assert split.fit.windows == 120


def test_the_joules_per_token_are_the_phases_joules_over_its_tokens():
    windows = list(varied(120))
    split, _ = fed(windows)
    prompts, decoded = (sum(getattr(one, f"{phase}_tokens") for one in windows) for phase in ("prefill", "decode"))
    # By the law: 0.017 J per prompt token and 1.9 J per prefill step; 0.016 J, 1.9 J and 7.5 J x cache for decode.
    prefill = 0.017 * prompts + 1.9 * sum(one.prefill_steps for one in windows)
    decode = 0.016 * decoded + sum(1.9 * one.decode_steps + 7.5 * one.cache_steps for one in windows)
    assert split.fit.joules_per_token["prefill"][0] == pytest.approx(prefill / prompts)
    assert split.fit.joules_per_token["decode"][0] == pytest.approx(decode / decoded)


def test_the_parts_of_every_window_add_up_to_what_was_measured():
    windows = list(varied(150, sigma=40.0))
    for one, parts in zip(windows, fed(windows)[1], strict=True):
        assert sum(parts.values()) == pytest.approx(one.joules, rel=1e-15)
        assert all(joules >= 0 for joules in parts.values())


def test_a_window_is_split_by_the_law_that_is_known():
    windows = list(varied(120))
    one, parts = windows[-1], fed(windows)[1][-1]
    assert [parts[name] for name in PARTS] == pytest.approx(one.parts(LAW), rel=1e-6)


def test_a_window_without_work_is_all_idle():
    windows = [*varied(120), window(121)]
    assert fed(windows)[1][-1] == pytest.approx({"idle": 750.0, "prefill": 0.0, "decode": 0.0})


def test_the_first_twenty_minutes_are_unattributed():
    split, taken = fed(varied(119))
    assert split.silent == "few_windows"
    assert split.fit is None
    assert all(set(parts) == {UNATTRIBUTED} for parts in taken)


def test_the_standard_error_holds_the_truth():
    truth = learned(varied(150)).joules_per_token["prefill"][0]
    beyond = 0
    for seed in range(40):
        found, error = learned(varied(150, sigma=8.0, noise_seed=seed)).joules_per_token["prefill"]
        beyond += abs(found - truth) > 2.262 * error
    # One in twenty is expected; seven or more of forty happen once in 300 times.
    assert beyond <= 6


def test_traffic_of_one_mix_is_not_split():
    # Whatever the load is, steps, prompts and tokens go up and down together.
    draw = random.Random(3)
    windows = []
    for number in range(1, 121):
        load = draw.random()
        windows.append(window(number, prompts=20 * load, steps=1000 * load))
    split, taken = fed(windows)
    assert split.silent == "ill_conditioned"
    assert set(taken[-1]) == {UNATTRIBUTED}


def test_a_server_that_never_rests_is_not_split():
    draw = random.Random(4)
    windows = [
        window(
            number,
            prompts=draw.randint(10, 30),
            steps=draw.randint(1340, 1360),
            tokens_per_step=draw.uniform(5, 20),
            cache=draw.uniform(0, 0.1),
        )
        for number in range(1, 121)
    ]
    split, _ = fed(windows)
    assert split.silent == "ill_conditioned"
    assert split.fit.condition > 60
    assert split.fit.joules_per_token == {}


def test_windows_that_are_all_alike_are_not_split():
    split, _ = fed(window(number, prompts=10, steps=500) for number in range(1, 121))
    assert split.silent == "ill_conditioned"
    assert split.fit is None


def test_energy_that_follows_no_law_is_not_split():
    split, _ = fed(varied(120, sigma=400.0))
    assert split.silent == "poor_fit"
    assert split.fit.r2 < 0.98


def test_a_law_that_changes_on_the_way_is_not_split():
    # Prompt tokens come to cost a half more: the fit is still above 0.98, the jackknife sees it.
    dearer = (75.0, 1.9, 0.0255, 0.016, 7.5)
    windows = [one if one.end <= 600 else replace(one, joules=sum(one.parts(dearer))) for one in varied(120)]
    split, _ = fed(windows)
    assert split.silent == "uncertain"
    assert split.fit.r2 > 0.98
    assert "prefill" not in split.fit.joules_per_token


def test_a_fit_that_needs_no_idle_power_is_none():
    split, _ = fed(varied(120, law=(0.0, *LAW[1:])))
    assert split.silent == "poor_fit"
    assert split.fit.r2 > 0.98


def test_the_noise_of_an_idle_board_is_no_poor_fit():
    draw = random.Random(6)
    split, _ = fed(window(number, noise=draw.gauss(0, 10.0)) for number in range(1, 121))
    assert split.silent == ""
    assert split.fit.idle_watts == pytest.approx(75.0, rel=0.005)


def test_of_an_idle_server_only_the_idle_power_is_told():
    split, taken = fed(window(number) for number in range(1, 121))
    assert split.silent == ""
    assert split.fit.idle_watts == pytest.approx(75.0)
    assert split.fit.joules_per_token == {}
    assert taken[-1] == pytest.approx({"idle": 750.0, "prefill": 0.0, "decode": 0.0})


def test_a_phase_too_small_to_be_known_does_not_silence_the_other():
    # A prompt of ten tokens now and then; noise of 5 J.
    draw = random.Random(5)
    windows = [
        window(number, tokens=10, prompts=draw.randint(0, 1), steps=draw.randint(0, 1300), noise=draw.gauss(0, 5.0))
        for number in range(1, 301)
    ]
    windows = [replace(one, cache_steps=0.0) for one in windows]
    windows = [replace(one, decode_tokens=one.decode_tokens * draw.uniform(0.5, 1.5)) for one in windows]
    split, _ = fed(windows)
    assert split.silent == ""
    assert set(split.fit.joules_per_token) == {"decode"}


def test_what_is_older_than_an_hour_is_forgotten():
    dearer = tuple(2 * one for one in LAW)
    later = [replace(one, end=one.end + 3000.0) for one in varied(370)]
    fit = learned([*varied(300, law=dearer), *later])
    assert fit.coefficients == pytest.approx(LAW, rel=1e-6)
    assert fit.windows <= MEMORY_SECONDS / 10 + 6


def test_an_outage_ages_what_is_known():
    split, _ = fed([*varied(120), replace(window(1), end=1200.0 + 2 * MEMORY_SECONDS)])
    assert split.silent == "few_windows"


@pytest.mark.parametrize(("seconds", "joules"), [(0.0, 5.0), (10.0, 0.0)])
def test_a_window_of_no_length_or_no_energy_teaches_nothing(seconds, joules):
    split, _ = fed(varied(120))
    before = split.fit
    odd = Span(1300.0, seconds, joules, 0.0, 0.0, 0.0, 0.0)
    assert split.take(odd) == {UNATTRIBUTED: joules}
    assert split.fit is before


def test_the_memory_is_bounded():
    split = PhaseSplit()
    for one in varied(1000):
        split._remember(one)
    assert len(split._blocks) <= MEMORY_SECONDS / 60 + 1
