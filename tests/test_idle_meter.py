"""What a server was doing while energy was used."""

import pytest

from pentameter.idle_meter import IdleMeter
from pentameter.readings import EngineReading, VllmReading
from pentameter.windows import Continuity


def engine(tokens=0.0, running=0.0, *, prompt=0.0, name="0", awake=None):
    counters = {"generation_tokens": tokens, "prompt_tokens": prompt}
    gauges = {"running": running} | ({} if awake is None else {"sleep_state/awake": awake})
    return EngineReading("m", name, {k: v for k, v in counters.items() if v is not None}, gauges, {})


def page(time, *engines):
    return VllmReading("a", time, time, 1.0, engines or (engine(),), {})


def told(*pages, continuity=Continuity.SAME):
    meter = IdleMeter()
    for one in pages:
        meter.take(one, continuity)
    return meter.shares()


@pytest.mark.parametrize(
    ("before", "after", "state"),
    [
        (engine(), engine(), "idle"),
        (engine(running=1.0), engine(), "active"),
        (engine(), engine(running=2.0), "active"),
        # Too short to be seen running.
        (engine(7.0), engine(8.0), "active"),
        (engine(prompt=7.0), engine(prompt=9.0), "active"),
        (engine(awake=1.0), engine(awake=1.0), "idle"),
        (engine(awake=0.0), engine(awake=0.0), "asleep"),
        (engine(awake=1.0), engine(awake=0.0), "idle"),
        (engine(awake=0.0), engine(3.0, awake=0.0), "active"),
        # A new process has made eight tokens.
        (engine(900.0), engine(8.0), "active"),
        (engine(900.0), engine(0.0), "idle"),
        (engine(None), engine(None), "unobserved"),
        (engine(None), engine(None, running=1.0), "active"),
    ],
)
def test_two_pages_tell_what_was_in_between(before, after, state):
    assert told(page(0, before), page(1, after)) == {state: 1.0}


@pytest.mark.parametrize(
    ("first", "second", "state"),
    [
        ("idle", "idle", "idle"),
        ("idle", "active", "active"),
        ("asleep", "idle", "idle"),
        ("asleep", "asleep", "asleep"),
        ("asleep", "active", "active"),
    ],
)
def test_the_engines_of_a_server_share_its_gpus(first, second, state):
    def of(what, name):
        return engine(running=float(what == "active"), awake=float(what != "asleep"), name=name)

    both = (of(first, "0"), of(second, "1"))
    assert told(page(0, *both), page(1, *both)) == {state: 1.0}


def test_an_engine_that_is_new_may_have_been_at_work():
    assert told(page(0, engine()), page(1, engine(), engine(name="1"))) == {"unobserved": 1.0}


def test_each_state_takes_its_seconds():
    pages = [page(0), page(3), page(4, engine(running=1.0)), page(10, engine(running=1.0))]
    assert told(*pages) == pytest.approx({"idle": 0.3, "active": 0.7})


def test_without_a_new_page_the_last_state_goes_on():
    meter = IdleMeter()
    for time in (0, 1):
        meter.take(page(time), Continuity.SAME)
    assert [meter.shares(), meter.shares()] == [{"idle": 1.0}, {"idle": 1.0}]


def test_while_the_server_does_not_answer_nobody_knows_and_its_next_page_tells():
    meter = IdleMeter()
    for time in (0, 1):
        meter.take(page(time), Continuity.SAME)
    meter.shares()
    meter.lose()
    assert meter.shares() == {"unobserved": 1.0}
    meter.take(page(60), Continuity.SAME)
    assert meter.shares() == {"idle": 1.0}


def test_before_the_second_page_nobody_knows():
    assert told() == told(page(0)) == {"unobserved": 1.0}


def test_the_page_of_another_process_tells_nothing():
    assert told(page(0), page(1), continuity=Continuity.FOREIGN) == {"unobserved": 1.0}
