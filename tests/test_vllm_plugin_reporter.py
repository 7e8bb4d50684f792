"""The plugin's thread and its messages; most tests turn the crank by hand."""

import json
import logging
import os
import threading
import time

import pytest

from fakes.plugin_messages import Ear
from fakes.unix_sockets import fresh_address, listening
from fakes.vllm_stats import finished, iteration, scheduler, vllm_config
from pentameter import vllm_plugin_reporter
from pentameter.vllm_plugin_outbox import KEEP_SECONDS
from pentameter.vllm_plugin_reporter import INTAKE, Reporter
from pentameter.vllm_plugin_steps import MOST_ROWS
from pentameter.vllm_plugin_wire import HEARTBEAT_SECONDS, LARGEST_DATAGRAM


class StillReporter(Reporter):
    """A reporter whose thread does nothing."""

    def _run(self):
        pass

    def tick(self, now=0.0):
        self._tick(now)

    def end_step(self, *ended, engine=0):
        self.put("step", engine, scheduler(running=1), iteration(ended=list(ended)))


@pytest.fixture
def address():
    return fresh_address()


@pytest.fixture
def ear(address):
    with listening(address) as listener:
        yield Ear(listener)


@pytest.fixture
def still(address):
    reporter = StillReporter(vllm_config(), (0,), address, "west")
    yield reporter
    reporter.stop()


@pytest.fixture
def reporter(address, monkeypatch):
    """A living one, with less patience."""
    monkeypatch.setattr(vllm_plugin_reporter, "PACE_SECONDS", 0.01)
    monkeypatch.setattr(vllm_plugin_reporter, "HEARTBEAT_SECONDS", 1000.0)
    reporter = Reporter(vllm_config(), (0, 1), address, "")
    yield reporter
    reporter.stop()


def test_the_first_message_says_who_speaks_and_how_it_is_set_up(ear, still):
    still.tick()
    ear.listen()
    (said,) = ear.messages
    assert {name: said[name] for name in ("v", "pid", "sender", "model_name", "totals")} == {
        "v": 1,
        "pid": os.getpid(),
        "sender": "west",
        "model_name": "tiny",
        "totals": {"sent": 0, "dropped": 0, "unheard": 0, "errors": 0},
    }
    (config,) = said["entries"]
    assert (config["kind"], config["engines"], config["facts"]["max_num_seqs"]) == ("config", ["0"], 128)


def test_two_reporters_in_one_process_are_told_apart(ear, still, address):
    other = StillReporter(vllm_config(), (0,), address, "west")
    still.tick()
    other.tick()
    other.stop()
    ear.listen()
    assert len({said["instance"] for said in ear.messages}) == 2


def test_the_configuration_is_repeated_with_every_heartbeat(ear, still):
    for now in (0.0, HEARTBEAT_SECONDS - 0.1, HEARTBEAT_SECONDS, HEARTBEAT_SECONDS + 0.1):
        still.tick(now)
    ear.listen()
    assert len(ear.entries("config")) == 2


def test_requests_and_steps_follow_and_are_counted(ear, still):
    still.put("start", None)
    still.end_step(finished(request_id="a"), finished(request_id="b"))
    still.end_step(finished(request_id="c"))
    still.tick()
    still.tick(HEARTBEAT_SECONDS)
    ear.listen()
    assert [entry["request_id"] for entry in ear.entries("request")] == ["a", "b", "c"]
    (step,) = ear.entries("iteration")
    assert (step["engine"], step["sums"]["steps"], step["sums"]["finished_requests"]) == ("0", 2, 3)
    assert ear.messages[-1]["totals"] == {"sent": 3, "dropped": 0, "unheard": 0, "errors": 0}


def test_a_server_that_begins_has_nothing_to_tell_but_its_configuration(ear, still):
    still.put("start", None)
    still.tick()
    ear.listen()
    assert [entry["kind"] for said in ear.messages for entry in said["entries"]] == ["config"]


def test_engines_are_kept_apart_and_may_be_added(ear, still):
    still.end_step(finished(request_id="a"), engine=0)
    still.tick()
    still.end_step(finished(request_id="b"), engine=5)
    still.tick(HEARTBEAT_SECONDS)
    ear.listen()
    assert [entry["engines"] for entry in ear.entries("config")] == [["0"], ["0", "5"]]
    assert [(entry["engine"], entry["request_id"]) for entry in ear.entries("request")] == [("0", "a"), ("5", "b")]


def test_sleep_is_told_of_every_engine_and_a_rejection_only_where_there_is_one(address, ear, still):
    still.put("rejection", None, "max_num_queued_reqs")
    still.put("sleep", None, 1)
    still.tick()
    pair = StillReporter(vllm_config(), (0, 1), address, "")
    pair.put("rejection", None, "max_num_queued_reqs")
    pair.put("sleep", None, 0)
    pair.tick()
    pair.stop()
    ear.listen()
    one, *two = ear.entries("iteration")
    assert (one["sums"], one["gauges"]) == ({"admission_rejections/max_num_queued_reqs": 1}, {"asleep": 1.0})
    assert [(entry["engine"], entry["sums"], entry["gauges"]) for entry in two] == [
        ("0", {}, {"asleep": 0.0}),
        ("1", {}, {"asleep": 0.0}),
    ]


def test_much_at_once_is_split_into_datagrams_that_the_kernel_takes(address, still):
    ids = [f"cmpl-{number:05d}" for number in range(2000)]
    with listening(address) as listener:
        ear = Ear(listener)
        still.end_step(*(finished(request_id=one) for one in ids))
        for _ in range(100):
            still.tick()
            ear.listen()
    assert [entry["request_id"] for entry in ear.entries("request")] == ids
    assert len(ear.datagrams) >= 2000 * 200 / LARGEST_DATAGRAM
    assert max(map(len, ear.datagrams)) <= LARGEST_DATAGRAM
    assert sorted(map(len, ear.datagrams))[2] > LARGEST_DATAGRAM // 2  # all but the hello and the last are well filled


