"""The goodput capacity estimated over simulated days beside the true one: prints the tables of ``docs/capacity.md``.

Needs numba (``pip install numba``). ``PENTAMETER_BENCH_SEEDS=900,901`` chooses the days; one seed takes about ten
minutes of one core.
"""

import os
import time

import pytest

np = pytest.importorskip("numpy", reason="the simulated days need numba: pip install numba")
pytest.importorskip("numba", reason="the simulated days need numba: pip install numba")

SEEDS = [int(seed) for seed in os.environ.get("PENTAMETER_BENCH_SEEDS", "900").split(",")]


@pytest.fixture(autouse=True)
def _beside(monkeypatch):
    monkeypatch.syspath_prepend(os.path.dirname(__file__))  # noqa: PTH120 - a string is what the path wants


@pytest.mark.bench
def test_compiled_server_beside_the_projects_own_simulator():
    from capacity_reference import serve_by_reference
    from capacity_server import WORKLOADS, lengths, serve
    from capacity_traffic import attainment, draw, true_capacity

    print("\nshare of good requests in one hour at a fixed rate, the same requests in both")
    for name, workload in WORKLOADS.items():
        if workload.experts:
            continue  # the reference has no such term
        truth = true_capacity(workload)
        for load in (0.8, 1.0, 1.1):
            random = np.random.default_rng(5)
            arrivals = draw("steady", np.full(720, load * truth), random)
            prompts, outputs = lengths(workload, len(arrivals), random)
            started = time.perf_counter()
            both = [serve_by_reference(workload, arrivals, prompts, outputs)]
            seconds = time.perf_counter() - started
            both.append(serve(workload, arrivals, prompts, outputs, 7200.0)[:2])
            shares = [
                np.mean((first - arrivals <= workload.ttft) & ((last - first) / (outputs - 1) <= workload.tpot))
                for first, last in both
            ]
            apart = np.nanmax(np.abs(both[0][0] - both[1][0]))
            print(
                f"  {name:8} {load:.1f} of {truth:5.2f}/s: own {shares[0]:.4f}, compiled {shares[1]:.4f}; first tokens"
                f" at most {apart:.3f} s apart; own simulator {3600 / seconds:.0f} x real time"
            )
    assert attainment(WORKLOADS["chat"], 1.0, "steady", np.random.default_rng(1), 1800.0)[0] > 0.99


@pytest.mark.bench
def test_capacity_over_simulated_days_beside_the_truth():
    from capacity_table import evaluate, print_changes, print_days

    days, changing = evaluate(SEEDS, say=lambda line: print(line, flush=True))
    print_days(days)
    print_changes(changing)
    assert len(days) > 0
