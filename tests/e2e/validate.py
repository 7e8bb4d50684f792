"""Pentameter's attainment and quantiles beside those of ``vllm bench serve``, on the same requests.

Run ``PYTHONPATH=tests python -m e2e.validate``. Nothing is judged here: ``test_real_goodput.py`` does that.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from e2e.rig.page import sample
from e2e.rig.process import end_tidily_when_terminated
from e2e.rig.timings import good, order_statistic
from e2e.rig.watched_load import LEVELS, WINDOW, WITH_RECORDS, Observatory, plan_at

if TYPE_CHECKING:
    from e2e.rig.watched_load import Seen

QUANTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


def attainment(page: str, slo: str, bound: str = "exact") -> float | None:
    """Return what an exporter says."""
    return sample(page, "pentameter_slo_attainment_ratio", slo=slo, bound=bound, window=WINDOW)


def validate(factor: float) -> None:
    """Run every level, ``factor`` times as long as the tests do, and print the tables."""
    observatory = Observatory()
    try:
        observatory.start()
        found = observatory.calibrate()
        print(f"a full batch finishes {found.capacity:.1f} requests/s; thresholds:")
        for name, threshold in found.thresholds.items():
            print(f"  {name}: TTFT {threshold.ttft * 1e3:.1f} ms, TPOT {threshold.tpot * 1e3:.2f} ms")
        for level, seconds in LEVELS.items():
            plan = plan_at(found.capacity, level, seconds * factor)
            report(level, observatory.watch(plan, found.thresholds))
    finally:
        observatory.stop()


def report(level: str, seen: Seen) -> None:
    """Print what all say of one load."""
    requests = len(seen.client.timings)
    offsets = {source: seen.ttft_offset(source) * 1e3 for source in seen.records}
    print(f"\n{level}: {requests} requests at {seen.client.throughput:.1f}/s, {seen.client.errors} errors; TTFT offset")
    print("  " + ", ".join(f"{source} {offset:.2f} ms" for source, offset in offsets.items()))
    for slo, threshold in seen.thresholds.items():
        shares = [
            ("client", good(seen.client.timings.values(), threshold) / requests),
            ("client less offset", good(seen.client.timings.values(), threshold, offsets["plugin"] / 1e3) / requests),
            *((name, attainment(seen.last(name), slo)) for name in WITH_RECORDS),
            *((bound, attainment(seen.last("histograms"), slo, bound)) for bound in ("lower", "upper")),
        ]
        print(f"  attainment {slo:7} " + ", ".join(f"{name} {percent(share)}" for name, share in shares))
    for latency in ("ttft", "tpot"):
        report_quantiles(latency, seen)


def report_quantiles(latency: str, seen: Seen) -> None:
    """Print the quantiles of one latency, ours beside the raw ones."""
    books = {"client": seen.client.timings, **{f"{source} raw": raw for source, raw in seen.records.items()}}
    for stat, q in QUANTILES:
        said = [(name, order_statistic([getattr(t, latency) for t in raw.values()], q)) for name, raw in books.items()]
        for name in (*WITH_RECORDS, "histograms"):
            basis = "requests" if name in WITH_RECORDS else "histogram"
            labels = {"stat": stat, "basis": basis, "window": WINDOW}
            value = sample(seen.last(name), f"pentameter_{latency}_seconds", **labels)
            said.append((name, float("nan") if value is None else value))
        print(f"  {latency} {stat} ms  " + ", ".join(f"{name} {seconds * 1e3:.3f}" for name, seconds in said))


def percent(share: float | None) -> str:
    """Return a share for people."""
    return "-" if share is None else f"{share:.2%}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--factor", type=float, default=1.0, help="how many times as long as the tests (default 1)")
    options = parser.parse_args()
    end_tidily_when_terminated()
    validate(options.factor)
