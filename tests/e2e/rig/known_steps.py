"""Servers and requests whose steps are known: one request at a time, its prompt in chunks of a known length."""

from __future__ import annotations

import os
import random
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from e2e.rig.completions import complete
from e2e.rig.model import tiny_model
from e2e.rig.page import sample
from e2e.rig.vllm import VllmServer
from e2e.rig.vllm_perf import step_terms, total
from e2e.rig.waiting import wait_until
from e2e.rig.work_terms import PHASES, Model, Request, model_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

FLOPS = "vllm:estimated_flops_per_gpu_total"
READ = "vllm:estimated_read_bytes_per_gpu_total"
WRITTEN = "vllm:estimated_write_bytes_per_gpu_total"
STEPS = "vllm:iteration_tokens_total_count"
STEP_TOKENS = "vllm:iteration_tokens_total_sum"
CACHED = "vllm:prompt_tokens_cached_total"
GENERATED = "vllm:generation_tokens_total"
COUNTERS = (FLOPS, READ, WRITTEN, STEPS, STEP_TOKENS, CACHED, GENERATED)

BLOCK = 32
FIRST_ORDINARY_TOKEN = 3


@dataclass(frozen=True)
class Setup:
    """How a model is served, and what it is asked."""

    args: tuple[str, ...]
    requests: tuple[Request, ...]


def requests(chunk: int, sizes: Iterable[tuple[int, int]]) -> tuple[Request, ...]:
    """Return requests of so many prompt and output tokens."""
    return tuple(Request(prompt, output, chunk) for prompt, output in sizes)


CHUNKS = ("--max-num-batched-tokens", "256", "--max-num-seqs", "8")
NO_CACHE = ("--no-enable-prefix-caching",)
USUAL = ((8, 1), (37, 6), (200, 12), (700, 5))
"""One token; a short prompt; one that is longer than the window; one in three chunks."""
ALL = requests(256, [*USUAL, (257, 3)])
"""And one with a last chunk of a single token, which vLLM's estimate takes for a decode."""

SETUPS = {
    "tiny-llama": Setup(
        (*CHUNKS, "--enable-prefix-caching", "--block-size", str(BLOCK)),
        # The prompt of 200 tokens again: its whole blocks are in the cache.
        (*ALL, Request(200, 4, chunk=256, cached=200 // BLOCK * BLOCK)),
    ),
    "tiny-moe": Setup((*CHUNKS, *NO_CACHE), ALL),
    "tiny-window": Setup((*CHUNKS, *NO_CACHE), ALL),
    # With MLA on CPUs vLLM computes a prompt in one piece.
    "tiny-mla": Setup(("--max-num-batched-tokens", "2048", "--max-num-seqs", "8", *NO_CACHE), requests(2048, USUAL)),
}


@dataclass(frozen=True)
class Answered:
    """A request, and what vLLM's counters grew by."""

    request: Request
    grown: dict[str, float]


class Served:
    """One of the tiny models on a real vLLM with Pentameter's plugin."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.folder: Path = tiny_model(name)
        self.model: Model = model_at(self.folder)
        self.requests = SETUPS[name].requests
        self.socket = f"@pentameter-work-{os.getpid()}-{name}"
        self.server = VllmServer(args=SETUPS[name].args, plugin=self.socket, model=name)

    def counters(self) -> dict[str, float]:
        """Return vLLM's counters now."""
        page = self.server.metrics()
        return {name: sample(page, name) or 0.0 for name in COUNTERS}

    def ask(self, asked: Sequence[Request], seed: str = "") -> list[Answered]:
        """Send requests one after the other; equal seeds and lengths make equal prompts."""
        return [self._ask(request, seed) for request in asked]

    def _ask(self, request: Request, seed: str) -> Answered:
        """Send a request and wait until vLLM has done all that it does because of it.

        After the last answer its scheduler goes round once more with nothing to do, and bills the weights for it.
        """
        before = self.counters()
        complete(self.server, self._prompt(request, seed), request.output)
        steps = [step for phase in PHASES for step in request.steps(phase)]
        least = before[READ] + sum(total(step_terms(self.model.sizes, step)).read for step in steps)
        wait_until("vLLM has billed the step with nothing to do", lambda: self.counters()[READ] > least)
        after = self.counters()
        return Answered(request, {name: after[name] - before[name] for name in COUNTERS})

    def ask_at_once(self, asked: Sequence[Request], seed: str) -> list[Answered]:
        """Send requests together, wait until vLLM has counted their tokens, and return no answers of single ones."""
        expected = self.counters()[GENERATED] + sum(request.output for request in asked)
        threads = [
            threading.Thread(target=complete, args=(self.server, self._prompt(request, seed), request.output))
            for request in asked
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_until("vLLM has counted all tokens", lambda: self.counters()[GENERATED] >= expected)
        return []

    def _prompt(self, request: Request, seed: str) -> list[int]:
        tokens = range(FIRST_ORDINARY_TOKEN, self.model.sizes.vocabulary)
        return random.Random(f"{seed}-{request.prompt}").choices(tokens, k=request.prompt)
