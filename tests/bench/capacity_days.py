"""Simulated days through the product's own windows, book and estimate."""

from dataclasses import dataclass, replace

import numpy as np
from capacity_server import WORKLOADS, lengths, longer, serve
from capacity_traffic import DAY, STEP, TARGET, draw, rates_of_a_day, true_capacity

from pentameter.capacity.estimate import Capacity, Limits
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
    seed: int
    hours: float
    truth: float
    capacity: Capacity
    forgot: int
    """How often the book has taken the server for slower."""


@dataclass(frozen=True)
class Happened:
    """What a simulation brought: per request, and the gauges every two seconds."""

    arrivals: np.ndarray
    first: np.ndarray
    last: np.ndarray
    prompts: np.ndarray
    outputs: np.ndarray
    gauges: tuple


def simulate(workload, rates, kind, random, stretch=None):
    """Serve traffic around given rates; ``stretch`` makes the answers longer by a function of the arrival."""
    arrivals = draw(kind, rates, random)
    prompts, outputs = lengths(workload, len(arrivals), random)
    if stretch is not None:
        outputs = np.clip(outputs * stretch(arrivals), 2, 6000).astype(np.int64)
    first, last, *gauges = serve(workload, arrivals, prompts, outputs, len(rates) * STEP + 3600.0)
    return Happened(arrivals, first, last, prompts, outputs, tuple(gauges))


def replay(workload, happened, seconds, ask_every=4 * 3600.0):
    """Feed a simulation to the product in the order in which it would see it; yield hours, capacity, slowdowns."""
    h = happened
    order = np.argsort(h.last)[: np.count_nonzero(~np.isnan(h.last))]  # NaN comes last: never seen
    ttft = ((h.first - h.arrivals) / workload.ttft)[order].tolist()
    tpot = ((h.last - h.first) / (h.outputs - 1) / workload.tpot)[order].tolist()
    finished, came = h.last[order].tolist(), h.arrivals[order].tolist()
    outputs, prompts = h.outputs[order].tolist(), h.prompts[order].tolist()
    running, waiting, kv = (gauge.tolist() for gauge in h.gauges)
    windows = LoadWindows(0.0, TARGET)
    limits = Limits(target=TARGET, max_num_seqs=workload.max_num_seqs, backlog_seconds=workload.ttft)
    book = CapacityBook(limits)
    i, count, now, ask = 0, len(finished), 0.0, ask_every
    while now < seconds:
        now += CALL
        for k in (int(now / 2) - 1, int(now / 2)):
            windows.add_gauges(2.0 * k, running[k], waiting[k], kv[k])
        while i < count and finished[i] <= now:
            score = max(ttft[i], tpot[i])
            margins = {"ttft": ttft[i], "tpot": tpot[i]}
            windows.add_request(came[i], min(SCORE_CAP, score), score <= 1, margins, outputs[i], prompts[i])
            i += 1
        book.add(windows.advance(now), monotonic=now, wall=now)
        if now >= ask:
            yield now / 3600, book.estimate(now), book.slowdowns
            ask += ask_every


def one_day(name, kind, peak, truth, seed):
    """Return the answers of one day, every four hours; ``peak`` in units of the truth."""
    workload = WORKLOADS[name]
    random = np.random.default_rng([seed, int(1000 * peak), *name.encode(), *kind.encode()])
    happened = simulate(workload, rates_of_a_day(peak * truth, DAY, random), kind, random)
    return [Answer(name, kind, peak, seed, hours, truth, *said) for hours, *said in replay(workload, happened, DAY)]


# ---------------------------------------------------------------- things that change

CHANGES = ("daily drift", "longer answers", "slower server")
MOMENT = 1.45 * DAY
SLOWNESS = 1.5


def drift(seconds):
    """Answers from 0.64 to 1.57 times as long, in the course of the day."""
    return np.exp(0.45 * np.sin(2 * np.pi * seconds / DAY + 1.0))


def slower(workload):
    """Return the same workload on a server of which every step takes longer."""
    costs = ("per_step", "per_decode", "per_prompt_token", "per_context_token", "experts")
    return replace(workload, **{cost: SLOWNESS * getattr(workload, cost) for cost in costs})


class Changing:
    """Two days of one workload in which something changes, and the truth at every moment."""

    def __init__(self, name):
        self.name = name
        self.workload = WORKLOADS[name]
        self.logs = np.linspace(-0.6, 0.6, 7)
        self.capacities = [true_capacity(longer(self.workload, float(np.exp(log)))) for log in self.logs]
        self.slow = true_capacity(slower(self.workload))

    def truth(self, change, seconds):
        """Return the capacity of the present mix and server."""
        if change == "slower server" and seconds >= MOMENT:
            return self.slow
        return float(np.interp(np.log(self._stretch(change, np.array([seconds]))[0]), self.logs, self.capacities))

    def _stretch(self, change, seconds):
        if change == "daily drift":
            return drift(seconds)
        return np.where((seconds >= MOMENT) & (change == "longer answers"), 1.6, 1.0)

    def answers(self, change, peak, seed):
        """Yield the answers every two hours; of the sudden changes those after them."""
        random = np.random.default_rng([seed, int(1000 * peak), *change.encode()])
        rates = rates_of_a_day(peak * self.truth("", 0.0), 2 * DAY, random)
        if change == "slower server":
            border = int(MOMENT / STEP)
            before = simulate(self.workload, np.where(np.arange(len(rates)) < border, rates, 0), "steady", random)
            later = simulate(
                slower(self.workload), np.where(np.arange(len(rates)) < border, 0, rates), "steady", random
            )
            happened = joined(before, later)
        else:
            happened = simulate(self.workload, rates, "steady", random, lambda t: self._stretch(change, t))
        for hours, *said in replay(self.workload, happened, 2 * DAY, 2 * 3600.0):
            if change == "daily drift" or 3600 * hours > MOMENT:
                truth = self.truth(change, 3600 * hours)
                yield Answer(self.name, change, peak, seed, hours, truth, *said)


def joined(one, two):
    """Return two simulations that follow each other as one."""
    arrays = (np.concatenate(pair) for pair in zip(_arrays(one), _arrays(two), strict=True))
    return Happened(*arrays, tuple(np.maximum(a, b) for a, b in zip(one.gauges, two.gauges, strict=True)))


def _arrays(happened):
    return happened.arrivals, happened.first, happened.last, happened.prompts, happened.outputs
