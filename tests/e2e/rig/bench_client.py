"""vLLM's own load client, ``vllm bench serve``: an independent book of what every request got."""

from __future__ import annotations

import json
import math
import select
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from e2e.rig.install import vllm_python
from e2e.rig.model import tiny_llama
from e2e.rig.process import new_log
from e2e.rig.timings import Timing
from e2e.rig.vllm import ENVIRONMENT, inherited_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from e2e.rig.vllm import VllmServer

START_SECONDS = 60.0
"""Of the client, most of it for its imports."""

DRAIN_SECONDS = 120.0
"""For the answers that are under way when the last request has been sent."""

# It reads one command line per benchmark and answers with one line when that is done: its imports take seconds. Its
# stopwatch must not wait for its turn on busy cores, else it measures the scheduler. Where a real-time priority is not
# granted, it measures as an ordinary process does.
CLIENT = """
import contextlib, json, os, sys
import vllm.benchmarks.serve
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = FlexibleArgumentParser()
vllm.benchmarks.serve.add_cli_args(parser)
try:
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
except OSError:
    print("no real-time priority: the client may be kept waiting", file=sys.stderr, flush=True)
for line in sys.stdin:
    with contextlib.redirect_stdout(sys.stderr):
        vllm.benchmarks.serve.main(parser.parse_args(json.loads(line)))
    print("done", flush=True)
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


class BenchClient:
    """A process of the client, for any number of benchmarks one after the other; a context manager that ends it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="pentameter-bench-")
        self.log = new_log(f"bench-{Path(self._folder.name).name}")
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                [str(vllm_python()), "-P", "-c", CLIENT],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env={**inherited_environment(), **ENVIRONMENT, "VLLM_PLUGINS": ""},
                text=True,
            )
        self._patience = START_SECONDS
        """The first benchmark waits for the start."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it; requests that are under way are aborted."""
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()

    def run(self, server: VllmServer, plan: BenchPlan) -> BenchResult:
        """Send the whole plan and wait for every answer.

        Raises:
            ClientFailedError: the client ended without a result, or not in time.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        file = Path(self._folder.name) / "result.json"
        file.unlink(missing_ok=True)
        command = [*arguments(server, plan), "--result-dir", str(file.parent), "--result-filename", file.name]
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        patience, self._patience = self._patience + plan.seconds + DRAIN_SECONDS, 0.0
        answered, _, _ = select.select([self._process.stdout], [], [], patience)
        if not answered or not self._process.stdout.readline() or not file.is_file():
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-40:])
            message = f"the client has no result after at most {patience:.0f} s; the end of {self.log}:\n{tail}"
            raise ClientFailedError(message)
        return read_result(json.loads(file.read_text()), plan)


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
