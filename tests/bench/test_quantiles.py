"""Quantiles from vLLM's buckets, PromQL's even spread beside ours: prints the errors against what was observed."""

import math
import random
import time
from bisect import bisect_left, bisect_right

import pytest

from pentameter.histogram import bracket, quantiles
from pentameter.readings import Histogram

INF = math.inf
QS = (0.5, 0.9, 0.95, 0.99)
BOUNDS = {
    "TTFT": (
        *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75),
        *(1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560),
    ),
    "TPOT": (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80),
    "e2e": (0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680),
}
LATENCIES = {
    "TTFT": [("lognormal", m, s) for m in (0.03, 0.08, 0.18, 0.35, 0.8, 2.0) for s in (0.3, 0.5, 0.8, 1.1)]
    + [("cache hits", m, s) for m in (0.2, 0.4, 0.8, 1.5) for s in (0.3, 0.7)]
    + [("shifted gamma", m, k) for m in (0.05, 0.15, 0.4, 1.0) for k in (1.0, 2.0)],
    "TPOT": [("lognormal", m, s) for m in (0.006, 0.009, 0.012, 0.02, 0.04, 0.09) for s in (0.1, 0.2, 0.35, 0.5)]
    + [("two modes", m, 0.8) for m in (0.008, 0.012, 0.018, 0.03, 0.05)]
    + [("shifted gamma", m, k) for m in (0.004, 0.01, 0.02) for k in (2.0, 6.0)],
    "e2e": [("lognormal", m, s) for m in (0.5, 2.0, 8.0, 25.0, 90.0) for s in (0.1, 0.3, 0.6)]
    + [("two modes", m, 0.7) for m in (1.0, 5.0, 20.0)],
}


def draw(rng, family, size, shape):
    """Return one latency in seconds."""
    if family == "lognormal":
        return size * math.exp(rng.gauss(0, shape))
    if family == "cache hits":
        hit = rng.random() < shape
        return (size / 8 if hit else size) * math.exp(rng.gauss(0, 0.35 if hit else 0.5))
    if family == "two modes":
        return abs(rng.gauss(size, size * 0.08) if rng.random() < shape else rng.gauss(2 * size, size * 0.3))
    return 0.03 * size + rng.gammavariate(shape, size)


def linear(histogram, q):
    """Return what PromQL's histogram_quantile answers below the highest finite bound."""
    rank = q * histogram.count
    i = bisect_left(histogram.counts, rank)
    if math.isinf(histogram.bounds[i]):
        return None
    low, below = (histogram.bounds[i - 1], histogram.counts[i - 1]) if i else (0.0, 0.0)
    return low + (histogram.bounds[i] - low) * (rank - below) / (histogram.counts[i] - below)


def of(bounds, observed):
    ends = (*bounds, INF)
    return Histogram(ends, tuple(float(bisect_right(observed, b)) for b in ends), math.fsum(observed))


def row(errors):
    """Return median, 90th percentile and greatest of the absolute errors, in per cent, and how many there are."""
    found = sorted(abs(error) for error in errors if error is not None)
    if not found:
        return "-"
    parts = (found[len(found) // 2], found[int(len(found) * 0.9)], found[-1])
    return "/".join(f"{100 * part:5.1f}" for part in parts) + f" ({len(found):3d})"


@pytest.mark.bench
@pytest.mark.parametrize("latency", BOUNDS)
def test_the_error_of_quantiles_beside_promqls(latency):
    rng = random.Random(20)
    print(f"\n{latency}: error in % of the observed quantile, median/90th percentile/greatest (answers)")
    print(f"  {'n':>6} {'':8} " + " ".join(f"{f'p{100 * q:g}':^24}" for q in QS))
    for n in (100, 300, 3000, 30_000):
        errors = {"linear": [[] for _ in QS], "probit": [[] for _ in QS]}
        for case in LATENCIES[latency] * (3 if n < 3000 else 1):
            observed = sorted(draw(rng, *case) for _ in range(n))
            histogram = of(BOUNDS[latency], observed)
            answers = {"linear": [linear(histogram, q) for q in QS], "probit": quantiles(histogram, QS)}
            for i, q in enumerate(QS):
                true = observed[math.ceil(round(q * n, 9)) - 1]
                limits = bracket(histogram, q)
                assert limits.lower <= true * (1 + 1e-9) <= limits.upper * (1 + 2e-9)
                for method, answer in answers.items():
                    errors[method][i].append(None if answer[i] is None else answer[i] / true - 1)
        for method, by_quantile in errors.items():
            print(f"  {n:6d} {method:8} " + " ".join(f"{row(found):^24}" for found in by_quantile))


@pytest.mark.bench
def test_the_time_that_the_quantiles_of_one_engine_take():
    rng = random.Random(20)
    histograms = [
        of(bounds, sorted(draw(rng, "lognormal", 0.3, 0.8) for _ in range(3000))) for bounds in BOUNDS.values()
    ]
    best = INF
    for _ in range(300):
        started = time.perf_counter()
        for histogram in histograms:
            quantiles(histogram, QS)
        best = min(best, time.perf_counter() - started)
    each = best / len(histograms)
    print(f"\n  four quantiles of a histogram: {1e6 * each:.0f} us; 7 latencies in 3 windows: {21e3 * each:.2f} ms")
