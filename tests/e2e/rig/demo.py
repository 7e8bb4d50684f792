"""``pentameter demo`` as a process of its own: the whole exporter on a simulated vLLM with a simulated GPU."""

from __future__ import annotations

import os
import sys

from e2e.rig.install import CHECKOUT
from e2e.rig.process import ServerProcess, free_port

START_SECONDS = 30.0


class DemoProcess:
    """The demo on a free loopback port; ``arguments`` follow its name."""

    def __init__(self, *arguments: str) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        # A developer's settings are no concern of a test.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PENTAMETER_")}
        self._process = ServerProcess(
            f"demo-{self.address.rpartition(':')[2]}",
            [sys.executable, "-m", "pentameter", "demo", "--listen", self.address, *arguments],
            environment | {"PYTHONPATH": str(CHECKOUT / "exporter")},
        )

    def start(self) -> None:
        """Start it and wait until ``/healthz`` answers; raise ``ServerFailedError`` when it does not."""
        self._process.start()
        self._process.wait_until_answers(f"http://{self.address}/healthz", START_SECONDS)

    def stop(self) -> None:
        """End it."""
        self._process.stop()
