"""The state about requests between readings: who is there, what was given up or turned away, when records count."""

import math

import pytest

from builders import finished, records, slo
from pentameter.attribution import Place
from pentameter.readings import EngineReading, Histogram, VllmReading
from pentameter.records import EngineConfig
from pentameter.request_meter import RequestMeter
from pentameter.windows import Continuity, Window

SAME, UNKNOWN, RESTARTED, FOREIGN = Continuity.SAME, Continuity.UNKNOWN, Continuity.RESTARTED, Continuity.FOREIGN
MINUTE, FIVE, HOUR = Window("1m", 60.0), Window("5m", 300.0), Window("1h", 3600.0)
HERE = Place("a", "m", "0")
CHAT = slo(ttft=0.5)
STRICT = slo("strict", ttft=0.5, policy={"aborted": "bad", "rejected": "exclude"})


def engine(ended=0, running=0, waiting=0, *, name="0", first_tokens=None):
    first_tokens = ended if first_tokens is None else first_tokens
    return EngineReading(
        "m",
        name,
        {"request_success/stop": float(ended)},
        {"running": float(running), "waiting": float(waiting)},
        {"ttft": Histogram((math.inf,), (float(first_tokens),), 0.0)},
    )


def page(time, *engines, rejected=None, server="a"):
    counters = {} if rejected is None else {f"admission_rejections/{reason}": n for reason, n in rejected.items()}
    return VllmReading(server, time, time, None, engines, counters)


class Playing(RequestMeter):
    """A meter to which a test tells what happens."""

    def __init__(self, *slos, windows=(MINUTE,), servers=("a",)):
        super().__init__(windows, servers, slos)

    def read(self, time, *engines, continuity=SAME, **more):
        self.take_vllm(page(time, *engines, **more), continuity, restarted=continuity is RESTARTED)

    def hear(self, time, *requests, source="plugin", **more):
        self.take_state(source, up=True)
        self.take_records(source, records(time, *requests, **more))

    def see(self, time):
        """Return what is served, by (server, model, engine)."""
        self.observe(time, time)
        return {one.labels: one for one in self.served(time)}

    def counted(self, time, key):
        """Return what a counter of the one engine grew by within the minute."""
        [one] = self.see(time).values()
        return one.rolled.windows["1m"].deltas.get(key, 0.0)


def heard(*slos, **more):
    """Return a meter that has read two pages, ten requests between them, and has heard of each of those."""
    meter = Playing(*slos, **more)
    meter.read(0.0, engine())
    meter.observe(0.0, 0.0)
    meter.read(1.0, engine(10, 8, 0))
    meter.hear(1.0, *(finished(ttft=0.1, request_id=str(n)) for n in range(10)))
    return meter


# ------------------------------------------------------------------ what comes and goes


def test_records_of_an_engine_are_served_with_what_the_book_knows():
    [one] = heard(CHAT).see(1.0).values()
    assert one.labels == HERE
    assert one.rolled.windows["1m"].deltas["slo/chat/good"] == 10
    assert one.rolled.tick.deltas["finished"] == 10
    assert one.histograms["ttft"].count == one.scores["chat"].count == 10
    assert ("ttft", "1m", "mean", pytest.approx(0.1)) in one.latencies
    assert one.unjudged == {}


def test_an_engine_of_which_no_source_has_spoken_is_not_served():
    meter = Playing(CHAT)
    meter.read(0.0, engine())
    meter.take_state("plugin", up=True)
    assert meter.see(1.0) == {}


def test_the_hello_of_a_plugin_is_enough_to_know_that_no_record_means_no_request():
    meter = Playing(CHAT)
    meter.read(0.0, engine())
    meter.observe(0.0, 0.0)
    meter.hear(1.0, configs=(EngineConfig("m", "0"),))
    [one] = meter.see(1.0).values()
    assert one.rolled.windows["1m"].deltas["finished"] == 0


def test_the_hello_of_a_plugin_may_come_before_the_first_page():
    meter = Playing(CHAT)
    meter.hear(1.0, configs=(EngineConfig("m", "0"),))
    assert meter.see(1.0) == {}
    meter.read(2.0, engine())
    assert set(meter.see(2.0)) == {HERE}


def test_records_from_before_the_first_page_count_at_the_first_page():
    meter = Playing(CHAT)
    meter.hear(1.0, finished(origin="otlp", request_id="x"), source="otlp")
    assert meter.see(1.0) == {}
    meter.read(2.0, engine())
    meter.hear(2.25, source="otlp")
    assert meter.see(3.0)[HERE].histograms["ttft"].count == 1


