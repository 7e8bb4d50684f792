"""A load client: real streaming completions at a given rate, with the client's own book of what it got."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from e2e.rig.model import FIRST_ORDINARY_TOKEN, VOCABULARY

REQUEST_SECONDS = 60.0


@dataclass(frozen=True)
class Plan:
    """What to send; the load ends when either bound is reached."""

    requests: int
    """Bound on the count."""
    seconds: float
    """Bound on the time in which requests start."""
    rate: float
    """Requests per second, unless ``in_flight`` holds them back."""
    poisson: bool = True
    """Exponential gaps between starts; else equal ones."""
    in_flight: int = 8
    """Bound on the requests that are open at one time."""
    prompt_tokens: tuple[int, int] = (16, 256)
    """Least and most length of a prompt."""
    output_tokens: tuple[int, int] = (8, 64)
    """Least and most length of an answer; the model is not allowed to stop sooner."""
    seed: int = 1
    shared_tokens: int = 0
    """That every prompt begins with, as with a system prompt; they come on top of its length."""


@dataclass
class Record:
    """What the client saw of one request; times are in seconds."""

    tokens_asked: int
    time_to_first_token: float | None = None
    between_chunks: list[float] = field(default_factory=list)
    chunks: int = 0
    """Pieces of text; a piece holds one token, or several when the client read late."""
    prompt_tokens: int | None = None
    """As the server counted; None when the answer broke off."""
    completion_tokens: int | None = None
    error: str | None = None


@dataclass(frozen=True)
class Totals:
    """Sums over the requests that were answered in full."""

    requests: int
    errors: int
    prompt_tokens: int
    completion_tokens: int


class Load:
    """One run of a plan against a server's ``/v1/completions``."""

    def __init__(self, url: str, model_name: str, plan: Plan) -> None:
        self._host = urlsplit(url).netloc
        self._model_name = model_name
        self._plan = plan
        self._random = random.Random(plan.seed)
        self._slots = threading.BoundedSemaphore(plan.in_flight)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.records: list[Record] = []

    def run(self) -> Totals:
        """Send the whole plan and wait for every answer."""
        threads = []
        due = time.monotonic()
        last_start = due + self._plan.seconds
        for _ in range(self._plan.requests):
            if due > last_start or self._stopped.wait(max(0.0, due - time.monotonic())):
                break
            self._slots.acquire()
            body = self._request_body()
            record = Record(tokens_asked=body["max_tokens"])
            self.records.append(record)
            thread = threading.Thread(target=self._send, args=(body, record), daemon=True)
            thread.start()
            threads.append(thread)
            due += self._gap()
        for thread in threads:
            thread.join()
        return self.totals()

    def start(self) -> None:
        """Run in the background."""
        self._thread = threading.Thread(target=self.run, daemon=True)
        self._thread.start()

    def stop(self) -> Totals:
        """Send no more, and wait for the answers that are under way."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
        return self.totals()

    def totals(self) -> Totals:
        """Return the sums so far."""
        done = [record for record in self.records if record.completion_tokens is not None]
        return Totals(
            requests=len(done),
            errors=sum(record.error is not None for record in self.records),
            prompt_tokens=sum(record.prompt_tokens or 0 for record in done),
            completion_tokens=sum(record.completion_tokens or 0 for record in done),
        )

    def tokens_asked(self) -> int:
        """Return how many tokens the client asked for, answered or not: no server can have sent more."""
        return sum(record.tokens_asked for record in self.records)

    def _gap(self) -> float:
        if self._plan.poisson:
            return self._random.expovariate(self._plan.rate)
        return 1.0 / self._plan.rate

    def _request_body(self) -> dict[str, Any]:
        length = self._random.randint(*self._plan.prompt_tokens)
        # Token ids, so that the length is exact; random, so that the prefix cache seldom helps.
        prompt = [self._random.randrange(FIRST_ORDINARY_TOKEN, VOCABULARY) for _ in range(length)]
        prompt = [FIRST_ORDINARY_TOKEN] * self._plan.shared_tokens + prompt
        return {
            "model": self._model_name,
            "prompt": prompt,
            "max_tokens": self._random.randint(*self._plan.output_tokens),
            "ignore_eos": True,
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    def _send(self, body: dict[str, Any], record: Record) -> None:
        connection = http.client.HTTPConnection(self._host, timeout=REQUEST_SECONDS)
        try:
            started = time.monotonic()
            connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
            read_answer(connection.getresponse(), started, record)
        except (OSError, http.client.HTTPException, ValueError) as error:
            record.error = f"{type(error).__name__}: {error}"
        finally:
            connection.close()
            self._slots.release()


def read_answer(response: http.client.HTTPResponse, started: float, record: Record) -> None:
    """Follow one event stream to its end and write down what comes.

    Raises:
        OSError, http.client.HTTPException, ValueError: the stream broke off or made no sense.
    """
    if response.status != 200:
        message = f"HTTP {response.status}: {response.read(200)!r}"
        raise ValueError(message)
    previous: float | None = None
    for line in response:
        if not line.startswith(b"data: {"):
            continue
        now = time.monotonic()
        event = json.loads(line[len(b"data: ") :])
        if event.get("choices"):
            record.chunks += 1
            if previous is None:
                record.time_to_first_token = now - started
            else:
                record.between_chunks.append(now - previous)
            previous = now
        if event.get("usage"):
            record.prompt_tokens = event["usage"]["prompt_tokens"]
            record.completion_tokens = event["usage"]["completion_tokens"]
    if record.completion_tokens is None:
        message = "the stream ended without a usage record"
        raise ValueError(message)
