"""vLLM's own load client, ``vllm bench serve``: an independent book of what every request got."""

from __future__ import annotations

import json
import math
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e.rig.install import vllm_python
from e2e.rig.model import tiny_llama
from e2e.rig.process import new_log
from e2e.rig.timings import Timing
from e2e.rig.vllm import ENVIRONMENT, inherited_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from e2e.rig.vllm import VllmServer

START_SECONDS = 240.0
"""Of the client, most of it for its imports."""

DRAIN_SECONDS = 120.0
"""For the answers that are under way when the last request has been sent."""

# The client's stopwatch must not wait for its turn on busy cores: it would measure the scheduler. Where a real-time
# priority is not granted, it measures as an ordinary process does.
CLIENT = """
import os
import vllm.benchmarks.serve
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = FlexibleArgumentParser()
vllm.benchmarks.serve.add_cli_args(parser)
arguments = parser.parse_args()
try:
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
except OSError:
    print("no real-time priority: the client may be kept waiting", flush=True)
vllm.benchmarks.serve.main(arguments)
"""


class ClientFailedError(Exception):
    """The client ended without a result; the message holds the end of its log."""


@dataclass(frozen=True)
class BenchPlan:
    """What the client sends."""

    requests: int
    rate: float
    """Requests per second, with exponential gaps; infinite for all at once."""
    goodput: Mapping[str, float] = field(default_factory=dict)
    """Objective (ttft, tpot) -> most seconds: the SLO of the client's own goodput."""
    prompt_tokens: int = 64
    output_tokens: int = 48
    spread: float = 0.5
    """Lengths are uniform between (1 - spread) and (1 + spread) times those."""
    seed: int = 1
    prefix: str = "bench-"
    """Of the request ids; a number follows."""

    @property
    def seconds(self) -> float:
        """Return the time in which requests start."""
        return self.requests / self.rate


@dataclass(frozen=True)
class BenchResult:
    """What the client found; times are in seconds, on its own clock."""

    timings: Mapping[str, Timing]
    """Request id as the client chose it -> what it saw; of the requests that were answered."""
    errors: int
    duration: float
    """From the first request's start to the last answer's end."""
    goodput: float | None
    """Good requests per second of ``duration``, by the client's own judgement."""
    throughput: float
    """Answered requests per second of ``duration``."""


def run_bench(server: VllmServer, plan: BenchPlan) -> BenchResult:
    """Send the whole plan and wait for every answer.

    Raises:
        ClientFailedError: the client ended without a result, or not in time.
    """
    return Bench(server, plan).wait()


class Bench:
    """One run of the client in the background."""

    def __init__(self, server: VllmServer, plan: BenchPlan) -> None:
        self._plan = plan
        self._folder = tempfile.TemporaryDirectory(prefix="pentameter-bench-")
        self._file = Path(self._folder.name) / "result.json"
        self.log = new_log(f"bench-{server.port}")
        command = [str(vllm_python()), "-P", "-c", CLIENT, *arguments(server, plan)]
        command += ["--result-dir", str(self._file.parent), "--result-filename", self._file.name]
        environment = {**inherited_environment(), **ENVIRONMENT, "VLLM_PLUGINS": ""}
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment
            )

    def wait(self) -> BenchResult:
        """Wait for the end and return the result; raises ``ClientFailedError``."""
        patience = START_SECONDS + self._plan.seconds + DRAIN_SECONDS
        try:
            status: int | str = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            status = f"no end after {patience:.0f} s"
        text = self._file.read_text() if self._file.is_file() else ""
        self._folder.cleanup()
        if status != 0 or not text:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-40:])
            message = f"the client ended with {status}; the end of {self.log}:\n{tail}"
            raise ClientFailedError(message)
        return read_result(json.loads(text), self._plan)

    def kill(self) -> None:
        """End the client at once, as one that loses patience: its open requests are aborted."""
        self._process.kill()
        self._process.wait()


def arguments(server: VllmServer, plan: BenchPlan) -> list[str]:
    """Return the client's command line."""
    goodput = [f"{objective}:{seconds * 1e3:.6f}" for objective, seconds in plan.goodput.items()]
    return [
        *("--model", server.model_name, "--tokenizer", str(tiny_llama()), "--base-url", server.url),
        *("--dataset-name", "random", "--random-range-ratio", str(plan.spread)),
        *("--random-input-len", str(plan.prompt_tokens), "--random-output-len", str(plan.output_tokens)),
        *("--num-prompts", str(plan.requests), "--request-rate", str(plan.rate), "--seed", str(plan.seed)),
        *("--request-id-prefix", plan.prefix, "--ignore-eos", "--temperature", "0", "--disable-tqdm"),
        *("--save-result", "--save-detailed"),
        *(["--goodput", *goodput] if goodput else []),
    ]


def read_result(found: Mapping[str, Any], plan: BenchPlan) -> BenchResult:
    """Return what a result file says.

    The client's TPOT is (last chunk - first chunk) / (output tokens - 1), and 0 for a single token; the time between
    its first and last chunk is the sum of the gaps that it notes.
    """
    timings = {}
    columns = zip(found["ttfts"], found["itls"], found["output_lens"], found["errors"], strict=True)
    for number, (ttft, gaps, tokens, error) in enumerate(columns):
        if not error:
            tpot = math.fsum(gaps) / (tokens - 1) if tokens > 1 else 0.0
            timings[f"{plan.prefix}{number}"] = Timing(ttft, tpot, tokens)
    goodput = found["request_goodput"]
    return BenchResult(
        timings=timings,
        errors=len(found["errors"]) - len(timings),
        duration=float(found["duration"]),
        goodput=None if goodput is None else float(goodput),
        throughput=float(found["request_throughput"]),
    )