def test_a_source_that_is_down_takes_what_it_served_away_and_brings_it_back_whole():
    meter = heard(CHAT)
    meter.see(1.0)
    meter.take_state("plugin", up=False)
    assert meter.see(2.0) == {}
    # What its last words were is counted when it is back, not lost.
    meter.take_records("plugin", records(3.0, finished(ttft=0.1, request_id="last")))
    assert meter.see(3.0) == {}
    meter.take_state("plugin", up=True)
    [one] = meter.see(4.0).values()
    assert one.rolled.tick.deltas["slo/chat/good"] == 1
    assert one.histograms["ttft"].count == 11


def test_while_one_of_two_sources_is_up_the_engine_is_served():
    meter = heard(CHAT)
    meter.hear(1.5, finished(origin="otlp", request_id="other"), source="otlp")
    meter.take_state("plugin", up=False)
    assert set(meter.see(2.0)) == {HERE}
    meter.take_state("otlp", up=False)
    assert meter.see(3.0) == {}


def test_a_source_that_has_not_spoken_of_an_engine_does_not_serve_it():
    meter = heard(CHAT)
    meter.take_state("plugin", up=False)
    meter.take_state("otlp", up=True)
    assert meter.see(2.0) == {}


def test_records_without_an_engine_are_served_under_the_whole_server_if_it_has_several():
    meter = Playing(CHAT)
    meter.read(0.0, engine(), engine(name="1"))
    meter.hear(1.0, finished(origin="otlp"), source="otlp")
    assert set(meter.see(1.0)) == {("a", "m", "")}


def test_what_an_engine_that_left_has_shown_is_forgotten():
    meter = heard(CHAT)
    meter.forget(HERE)
    assert meter.see(2.0).get(HERE) is None
    flow, stalled = meter.flow("a", engine())
    assert (flow.windows, stalled) == ({}, None)


# ------------------------------------------------------------------ what leaves no record


def test_aborts_that_a_page_betrays_are_entered_for_every_slo():
    meter = heard(CHAT, STRICT)
    meter.read(2.0, engine(10, 8, 0))
    meter.read(3.0, engine(10, 5, 0))
    assert meter.counted(3.0, "slo/chat/unjudged/aborted") == 3
    assert meter.counted(4.0, "slo/strict/bad") == 3


def test_each_abort_is_entered_once():
    meter = heard(STRICT)
    meter.read(2.0, engine(10, 8, 0))
    for time in (3.0, 4.0, 5.0):
        meter.read(time, engine(10, 5, 0))
    assert meter.counted(5.0, "slo/strict/bad") == 3


def test_rejections_are_entered_for_every_slo():
    meter = heard(CHAT, STRICT)
    meter.read(2.0, engine(10, 8, 0), rejected={"queue_full": 2.0, "too_long": 1.0})
    assert meter.counted(2.0, "slo/chat/bad") == 3
    assert meter.counted(3.0, "slo/strict/unjudged/rejected") == 3
    assert meter.flow("a", engine())[0].windows["1m"].deltas["rejected"] == 3


@pytest.mark.parametrize(("names", "aborted"), [("0", 4), ("01", 0)], ids=["one engine", "two engines"])
def test_the_web_servers_answers_tell_the_aborts_of_an_only_engine(names, aborted):
    meter = Playing()
    for time, answers in ((0.0, 0.0), (5.0, 0.0), (10.0, 6.0)):
        engines = [engine(2 if answers else 0, 3, 0, name=name) for name in names]
        meter.take_vllm(
            VllmReading("a", time, time, None, tuple(engines), {"answers/x": answers}), SAME, restarted=False
        )
    assert meter.flow("a", engine())[0].windows["1m"].deltas["aborted"] == aborted


def test_aborts_are_the_engines_own_though_some_records_do_not_name_it():
    meter = heard(STRICT)
    meter.ledger.heard[Place("a", "m", "")] = {"otlp"}
    meter.read(3.0, engine(10, 8, 0))
    meter.read(5.0, engine(10, 5, 0))
    served = meter.see(5.0)
    assert served[HERE].rolled.windows["1m"].deltas["slo/strict/bad"] == 3


def test_without_records_there_is_no_account_to_enter_them_in():
    meter = Playing(CHAT)
    meter.read(0.0, engine(0, 5, 0), rejected={"queue_full": 0.0})
    meter.observe(0.0, 0.0)
    meter.read(1.0, engine(0, 2, 0), rejected={"queue_full": 7.0})
    meter.hear(2.0, finished(ttft=0.1))
    assert meter.counted(2.0, "slo/chat/bad") == 0
    assert meter.counted(3.0, "slo/chat/unjudged/aborted") == 0


