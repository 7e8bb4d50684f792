"""Tokens by language through the meter: they go with the process that they were counted by."""

import pytest

from builders import rented, value
from pentameter.meter import Meter
from pentameter.readings import EngineReading, LanguageReading, VllmReading
from pentameter.server_plan import ServerPlan
from pentameter.snapshot import SourceHealth
from pentameter.windows import Window


@pytest.fixture
def meter():
    meter = Meter([Window("1m", 60.0)], [ServerPlan("a", gpu_count=1, cost=rented(3.6))], find_spec=lambda _: None)
    meter.take_vllm(page(0.0))
    meter.take_languages(counted(0.5))
    return meter


def page(now, start=100.0, tokens=0.0):
    engine = EngineReading("m", "0", {"prompt_tokens": tokens, "generation_tokens": 0.0}, {}, {})
    return VllmReading("a", now, now, start, (engine,), {})


def counted(now, **tokens):
    return LanguageReading("a", "m", tokens or {"en": 770, "hi": 1400}, 1000, now, now)


def hindi(meter, now, name="tokens_per_thousand_words"):
    return value(meter.measure(now, now).samples, name, language="hi")


def test_what_was_counted_is_on_the_page_and_priced(meter):
    meter.take_vllm(page(10.0, tokens=1000.0))
    snapshot = meter.measure(10.0, 10.0).samples
    assert value(snapshot, "tokens_per_thousand_words", language="hi") == 1400.0
    # 3.6 $/h for 100 tokens/s: 10 $ per million.
    assert value(snapshot, "cost_per_thousand_words_dollars", language="hi") == pytest.approx(0.014)


def test_a_restart_takes_the_counts_away_until_they_are_confirmed(meter):
    meter.take_vllm(page(10.0, start=109.0))
    assert hindi(meter, 10.0) is None
    meter.take_languages(counted(9.9))  # of the process before
    assert hindi(meter, 11.0) is None
    meter.take_languages(counted(10.5, en=1000, hi=2000))
    assert hindi(meter, 11.0) == 2000.0


def test_counters_that_begin_anew_tell_a_restart_where_no_start_time_does(meter):
    meter.take_vllm(page(5.0, start=None, tokens=500.0))
    assert hindi(meter, 5.0) == 1400.0
    meter.take_vllm(page(10.0, start=None, tokens=100.0))
    assert hindi(meter, 10.0) is None


def test_an_outage_of_the_page_leaves_the_tokenizer_as_it_is(meter):
    meter.take_health(SourceHealth("vllm", "a", up=False, reason="timeout"))
    assert hindi(meter, 5.0) == 1400.0
    meter.take_vllm(page(10.0))
    assert hindi(meter, 10.0) == 1400.0


def test_a_tokenizer_that_cannot_be_asked_takes_its_counts_away(meter):
    meter.take_health(SourceHealth("tokenizer", "a", up=False, reason="not_found", absent=True))
    assert hindi(meter, 5.0) is None
