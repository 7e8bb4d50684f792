"""What the estimate of goodput capacity is fed with, what it forgets, and what outlives a restart."""

import json

import pytest

from builders import finished, slo
from pentameter.attribution import Place
from pentameter.capacity.estimate import Capacity
from pentameter.capacity.memory import CapacityBook
from pentameter.capacity_meter import CapacityMeter
from pentameter.ledger import Judged
from pentameter.readings import EngineReading, VllmReading
from pentameter.records import EngineConfig
from pentameter.slo import judge

HERE = Place("a", "m", "0")
CHAT = slo(ttft=0.5)
LONG = 900
"""Seconds in which at least two windows are learnt."""
PAGE = {"block_size": "16", "cache_dtype": "auto"}


class Playing(CapacityMeter):
    """A meter that sees one request per second, as if it were told all of them."""

    def __init__(self, *slos, wall=1e9):
        super().__init__(slos or (CHAT,))
        self._wall_at_zero = wall
        self.configs = {}

    def read(self, time, *engines, restarted=False, version="0.32.0", config=PAGE, model="m", **gauges):
        gauges = {"running": 1.0, "waiting": 0.0, "kv_cache_usage": 0.1, **gauges}
        engines = [EngineReading(model, name, {}, gauges, {}, config) for name in engines or ("0",)]
        self.take_page(VllmReading("a", time, time, None, tuple(engines), {}, version), restarted=restarted)

    def see(self, time, *recorded):
        self.observe(time, self._wall_at_zero + time, recorded, self.configs)

    def judged(self, time, request=None, of=CHAT, place=HERE):
        request = request or finished(ttft=0.1, arrival=float(time))
        self.take_judged(Judged(place, of, judge(of, request), float(time), request.output_tokens))

    def play(self, seconds, since=0, *, recorded=(HERE,), of=(CHAT,), request=None, restarted=None, **page):
        """Let seconds pass, each with one request."""
        for time in range(since, since + seconds):
            self.read(float(time), restarted=time == restarted, **page)
            self.see(float(time), *recorded)
            for one in of:
                self.judged(time, request, one)
        return self

    def windows(self, of=CHAT, model="m"):
        return self._followers["a", model, of.name].book.windows


def test_nothing_is_followed_before_records_are_complete():
    meter = Playing().play(100, recorded=())
    assert list(meter.known()) == []
    assert meter.to_state() == {"capacities": []}


def test_windows_are_learnt_from_what_arrived_in_them():
    first, *_ = windows = Playing().play(LONG).windows()
    assert len(windows) >= 2
    assert (first.rate, first.judged, first.good) == (1.0, first.arrivals, first.arrivals)
    assert first.severity == pytest.approx(0.2, rel=0.01)
    assert first.start == pytest.approx(1e9, abs=0.1)
    assert (first.running_peak, first.waiting_at_start, first.kv_peak) == (1.0, 0.0, 0.1)


def test_bad_requests_are_judged_but_not_good():
    first = Playing().play(LONG, request=finished(ttft=5.0)).windows()[0]
    assert (first.judged, first.good) == (first.arrivals, 0)


def test_requests_that_the_policy_leaves_out_are_load_and_nothing_more():
    meter = Playing()
    for time in range(LONG):
        meter.play(1, time)
        meter.judged(time, finished(reason="abort"))
    first = meter.windows()[0]
    half = first.seconds
    assert (first.arrivals, first.judged, first.good, first.undecided) == (2 * half, half, half, 0)


def test_requests_whose_verdict_is_open_are_load_and_undecided():
    meter = Playing()
    for time in range(LONG):
        meter.play(1, time)
        meter.judged(time, finished(ttft=None))
    first = meter.windows()[0]
    half = first.seconds
    assert (first.arrivals, first.judged, first.undecided) == (2 * half, half, half)


def test_each_slo_learns_for_itself_and_only_of_its_models():
    strict, other = slo("strict", ttft=0.05), slo("other", model="x", ttft=0.5)
    meter = Playing(CHAT, strict, other).play(LONG, of=(CHAT, strict))
    assert {one.slo.name for one in meter.known()} == {"chat", "strict"}
    assert meter.windows(CHAT)[0].good == meter.windows(CHAT)[0].judged > 0
    assert meter.windows(strict)[0].good == 0


