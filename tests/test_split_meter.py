"""Energy and work, read at moments of their own, in common windows."""

import pytest

from pentameter.energy_split import UNATTRIBUTED
from pentameter.readings import Histogram
from pentameter.split_meter import SplitMeter, Work, steps_by_phase, work_of
from pentameter.windows import Interval

INF = float("inf")


def counting(number, total=0.0):
    return Histogram((INF,), (float(number),), total)


def page(*, prompts=2, computed=400.0, tokens=102.0, steps=80, gaps=1.0, usage=(0.1, 0.3), seconds=1.0):
    """Return what a page's counters grew by in a second: 2 prompts of 200 tokens, 100 decode tokens in 80 steps."""
    return Interval(
        seconds,
        {"prompt_tokens": computed, "prompt_tokens_by_source/local_compute": computed, "generation_tokens": tokens},
        {"ttft": counting(prompts), "iteration_tokens": counting(steps), "inter_token": counting(1, gaps)},
        {"kv_cache_usage": usage[0]},
        {"kv_cache_usage": usage[1]},
    )


class Watched:
    """A meter whose windows are kept."""

    def __init__(self, monkeypatch):
        self.meter = SplitMeter()
        self.spans = []
        take = "pentameter.energy_split.PhaseSplit.take"
        monkeypatch.setattr(take, lambda _, span: self.spans.append(span) or {"idle": span.joules})

    def run(self, seconds, *, begin=0, pages=1, energy=1, offset=0.0, joules=300.0, engines=("0",)):
        """Feed pages every ``pages`` seconds and energy every ``energy``, ``offset`` later."""
        for now in range(begin, begin + seconds):
            if now % pages == 0:
                one = page(seconds=pages) if now else None
                self.meter.take_page("a", float(now), dict.fromkeys(engines, one))
            if now % energy == 0:
                self.meter.take_energy("a", now + offset, joules * energy)

    def grown(self):
        return self.meter.drain("a").grown


@pytest.fixture
def watched(monkeypatch):
    return Watched(monkeypatch)


def test_the_work_of_a_page_is_read_from_its_counters_and_gauges():
    # 102 tokens less the 2 first ones; the cache at (0.1 + 0.3) / 2 in each of 80 steps.
    assert work_of(page()) == pytest.approx((2, 400, 100, 80, 1.0, 16.0))


@pytest.mark.parametrize(
    "missing", ["ttft", "iteration_tokens", "inter_token", "generation_tokens", "prompt_tokens", "before", "after"]
)
def test_a_page_that_lacks_what_the_split_needs_has_no_work(missing):
    whole = page()
    deltas = {key: value for key, value in whole.deltas.items() if key.partition("/")[0] != missing}
    histograms = {key: value for key, value in whole.histograms.items() if key != missing}
    before = {} if missing == "before" else whole.gauges_before
    after = {} if missing == "after" else whole.gauges_after
    assert work_of(Interval(1.0, deltas, histograms, before, after)) is None


def test_a_prompt_that_meets_nobody_has_its_step_alone():
    assert steps_by_phase(Work(prompts=4, computed=400, decoded=0, steps=4), 10.0, None) == (4.0, 0.0)


def test_steps_without_prompts_are_all_of_decode():
    assert steps_by_phase(Work(decoded=90, steps=9, gaps=90.0), 10.0, None) == (0.0, 9.0)


def test_a_step_with_both_is_shared_by_tokens():
    # 20 requests decode always: every prompt meets them. One prompt of 180 tokens in one of ten steps of 20 tokens.
    prefill, decode = steps_by_phase(Work(prompts=1, computed=180, decoded=200, steps=10, gaps=200.0), 10.0, None)
    assert (prefill, decode) == pytest.approx((180 / 200, 9 + 20 / 200), rel=1e-6)


def test_how_many_prompts_meet_nobody_follows_from_the_mean_number_that_decodes():
    # One decodes on the mean: 10/e = 3.68 of 10 prompts are alone; the others fall into 6.15 of the 96.32 steps with
    # decodes, which they take by 102 to 2 tokens.
    prefill, decode = steps_by_phase(Work(prompts=10, computed=1000, decoded=200, steps=100, gaps=10.0), 10.0, None)
    assert (prefill, decode) == pytest.approx((9.704, 90.296), abs=0.01)


def test_windows_are_of_ten_seconds_and_lose_nothing(watched):
    watched.run(32)
    # The first energy has no beginning.
    assert [(span.end, span.seconds, span.joules) for span in watched.spans] == [
        (10.0, 10.0, 3000.0),
        (20.0, 10.0, 3000.0),
        (30.0, 10.0, 3000.0),
    ]
    assert watched.grown() == {"idle": 9000.0, "prefill": 0.0, "decode": 0.0, UNATTRIBUTED: 300.0}


