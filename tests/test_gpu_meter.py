"""The state of the GPUs between readings: energy, and what their profiling counters measured."""

from dataclasses import replace

import pytest

from builders import H100
from pentameter.gpu_meter import GpuMeter
from pentameter.readings import GpuReading, GpusReading
from pentameter.windows import Window

WINDOWS = (Window("1m", 60.0), Window("1h", 3600.0))


def reading(time, *gpus):
    return GpusReading(time, time, gpus)


def gpu(
    joules=None,
    *,
    dram=None,
    tensor=None,
    seconds=None,
    source="gpm",
    uuid="GPU-0",
    index=0,
    name=H100.nvml_names[0],
    **more,
):
    return GpuReading(
        uuid,
        index,
        name,
        joules,
        dram_active_ratio=dram,
        tensor_active_ratio=tensor,
        profiled_seconds=seconds,
        profiling_source=source,
        **more,
    )


def metered(*readings):
    meter = GpuMeter(WINDOWS, {H100.nvml_names[0]: H100}.get, {"a": ()})
    for one in readings:
        meter.take(one)
    return meter


def seen(meter, needed=None):
    """Return the GPUs of the only server, which has all."""
    meter.look(0.0)
    return meter.gpus({} if needed is None else {"a": needed})


def test_before_the_first_reading_there_are_no_gpus():
    assert seen(metered()) == ()


def test_energy_is_what_the_counter_grew_by():
    [one] = seen(metered(reading(0, gpu(1e6)), reading(10, gpu(1e6 + 3000))))
    assert one.rolled.windows["1m"].rate("energy_joules") == 300
    assert one.server_tick.delta("energy_joules") == 3000
    assert (one.spec, one.server) == (H100, "a")


def test_a_counter_that_falls_is_told_and_earns_nothing():
    meter = metered(reading(0, gpu(1e6)))
    assert not meter.take(reading(1, gpu(1e6 + 100)))
    assert meter.take(reading(2, gpu(5.0)))
    [one] = seen(meter)
    assert one.rolled.windows["1m"].delta("energy_joules") == 100


def test_a_servers_gpus_are_drained_only_together():
    meter = metered(reading(0, gpu(0.0), gpu(0.0, uuid="GPU-1", index=1)))
    seen(meter)
    meter.take(reading(1, gpu(10.0), gpu(None, uuid="GPU-1", index=1)))
    assert [one.server_tick for one in seen(meter)] == [None, None]
    meter.take(reading(2, gpu(20.0), gpu(40.0, uuid="GPU-1", index=1)))
    assert [one.server_tick.delta("energy_joules") for one in seen(meter)] == [20, 40]


def test_a_servers_gpus_are_drained_only_when_all_that_it_names_are_there():
    meter = metered(reading(0, gpu(0.0), gpu(0.0, uuid="GPU-1", index=1)))

    def drained():
        return [one.server_tick and one.server_tick.delta("energy_joules") for one in seen(meter, 2)]

    drained()
    meter.take(reading(1, gpu(10.0)))
    assert drained() == [None]
    meter.take(reading(2, gpu(20.0), gpu(40.0, uuid="GPU-1", index=1)))
    assert drained() == [20, 40]


def test_a_board_that_is_listed_once_per_instance_or_engine_counts_once():
    [one] = seen(metered(reading(0, gpu(0.0), gpu(0.0)), reading(10, gpu(3000.0), gpu(3000.5))))
    assert one.rolled.windows["1m"].delta("energy_joules") == 3000


def test_without_a_counter_power_makes_the_energy_and_says_so():
    [one] = seen(metered(reading(0, gpu(power_watts=300.0)), reading(10, gpu(power_watts=500.0))))
    assert one.rolled.windows["1m"].rate("energy_joules") == 400
    assert one.server_tick.delta("integrated_joules") == one.rolled.tick.delta("energy_joules") == 4000
    assert (one.energy_method, one.energy_bases) == ("integrated", ("integrated",))


def test_with_neither_counter_nor_power_there_is_no_energy():
    [one] = seen(metered(reading(0, gpu()), reading(10, gpu())))
    assert (one.rolled.windows, one.rolled.tick, one.server_tick, one.energy_method) == ({}, None, None, "")


