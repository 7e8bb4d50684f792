"""A server's part of its machine."""

import pytest

from pentameter.host_energy import HostPlan
from pentameter.host_meter import HostMeter
from pentameter.readings import HostReading
from pentameter.windows import Window

WINDOWS = (Window("1m", 60.0),)


def host(time, busy, **more):
    return HostReading(time, time, 32, busy, 64e9, 12e9, **more)


def after(plan, *readings, gpus=4):
    """Return the part of a server with four GPUs, drained after the first reading and at the end."""
    meter = HostMeter(WINDOWS, plan)
    for reading in readings:
        meter.take(reading)
        meter.roll()
    return meter.part(gpus)


def test_four_of_eight_gpus_have_half_of_what_rapl_measures():
    # 3,000 J in 10 s.
    first = host(0.0, 0.0, rapl_joules=100.0, rapl_seconds=0.0)
    second = host(10.0, 20.0, rapl_joules=3100.0, rapl_seconds=10.0)
    part = after(HostPlan(gpus=8), first, second)
    assert part.joules == {"measured": 1500.0}
    assert part.watts == {"1m": 150.0}
    assert part.power == 150.0


def test_without_rapl_configured_watts_make_a_model():
    # 100 W and 10 W for each of 30 busy CPUs over 320: (420 - 100) / 32 = 10 W per CPU, 2 of them busy.
    part = after(HostPlan(idle_watts=100.0, max_watts=420.0, share=1.0), host(0.0, 0.0), host(10.0, 20.0))
    assert part.joules == pytest.approx({"model": 1200.0})
    assert part.watts == pytest.approx({"1m": 120.0})


def test_a_counter_stays_where_no_new_reading_has_come():
    meter = HostMeter(WINDOWS, HostPlan(gpus=4))
    meter.take(host(0.0, 0.0, rapl_joules=0.0, rapl_seconds=0.0))
    meter.roll()
    meter.roll()
    assert meter.part(4).joules == {"measured": 0.0}


@pytest.mark.parametrize(
    ("plan", "gpus"),
    [
        pytest.param(HostPlan(idle_watts=100.0), 4, id="nobody says how many GPUs the machine has"),
        pytest.param(HostPlan(idle_watts=100.0, gpus=8), None, id="nobody says how many are used"),
        pytest.param(HostPlan(gpus=8), 4, id="nothing measures or estimates"),
    ],
)
def test_an_unknown_part_is_none(plan, gpus):
    assert after(plan, host(0.0, 0.0), host(10.0, 20.0), gpus=gpus) is None


def test_a_machine_that_was_never_read_has_no_parts():
    meter = HostMeter(WINDOWS, HostPlan(idle_watts=100.0, share=1.0))
    meter.roll()
    assert meter.part(4) is None
