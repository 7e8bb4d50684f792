"""The OTLP receiver at work: spans per second beside the official library, memory, and a server on one core."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import http.client
import os
import socket
import subprocess
import sys
import time

import psutil
import pytest
import uvicorn
from fastapi import FastAPI
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import bench_clock
from otlp_bodies import ARRIVAL_NANOSECONDS, ATTRIBUTES, body
from pentameter.http_otlp import otlp_router
from pentameter.sources import SourceAbsent
from pentameter.sources.otlp import OtlpInbox
from pentameter.sources.otlp_spans import decode

SPANS = 512  # what OpenTelemetry's SDKs send at most at a time
ROUNDS = 50
OFFERED = 200_000
RATE = 5_000
SECONDS = 10.0
WANTED = [name for name in ATTRIBUTES if "latency" in name or "usage" in name or name.endswith(".id")]


def bodies(number=8):
    """Return bodies of vLLM's spans that all differ."""
    return [
        body(
            *(
                (
                    "llm_request",
                    ARRIVAL_NANOSECONDS + i,
                    ATTRIBUTES | {"gen_ai.request.id": f"cmpl-{part:08x}{i:08x}-0"},
                )
                for i in range(SPANS)
            )
        )
        for part in range(number)
    ]


def official(data):
    """Return what the decoder reads, by the official library."""
    found = []
    for resource_spans in ExportTraceServiceRequest.FromString(data).resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                if span.name == "llm_request":
                    values = {}
                    for attribute in span.attributes:
                        if attribute.key in WANTED:
                            values[attribute.key] = getattr(attribute.value, attribute.value.WhichOneof("value"))
                    found.append((span.start_time_unix_nano, values))
    return found


def best(call):
    """Return the fastest round in milliseconds."""
    return bench_clock.best(call, ROUNDS) * 1e3


@pytest.mark.bench
def test_decoder_beside_the_official_library():
    [data] = bodies(1)
    assert len(decode(data).requests) == len(official(data)) == SPANS
    reference = best(lambda: official(data))
    print(f"\n{SPANS} spans of vLLM, {len(data)} bytes, best of {ROUNDS}")
    for name, milliseconds in (("official library (C)", reference), ("decode", best(lambda: decode(data)))):
        rate = SPANS / milliseconds * 1e3
        print(f"  {name:24} {milliseconds:7.3f} ms  {rate:9,.0f} spans/s  {reference / milliseconds:5.2f} x")


@pytest.mark.bench
def test_memory_while_spans_come_and_are_read():
    box, data, process = OtlpInbox(), bodies(), psutil.Process()
    offered, accepted, most, started = 0, 0, 0, 0
    while offered < OFFERED:
        for one in data:
            box.offer(one)
            offered += SPANS
        accepted += len(box.read().requests)
        resident = process.memory_info().rss
        started = started or resident
        most = max(most, resident)
    print(f"\n{offered} spans offered, {accepted} read: resident memory grew by {(most - started) / 2**20:.1f} MB")
    stuck = OtlpInbox()
    before = process.memory_info().rss
    for _ in range(OFFERED // SPANS):
        stuck.offer(data[0])
    counts = stuck.read().counts
    grown = (process.memory_info().rss - before) / 2**20
    print(f"nobody reads: {counts['accepted']:.0f} kept, {counts['dropped']:.0f} dropped, {grown:.1f} MB")


def serve(port):
    """Serve the receiver and read it four times a second, as the daemon does; the process is the test's own child."""
    box = OtlpInbox()
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(otlp_router(box, allow="loopback", max_bytes=4 * 1024 * 1024))
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, log_level="warning", lifespan="off", http="h11", ws="none", loop="asyncio")
    )

    async def run():
        serving = asyncio.create_task(server.serve())
        while not serving.done():
            with contextlib.suppress(SourceAbsent):
                await asyncio.to_thread(box.read)
            await asyncio.sleep(0.25)

    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    asyncio.run(run())


@pytest.mark.bench
@pytest.mark.parametrize("packed", [False, True])
def test_a_server_on_one_core_at_a_steady_rate(packed):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    code = f"from bench.test_otlp import serve; serve({port})"
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as child:
        try:
            measure(psutil.Process(child.pid), port, packed)
        finally:
            child.terminate()


def measure(process, port, packed):
    headers = {"Content-Type": "application/x-protobuf", **({"Content-Encoding": "gzip"} if packed else {})}
    data = [gzip.compress(one, 6) if packed else one for one in bodies()]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def send(number):
        connection.request("POST", "/v1/traces", data[number % len(data)], headers)
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read()  # empty, unless the inbox was full

    for _ in range(600):
        try:
            send(0)
            break
        except ConnectionError:
            connection.close()
            time.sleep(0.1)
    for number in range(20):
        send(number)
    before, resident = process.cpu_times(), process.memory_info().rss
    started = time.perf_counter()
    sent = 0
    while (elapsed := time.perf_counter() - started) < SECONDS:
        if sent * SPANS > elapsed * RATE:
            time.sleep(0.005)
            continue
        assert send(sent) == b""
        sent += 1
    after = process.cpu_times()
    busy = (after.user + after.system - before.user - before.system) / elapsed
    grown = (process.memory_info().rss - resident) / 2**20
    how = "gzip" if packed else "plain"
    print(
        f"\n{how}: {sent * SPANS / elapsed:,.0f} spans/s for {elapsed:.0f} s took {100 * busy:.0f} % of one core, "
        f"{process.memory_info().rss / 2**20:.0f} MB resident ({grown:+.1f})"
    )
    started, number = time.perf_counter(), 0
    while time.perf_counter() - started < SECONDS / 4:
        send(number)
        number += 1
    connection.close()
    print(f"{how}: as fast as it can: {number * SPANS / (time.perf_counter() - started):,.0f} spans/s")
