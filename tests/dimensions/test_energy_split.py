"""What is exported of the split of energy."""

from dataclasses import replace

import pytest

from builders import deployment, engine, names, value, world
from pentameter.dimensions import energy_split
from pentameter.energy_split import EnergySplit, Fit

GROWN = {"idle": 75.0, "prefill": 20.0, "decode": 105.0, "unattributed": 0.0}
FIT = Fit(0.999, 25.0, 300, (75.0, 1.9, 0.017, 0.016, 7.5), 75.0, {"prefill": (0.02, 0.0005)})


def server(split):
    return world(replace(deployment(engine()), energy_split=split))


def measured(split):
    return list(energy_split.samples(server(split)))


def test_a_known_split_is_told_with_its_quality():
    samples = measured(EnergySplit(FIT, "", GROWN))
    assert value(samples, "energy_per_phase_token_joules", phase="prefill", basis="model") == 0.02
    assert value(samples, "energy_per_phase_token_error_joules", phase="prefill", basis="model") == 0.0005
    assert value(samples, "energy_split_idle_watts", basis="model") == 75.0
    assert value(samples, "energy_split_fit_ratio") == 0.999
    assert value(samples, "energy_split_condition") == 25.0
    assert value(samples, "energy_split_known", reason="") == 1.0


def test_a_phase_that_is_not_known_is_absent():
    assert value(measured(EnergySplit(FIT, "", GROWN)), "energy_per_phase_token_joules", phase="decode") is None


def test_a_phase_that_is_known_is_told_though_another_part_is_not():
    samples = measured(EnergySplit(replace(FIT, idle_watts=None), "uncertain", GROWN))
    assert value(samples, "energy_per_phase_token_joules", phase="prefill") == 0.02
    assert value(samples, "energy_split_idle_watts") is None
    assert value(samples, "energy_split_known", reason="uncertain") == 0.0


@pytest.mark.parametrize("reason", ["ill_conditioned", "poor_fit", "uncertain"])
def test_a_rejected_fit_tells_its_quality_and_nothing_else(reason):
    samples = measured(EnergySplit(Fit(0.9, 80.0, 300), reason, GROWN))
    assert names(samples) == {"energy_split_known", "energy_split_fit_ratio", "energy_split_condition"}
    assert value(samples, "energy_split_known", reason=reason) == 0.0


def test_without_a_fit_only_the_reason_is_told():
    samples = measured(EnergySplit())
    assert names(samples) == {"energy_split_known"}
    assert value(samples, "energy_split_known", reason="few_windows") == 0.0


def test_without_known_energy_nothing_is_told():
    assert measured(None) == []
    assert list(energy_split.increments(server(None))) == []


def test_the_counters_grow_by_the_parts_of_the_measured_energy():
    samples = list(energy_split.increments(server(EnergySplit(FIT, "", GROWN))))
    assert {sample.labels[3:]: sample.value for sample in samples} == {
        ("idle", "model"): 75.0,
        ("prefill", "model"): 20.0,
        ("decode", "model"): 105.0,
        ("unattributed", "model"): 0.0,
    }
