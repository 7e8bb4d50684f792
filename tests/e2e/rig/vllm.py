"""A real vLLM server on CPU, with a tiny model."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from e2e.rig.install import vllm_python
from e2e.rig.model import MODEL_NAME, tiny_model
from e2e.rig.process import ServerProcess, free_port, http_get

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

START_SECONDS = 420.0
"""A new machine compiles and reads much before its first answer, and others may keep its cores busy."""
API_SERVER = ("-m", "vllm.entrypoints.openai.api_server")

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_DO_NOT_TRACK": "1",
    "VLLM_NO_USAGE_STATS": "1",
    # One compute thread, so that on two cores the other is free for client, exporter and Prometheus.
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "TOKENIZERS_PARALLELISM": "false",
}


class VllmServer:
    """vLLM on a loopback port that stays the same over restarts.

    Args:
        port: the port, or None for a free one.
        args: further arguments of the server.
        env: further environment variables.
        mfu: whether to count estimated FLOPs and bytes.
        launcher: the arguments of the interpreter that start the server.
        plugin: the socket that Pentameter's plugin sends to, as in ``plugin.socket``; None: the plugin is not loaded.
        model: its name, as in ``tiny_model``.
        traces: where spans go, ``http://HOST:PORT/v1/traces`` or ``grpc://HOST:PORT``; None: there are none.
    """

    def __init__(
        self,
        port: int | None = None,
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        *,
        mfu: bool = True,
        launcher: Sequence[str] = API_SERVER,
        plugin: str | None = None,
        traces: str | None = None,
        model: str = MODEL_NAME,
    ) -> None:
        self.port = port if port is not None else free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.model_name = model
        command = [str(vllm_python()), *launcher, "--model", str(tiny_model(model))]
        command += ["--served-model-name", model, "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--max-model-len", "2048", "--enforce-eager"]
        command += ["--enable-mfu-metrics"] if mfu else []
        command += ["--otlp-traces-endpoint", traces] if traces else []
        command += args
        environment = {**inherited_environment(), **ENVIRONMENT, **plugin_environment(plugin)}
        environment |= {**traces_environment(traces), **(env or {})}
        self._process = ServerProcess(f"vllm-{self.port}", command, environment)

    @property
    def pid(self) -> int:
        """Return the process id of the API server."""
        return self._process.pid

    @property
    def log(self) -> Path:
        """Return the file with the output of every run."""
        return self._process.log

    def start(self) -> None:
        """Start, or start again after a kill or stop, and wait until the server is healthy.

        Raises:
            ServerFailedError: it ended, or was not healthy in time.
        """
        self._process.start()
        self._process.wait_until_answers(f"{self.url}/health", START_SECONDS)

    def metrics(self) -> str:
        """Return the page that Pentameter reads."""
        return http_get(f"{self.url}/metrics")

    def kill(self) -> None:
        """End the server as a crash would: SIGKILL for the API server and its engine processes."""
        self._process.kill()

    def stop(self) -> None:
        """Ask the server to end, then make it."""
        self._process.stop()


def inherited_environment() -> dict[str, str]:
    """Return this process's environment without what would choose plugins or trace on a developer's behalf."""
    return {key: value for key, value in os.environ.items() if key != "VLLM_PLUGINS" and not key.startswith("OTEL_")}


def plugin_environment(socket: str | None) -> dict[str, str]:
    """Return what makes vLLM load the plugin and send to a socket, or load no plugin at all."""
    # Where the variable is not set, vLLM loads whatever is installed, as it does for most of its users.
    return {"VLLM_PLUGINS": ""} if socket is None else {"PENTAMETER_PLUGIN__SOCKET": socket}


def traces_environment(endpoint: str | None) -> dict[str, str]:
    """Return what makes OpenTelemetry's exporter speak the protocol of an endpoint, and soon."""
    if endpoint is None:
        return {}
    protocol = "grpc" if endpoint.startswith("grpc") else "http/protobuf"
    # Milliseconds between two batches, 5000 by default.
    return {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": protocol, "OTEL_BSP_SCHEDULE_DELAY": "200"}
