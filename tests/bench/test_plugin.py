"""What the plugin costs vLLM, at 256 running requests, and what its messages cost the exporter: prints times."""

import statistics
import threading
import time

import pytest

from fakes.plugin_messages import message, request
from fakes.unix_sockets import fresh_address
from fakes.vllm_stats import finished, iteration, scheduler, vllm_config
from pentameter.sources import SourceAbsent
from pentameter.sources.plugin_feed import PluginFeed
from pentameter.sources.plugin_message import decode
from pentameter.vllm_plugin import PentameterStatLogger
from pentameter.vllm_plugin_digest import EngineDigest

RUNNING = 256
STEPS = 400
STEPS_PER_SECOND = 100


def a_step(number, ended=1):
    """Return what vLLM records of a step in which all decode, one begins and ``ended`` finish."""
    at = 1.8e9 + number / STEPS_PER_SECOND
    gaps = [0.010 + number * 1e-7] * (RUNNING - 2) + [0.011] * 2
    done = [finished(request_id=f"cmpl-{number}-{one}", e2e_latency=1.0) for one in range(ended)]
    return scheduler(running=RUNNING), iteration(at=at, gaps=gaps, ttfts=[0.05], ended=done, generated=RUNNING)


def microseconds(times):
    times = sorted(times)
    return f"median {statistics.median(times) * 1e6:7.1f} us, p99 {times[int(0.99 * len(times))] * 1e6:7.1f} us"


def drive(logger, steps):
    """Record steps at their pace; return the seconds each call took and how late each began."""
    took, late = [], []
    began = time.perf_counter()
    for number, (scheduler_stats, iteration_stats) in enumerate(steps):
        due = began + number / STEPS_PER_SECOND
        while (wait := due - time.perf_counter()) > 0:
            time.sleep(wait)
        now = time.perf_counter()
        logger.record(scheduler_stats, iteration_stats, mm_cache_stats=None, engine_idx=0)
        took.append(time.perf_counter() - now)
        late.append(now - due)
    return took, late


class Nothing:
    def record(self, *_, **__):
        pass


@pytest.mark.bench
@pytest.mark.parametrize("listener", [True, False], ids=["listener", "nobody listens"])
def test_record_and_the_thread(monkeypatch, listener):
    address = fresh_address()
    monkeypatch.setenv("PENTAMETER_PLUGIN__SOCKET", address)
    steps = [a_step(number) for number in range(STEPS)]
    took_without, late_without = drive(Nothing(), steps)
    ended = threading.Event()
    received = []

    def read():
        feed = PluginFeed(address)
        while not ended.is_set():
            try:
                received.append(len(feed.read().requests))
            except SourceAbsent:
                continue
        feed.close()

    reading = threading.Thread(target=read)
    if listener:
        reading.start()
    logger = PentameterStatLogger(vllm_config(), [0])
    logger.log_engine_initialized()
    time.sleep(1.0)
    before = clock_of(logger)
    took, late = drive(logger, steps)
    time.sleep(0.5)
    spent = clock_of(logger) - before
    heard = sum(received)
    tight = at_once(logger, steps[0])
    ended.set()
    if listener:
        reading.join()
    logger._reporter.stop()
    print(f"\n{RUNNING} running, {STEPS_PER_SECOND} steps/s, as many requests/s; received {heard} of {STEPS}")
    print(f"  record(), call after call   {tight * 1e6:.2f} us")
    print(f"  record(), at that pace      {microseconds(took)} (of one that does nothing {microseconds(took_without)})")
    print(f"  event loop late, without    {microseconds(late_without)}")
    print(f"  event loop late, with       {microseconds(late)}")
    print(f"  the plugin's thread         {spent / STEPS * 1e6:.0f} us per step, {spent * 25:.2f} % of a core")


def at_once(logger, step):
    """Return the seconds per call, of a thousand in a row."""
    began = time.perf_counter()
    for _ in range(1000):
        logger.record(*step, mm_cache_stats=None, engine_idx=0)
    return (time.perf_counter() - began) / 1000


def clock_of(logger):
    """Return the processor seconds of the plugin's thread."""
    return time.clock_gettime(time.pthread_getcpuclockid(logger._reporter._thread.ident))


@pytest.mark.bench
def test_digest_and_decode():
    steps = [a_step(number) for number in range(STEPS)]
    digest = EngineDigest("0")
    began = time.perf_counter()
    for scheduler_stats, iteration_stats in steps:
        digest.take_step(scheduler_stats, iteration_stats, 0.0)
    per_step = (time.perf_counter() - began) / STEPS
    datagram = message(*[request(request_id=f"cmpl-{number:032d}-0") for number in range(150)])
    began = time.perf_counter()
    for _ in range(100):
        decode(datagram)
    per_request = (time.perf_counter() - began) / 100 / 150
    print(f"\n  taking down a step of {RUNNING} outputs: {per_step * 1e6:.0f} us")
    size = len(datagram) / 150
    print(f"  decoding: {per_request * 1e6:.1f} us per request of {size:.0f} bytes, {1 / per_request:.0f} per second")