def test_whose_the_rejections_of_several_engines_were_is_unknown():
    meter = Playing(CHAT)
    meter.read(0.0, engine(), engine(name="1"), rejected={"queue_full": 0.0})
    meter.hear(0.5, finished(ttft=0.1, model_name="m", engine="0"))
    meter.read(1.0, engine(), engine(name="1"), rejected={"queue_full": 7.0})
    meter.observe(0.0, 0.0)
    assert meter.counted(1.0, "slo/chat/bad") == 0


def test_aborts_of_an_engine_are_entered_under_the_whole_server_where_records_do_not_name_engines():
    meter = Playing(STRICT)
    for time in (0.0, 1.0):
        meter.read(time, engine(0, 5, 0), engine(0, 5, 0, name="1"))
    meter.hear(1.5, finished(origin="otlp", ttft=0.1), source="otlp")
    meter.observe(1.5, 1.5)
    meter.read(2.0, engine(0, 3, 0), engine(0, 5, 0, name="1"))
    assert meter.counted(2.0, "slo/strict/bad") == 2


@pytest.mark.parametrize(
    ("continuity", "before", "after", "counted"),
    [
        (SAME, 5.0, 8.0, 3),
        (UNKNOWN, 5.0, 8.0, 3),
        (UNKNOWN, 5.0, 2.0, 2),
        (UNKNOWN, 5.0, 5.0, 0),
        (SAME, 5.0, 2.0, 0),
        (RESTARTED, 5.0, 8.0, 8),
        (FOREIGN, 5.0, 8.0, 0),
    ],
)
def test_rejections_are_counted_across_restarts_like_every_counter(continuity, before, after, counted):
    meter = Playing(CHAT)
    meter.read(0.0, engine(), rejected={"queue_full": before})
    meter.read(1.0, engine(), rejected={"queue_full": after}, continuity=continuity)
    assert meter.flow("a", engine())[0].windows["1m"].deltas["rejected"] == counted


def test_the_flow_of_an_engine_is_what_arrived_and_was_aborted_and_for_how_long_it_stalls():
    meter = Playing()
    for time, one in enumerate((engine(0, 4, 0), engine(6, 7, 2), engine(6, 7, 2), engine(6, 5, 0))):
        meter.read(float(time), one)
    flow, stalled = meter.flow("a", engine())
    deltas = flow.windows["1m"].deltas
    assert (deltas["arrived"], deltas["ended"], deltas["aborted"], stalled) == (11, 6, 4, 2)
    assert flow.tick.deltas == deltas


# ------------------------------------------------------------------ outcomes


def test_what_became_of_records_is_told_by_source():
    meter = heard(CHAT)
    meter.hear(2.0, finished(origin="otlp", request_id="3"), source="otlp", counts={"accepted": 1.0, "malformed": 4.0})
    meter.hear(3.0, source="otlp", counts={"accepted": 9.0, "malformed": 4.0})
    assert sorted(meter.outcomes()) == [
        ("otlp", "accepted", 9.0),
        ("otlp", "duplicate", 1.0),
        ("otlp", "malformed", 4.0),
        ("plugin", "counted", 10.0),
    ]


@pytest.mark.parametrize(
    ("facts", "gpus"),
    [
        ([{"world_size": 4}], 4),
        ([{"world_size": 1}], 1),
        ([{"world_size": 4, "world_size_across_dp": 8}] * 2, 8),
        ([{"world_size": 4}, {"world_size": 2}], None),
        ([{"world_size": 0}], None),
        ([{"world_size": "4"}], None),
        ([{}], None),
        ([], None),
    ],
)
def test_the_gpus_that_serve_follow_from_vllms_own_parallelism(facts, gpus):
    meter = Playing(servers=("a", "b"))
    configs = [EngineConfig("m", str(index), sender="a", facts=known) for index, known in enumerate(facts)]
    configs.append(EngineConfig("m", "0", sender="b", facts={"world_size": 64}))
    meter.hear(1.0, configs=tuple(configs))
    assert meter.serving_gpus("a") == gpus


# ------------------------------------------------------------------ who counts for the capacity