def test_an_entry_that_is_no_json_costs_itself(ear, still):
    still.end_step(finished(e2e_latency=float("nan")), finished(request_id="\ud800 \u2028 \0"))
    still.tick()
    still.tick(HEARTBEAT_SECONDS)
    ear.listen()
    assert [entry["request_id"] for entry in ear.entries("request")] == ["\ud800 \u2028 \0"]
    assert ear.messages[-1]["totals"]["errors"] == 1


def test_records_that_nobody_hears_are_given_up_and_told_of_later(address, still):
    still.tick(0.0)
    still.end_step(finished(), finished())
    still.tick(1.0)
    still.tick(1.0 + KEEP_SECONDS + 0.1)
    with listening(address) as listener:
        still.tick(20.0)
        ear = Ear(listener)
        ear.listen()
    assert ear.entries("request") == []
    assert ear.messages[-1]["totals"] == {"sent": 0, "dropped": 0, "unheard": 2, "errors": 0}


def test_a_listener_that_comes_back_hears_the_configuration_first_and_misses_nothing(address, still):
    with listening(address):
        still.tick(0.0)
    still.end_step(finished(request_id="between"))
    still.tick(1.0)
    with listening(address) as listener:
        ear = Ear(listener)
        still.tick(2.1)
        ear.listen()
    kinds = [entry["kind"] for said in ear.messages for entry in said["entries"]]
    assert kinds == ["config", "request", "iteration"]


def test_a_queue_that_is_full_takes_no_more_and_counts(ear, still):
    for _ in range(INTAKE):
        still.put("step", 0, scheduler(), None)
    still.end_step(finished(), finished())
    still.put("step", 0, scheduler(), None)
    assert len(still._intake) == INTAKE
    still.tick()
    still.tick(HEARTBEAT_SECONDS)
    ear.listen()
    assert ear.sums("steps") == INTAKE
    assert ear.messages[-1]["totals"]["dropped"] == 2


def test_the_thread_wakes_up_for_records_and_then_sleeps_again(ear, reporter):
    ear.until(lambda ear: ear.entries("config"))
    for round_ in range(3):
        reporter.put("step", 1, scheduler(), iteration(ended=[finished(request_id=f"r{round_}")]))
        ear.until(lambda ear, many=round_ + 1: len(ear.entries("request")) == many)
    assert {entry["engine"] for entry in ear.entries("iteration")} == {"1"}


def test_an_idle_thread_does_not_spin(ear, reporter, monkeypatch):
    ear.until(lambda ear: ear.entries("config"))
    ticks = []
    monkeypatch.setattr(reporter, "_tick", lambda now: ticks.append(now))
    time.sleep(0.2)  # twenty times the pace
    assert ticks == []
    reporter.put("start", None)
    ear.until(lambda _: ticks)
    time.sleep(0.1)
    assert len(ticks) == 1


def test_the_thread_survives_what_goes_wrong_in_it_and_says_so_once(ear, reporter, monkeypatch, caplog):
    ear.until(lambda ear: ear.entries("config"))
    monkeypatch.setattr(reporter, "_entries", lambda: 1 / 0)
    with caplog.at_level(logging.INFO):
        for errors in (1, 2, 3):
            reporter.put("start", None)
            ear.until(lambda _, errors=errors: reporter._totals.errors >= errors)
    assert [record.getMessage() for record in caplog.records] == ["Pentameter: the plugin stumbled"]
    monkeypatch.undo()
    reporter.put("step", 0, None, iteration(ended=[finished()]))
    ear.until(lambda ear: ear.entries("request"))


def test_a_missing_listener_is_mentioned_once(still, caplog, address):
    with caplog.at_level(logging.INFO, logger="vllm.pentameter"):
        for now in range(5):
            still.tick(10.0 * now)
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("vllm.pentameter", "INFO")
    assert f"nobody listens at {address} yet" in record.getMessage()


def test_the_thread_is_a_daemon(reporter):
    assert any(thread.name == "pentameter" and thread.daemon for thread in threading.enumerate())


@pytest.mark.parametrize(("api_servers", "told"), [(1, True), (2, False)])
def test_steps_are_told_where_one_api_server_sees_them_all(address, ear, api_servers, told):
    config = vllm_config()
    config.parallel_config._api_process_count = api_servers
    reporter = StillReporter(config, (0,), address, "")
    reporter.put("step", 0, scheduler(running=1), iteration(gaps=[0.5]))
    reporter.tick()
    reporter.stop()
    ear.listen()
    (account,) = (entry for said in ear.messages for entry in said["entries"] if entry["kind"] == "iteration")
    assert (account.get("steps") is not None) is told


def test_the_longest_rows_of_steps_fit_into_a_datagram(address, ear):
    reporter = StillReporter(vllm_config(), (0,), address, "")
    for at in range(INTAKE):
        step = iteration(at=1e5 * at, gaps=[1e5] * 9, ttfts=[1e5] * 9, prompt=10**7)
        reporter.put("step", 0, scheduler(running=9999), step)
    reporter.tick()
    reporter.stop()
    ear.listen()
    sizes = [len(json.dumps(said, separators=(",", ":"))) for said in ear.messages]
    assert max(sizes) <= LARGEST_DATAGRAM
    (account,) = (entry for said in ear.messages for entry in said["entries"] if entry["kind"] == "iteration")
    assert len(account["steps"]) == MOST_ROWS
