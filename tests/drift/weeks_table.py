"""Prints false episodes and detections on simulated weeks: ``PYTHONPATH=tests python -m drift.weeks_table [SEEDS]``."""

import sys
from statistics import mean, median

from drift.weeks import CHANGE, DETECTORS, KINDS, QUIET, alerts, delay, episodes


def cell(kind, runs):
    """Return one cell: false episodes of quiet weeks, or which share was found and when."""
    if kind in ("none", "holiday"):
        return f"{mean(episodes(times, QUIET, CHANGE) for times in runs):.1f}"
    found = [hours for times in runs if (hours := delay(times)) is not None]
    return f"{100 * len(found) / len(runs):.0f} % @ {median(found):.0f} h" if found else "-"


def main():
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else 8)
    runs = {kind: [alerts(kind, seed) for seed in seeds] for kind in KINDS}
    print("| Detector | " + " | ".join(KINDS) + " |")
    print("|---|" + "---:|" * len(KINDS))
    for name in DETECTORS:
        print(f"| {name} | " + " | ".join(cell(kind, [run[name] for run in runs[kind]]) for kind in KINDS) + " |")


if __name__ == "__main__":
    main()
