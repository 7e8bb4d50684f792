"""A board's power follows its work, and its energy counter is the integral of its power."""

from __future__ import annotations

import pytest

from pentameter.simulator.power import PowerMeter, read_gpu
from pentameter.simulator.presets import DEFAULT
from pentameter.simulator.simulation import Simulation

BEFORE = 5.4e6
"""Joules on the hardware counter before the server started."""


@pytest.fixture
def meter():
    return PowerMeter(DEFAULT.board, start=0.0)


def test_an_idle_board_draws_its_idle_power(meter):
    gpu = read_gpu(DEFAULT, meter, 0, 10.0)
    assert gpu.power_watts == pytest.approx(75.0)
    # The counter starts one averaging window before time 0.
    assert gpu.energy_joules == pytest.approx(BEFORE + 11 * 75.0)
    assert (gpu.utilization_ratio, gpu.memory_utilization_ratio) == (0.0, 0.0)


def test_work_costs_a_floor_and_energy_per_flop_and_per_byte(meter):
    # 2e14 FLOPs at 1 pJ and 1e12 bytes at 100 pJ in one second, on a floor of 130 W
    meter.add_work(5.0, 6.0, flops=2e14, moved_bytes=1e12)
    assert read_gpu(DEFAULT, meter, 0, 6.0).power_watts == pytest.approx(130.0 + 200.0 + 100.0)


def test_no_work_draws_more_than_the_limit(meter):
    meter.add_work(5.0, 6.0, flops=1e16, moved_bytes=1e13)
    assert read_gpu(DEFAULT, meter, 0, 6.0).power_watts == pytest.approx(700.0)


def test_the_time_at_the_limit_is_counted_as_that_under_the_power_cap(meter):
    idle = read_gpu(DEFAULT, meter, 0, 4.0)
    assert (idle.clock_reasons, idle.clock_reasons_known, idle.power_capped_seconds) == (0, 511, 0.0)
    meter.add_work(5.0, 7.0, flops=2e16, moved_bytes=0.0)
    within = read_gpu(DEFAULT, meter, 0, 5.5)
    assert (within.clock_reasons, within.power_capped_seconds) == (4, 0.5)
    meter.add_work(7.0, 8.0, flops=2e14, moved_bytes=0.0)
    after = read_gpu(DEFAULT, meter, 0, 9.0)
    assert (after.clock_reasons, after.power_capped_seconds) == (0, 2.0)


def test_power_is_averaged_over_the_last_second(meter):
    meter.add_work(5.0, 6.0, flops=3.0e14, moved_bytes=0.0)
    # 430 W until 6.0 and 75 W after it
    assert read_gpu(DEFAULT, meter, 0, 5.5).power_watts == pytest.approx((75.0 + 430.0) / 2)
    assert read_gpu(DEFAULT, meter, 0, 6.25).power_watts == pytest.approx(0.75 * 430.0 + 0.25 * 75.0)
    assert read_gpu(DEFAULT, meter, 0, 7.5).power_watts == pytest.approx(75.0)


def test_utilisation_is_a_share_of_time(meter):
    meter.add_work(5.0, 5.4, flops=0.0, moved_bytes=0.335e12)
    gpu = read_gpu(DEFAULT, meter, 0, 5.8)
    assert gpu.utilization_ratio == pytest.approx(0.4)
    # 0.335 TB take 0.1 s at 3.35 TB/s
    assert gpu.memory_utilization_ratio == pytest.approx(0.1)


def test_temperature_follows_power_slowly():
    meter = PowerMeter(DEFAULT.board, start=0.0)
    assert meter.at(0.0).celsius == pytest.approx(34.35)
    meter.add_work(0.0, 20.0, flops=20 * 4.7e14, moved_bytes=0.0)
    # 600 W settle at 30 + 0.058 x 600 = 64.8 degrees; after one time constant 1/e of the way is left.
    assert meter.at(20.0).celsius == pytest.approx(64.8 - 30.45 / 2.71828, abs=0.01)
    assert read_gpu(DEFAULT, meter, 0, 20.0).temperature_celsius == 54.0


def test_reading_in_the_middle_of_a_step_sees_the_part_that_has_passed(meter):
    meter.add_work(5.0, 7.0, flops=2 * 3.0e14, moved_bytes=0.0)
    assert meter.at(6.5).joules - meter.at(5.5).joules == pytest.approx(430.0)


def test_energy_is_the_integral_of_power_over_the_overload():
    simulation = Simulation(DEFAULT)
    simulation.advance_to(70.0)
    start = simulation.read_gpus()[0].energy_joules
    integral = 0.0
    for second in range(71, 131):
        simulation.advance_to(float(second))
        (gpu,) = simulation.read_gpus()
        assert 75.0 <= gpu.power_watts <= 700.0
        integral += gpu.power_watts * 1.0
    assert gpu.energy_joules - start == pytest.approx(integral, rel=1e-9)


def test_the_meter_forgets_what_nobody_can_ask_for(meter):
    for second in range(1000):
        meter.add_work(float(second), second + 0.5, flops=1e12, moved_bytes=1e9)
    assert len(meter._marks) < 10


def test_a_reading_says_that_it_is_simulated_and_how_full_the_memory_is():
    (gpu,) = Simulation(DEFAULT).read_gpus()
    assert gpu.uuid == "GPU-51301a7e-0000-4000-8000-000000000000"
    assert gpu.name == "NVIDIA H100 80GB HBM3"
    assert gpu.memory_used_bytes / gpu.memory_total_bytes == pytest.approx(0.92, abs=0.001)
    assert gpu.mig_enabled is False
