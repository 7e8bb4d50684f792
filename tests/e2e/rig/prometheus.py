"""A real Prometheus that scrapes what a test names, and promtool's opinion of a page."""

from __future__ import annotations

import json
import subprocess
import tempfile
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e.rig.process import ServerProcess, free_port, http_get

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

START_SECONDS = 30.0

Labels = dict[str, str]


class PrometheusServer:
    """Prometheus on a free loopback port, with a store that is thrown away.

    Args:
        targets: ``host:port`` of each ``/metrics`` to scrape; the label ``instance`` tells them apart.
        scrape_interval: in Prometheus's notation; also the time limit of a scrape.
        rules: a file of rules to evaluate.
        alertmanagers: ``host:port`` of each Alertmanager that is told of alerts.
        labels: target -> what service discovery would say of it, such as its namespace.
    """

    def __init__(
        self,
        targets: list[str],
        scrape_interval: str = "1s",
        rules: Path | None = None,
        alertmanagers: Sequence[str] = (),
        labels: Mapping[str, Labels] | None = None,
    ) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._folder = tempfile.TemporaryDirectory(prefix="pentameter-prometheus-")
        folder = Path(self._folder.name)
        self.store = folder / "data"
        """Where blocks of the past may be put before the start."""
        config = folder / "prometheus.yml"
        told = {"alertmanagers": [{"static_configs": [{"targets": list(alertmanagers)}]}]}
        loaded = {"rule_files": [str(rules)], "alerting": told} if rules else {}
        # JSON is YAML.
        config.write_text(json.dumps(configuration(targets, scrape_interval, labels or {}) | loaded))
        self._process = ServerProcess(
            f"prometheus-{self.url.rpartition(':')[2]}",
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={self.store}",
                f"--web.listen-address={self.url.removeprefix('http://')}",
            ],
        )

    def start(self) -> None:
        """Start it and wait until it is ready; raise ``ServerFailedError`` when it is not."""
        self._process.start()
        self._process.wait_until_answers(f"{self.url}/-/ready", START_SECONDS)

    def stop(self) -> None:
        """End it and remove its store."""
        self._process.stop()
        self._folder.cleanup()

    def query(self, promql: str) -> list[tuple[Labels, float]]:
        """Return the labels and value of each series of an instant query, as of now."""
        result = self._api("query", query=promql)
        return [(series["metric"], float(series["value"][1])) for series in result]

    def alertmanagers(self) -> int:
        """Return how many Alertmanagers it has found: alerts that fire sooner are told of a minute later."""
        page = json.loads(http_get(f"{self.url}/api/v1/alertmanagers"))
        return len(page["data"]["activeAlertmanagers"])

    def query_range(
        self, promql: str, start: float, end: float, step: str = "1s"
    ) -> list[tuple[Labels, list[tuple[float, float]]]]:
        """Return the labels and the (time, value) pairs of each series between two Unix times."""
        result = self._api("query_range", query=promql, start=str(start), end=str(end), step=step)
        return [
            (series["metric"], [(float(time), float(value)) for time, value in series["values"]]) for series in result
        ]

    def _api(self, endpoint: str, **parameters: str) -> list[dict[str, Any]]:
        page = http_get(f"{self.url}/api/v1/{endpoint}?{urllib.parse.urlencode(parameters)}")
        result: list[dict[str, Any]] = json.loads(page)["data"]["result"]
        return result


def configuration(targets: list[str], scrape_interval: str, labels: Mapping[str, Labels]) -> dict[str, Any]:
    """Return the configuration that scrapes the targets under one job."""
    return {
        "global": {"scrape_interval": scrape_interval, "scrape_timeout": scrape_interval},
        "scrape_configs": [
            {
                "job_name": "rig",
                "static_configs": [{"targets": [target], "labels": labels.get(target, {})} for target in targets],
            }
        ],
    }


def promtool_check_metrics(page: str) -> tuple[int, str]:
    """Return the exit status and the output of ``promtool check metrics``: 0 and "" for a clean page."""
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=page,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=30,
    )
    return done.returncode, done.stdout