def test_the_estimate_is_told_under_the_only_engine_or_under_none():
    meter = Playing().play(10)
    assert [one.labels for one in meter.known()] == [HERE]
    meter.read(10.0, "0", "1")
    meter.see(10.0, HERE, Place("a", "m", "1"))
    assert [one.labels for one in meter.known()] == [("a", "m", "")]


def test_several_engines_are_one_server_gauges_added_up_and_the_fullest_cache():
    meter = Playing()
    for time in range(LONG):
        readings = [
            EngineReading("m", name, {}, {"running": running, "waiting": 2.0, "kv_cache_usage": usage}, {}, PAGE)
            for name, running, usage in (("0", 3.0, 0.2), ("1", 4.0, 0.7))
        ]
        meter.take_page(
            VllmReading("a", float(time), float(time), None, tuple(readings), {}, "0.32.0"), restarted=False
        )
        meter.see(float(time), HERE, Place("a", "m", "1"))
        for place in (HERE, Place("a", "m", "1")):
            meter.judged(time, place=place)
    first = meter.windows()[0]
    assert (first.rate, first.running_peak, first.waiting_at_start, first.kv_peak) == (2.0, 7.0, 4.0, 0.7)


def test_while_records_are_incomplete_nothing_is_told_and_nothing_is_learnt():
    meter = Playing().play(LONG)
    before = len(meter.windows())
    meter.play(LONG, LONG, recorded=())
    assert list(meter.known()) == []
    gap = [window for window in meter.windows() if window.start + window.seconds > 1e9 + LONG]
    assert gap == []
    meter.play(LONG, 2 * LONG)
    assert len(meter.windows()) > before
    assert len(list(meter.known())) == 1


def test_the_estimate_is_made_anew_once_a_minute(monkeypatch):
    walls = []

    def estimate(book, wall):
        walls.append(wall - 1e9)
        return Capacity("unknown", windows=len(walls))

    monkeypatch.setattr(CapacityBook, "estimate", estimate)
    meter = Playing().play(200)
    assert walls == [0, 60, 120, 180]
    assert [one.capacity.windows for one in meter.known()] == [4]


def test_before_the_first_estimate_nothing_is_known(monkeypatch):
    monkeypatch.setattr(CapacityBook, "estimate", lambda book, wall: Capacity("unknown"))
    assert [one.capacity for one in Playing().play(1).known()] == [Capacity("unknown")]


def test_a_restart_of_the_server_throws_the_unfinished_windows_away():
    meter = Playing().play(50).play(LONG, 50, restarted=50)
    assert meter.windows()[0].start == pytest.approx(1e9 + 50, abs=0.1)
    assert meter.windows()[0].rate == 1.0


# ------------------------------------------------------------------ another configuration


@pytest.mark.parametrize(
    "change",
    [{"version": "0.33.0"}, {"config": {**PAGE, "cache_dtype": "fp8"}}, {"engines": ("0", "1")}],
    ids=["version", "cache type", "engines"],
)
def test_what_was_learnt_under_another_configuration_is_forgotten(change):
    meter = Playing().play(LONG)
    assert len(meter.windows()) > 0
    meter.read(float(LONG), *change.pop("engines", ("0",)), **change)
    meter.see(float(LONG), HERE)
    assert meter.windows() == ()


def test_the_number_of_blocks_differs_from_start_to_start_and_is_no_other_configuration():
    meter = Playing().play(LONG, config={**PAGE, "num_gpu_blocks": "1000"})
    meter.read(float(LONG), config={**PAGE, "num_gpu_blocks": "1003"})
    meter.see(float(LONG), HERE)
    assert len(meter.windows()) > 0


def config(**facts):
    return {HERE: EngineConfig("m", "0", facts=facts)}


def test_what_the_plugin_says_makes_another_configuration_only_where_it_changes():
    meter = Playing().play(LONG)
    learnt = len(meter.windows())
    # That a plugin has come, or gone, is no change of the server.
    for configs in (config(max_num_seqs=256), {}, config(max_num_seqs=256)):
        meter.configs = configs
        meter.see(float(LONG) + learnt, HERE)
        assert len(meter.windows()) >= learnt
    meter.configs = config(max_num_seqs=128)
    meter.see(float(LONG) + 2.0 + learnt, HERE)
    assert meter.windows() == ()


