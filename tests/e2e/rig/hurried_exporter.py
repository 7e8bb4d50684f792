"""Pentameter on a fast clock, as a process of its own, with a configuration file that can be changed."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from e2e.rig.install import CHECKOUT
from e2e.rig.process import ServerProcess, free_port, http_get

START_SECONDS = 30.0


class HurriedExporter:
    """``pentameter serve`` on a free loopback port.

    Args:
        speed: seconds that it lives through in one second of ours.
        settings: the configuration file, without ``state_file``.
        state: the content of its state file.
    """

    def __init__(self, speed: float, settings: dict[str, Any], state: dict[str, Any]) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self._folder = tempfile.TemporaryDirectory(prefix="pentameter-hurried-")
        folder = Path(self._folder.name)
        (folder / "state.json").write_text(json.dumps(state))
        self._file = folder / "pentameter.yaml"
        self._settings = settings | {"state_file": str(folder / "state.json")}
        self.change({})
        # A developer's settings are no concern of a test.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PENTAMETER_")}
        command = [sys.executable, "-m", "e2e.rig.hurried", str(speed), "serve", "--listen", self.address]
        self._process = ServerProcess(
            f"pentameter-hurried-{self.address.rpartition(':')[2]}",
            [*command, "--config", str(self._file)],
            environment | {"PYTHONPATH": os.pathsep.join((str(CHECKOUT / "exporter"), str(CHECKOUT / "tests")))},
        )

    def change(self, settings: dict[str, Any]) -> None:
        """Put a configuration file with other settings in the place of the old one."""
        self._settings = self._settings | settings
        new = self._file.with_suffix(".new")
        # JSON is YAML.
        new.write_text(json.dumps(self._settings, indent=1))
        new.replace(self._file)

    def start(self) -> None:
        """Start it and wait until ``/healthz`` answers; raise ``ServerFailedError`` when it does not."""
        self._process.start()
        self._process.wait_until_answers(f"http://{self.address}/healthz", START_SECONDS)

    def metrics(self) -> str:
        """Return its page."""
        return http_get(f"http://{self.address}/metrics")

    def stop(self) -> None:
        """End it and remove its files."""
        self._process.stop()
        self._folder.cleanup()