def test_both_bases_add_up_to_the_whole():
    meter = metered(reading(0, gpu(0.0, power_watts=300.0)))
    for time in range(1, 11):
        meter.take(reading(time, gpu(300.0 * min(time, 4), power_watts=300.0)))
    [one] = seen(meter)
    tick = one.server_tick
    assert (tick.delta("measured_joules"), tick.delta("integrated_joules")) == (1200, 1800)
    assert tick.delta("energy_joules") == 3000
    assert (one.energy_method, one.energy_bases) == ("integrated", ("measured", "integrated"))
    assert tick.delta("anomaly/frozen") == 1


@pytest.mark.parametrize(("limit", "joules"), [(300.0, 700.0), (700.0, 700.0), (None, 700.0), (900.0, 1000.0)])
def test_no_board_is_held_to_less_than_its_product_may_draw(limit, joules):
    spec = replace(H100, tdp_watts=700.0)
    meter = GpuMeter(WINDOWS, {spec.nvml_names[0]: spec}.get)
    for time, counter in ((0, 0.0), (1, joules), (2, 1e9)):
        meter.take(reading(time, gpu(counter, power_limit_watts=limit)))
    [one] = seen(meter)
    assert one.rolled.windows["1m"].delta("energy_joules") == joules


def test_a_modules_counter_is_called_so_and_not_held_to_the_gpus_limit():
    name = "NVIDIA GH200 480GB"
    meter = metered(*(reading(time, gpu(1000.0 * time, name=name, power_limit_watts=700.0)) for time in (0, 1)))
    [one] = seen(meter)
    assert (one.rolled.tick.delta("energy_joules"), one.energy_scope) == (1000, "module")


def test_a_gpu_is_taken_at_the_moment_at_which_it_was_read():
    # The driver took five seconds for the GPU before: 6 s x 700 W are no miracle.
    meter = metered(
        reading(0, gpu(0.0, power_limit_watts=700.0)),
        reading(1, gpu(4200.0, power_limit_watts=700.0, read_at=6.0)),
        reading(7, gpu(4900.0, power_limit_watts=700.0, read_at=7.0)),
    )
    [one] = seen(meter)
    assert one.rolled.windows["1m"].delta("anomaly/rejected") == 0
    assert one.rolled.windows["1m"].rate("energy_joules") == 700


# ---------------------------------------------------------------------------- what holds the clocks down


def slow(time, capped=None, reasons=0x20, known=0x24, **more):
    """Return a reading of a GPU that is too hot."""
    return reading(time, gpu(clock_reasons=reasons, clock_reasons_known=known, power_capped_seconds=capped, **more))


def test_each_snapshot_has_the_seconds_since_the_one_before():
    meter = metered(slow(0, 100.0))
    [first] = seen(meter)
    assert first.throttled == {"power_cap": 0, "sw_thermal": 0}
    meter.take(slow(1, 100.25))
    meter.take(slow(2, 100.75))
    [second], [third] = seen(meter), seen(meter)
    assert second.throttled == {"power_cap": 0.75, "sw_thermal": 2}
    assert third.throttled == {"power_cap": 0, "sw_thermal": 0}
    assert third.throttled_bases == {"power_cap": "counter", "sw_thermal": "sampled"}


def test_without_energy_the_clocks_are_watched_all_the_same():
    [one] = seen(metered(slow(0), slow(1)))
    assert (one.energy_method, one.throttled) == ("", {"power_cap": 0, "sw_thermal": 1})


def test_a_gpu_that_tells_nothing_of_its_clocks_has_nothing():
    [one] = seen(metered(reading(0, gpu(1e6)), reading(1, gpu(1e6))))
    assert (one.throttled, one.throttled_bases) == ({}, {})


def test_a_gpu_that_was_lost_and_returns_goes_on_with_what_can_be_known_of_the_time_between():
    meter = metered(slow(0, 100.0), slow(1, 100.0))
    [before] = seen(meter)
    meter.lose("nvml")
    assert seen(meter) == ()
    meter.take(slow(31, 105.0))
    [after] = seen(meter)
    assert before.throttled == {"power_cap": 0, "sw_thermal": 1}
    assert after.throttled == {"power_cap": 5, "sw_thermal": 0}