def test_the_seats_of_all_engines_are_known_only_if_all_are():
    meter = Playing().play(10)
    limits = meter._followers["a", "m", "chat"].book
    assert limits.limits.max_num_seqs is None
    two = {Place("a", "m", name): EngineConfig("m", name, facts={"max_num_seqs": 256}) for name in "01"}
    for configs, seats in (
        (two, 512),
        ({**two, HERE: EngineConfig("m", "0")}, None),
        ({**two, Place("b", "m", "0"): EngineConfig("m", "0", facts={"max_num_seqs": 999})}, 512),
    ):
        meter.configs = configs
        meter.see(11.0, HERE)
        assert meter._followers["a", "m", "chat"].book.limits.max_num_seqs == seats


def test_target_and_first_token_threshold_are_what_the_estimate_works_with():
    loose, no_first = slo("loose", target=0.8, ttft=2.0), slo("rest", target=0.95, tpot=0.1)
    meter = Playing(loose, no_first)
    meter.see(0.0, HERE)
    limits = {name: meter._followers["a", "m", name].book.limits for name in ("loose", "rest")}
    assert (limits["loose"].target, limits["loose"].backlog_seconds) == (0.8, 2.0)
    assert (limits["rest"].target, limits["rest"].backlog_seconds) == (0.95, 1.0)


# ------------------------------------------------------------------ over a restart of the exporter


def restored(state, *slos):
    """Return a new meter, later, that has taken over a state which has been written and read."""
    meter = Playing(*slos, wall=1e9 + 10_000)
    meter.restore(json.loads(json.dumps(state)))
    return meter


def test_what_was_learnt_outlives_a_restart():
    before = Playing().play(LONG)
    after = restored(before.to_state())
    after.read(0.0)
    after.see(0.0, HERE)
    assert [window.start for window in after.windows()] == pytest.approx(
        [window.start for window in before.windows()], abs=0.1
    )
    assert after.windows()[0].rate == 1.0


def test_what_was_learnt_is_kept_though_nobody_has_come_yet():
    state = Playing().play(LONG).to_state()
    again = restored(restored(state).to_state())
    again.read(0.0)
    again.see(0.0, HERE)
    assert len(again.windows()) > 0


@pytest.mark.parametrize(
    "other",
    [
        slo(ttft=0.4),
        slo(ttft=0.5, tpot=0.1),
        slo(ttft=0.5, target=0.95),
        slo(ttft=0.5, policy={"one_token": "bad"}),
        slo("other", ttft=0.5),
    ],
    ids=["threshold", "objective", "target", "policy", "name"],
)
def test_what_was_learnt_of_another_slo_is_not_taken_over(other):
    after = restored(Playing().play(LONG).to_state(), other)
    after.read(0.0)
    after.see(0.0, HERE)
    assert after.windows(other) == ()


def test_what_was_learnt_under_another_version_is_not_taken_over():
    after = restored(Playing().play(LONG).to_state())
    after.read(0.0, version="0.33.0")
    after.see(0.0, HERE)
    assert after.windows() == ()


def test_what_was_learnt_with_another_plugins_word_is_not_taken_over():
    before = Playing()
    before.configs = config(max_num_seqs=256)
    after = restored(before.play(LONG).to_state())
    after.configs = config(max_num_seqs=128)
    after.read(0.0)
    after.see(0.0, HERE)
    assert after.windows() == ()


@pytest.mark.parametrize(
    "garble",
    [
        lambda state: None,
        lambda state: [],
        lambda state: {},
        lambda state: {"capacities": {}},
        lambda state: {"capacities": [3]},
        lambda state: {"capacities": [{**state["capacities"][0], "server": 3}]},
        lambda state: {"capacities": [{**state["capacities"][0], "book": None}]},
        lambda state: {"capacities": [{**state["capacities"][0], "book": {"windows": "x"}}]},
        lambda state: {"capacities": [{key: value for key, value in state["capacities"][0].items() if key != "slo"}]},
    ],
)
def test_a_state_that_nobody_can_have_written_is_refused_and_changes_nothing(garble):
    state = Playing().play(LONG).to_state()
    meter = restored(state)
    with pytest.raises(ValueError, match=r"\w"):
        meter.restore(garble(state))
    meter.read(0.0)
    meter.see(0.0, HERE)
    assert len(meter.windows()) > 0
