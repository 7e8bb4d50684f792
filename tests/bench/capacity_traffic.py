"""Arrivals of a simulated day, and the true capacity at a steady rate."""

import numpy as np
from capacity_server import lengths, serve

TARGET = 0.9
STEP = 5.0
DAY = 86_400.0


def rates_of_a_day(peak, seconds, random, spread=0.12, memory=900.0):
    """Return the rate every ``STEP`` seconds: a daily curve with a fourth of the peak at night, times slow noise."""
    moments = np.arange(0, seconds, STEP)
    curve = 0.25 + 0.75 * (0.5 + 0.5 * np.cos(2 * np.pi * (moments / DAY - 14 / 24))) ** 1.5
    keep = np.exp(-STEP / memory)
    shocks = random.normal(0.0, spread * np.sqrt(1 - keep * keep), len(moments))
    noise = np.empty(len(moments))
    level = 0.0
    for i, shock in enumerate(shocks):
        level = keep * level + shock
        noise[i] = level
    return peak * curve * np.exp(noise - spread**2 / 2)


def with_bursts(rates, random, factor=1.8, per_hour=6.0):
    """Raise the rate for 20 to 40 s at a time, some times per hour."""
    raised = rates.copy()
    for start in random.integers(0, len(rates), int(len(rates) * STEP / 3600 * per_hour)):
        raised[start : start + int(random.integers(4, 9))] *= factor
    return raised


def arrivals_at(rates, random, clump=1.0):
    """Return arrival times; with ``clump`` > 1 they come in groups of that mean size (geometric), at one moment."""
    counts = random.poisson(rates * STEP / clump)
    moments = np.repeat(np.arange(len(rates)) * STEP, counts) + random.random(counts.sum()) * STEP
    if clump > 1.0:
        moments = np.repeat(moments, random.geometric(1 / clump, len(moments)))
    return np.sort(moments)


KINDS = {
    "steady": (lambda rates, random: rates, 1.0),
    "bursts": (with_bursts, 1.0),
    "clumps": (lambda rates, random: rates, 2.0),
}


def draw(kind, rates, random):
    """Return the arrivals of one kind of traffic around given rates."""
    shape, clump = KINDS[kind]
    return arrivals_at(shape(rates, random), random, clump)


def attainment(workload, rate, kind, random, seconds=4 * 3600.0, warm=600.0):
    """Return the share of good requests and the offered rate at a steady rate."""
    arrivals = draw(kind, np.full(int(seconds / STEP), rate), random)
    prompts, outputs = lengths(workload, len(arrivals), random)
    first, last, *_ = serve(workload, arrivals, prompts, outputs, seconds + 3600.0)
    counted = (arrivals > warm) & (arrivals < seconds)
    ttft, tpot = first - arrivals, (last - first) / (outputs - 1)
    good = (ttft <= workload.ttft) & (tpot <= workload.tpot)  # False where NaN
    return good[counted].mean(), counted.sum() / (seconds - warm)


def true_capacity(workload, kind="steady", seed=77):
    """Return the highest steady rate with the target attainment: bisection, then a fine grid with a monotone fit."""
    from pentameter.capacity.isotonic import antitonic, last_at_least

    random = np.random.default_rng(seed)
    low, high = 0.05, 80.0
    while high / low > 1.08:
        middle = np.sqrt(low * high)
        if attainment(workload, middle, kind, random)[0] >= TARGET:
            low = middle
        else:
            high = middle
    grid = np.linspace(0.93 * low, 1.07 * high, 13)
    found = []
    for rate in grid:
        runs = [attainment(workload, rate, kind, random) for _ in range(4)]
        found.append((np.mean([run[1] for run in runs]), np.mean([run[0] for run in runs])))
    found.sort()
    fit = antitonic([share for _, share in found], [1.0] * len(found))
    at = last_at_least(fit, TARGET)
    (x0, _), (x1, _) = found[at], found[at + 1]
    return float(x0 + (x1 - x0) * (fit[at] - TARGET) / (fit[at] - fit[at + 1]))
