"""GPUs in the plugin's messages: what is sound is taken, and nothing else."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.plugin_messages import message, request
from pentameter.readings import GpuReading
from pentameter.sources.plugin_gpus import MOST_GPUS, OLDEST_SECONDS, timed
from pentameter.sources.plugin_message import decode

GPU = {
    "uuid": "GPU-1",
    "index": 3,
    "name": "NVIDIA H200",
    "engine": "0",
    "energy_joules": 126272101.025,
    "power_watts": 627.5,
    "power_limit_watts": 700.0,
    "memory_total_bytes": 150_754_820_096,
    "memory_used_bytes": 1e11,
    "memory_reserved_bytes": 600_000_000,
    "utilization_ratio": 0.97,
    "memory_utilization_ratio": 0.41,
    "temperature_celsius": 66,
    "clock_reasons": 0x24,
    "clock_reasons_known": 511,
    "power_capped_seconds": 6869.275397,
    "mig_enabled": False,
    "compute_capability": "9.0",
    "memory_bus_width_bits": 6144,
    "memory_clock_max_hz": 3201e6,
    "read_at": 50.25,
}


def gpu(**fields):
    return {name: value for name, value in {**GPU, **fields}.items() if value is not None}


def gpus(*listed, **more):
    return {"kind": "gpus", "monotonic": 50.0, "driver": "580.95.05", "expected": 2, "gpus": list(listed), **more}


def test_a_gpu_arrives_as_it_was_sent():
    (told,) = decode(message(gpus(gpu()), sender="west")).gpus
    assert (told.sender, told.model_name, told.instance) == ("west", "tiny", "abc")
    assert (told.expected, told.engines, told.reading.driver_version) == (2, {"GPU-1": "0"}, "580.95.05")
    assert told.reading.monotonic == 50.0
    assert told.reading.gpus == (GpuReading(**{name: value for name, value in GPU.items() if name != "engine"}),)


@pytest.mark.parametrize(
    ("now", "monotonic", "read_at"),
    [
        (51.0, 50.0, 50.25),
        (50.0 + OLDEST_SECONDS, 50.0, 50.25),
        (50.1, 50.0, None),  # the GPU would have been read after the message came
        (50.0 + OLDEST_SECONDS + 1, 50.0 + OLDEST_SECONDS + 1, None),
        (49.0, 49.0, None),
    ],
)
def test_the_times_are_the_senders_where_they_can_be_ours(now, monotonic, read_at):
    (told,) = decode(message(gpus(gpu()))).gpus
    reading = timed(told, now, 1000.0).reading
    assert (reading.monotonic, reading.gpus[0].read_at) == (monotonic, read_at)
    assert reading.wall == pytest.approx(1000.0 - (now - monotonic))


def test_what_is_not_known_is_not_there():
    bare = {"uuid": "GPU-1", "index": 0, "name": ""}
    (told,) = decode(message(gpus(bare, driver=None, expected=None))).gpus
    assert told.reading.gpus == (GpuReading("GPU-1", 0, ""),)
    assert (told.expected, told.engines, told.reading.driver_version) == (None, {}, None)


def test_gpus_come_in_the_order_of_their_indices():
    (told,) = decode(message(gpus(gpu(), gpu(uuid="GPU-0", index=0)))).gpus
    assert [one.uuid for one in told.reading.gpus] == ["GPU-0", "GPU-1"]


def test_a_message_without_gpus_has_none():
    assert decode(message(request())).gpus == ()


HUGE = 10**400


@pytest.mark.parametrize(
    "entry",
    [
        gpus(),
        gpus(gpus=None),
        {**gpus(), "gpus": {"GPU-1": gpu()}},
        gpus(7),
        gpus(gpu(), gpu()),
        gpus(*(gpu(uuid=f"GPU-{number}") for number in range(MOST_GPUS + 1))),
        gpus(gpu(uuid="")),
        gpus(gpu(uuid=None)),
        gpus(gpu(uuid="x" * 129)),
        gpus(gpu(uuid="two\nlines")),
        gpus(gpu(uuid="\ud800")),
        gpus(gpu(uuid=7)),
        gpus(gpu(index=None)),
        gpus(gpu(index=-1)),
        gpus(gpu(index=1.5)),
        gpus(gpu(index=5000)),
        gpus(gpu(index=True)),
        gpus(gpu(name=None)),
        gpus(gpu(name="x" * 2000)),
        gpus(gpu(engine=0)),
        gpus(gpu(clock_reasons=-1)),
        gpus(gpu(clock_reasons=4.5)),
        gpus(gpu(clock_reasons=True)),
        gpus(gpu(clock_reasons_known=HUGE)),
        gpus(gpu(power_capped_seconds=-1)),
        gpus(gpu(energy_joules=-1)),
        gpus(gpu(energy_joules="5")),
        gpus(gpu(energy_joules=True)),
        gpus(gpu(energy_joules=math.nan)),
        gpus(gpu(energy_joules=math.inf)),
        gpus(gpu(energy_joules=HUGE)),
        gpus(gpu(power_watts=1e6)),
        gpus(gpu(utilization_ratio=1.01)),
        gpus(gpu(temperature_celsius=-300)),
        gpus(gpu(mig_enabled=1)),
        gpus(gpu(mig_enabled="no")),
        gpus(gpu(compute_capability=9.0)),
        gpus(gpu(memory_bus_width_bits=5120.5)),
        gpus(gpu(), expected=-1),
        gpus(gpu(), expected="two"),
        gpus(gpu(), driver=580),
        gpus(gpu(), monotonic=None),
        gpus(gpu(), monotonic=-1),
        gpus(gpu(), monotonic=math.nan),
        gpus({**gpu(), **{f"field {number}": 1 for number in range(200)}}),
    ],
)
def test_an_entry_that_is_not_sound_is_refused_alone(entry):
    told = decode(message(entry, request()))
    assert (told.gpus, told.refused, len(told.requests)) == ((), 1, 1)


def test_fields_that_a_later_plugin_adds_do_no_harm():
    (told,) = decode(message(gpus(gpu(fan_ratio=0.3), later=True))).gpus
    assert told.reading.gpus[0].power_watts == 627.5


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@given(st.sampled_from(sorted(GPU)), JSON)
def test_whatever_stands_in_a_field_what_is_read_is_sound(field, value):
    told = decode(message(gpus({**GPU, field: value}), request()))
    assert len(told.gpus) + told.refused == 1
    assert len(told.requests) == 1
    for one in (gpu for entry in told.gpus for gpu in entry.reading.gpus):
        numbers = [one.energy_joules, one.power_watts, one.memory_total_bytes, one.utilization_ratio, one.index]
        assert all(math.isfinite(number) and number >= 0 for number in numbers if number is not None)
        assert one.uuid
        assert one.uuid.isprintable()
        json.dumps(one.uuid + one.name).encode()
