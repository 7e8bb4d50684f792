"""The daemon on sources that fail, hang and come back."""

import asyncio
import logging
import threading
import time
from contextlib import asynccontextmanager

import pytest

from fakes.http_server import ScriptedServer, drip, page
from given_settings import settings_for
from pentameter.assembly import settings_to_meter
from pentameter.config import Settings
from pentameter.daemon import Daemon, Feed
from pentameter.readings import HostReading, ModelReading
from pentameter.sources import SourceAbsent, SourceError
from pentameter.sources.vllm_metrics import VllmSource

HEAD = 'process_start_time_seconds 100.0\nvllm:num_requests_running{engine="0",model_name="m"} 1.0\n'


def good(tokens=5):
    return page(HEAD + f'vllm:generation_tokens_total{{engine="0",model_name="m"}} {tokens}\n')


@asynccontextmanager
async def running(daemon):
    stop = asyncio.Event()
    task = asyncio.create_task(daemon.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def until(condition, seconds=10.0):
    """Wait until a condition holds; its last value is the result."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)
    return result


def value(daemon, name, **labels):
    snapshot = daemon.latest()
    for sample in snapshot.samples if snapshot else ():
        given = dict(zip(sample.metric.labels, sample.labels, strict=True))
        if sample.metric.name == name and labels.items() <= given.items():
            return sample.value
    return None


def source_up(daemon, reason=""):
    return value(daemon, "pentameter_source_up", source="vllm", reason=reason)


async def _strange_model_story():
    with ScriptedServer({"/metrics": good()}) as server:
        settings = settings_for(server.url, host={"enabled": False})
        meter = settings_to_meter(settings)
        name = settings.vllm.servers[0].name
        meter.take_model(ModelReading(name, "m", {"architectures": ["Strange"]}, "file"))
        source = VllmSource(name, server.url)
        daemon = Daemon(meter, [Feed(source, 0.1, 5.0)], 0.05)
        async with running(daemon):
            await until(lambda: value(daemon, "pentameter_model_unknown", reason="unsupported"))
            seen = daemon.latest().sequence
            await until(lambda: daemon.latest().sequence > seen + 3)
        source.close()


def test_a_model_that_is_not_understood_is_named_in_a_metric_and_once_in_the_log(caplog):
    caplog.set_level(logging.WARNING, "pentameter")
    asyncio.run(_strange_model_story())
    said = [record.getMessage() for record in caplog.records]
    [line] = [one for one in said if "not understood" in one]
    assert "the model m is not understood: " in line
    assert "Strange" in line


def daemon_for(server, *, timeout=0.5, max_bytes=1_000_000):
    source = VllmSource("one", server.url, timeout=timeout, max_bytes=max_bytes)
    meter = settings_to_meter(settings_for({"url": server.url, "name": "one"}))
    return Daemon(meter, [Feed(source, 0.02, 5.0)], derive_interval=0.02), source


def hundred_megabytes(connection, server):
    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    for _ in range(1600):
        connection.sendall(b"#" * 65_536)


LABELS = '{engine="0",model_name="m"}'
BAD_PAGES = {
    "truncated": page(HEAD + "vllm:generation_tokens_to"),
    "not_metrics": page("<!doctype html><title>nginx</title>", "text/html"),
    "too_large": hundred_megabytes,
    "invalid_value": page(HEAD + f"vllm:generation_tokens_total{LABELS} NaN\n"),
    "duplicate_series": page(HEAD + f"vllm:generation_tokens_total{LABELS} 1\n" * 2),
    "timeout": drip(good(), 0.2),
    "malformed": page(HEAD + "what is this\n"),
    "http_status": page("no", status="500 Internal Server Error"),
    "no_vllm_metrics": page("node_load1 0.5\n"),
}


async def _bad_page_story(reason, caplog):
    with ScriptedServer({"/metrics": good()}) as server:
        daemon, source = daemon_for(server)
        async with running(daemon):
            await until(lambda: source_up(daemon) == 1)
            server.answers["/metrics"] = BAD_PAGES[reason]
            await until(lambda: source_up(daemon, reason) == 0)
            await until(lambda: value(daemon, "pentameter_source_failures_total", source="vllm") >= 2)
            assert value(daemon, "pentameter_requests_running") is None
            server.answers["/metrics"] = good(9)
            await until(lambda: source_up(daemon) == 1)
            await until(lambda: value(daemon, "pentameter_requests_running") == 1)
        source.close()
    said = [record.getMessage() for record in caplog.records]
    assert len([message for message in said if f"down ({reason})" in message]) == 1
    assert len([message for message in said if message == "vllm one: up"]) == 2


@pytest.mark.parametrize("reason", BAD_PAGES)
def test_a_bad_page_is_named_in_the_metric_and_once_in_the_log_and_the_daemon_goes_on(reason, caplog):
    caplog.set_level(logging.INFO, "pentameter")
    asyncio.run(_bad_page_story(reason, caplog))


class Scripted:
    """A source whose reads are given by a function."""

    name = "host"
    server = ""

    def __init__(self, read):
        self.read = read
        self.closed = False

    def close(self):
        self.closed = True


def run_with(read, story, **feed):
    daemon = Daemon(
        settings_to_meter(Settings()), [Feed(Scripted(read), **{"interval": 0.01, "patience": 0.1, **feed})], 0.01
    )

    async def main():
        async with running(daemon):
            await story(daemon)

    asyncio.run(main())


def host_reading():
    return HostReading(time.monotonic(), time.time(), 2, time.monotonic(), 100.0, 50.0)


def test_a_read_that_never_returns_is_reported_and_does_not_hold_the_daemon(caplog):
    release = threading.Event()

    def read():
        release.wait(20)
        return host_reading()

    async def story(daemon):
        await until(lambda: value(daemon, "pentameter_source_up", source="host", reason="hung") == 0)
        before = daemon.latest().sequence
        await until(lambda: daemon.latest().sequence > before + 3)
        release.set()
        await until(lambda: value(daemon, "pentameter_source_up", source="host", reason="") == 1)

    run_with(read, story)
    assert len([r for r in caplog.records if "hung" in r.getMessage()]) == 1


def test_a_read_that_hangs_does_not_hold_the_end_up():
    started = time.monotonic()
    release = threading.Event()

    async def story(daemon):
        await until(lambda: value(daemon, "pentameter_source_up", source="host", reason="hung") == 0)

    run_with(lambda: release.wait(20), story)
    assert time.monotonic() - started < 10, "it would have taken 20 s"
    release.set()


def test_a_defect_in_a_source_does_not_end_the_daemon():
    def read():
        raise ZeroDivisionError

    async def story(daemon):
        await until(lambda: value(daemon, "pentameter_source_up", source="host", reason="internal") == 0)
        await until(lambda: value(daemon, "pentameter_source_failures_total", source="host") >= 3)

    run_with(read, story)


def test_an_absent_thing_is_no_failure_and_said_once(caplog):
    caplog.set_level(logging.INFO, "pentameter")

    def read():
        raise SourceAbsent("library_missing", "no driver on this machine")

    async def story(daemon):
        await until(lambda: value(daemon, "pentameter_source_absent", source="host", reason="library_missing") == 1)
        assert value(daemon, "pentameter_source_up", source="host") is None

    run_with(read, story)
    assert [r.levelname for r in caplog.records] == ["INFO"]


def test_a_defect_in_a_formula_takes_the_figures_away_and_is_shown(monkeypatch, caplog):
    daemon = Daemon(settings_to_meter(Settings()), [])
    daemon.publish()
    assert value(daemon, "pentameter_source_up", source="derive", reason="") == 1

    def broken(world):
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr("pentameter.catalogue.samples", broken)
        for _ in range(3):
            daemon.publish()
        assert value(daemon, "pentameter_source_up", source="derive", reason="internal") == 0
        assert value(daemon, "pentameter_source_failures_total", source="derive") == 3
    assert len(caplog.records) == 1
    daemon.publish()
    daemon.publish()
    assert value(daemon, "pentameter_source_up", source="derive", reason="") == 1


def test_a_change_of_reason_is_said_again(caplog):
    reasons = iter(["timeout"] * 3 + ["unreachable"] * 1000)

    def read():
        reason = next(reasons)
        raise SourceError(reason, "out of order")

    async def story(daemon):
        await until(lambda: value(daemon, "pentameter_source_up", source="host", reason="unreachable") == 0)

    run_with(read, story)
    assert [r.getMessage().split("(")[1].split(")")[0] for r in caplog.records] == ["timeout", "unreachable"]