def test_the_work_of_a_window_is_that_of_its_pages(watched):
    watched.run(12)
    [span] = watched.spans
    assert (span.prefill_tokens, span.decode_tokens, span.cache_steps) == pytest.approx((4000.0, 1000.0, 160.0))
    assert span.prefill_steps + span.decode_steps == pytest.approx(800.0)


def test_the_work_of_several_engines_adds_up(watched):
    watched.run(12, engines=("0", "1"))
    [span] = watched.spans
    assert (span.prefill_tokens, span.decode_tokens, span.cache_steps) == pytest.approx((8000.0, 2000.0, 320.0))


def test_between_two_pages_work_is_taken_as_even(watched):
    watched.run(6, offset=0.5)
    watched.meter.take_page("a", 6.0, {"0": page(prompts=0, computed=0, tokens=0, steps=0, gaps=0)})
    watched.run(8, begin=7, offset=0.5)
    # From 0.5 s to 10.5 s: half of the second page, four whole ones, none, four whole ones, half of one.
    assert [(span.end, span.decode_tokens) for span in watched.spans] == [(10.5, pytest.approx(900.0))]


def test_a_window_waits_for_the_page_that_reaches_over_it(watched):
    watched.run(11, offset=0.5)
    assert watched.spans == []
    watched.meter.take_page("a", 11.0, {"0": page()})
    assert [span.end for span in watched.spans] == [10.5]


def test_energy_that_comes_in_large_pieces_makes_large_windows(watched):
    watched.run(95, energy=30)
    assert [(span.end, span.seconds, span.joules) for span in watched.spans] == [
        (30.0, 30.0, 9000.0),
        (60.0, 30.0, 9000.0),
        (90.0, 30.0, 9000.0),
    ]


def test_a_counter_that_has_not_moved_is_no_news(watched):
    for now in range(12):
        watched.meter.take_page("a", float(now), {"0": page() if now else None})
        watched.meter.take_energy("a", float(now), 300.0 if now % 3 == 0 else 0.0)
    watched.meter.take_page("a", 12.0, {"0": page()})
    watched.meter.take_energy("a", 12.0, 900.0)
    assert [(span.end, span.joules) for span in watched.spans] == [(12.0, 1800.0)]


def test_pages_far_apart_make_longer_windows(watched):
    watched.run(45, pages=5)
    assert [span.seconds for span in watched.spans] == [20.0, 20.0]


def test_pages_too_far_apart_make_none(watched):
    watched.run(100, pages=10)
    assert watched.spans == []
    assert watched.grown()[UNATTRIBUTED] == 300.0 * 91


def test_an_outage_of_the_server_is_unattributed(watched):
    watched.run(15)
    for now in range(15, 40):
        watched.meter.take_energy("a", float(now), 300.0)
    watched.run(15, begin=40)
    assert [span.end for span in watched.spans] == [10.0, 50.0]
    grown = watched.grown()
    assert grown["idle"] == 6000.0
    assert grown[UNATTRIBUTED] == 300.0 * (1 + 29 + 1)


def test_an_engine_that_has_just_come_breaks_the_window(watched):
    watched.run(15)
    watched.meter.take_page("a", 15.0, {"0": page(), "1": None})
    watched.run(15, begin=16, engines=("0", "1"))
    assert [span.end for span in watched.spans] == [10.0, 26.0]


def test_energy_that_is_not_known_is_not_told(watched):
    watched.run(15)
    watched.meter.take_energy("a", 15.0, None)
    assert watched.meter.drain("a") is None
    watched.run(15, begin=16)
    # What was measured before the outage is counted when it is over; the window begins anew.
    assert [span.end for span in watched.spans] == [10.0, 26.0]
    assert watched.grown()[UNATTRIBUTED] == 300.0 * (1 + 4 + 1)


def test_nothing_is_known_of_a_server_without_energy(watched):
    for now in range(500):
        watched.meter.take_page("a", float(now), {"0": page() if now else None})
    assert watched.meter.drain("a") is None
    assert not watched.meter._accounts["a"].pages


def test_what_waits_is_bounded(watched):
    for now in range(1000):
        watched.meter.take_energy("a", float(now), 300.0)
    assert len(watched.meter._accounts["a"].edges) <= 152
    watched.meter.take_page("a", 1000.0, {"0": None})
    watched.meter.take_energy("a", 1000.0, 300.0)
    for now in range(1001, 2000):
        watched.meter.take_page("a", float(now), {"0": page()})
        watched.meter.take_energy("a", float(now), 0.0)
    assert len(watched.meter._accounts["a"].pages) <= 152


def test_each_joule_is_handed_out_once(watched):
    watched.run(12)
    assert sum(watched.grown().values()) == 3300.0
    assert set(watched.grown().values()) == {0.0}


def test_a_new_process_begins_without_what_was_learned_of_the_old():
    meter = SplitMeter()
    old = meter._accounts["a"].split
    meter.take_energy("a", 0.0, 300.0)
    meter.restart("a")
    assert meter._accounts["a"].split is not old
