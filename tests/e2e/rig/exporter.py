"""Pentameter itself, as a process of its own."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import psutil

from e2e.rig.install import CHECKOUT
from e2e.rig.process import ServerProcess, free_port, http_get, new_log

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

START_SECONDS = 30.0


class ExporterProcess:
    """``pentameter serve`` on a loopback port that stays the same over restarts.

    Args:
        args: what follows ``pentameter serve``, without ``--listen``.
        env: further environment variables.
        settings: the configuration file, if there shall be one.
        port: the port, or None for a free one.
    """

    def __init__(
        self,
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        settings: Mapping[str, object] | None = None,
        port: int | None = None,
    ) -> None:
        self.address = f"127.0.0.1:{port if port is not None else free_port()}"
        self.url = f"http://{self.address}"
        command = [sys.executable, "-m", "pentameter", "serve", "--listen", self.address, *args]
        # The rig's own variables would be unknown settings, and a developer's settings no concern of a test.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PENTAMETER_")}
        # A bare checkout works too, without an editable installation.
        environment |= {"PYTHONPATH": str(CHECKOUT / "exporter"), **(env or {})}
        name = f"pentameter-{self.address.rpartition(':')[2]}"
        if settings is not None:
            file = new_log(name).with_suffix(".yaml")
            # JSON is YAML.
            file.write_text(json.dumps(settings, indent=1))
            command += ["--config", str(file)]
        self._process = ServerProcess(name, command, environment)

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    @property
    def log(self) -> Path:
        """Return the file with its output."""
        return self._process.log

    def start(self) -> None:
        """Start it and wait until ``/healthz`` answers; raise ``ServerFailedError`` when it does not."""
        self._process.start()
        self._process.wait_until_answers(f"{self.url}/healthz", START_SECONDS)

    def stop(self) -> None:
        """End it."""
        self._process.stop()

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()

    def metrics(self) -> str:
        """Return its page."""
        return http_get(f"{self.url}/metrics")

    def rss_bytes(self) -> int:
        """Return the resident memory now."""
        rss: int = psutil.Process(self.pid).memory_info().rss
        return rss

    def cpu_seconds(self) -> float:
        """Return the processor time since the start, in user and system mode."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)
