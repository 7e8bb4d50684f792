"""Energy of each GPU: joules, how they are known, and whether they can be believed."""

from dataclasses import replace

import pytest

from builders import gpu, names, rolled, value, world
from pentameter.dimensions import gpu_energy


def measured(*gpus):
    return list(gpu_energy.samples(world(gpus=gpus)))


def grown(*gpus):
    return list(gpu_energy.increments(world(gpus=gpus)))


def audited(counter, integral, seconds):
    audit = {
        "audited/counter_joules": counter,
        "audited/integral_joules": integral,
        "audited/seconds": seconds,
    }
    return replace(gpu(100.0), rolled=rolled(audit, seconds=60.0))


def test_each_gpu_has_its_own_joules():
    samples = grown(gpu(tick=500.0), gpu(tick=300.0, uuid="GPU-1"), gpu(uuid="GPU-2"))
    assert value(samples, "gpu_energy_joules_total", gpu="GPU-0") == 500
    assert value(samples, "gpu_energy_joules_total", gpu="GPU-1") == 300
    assert value(samples, "gpu_energy_joules_total", gpu="GPU-2") is None


def test_without_a_new_reading_the_counters_stand_still_and_stay():
    samples = grown(gpu(500.0))
    assert value(samples, "gpu_energy_joules_total") == 0
    assert value(samples, "gpu_energy_anomalies_total", kind="reset") == 0


def test_what_was_not_believed_is_counted_by_kind():
    tick = rolled(tick={"energy_joules": 5.0, "anomaly/reset": 1.0, "anomaly/frozen": 2.0})
    samples = grown(replace(gpu(tick=5.0), rolled=tick))
    kinds = {kind: value(samples, "gpu_energy_anomalies_total", kind=kind) for kind in gpu_energy.ANOMALIES}
    assert kinds == {"reset": 1, "rejected": 0, "frozen": 2, "power": 0}


def test_it_is_said_how_the_energy_is_known_and_of_what_it_is():
    samples = measured(gpu(1.0), replace(gpu(1.0, uuid="GPU-1"), energy_method="integrated", energy_scope="module"))
    assert value(samples, "gpu_energy_info", gpu="GPU-0", method="counter", scope="gpu") == 1
    assert value(samples, "gpu_energy_info", gpu="GPU-1", method="integrated", scope="module") == 1


def test_a_gpu_whose_energy_nobody_knows_says_nothing_of_it():
    assert measured(gpu()) == grown(gpu()) == []


def test_the_counter_is_compared_with_the_power():
    # The figures of an issue against Zeus: 187 J by the counter, 327 J by the power, here over 10 s.
    ratio = value(measured(audited(187.0, 327.0, 10.0)), "gpu_energy_audit_ratio", window="1m")
    assert ratio == pytest.approx(0.5719, abs=1e-4)
    assert value(measured(audited(0.0, 327.0, 10.0)), "gpu_energy_audit_ratio") == 0


@pytest.mark.parametrize(("integral", "seconds"), [(327.0, 9.9), (0.0, 60.0)])
def test_what_cannot_be_compared_is_left_out(integral, seconds):
    assert "gpu_energy_audit_ratio" not in names(measured(audited(187.0, integral, seconds)))


def test_it_is_said_for_how_long_clocks_were_held_down_why_and_how_that_is_known():
    held = {"power_cap": 1.25, "sw_thermal": 0.0}
    samples = grown(replace(gpu(), throttled=held, throttled_bases={"power_cap": "counter", "sw_thermal": "sampled"}))
    name = "gpu_throttled_seconds_total"
    assert value(samples, name, gpu="GPU-0", reason="power_cap", basis="counter") == 1.25
    assert value(samples, name, gpu="GPU-0", reason="sw_thermal", basis="sampled") == 0
    assert len(samples) == 2


def test_a_gpu_shows_what_it_offers_and_nothing_else():
    samples = measured(gpu(power_limit_watts=700.0, utilization_ratio=0.0, temperature_celsius=61.0, power_watts=60.0))
    assert value(samples, "gpu_power_limit_watts", gpu="GPU-0") == 700
    assert value(samples, "gpu_utilization_ratio", gpu="GPU-0") == 0
    assert value(samples, "gpu_temperature_celsius", gpu="GPU-0") == 61
    assert value(samples, "gpu_power_watts", gpu="GPU-0") == 60
    assert len(samples) == 4
