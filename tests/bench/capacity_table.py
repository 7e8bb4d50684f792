"""Runs the evaluation and prints it: ``python tests/bench/capacity_table.py SEED...``."""

import sys
import time

import numpy as np
from capacity_days import CHANGES, Changing, one_day
from capacity_server import WORKLOADS
from capacity_traffic import KINDS, true_capacity

PEAKS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2)
STATES = ("unknown", "lower_bound", "extrapolated", "observed")
CHANGING = ("chat", "rag", "kvcliff")


def percent(share):
    return f"{100 * share:+.1f} %"


def columns(answers):
    """Return errors of the estimates, and lower and upper in units of the truth (infinite: no upper)."""
    errors = np.array([a.capacity.estimate / a.truth - 1 for a in answers if a.capacity.estimate is not None])
    bounded = [a for a in answers if a.capacity.lower is not None]
    lower = np.array([a.capacity.lower / a.truth for a in bounded])
    upper = np.array([np.inf if a.capacity.upper is None else a.capacity.upper / a.truth for a in bounded])
    return errors, lower, upper


def row(label, answers):
    """Return one line of a table."""
    errors, lower, upper = columns(answers)
    cells = [label, str(len(answers))]
    if len(errors):
        root = np.sqrt(np.mean(errors**2))
        cells += [percent(errors.mean()), f"{100 * root:.1f} %", f"{percent(errors.min())} .. {percent(errors.max())}"]
    else:
        cells += ["", "", ""]
    if len(lower):
        covered = np.mean((lower <= 1) & (upper >= 1))
        cells += [f"{100 * covered:.0f} %", percent(np.median(lower) - 1), f"{np.sum(lower > 1)} of {len(lower)}"]
        cells += [percent(lower.max() - 1)]
    else:
        cells += ["", "", "", ""]
    return "| " + " | ".join(cells) + " |"


HEAD = (
    "| | n | bias | RMSE | worst | range holds truth | median lower | lower above truth | highest lower |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


def print_days(answers):
    """Print the tables of ordinary days."""
    for kind in KINDS:
        every = [a for a in answers if a.kind == kind]
        ends = [a for a in every if a.hours == max(b.hours for b in every)]
        print(f"\n**{kind}**, at the end of a day\n\n{HEAD}")
        for state in STATES:
            print(row(state, [a for a in ends if a.capacity.state == state]))
        print(row("every four hours, all states", every))
        print(f"\ntaken for slower, wrongly: {sum(a.forgot for a in ends)} times in {len(ends)} days")
        print(f"\n{HEAD}")
        for name in WORKLOADS:
            for state in ("extrapolated", "observed"):
                print(row(f"{name}, {state}", [a for a in ends if a.workload == name and a.capacity.state == state]))
        print("\n| peak / truth | " + " | ".join(STATES) + " |\n| --- | ---: | ---: | ---: | ---: |")
        for peak in PEAKS:
            counts = [sum(a.peak == peak and a.capacity.state == state for a in ends) for state in STATES]
            print(f"| {peak} | " + " | ".join(map(str, counts)) + " |")


def print_changes(answers):
    """Print the table of days on which something changes."""
    print(f"\n**Things that change**, every two hours\n\n{HEAD}")
    for change in CHANGES:
        print(row(change, [a for a in answers if a.kind == change]))
    for change in CHANGES:
        states = [sum(a.kind == change and a.capacity.state == state for a in answers) for state in STATES]
        print(f"{change}: " + ", ".join(f"{state} {n}" for state, n in zip(STATES, states, strict=True)))


def evaluate(seeds, peaks=PEAKS, say=lambda line: None):
    """Return the answers of ordinary days and of changing ones."""
    days, changing = [], []
    started = time.monotonic()
    for kind in KINDS:
        for name, workload in WORKLOADS.items():
            truth = true_capacity(workload, kind)
            for peak in peaks:
                for seed in seeds:
                    days += one_day(name, kind, peak, truth, seed)
            say(f"{kind} {name}: truth {truth:.2f} requests/s, {time.monotonic() - started:.0f} s")
    for name in CHANGING:
        truths = Changing(name)
        for change in CHANGES:
            for peak in (0.6, 0.9):
                for seed in seeds:
                    changing += truths.answers(change, peak, seed)
            say(f"{change} {name}: {time.monotonic() - started:.0f} s")
    return days, changing


if __name__ == "__main__":
    found = evaluate(
        [int(seed) for seed in sys.argv[1:]] or [1], say=lambda line: print(line, file=sys.stderr, flush=True)
    )
    print_days(found[0])
    print_changes(found[1])