def followed(share, *, windows=(MINUTE, FIVE, HOUR), page_seconds=400, lag=0.0):
    """Return for whom the capacity is known after a while in which this share of the requests left a record."""
    meter = Playing(CHAT, windows=windows)
    owed = 0.0
    for time in range(0, page_seconds, 4):
        meter.read(float(time), engine(10 * time))
        owed += 40 * share if time > lag else 0
        meter.hear(float(time), *(finished(ttft=0.1, arrival=time - 1.0) for _ in range(int(owed))))
        owed -= int(owed)
        meter.observe(float(time), float(time))
    return [(one.labels, one.slo.name) for one in meter.capacities()]


def test_a_capacity_is_learnt_where_every_request_leaves_a_record():
    assert followed(1.0) == [(HERE, "chat")]


def test_no_capacity_is_learnt_from_sampled_records():
    assert followed(0.5) == []


def test_the_seconds_that_records_lag_behind_are_no_sampling():
    assert followed(1.0, page_seconds=200, lag=8.0) == [(HERE, "chat")]


def test_the_hello_of_a_plugin_without_a_page_teaches_nothing():
    meter = Playing(CHAT)
    meter.hear(1.0, configs=(EngineConfig("m", "0"),))
    meter.observe(1.0, 1.0)
    assert list(meter.capacities()) == []


def test_that_other_engines_leave_no_records_is_no_matter():
    meter = Playing(CHAT, servers=("a", "b"))
    for time in range(0, 100, 5):
        meter.read(float(time), engine(time))
        meter.read(float(time), engine(1000 * time), server="b")
        meter.hear(float(time), *(finished(ttft=0.1, model_name="m", engine="0", sender="a") for _ in range(5)))
        meter.observe(float(time), float(time))
    assert [one.labels for one in meter.capacities()] == [HERE]


@pytest.mark.parametrize(
    ("continuity", "restarted", "begins_anew"), [(SAME, False, False), (SAME, True, True), (FOREIGN, False, True)]
)
def test_the_capacitys_open_windows_begin_anew_with_another_process(continuity, restarted, begins_anew, monkeypatch):
    meter, seen = Playing(CHAT), []
    monkeypatch.setattr(meter.capacity, "take_page", lambda reading, *, restarted: seen.append(restarted))
    meter.take_vllm(page(0.0, engine()), continuity, restarted=restarted)
    assert seen == [begins_anew]


def test_the_first_window_of_five_minutes_or_more_tells_whether_records_are_sampled():
    assert Playing(windows=(MINUTE, FIVE, HOUR))._coverage_window == FIVE
    assert Playing(windows=(HOUR, MINUTE))._coverage_window == HOUR


def test_where_every_window_is_short_the_longest_tells_whether_records_are_sampled():
    assert followed(0.5, windows=(Window("10s", 10.0), MINUTE)) == []
    assert followed(1.0, windows=(Window("10s", 10.0), MINUTE)) == [(HERE, "chat")]


def test_what_vllm_counted_is_of_the_same_seconds_as_the_records():
    """A window of pages may begin some seconds earlier or later than one of records: in a burst that is a lot."""
    meter = heard()
    assert meter.counted(1.0, "ended") == 10
    meter.read(30.0, engine(25))
    assert meter.counted(30.0, "ended") == 25


def test_records_of_a_whole_server_are_held_against_all_its_engines():
    meter = Playing()
    meter.read(0.0, engine(), engine(name="1"))
    meter.hear(0.5, finished(engine=""))
    meter.see(0.5)
    meter.read(1.0, engine(10), engine(7, name="1"))
    [one] = meter.see(1.0).values()
    assert (one.engine, one.rolled.windows["1m"].deltas["ended"]) == ("", 17)


def test_records_of_one_engine_are_held_against_that_engine_only():
    meter = Playing(servers=("a", "b"))
    meter.read(0.0, engine(), engine(name="1"))
    meter.read(0.0, engine(), server="b")
    meter.hear(0.5, finished(sender="a", model_name="m", engine="0"))
    meter.see(0.5)
    meter.read(1.0, engine(10), engine(7, name="1"))
    meter.read(1.0, engine(100), server="b")
    [one] = meter.see(1.0).values()
    assert one.rolled.windows["1m"].deltas["ended"] == 10


def test_a_page_that_does_not_tell_leaves_the_records_to_stand_alone():
    bare = EngineReading("m", "0", {}, {"running": 1.0}, {})
    meter = Playing()
    for time in (0.0, 1.0):
        meter.read(time, bare)
        meter.hear(time, finished(request_id=str(time)))
        seen = meter.see(time)
    [one] = seen.values()
    assert "ended" not in one.rolled.windows["1m"].deltas
