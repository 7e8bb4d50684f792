"""What a snapshot saw, as sums with their seconds."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from builders import POLAND, deployment, engine, gpu, world
from pentameter.drift_step import step_of
from pentameter.readings import Histogram
from pentameter.sources.vllm_page import PageReader
from pentameter.windows import Interval
from pentameter.world import Rolled

CAPTURES = Path(__file__).parent / "captures"
INTER_TOKEN = Histogram((math.inf,), (95.0,), 3.8)
FIRST = Histogram((math.inf,), (4.0,), 0.4)


def working(before=4.0, after=6.0, tokens=100.0, **more):
    one = engine(**more)
    tick = Interval(
        2.0,
        {"generation_tokens": tokens},
        {"inter_token": INTER_TOKEN, "ttft": FIRST},
        {} if before is None else {"running": before},
        {"running": after},
    )
    return replace(one, rolled=Rolled({}, tick))


def step(*engines, gpus=(), grid=None, **more):
    one = deployment(*engines, gpus=gpus, gpu_count=1, **more)
    return step_of(world(one, grid=grid), one)


def test_time_money_and_work_of_two_seconds():
    found = step(working(), price=3.6, spent_tick={"active": 1.5, "idle": 0.5})
    assert found.seconds == 2.0
    assert found.sums["active"] == (1.5, 2.0)
    assert found.sums["dollars"] == pytest.approx((0.002, 2.0))
    assert found.sums["tokens"] == (100.0, 2.0)
    assert found.sums["running"] == (10.0, 2.0)  # from 4 to 6 over two seconds
    assert found.sums["decode"] == (3.8, 2.0)
    assert found.sums["decoded"] == (96.0, 2.0)  # without the four first ones


def test_what_nobody_watched_is_time_of_which_nothing_is_known():
    found = step(price=3.6, spent_tick={"unobserved": 2.0})
    assert found.seconds == 2.0
    assert found.sums["active"] == (0.0, 0.0)
    assert found.rate("active") is None
    assert "tokens" not in found.sums


def test_warming_up_is_not_counted_twice():
    assert step(spent_tick={"unobserved": 2.0, "warmup": 1.0}).seconds == 2.0


def test_engines_add_up_and_of_half_of_them_nothing_is_said():
    both = step(working(), working(name="1"), spent_tick={"active": 2.0})
    assert both.sums["tokens"] == (200.0, 2.0)
    assert both.sums["running"] == (20.0, 2.0)
    half = step(working(), engine(name="1"), spent_tick={"active": 2.0})
    assert "tokens" not in half.sums


def test_a_batch_that_was_not_seen_at_both_ends_is_unknown():
    assert "running" not in step(working(before=None), spent_tick={"active": 2.0}).sums


def test_energy_and_carbon_have_the_seconds_of_the_gpus_reading():
    found = step(gpus=[gpu(tick=600.0)], grid=POLAND, spent_tick={"active": 2.0})
    assert found.sums["joules/gpu"] == (600.0, 1.0)  # the reading is of one second
    assert found.sums["grams/gpu"] == pytest.approx((600 / 3.6e6 * 588.6, 1.0))
    assert "joules/it" not in found.sums


def test_without_a_price_or_a_grid_there_are_neither_dollars_nor_grams():
    found = step(gpus=[gpu(tick=600.0)], spent_tick={"active": 2.0})
    assert not {"dollars", "grams/gpu"} & found.sums.keys()


@pytest.mark.parametrize("release", ["after-load", "two-engines", "rust-frontend"])
def test_on_a_real_page_the_tokens_after_the_first_are_those_that_inter_token_latencies_are_of(release):
    body = (CAPTURES / f"vllm-0.32.0-{release}.txt").read_bytes()
    for one in PageReader("a").read(body, "text/plain", monotonic=1.0, wall=1.0).engines:
        tick = Interval(10.0, one.counters, one.histograms)
        found = step(replace(engine(), rolled=Rolled({}, tick)), spent_tick={"active": 10.0})
        assert found.sums["decoded"][0] == one.histograms["inter_token"].count > 1000
        assert found.sums["decode"][0] == pytest.approx(one.histograms["decode"].sum)
