"""Rolling quantiles beside keeping every value and beside DDSketch's own package: prints costs, errors and bytes."""

import gc
import math
import random
import time
import tracemalloc
from collections import deque

import pytest

import bench_clock
from pentameter.rolling_sketch import RollingSketch
from pentameter.sketch import index_of
from pentameter.windows import Window

WINDOWS = (Window("1m", 60.0), Window("5m", 300.0), Window("1h", 3600.0))
QS = (0.5, 0.9, 0.95, 0.99)
RANDOM = random.Random(7)
VALUES = [RANDOM.lognormvariate(-1.5, 1.0) for _ in range(200_000)]
LATENCIES = 7
ROUNDS = 30


class Everything:
    """The plain way: every value of the window, sorted when somebody asks."""

    def __init__(self):
        self.kept = deque()

    def add(self, moment, value):
        self.kept.append((moment, value))
        while self.kept[0][0] <= moment - 3600.0:
            self.kept.popleft()

    def quantiles(self):
        ordered = sorted(value for _, value in self.kept)
        return [ordered[math.ceil(q * len(ordered)) - 1] for q in QS]


class Ours:
    """All three windows; the longest is asked."""

    def __init__(self):
        self.sketch = RollingSketch(WINDOWS)
        self.add = self.sketch.add
        self.now = 0.0

    def quantiles(self):
        # A new value first, because nothing is computed anew while nothing has changed.
        self.now += 1e-6
        self.sketch.add(1000.0 + self.now, 0.2)
        return self.sketch.quantiles("1h", QS, 1000.0 + self.now)


class Official:
    """The package of DDSketch's authors; it knows no windows."""

    def __init__(self):
        self.sketch = pytest.importorskip("ddsketch").DDSketch(0.01)

    def add(self, moment, value):
        self.sketch.add(value)

    def quantiles(self):
        return [self.sketch.get_quantile_value(q) for q in QS]


def best(call):
    """Return the fastest round in microseconds."""
    return bench_clock.best(call, ROUNDS) * 1e6


@pytest.mark.bench
@pytest.mark.parametrize("kind", [Everything, Ours, Official])
def test_cost_and_error_at_200_values_per_second(kind):
    gc.collect()
    tracemalloc.start()
    one = kind()
    for number, value in enumerate(VALUES):
        one.add(number / 200, value)
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    one = kind()
    chunks = []
    for start in range(0, len(VALUES), 5000):
        started = time.perf_counter()
        for number, value in enumerate(VALUES[start : start + 5000], start):
            one.add(number / 200, value)
        chunks.append((time.perf_counter() - started) / 5000 * 1e6)
    adding = min(chunks[len(chunks) // 2 :])  # of the later ones, when the shorter windows are full
    ordered = sorted(VALUES)
    exact = [ordered[math.ceil(q * len(ordered)) - 1] for q in QS]
    error = max(abs(told / true - 1) for told, true in zip(one.quantiles(), exact, strict=True))
    asking = best(one.quantiles)
    print(
        f"\n  {kind.__name__:10} add {adding:6.2f} us, four quantiles {asking:9.1f} us, "
        f"largest error {error:.2%}, {kept / 1e3:.0f} kB"
    )


@pytest.mark.bench
@pytest.mark.parametrize("rate", [10, 100, 5000])
def test_memory_of_an_engine_after_a_full_hour(rate):
    indexes = [index_of(value) for value in VALUES]
    gc.collect()
    tracemalloc.start()
    sketch = RollingSketch(WINDOWS)
    for second in range(3700):
        counts, start = {}, second * rate % (len(VALUES) - rate)
        for index in indexes[start : start + rate]:
            counts[index] = counts.get(index, 0) + 1
        sketch.add_counts(float(second), counts, float(rate))
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    print(f"\n  {rate:5} values/s: {kept / 1e3:.0f} kB, {LATENCIES} latencies {LATENCIES * kept / 1e6:.1f} MB")


@pytest.mark.bench
@pytest.mark.parametrize("rate", [1, 10, 100, 5000])
def test_cost_of_the_rounds_of_an_engine(rate):
    """A second of the daemon's life: the values, then every mean and quantile of three windows."""
    sketch, second = RollingSketch(WINDOWS), 0
    for second in range(100):
        sketch.add_counts(float(second), {index_of(value): 1 for value in VALUES[:rate]}, 1.0)
    adding, asking = [], []
    for second in range(100, 130):
        start = time.perf_counter()
        for number in range(rate):
            sketch.add(second + number / rate, VALUES[number])
        added = time.perf_counter()
        for window in WINDOWS:
            sketch.mean(window.label, second + 1.0)
            sketch.quantiles(window.label, QS, second + 1.0)
        adding.append(added - start)
        asking.append(time.perf_counter() - added)
    print(f"\n  {rate:5} values/s: add {min(adding) / rate * 1e6:.2f} us, all windows asked {min(asking) * 1e6:.0f} us")