def test_the_loss_of_another_source_is_no_gap():
    meter = metered(slow(0), slow(1))
    seen(meter)
    meter.lose("dcgm")
    meter.take(slow(2))
    assert seen(meter)[0].throttled["sw_thermal"] == 1


def test_a_board_that_is_listed_twice_is_slow_once():
    one = gpu(clock_reasons=0x20, clock_reasons_known=0x20)
    assert seen(metered(reading(0, one, one), reading(2, one, one)))[0].throttled == {"sw_thermal": 2}


def test_an_unknown_product_has_no_specification():
    [one] = seen(metered(reading(0, gpu(name="NVIDIA of tomorrow"))))
    assert one.spec is None


# ---------------------------------------------------------------------------- what the hardware measures


def mean(one, what, window="1m"):
    interval = one.profile.windows[window]
    return interval.delta(f"{what}_seconds") / interval.delta(f"{what}_profiled_seconds")


def test_the_first_share_counts_from_the_time_that_it_is_the_mean_of():
    [one] = seen(metered(reading(10, gpu(dram=0.6, tensor=0.3, seconds=4.0))))
    interval = one.profile.windows["1m"]
    assert interval.seconds == 4
    assert interval.deltas == pytest.approx(
        {
            "dram_active_seconds": 2.4,
            "dram_active_profiled_seconds": 4,
            "tensor_active_seconds": 1.2,
            "tensor_active_profiled_seconds": 4,
        }
    )


def test_shares_are_weighted_by_the_time_that_they_are_of():
    # 1 s at 90 % and 9 s at 40 %
    [one] = seen(metered(reading(1, gpu(dram=0.9, seconds=1.0)), reading(10, gpu(dram=0.4, seconds=9.0))))
    assert mean(one, "dram_active") == pytest.approx(0.45)


def test_time_that_nobody_watched_is_in_neither_sum():
    [one] = seen(metered(reading(1, gpu(dram=0.8, seconds=1.0)), reading(30, gpu(dram=0.4, seconds=1.0))))
    assert mean(one, "dram_active") == pytest.approx(0.6)


def test_a_share_that_is_missing_for_a_while_takes_no_part():
    meter = metered(
        reading(1, gpu(dram=0.8, tensor=0.2, seconds=1.0)),
        reading(2, gpu(dram=0.4, seconds=1.0)),
    )
    [one] = seen(meter)
    assert mean(one, "dram_active") == pytest.approx(0.6)
    assert mean(one, "tensor_active") == pytest.approx(0.2)


def test_each_window_has_its_own_mean():
    readings = [reading(time, gpu(dram=1.0 if time <= 100 else 0.5, seconds=1.0)) for time in range(1, 201)]
    [one] = seen(metered(*readings))
    assert mean(one, "dram_active", "1m") == pytest.approx(0.5)
    assert mean(one, "dram_active", "1h") == pytest.approx(0.75)


def test_a_gpu_that_nobody_profiles_any_more_has_no_share():
    [one] = seen(metered(reading(1, gpu(dram=0.8, seconds=1.0)), reading(2, gpu(source=""))))
    assert one.profile.windows == {}


def test_between_two_shares_the_last_one_stands_but_not_for_longer_than_its_window():
    meter = metered(reading(1, gpu(dram=0.8, seconds=1.0)), reading(2, gpu()))
    [one] = seen(meter)
    assert mean(one, "dram_active") == 0.8
    meter.take(reading(100, gpu()))
    [one] = seen(meter)
    assert set(one.profile.windows) == {"1h"}


def test_a_gpu_that_has_not_measured_anything_yet_has_no_share():
    [one] = seen(metered(reading(1, gpu()), reading(2, gpu())))
    assert one.profile.windows == {}


@pytest.mark.parametrize("seconds", [None, 0.0, -1.0])
def test_a_share_of_no_time_is_not_counted(seconds):
    [one] = seen(metered(reading(1, gpu(dram=0.8, seconds=1.0)), reading(2, gpu(dram=0.1, seconds=seconds))))
    assert mean(one, "dram_active") == 0.8


def test_gpus_are_measured_apart():
    two = seen(metered(reading(1, gpu(dram=0.8, seconds=1.0), gpu(dram=0.2, seconds=1.0, uuid="GPU-1", index=1))))
    assert [mean(one, "dram_active") for one in two] == pytest.approx([0.8, 0.2])
