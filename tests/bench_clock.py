"""How the benchmarks take time."""

import time


def best(call, rounds):
    """Return the fastest of some rounds in seconds: the least disturbed one."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)
