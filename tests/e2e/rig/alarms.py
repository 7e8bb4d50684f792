"""What the test of the alerts watches: two exporters, a Prometheus with the rules, an Alertmanager, a receiver."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from e2e.rig.alertmanager import (
    CONFIGURATION,
    RULES,
    AlertmanagerServer,
    hastened_configuration,
    hastened_rules,
    shipped,
)
from e2e.rig.exporter import ExporterProcess
from e2e.rig.hurried_exporter import HurriedExporter
from e2e.rig.load import Load, Plan
from e2e.rig.process import free_port
from e2e.rig.prometheus import PrometheusServer
from e2e.rig.steady_vllm import SteadyVllm, learnt
from e2e.rig.vllm import VllmServer
from e2e.rig.waiting import wait_until
from e2e.rig.webhook import Webhook

SPEED = 720.0
"""A day in two minutes: twelve hours at a new price are the larger part of the last 24."""
STEADY_SERVER = "always-busy"
DAYS = 9
"""That the state file tells of: a day, the same of the week before, and one to spare."""
OLD_PRICE, NEW_PRICE = 2.0, 4.0
PATIENCE = 400.0
"""Seconds to wait for what takes one or two minutes where nobody else works."""

SLO = "prompt"
SPARE = 10.0
"""TTFT that the SLO allows, over the time of a whole request that has the server for itself."""
CROWD = 60
"""Requests at a time on a server that serves one: each waits for all the others."""
LENGTHS: dict[str, Any] = {"prompt_tokens": (16, 16), "output_tokens": (12, 12), "rate": 1000.0}
ALONE = Plan(requests=8, seconds=300.0, in_flight=1, **LENGTHS)
OVERLOAD = Plan(requests=100_000, seconds=PATIENCE, in_flight=CROWD, seed=2, **LENGTHS)
AFTERWARDS = Plan(requests=100_000, seconds=PATIENCE, in_flight=1, seed=3, **LENGTHS)


class Alarms:
    """Everything that an alert passes on its way to somebody, but for the servers that are its cause."""

    def __init__(self) -> None:
        self.webhook = Webhook()
        self.alertmanager = AlertmanagerServer(hastened_configuration(shipped(CONFIGURATION), self.webhook.url))
        self.steady = SteadyVllm(SPEED)
        state = learnt(STEADY_SERVER, time.time(), DAYS, OLD_PRICE)
        self.hurried = HurriedExporter(SPEED, _settings_of_the_hurried(self.steady.url), state)
        self.port_of_the_other = free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="pentameter-alarms-")
        rules = Path(self._folder.name) / "rules.yml"
        # JSON is YAML.
        rules.write_text(json.dumps(hastened_rules(shipped(RULES))))
        self.prometheus = PrometheusServer(
            [self.hurried.address, f"127.0.0.1:{self.port_of_the_other}"],
            rules=rules,
            alertmanagers=[self.alertmanager.address],
        )

    def start(self) -> None:
        """Start all of it, and wait until Prometheus knows the drift of the steady server and whom to tell."""
        self.webhook.start()
        self.alertmanager.start()
        self.steady.start()
        self.hurried.start()
        self.prometheus.start()
        wait_until("Prometheus has found the Alertmanager", lambda: self.prometheus.alertmanagers() == 1)
        drift = 'pentameter_cost_drift_ratio{window="1d",cause="price"}'
        wait_until("Prometheus knows the causes of the drift", lambda: bool(self.prometheus.query(drift)))

    def raise_the_price(self) -> None:
        """Change the configuration file of the exporter that runs."""
        self.hurried.change(_price(NEW_PRICE))

    def stop(self) -> None:
        """End all of it."""
        self.prometheus.stop()
        self.hurried.stop()
        self.steady.stop()
        self.alertmanager.stop()
        self.webhook.stop()
        self._folder.cleanup()


def _price(dollars: float) -> dict[str, Any]:
    return {"economics": {"gpu_dollars_per_hour": dollars, "languages": {"enabled": False}}}


def _settings_of_the_hurried(url: str) -> dict[str, Any]:
    return {
        "vllm": {
            "servers": [{"url": url, "name": STEADY_SERVER, "gpu_count": 1}],
            "interval_seconds": 60,
            "timeout_seconds": 60,
        },
        "derive_interval_seconds": 60,
        "windows": ["5m", "1h"],
        "plugin": {"enabled": False},
        "otlp": {"http": "off"},
        "nvml": {"enabled": False},
        "host": {"enabled": False},
        **_price(OLD_PRICE),
    }


class Crowded:
    """A real vLLM that serves one request at a time, with Pentameter beside it and an SLO about the wait."""

    def __init__(self, alarms: Alarms) -> None:
        self._alarms = alarms
        self._socket = f"@pentameter-alarms-{os.getpid()}"
        self.server = VllmServer(plugin=self._socket, args=["--max-num-seqs", "1"], mfu=False)
        self._exporter: ExporterProcess | None = None
        self._overload, self._afterwards = self._load(OVERLOAD), self._load(AFTERWARDS)

    def start(self) -> None:
        """Start the server, measure what a request takes, and start an exporter with an SLO that is fair to it."""
        self.server.start()
        self._ask_alone()  # the first ones take longer
        begun = time.monotonic()
        self._ask_alone()
        seconds = (time.monotonic() - begun) / ALONE.requests
        self._exporter = ExporterProcess(
            settings={
                "vllm": {"servers": [self.server.url]},
                "plugin": {"socket": self._socket},
                "nvml": {"enabled": False},
                "host": {"enabled": False},
                "slos": [{"name": SLO, "ttft_seconds": round(SPARE * seconds, 3), "target": 0.9}],
            },
            port=self._alarms.port_of_the_other,
        )
        self._exporter.start()
        # Prometheus knows an increase from the second sample on: the counters must be there before the overload.
        self._ask_alone()
        judged = f'pentameter_slo_requests_total{{slo="{SLO}"}}'
        wait_until("Prometheus knows of judged requests", lambda: bool(self._alarms.prometheus.query(judged)))

    def overload(self) -> None:
        """Send more at a time than can be served within the SLO, until ``recover``."""
        self._overload.start()

    def recover(self) -> None:
        """From now on send a request only when the one before has been answered, until ``stop``."""
        self._overload.stop()
        self._afterwards.start()

    def stop(self) -> None:
        """End what was started."""
        self._overload.stop()
        self._afterwards.stop()
        if self._exporter is not None:
            self._exporter.stop()
        self.server.stop()

    def _load(self, plan: Plan) -> Load:
        return Load(self.server.url, self.server.model_name, plan)

    def _ask_alone(self) -> None:
        totals = self._load(ALONE).run()
        assert (totals.requests, totals.errors) == (ALONE.requests, 0)
