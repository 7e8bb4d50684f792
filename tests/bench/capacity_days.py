"""Simulated days through the product's own windows, book and estimate."""

from dataclasses import dataclass

import numpy as np

from capacity_server import WORKLOADS, lengths, serve
from capacity_traffic import DAY, TARGET, draw, rates_of_a_day
from pentameter.capacity.estimate import Limits
from pentameter.capacity.memory import CapacityBook
from pentameter.capacity.windows import LoadWindows

CALL = 4.0
"""Seconds between two calls of ``advance``."""
SCORE_CAP = 16.0


@dataclass(frozen=True)
class Answer:
    """What was said at one moment, beside the truth."""

    workload: str
    kind: str
    peak: float
    hours: float
    truth: float
    capacity: object
    last: bool = False


def limits_of(workload):
    return Limits(target=TARGET, max_num_seqs=workload.max_num_seqs, backlog_seconds=workload.ttft)


def simulate(workload, rates, kind, random, stretch=None):
    """Return everything that happened: arrivals, TTFT, TPOT, finish times, answers' lengths, gauges."""
    arrivals = draw(kind, rates, random)
    prompts, outputs = lengths(workload, len(arrivals), random)
    if stretch is not None:
        outputs = np.clip(outputs * stretch(arrivals), 2, 6000).astype(np.int64)
    until = len(rates) * 5.0 + 3600.0
    first, last, *gauges = serve(workload, arrivals, prompts, outputs, until)
    return arrivals, first - arrivals, (last - first) / (outputs - 1), last, outputs, prompts, gauges


def replay(workload, happened, seconds, ask_every=4 * 3600.0):
    """Feed a simulation to the product as it would see it; yield (hours, capacity)."""
    arrivals, ttft, tpot, last, outputs, prompts, (running, waiting, kv) = happened
    order = np.argsort(last)  # NaN: last, never seen
    order = order[: np.count_nonzero(~np.isnan(last))]
    finished = last[order].tolist()
    came, tokens, asked_tokens = arrivals[order].tolist(), outputs[order].tolist(), prompts[order].tolist()
    by_ttft, by_tpot = (ttft[order] / workload.ttft).tolist(), (tpot[order] / workload.tpot).tolist()
    windows = LoadWindows(0.0, TARGET)
    book = CapacityBook(limits_of(workload))
    add, gauges = windows.add_request, windows.add_gauges
    i, count, now, asked = 0, len(finished), 0.0, ask_every
    while now < seconds:
        now += CALL
        for k in (int(now / 2) - 1, int(now / 2)):
            gauges(2.0 * k, float(running[k]), float(waiting[k]), float(kv[k]))
        while i < count and finished[i] <= now:
            a, b = by_ttft[i], by_tpot[i]
            score = a if a > b else b
            add(came[i], min(SCORE_CAP, score), score <= 1, {"ttft": a, "tpot": b}, tokens[i], asked_tokens[i])
            i += 1
        mature = windows.advance(now)
        if mature:
            book.add(mature, monotonic=now, wall=now)
        if now >= asked:
            yield now / 3600, book.estimate(now)
            asked += ask_every
    replay.book = book  # for whoever looks closer


def day(name, kind, peak, truth, seed, days=1):
    """Return the answers of one run: every four hours, the last one marked; ``peak`` in units of the truth."""
    workload = WORKLOADS[name]
    random = np.random.default_rng([seed, int(1000 * peak), *name.encode()])
    seconds = days * DAY
    happened = simulate(workload, rates_of_a_day(peak * truth, seconds, random), kind, random)
    answers = [Answer(name, kind, peak, hours, truth, said) for hours, said in replay(workload, happened, seconds)]
    last = answers[-1]
    answers[-1] = Answer(name, kind, peak, last.hours, truth, last.capacity, last=True)
    return answers
