"""Fixtures of the end-to-end tests: a vLLM for the whole session, Pentameter and Prometheus for each need."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import pytest

from e2e.rig.exporter import ExporterProcess
from e2e.rig.install import what_is_missing
from e2e.rig.load import Load, Plan, Totals
from e2e.rig.page import sample
from e2e.rig.prometheus import PrometheusServer
from e2e.rig.vllm import VllmServer
from e2e.rig.waiting import wait_until

LOAD = Plan(requests=150, seconds=60.0, rate=10.0)
VLLM_UP = 'max(pentameter_source_up{source="vllm"})'
LAST_READ = 'max(pentameter_source_last_success_timestamp_seconds{source="vllm"})'


@pytest.fixture(scope="session")
def rig():
    """Skip when the rig is not installed; fail instead when ``PENTAMETER_E2E_REQUIRED=1`` says it must be."""
    missing = what_is_missing()
    if not missing:
        return
    reason = "the end-to-end rig is not installed: " + "; ".join(missing)
    if os.environ.get("PENTAMETER_E2E_REQUIRED") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def vllm(rig):
    """One real vLLM with the tiny model, shared by all tests; a test that kills it starts it again."""
    server = VllmServer()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@dataclass(frozen=True)
class Watched:
    """A vLLM with Pentameter beside it and a Prometheus that scrapes both."""

    vllm: VllmServer
    exporter: ExporterProcess
    prometheus: PrometheusServer

    def one(self, promql: str) -> float:
        """Return the value of the only series of a query."""
        series = self.prometheus.query(promql)
        assert len(series) == 1, f"{promql}: {series}"
        return series[0][1]

    def wait_for_vllm(self, *, up: bool) -> None:
        """Wait until Prometheus knows what Pentameter says of vLLM."""
        wait_until(
            f"{VLLM_UP} is {int(up)}",
            lambda: [value for _, value in self.prometheus.query(VLLM_UP)] == [float(up)],
        )

    def wait_for_a_read_after(self, moment: float) -> None:
        """Wait until Prometheus has figures that Pentameter took from vLLM after a Unix time."""
        wait_until(
            "Prometheus has figures younger than the load",
            lambda: any(value > moment for _, value in self.prometheus.query(LAST_READ)),
        )


@pytest.fixture(scope="module")
def watched(vllm):
    """Pentameter and Prometheus beside the shared vLLM, once per module."""
    exporter = ExporterProcess(["--vllm-url", vllm.url])
    prometheus = PrometheusServer([exporter.address, vllm.url.removeprefix("http://")])
    try:
        exporter.start()
        wait_until(
            "Pentameter has read vLLM",
            lambda: sample(exporter.metrics(), "pentameter_source_up", source="vllm") == 1.0,
        )
        prometheus.start()
        trio = Watched(vllm, exporter, prometheus)
        trio.wait_for_vllm(up=True)
        yield trio
    finally:
        prometheus.stop()
        exporter.stop()


@dataclass(frozen=True)
class Loaded:
    """What a load did: the client's book, and vLLM's and Pentameter's own pages around it."""

    totals: Totals
    vllm_before: str
    vllm_after: str
    exporter_before: str
    exporter_after: str


@pytest.fixture(scope="module")
def loaded(watched):
    """Send one load through vLLM and wait until its figures have reached Prometheus."""
    before = watched.vllm.metrics(), watched.exporter.metrics()
    totals = Load(watched.vllm.url, watched.vllm.model_name, LOAD).run()
    vllm_after = watched.vllm.metrics()
    # The wall clock of one machine: the exporter's last read must have begun after this moment.
    watched.wait_for_a_read_after(time.time())
    return Loaded(totals, before[0], vllm_after, before[1], watched.exporter.metrics())
