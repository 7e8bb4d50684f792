"""The compose demo's processes, started by hand from its own files, where there is no engine.

The commands are those of ``deploy/compose/compose.yaml`` and of the images' programs; the configuration files are read
where the compose file mounts them from. What is put in another way is said here and nowhere else: the services' names
and ports become free loopback ports, the paths inside containers become those of the mounted files, and what is kept
goes to a folder that is thrown away. Grafana is not among them: it is not to be had here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from e2e.rig.alertmanager import START_SECONDS
from e2e.rig.install import ALERTMANAGER, CHECKOUT
from e2e.rig.process import ServerProcess, free_port, http_get

FOLDER = CHECKOUT / "deploy/compose"
PORTS = {"demo": 10055, "prometheus": 9090, "alertmanager": 9093}
"""On which they listen in their containers."""
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]


def mounted(service: str) -> dict[str, Path]:
    """Return the files and folders of this checkout that a service sees, by the path at which it sees them."""
    parts = [volume.split(":") for volume in SERVICES[service].get("volumes", ())]
    return {target: (FOLDER / source).resolve() for source, target, *_ in parts if source.startswith(".")}


class ComposeStack:
    """The exporter's demo, Prometheus, Alertmanager and the receiver of alerts."""

    def __init__(self) -> None:
        self.demo, self.prometheus, self.alertmanager, self.receiver = (f"127.0.0.1:{free_port()}" for _ in range(4))
        self._folder = tempfile.TemporaryDirectory(prefix="pentameter-compose-")
        self.place = Path(self._folder.name)
        self.addresses = {
            "pentameter:10055": self.demo,
            "127.0.0.1:10055": self.demo,
            "127.0.0.1:9090": self.prometheus,
            "alertmanager:9093": self.alertmanager,
            "127.0.0.1:9093": self.alertmanager,
            "127.0.0.1:9099": self.receiver,
        }
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PENTAMETER_")}
        python = environment | {"PYTHONPATH": str(CHECKOUT / "exporter")}
        self._processes = {
            "receiver": self._process("receiver", [sys.executable, "-u", str(FOLDER / "receiver.py"), self.receiver]),
            "alertmanager": self._process("alertmanager", [_alertmanager(), *self._flags("alertmanager")]),
            "demo": self._process(
                "demo",
                [sys.executable, "-m", "pentameter", *SERVICES["demo"]["command"], "--listen", self.demo],
                python,
            ),
            "prometheus": self._process("prometheus", ["prometheus", *self._flags("prometheus")]),
        }

    def start(self) -> None:
        """Start all, each after those that the compose file makes it wait for."""
        for process in self._processes.values():
            process.start()
        ready = {
            "alertmanager": f"http://{self.alertmanager}/-/ready",
            "demo": f"http://{self.demo}/healthz",
            "prometheus": f"http://{self.prometheus}/-/ready",
        }
        for name, url in ready.items():
            self._processes[name].wait_until_answers(url, START_SECONDS)

    def stop(self) -> None:
        """End all and remove what they kept."""
        for process in reversed(self._processes.values()):
            process.stop()
        self._folder.cleanup()

    def api(self, path: str) -> Any:
        """Return ``data`` of an answer of Prometheus's API."""
        return json.loads(http_get(f"http://{self.prometheus}/api/v1/{path}"))["data"]

    def told(self) -> list[str]:
        """Return the lines that the receiver printed."""
        return self._processes["receiver"].log.read_text().splitlines()

    def healthy(self, service: str, address: str | None = None) -> bool:
        """Run the health check of a service as its container would; with an address, as if it were there."""
        _, *command = SERVICES[service]["healthcheck"]["test"]
        port = (address or getattr(self, service)).rpartition(":")[2]
        script = [re.sub(rf"\b{PORTS[service]}\b", port, word) for word in command]
        return subprocess.run(script, capture_output=True, check=False, timeout=30).returncode == 0

    def _process(self, name: str, command: list[str], environment: dict[str, str] | None = None) -> ServerProcess:
        return ServerProcess(f"compose-{name}", command, environment)

    def _flags(self, service: str) -> list[str]:
        """Return the flags of a service, with the files and folders of here, and where to listen."""
        files = {target: str(self._written(path)) for target, path in mounted(service).items()}
        paths = files | {f"/{service}": str(self.place / service)}
        parts = [flag.partition("=") for flag in SERVICES[service]["command"]]
        flags = [f"{name}{sign}{paths.get(value, value)}" for name, sign, value in parts]
        return [*flags, f"--web.listen-address={getattr(self, service)}"]

    def _written(self, path: Path) -> Path:
        """Return a copy of a file in which addresses, and paths of mounted files, are those of here."""
        copy = self.place / path.name
        if path.suffix == ".yml" and "rules" not in path.parts:
            copy.write_text(self._here(path.read_text()))
            return copy
        return path

    def _here(self, text: str) -> str:
        rules = {target: str(path) for target, path in mounted("prometheus").items() if "rules" in path.parts}
        for old, new in (self.addresses | rules).items():
            text = text.replace(old, new)
        return text


def _alertmanager() -> str:
    """Return the name of the program."""
    return next(name for name in ALERTMANAGER if shutil.which(name))
