"""A server that works, idles, falls silent, restarts and changes its price, followed through a meter for some hours."""

from pentameter.carbon.basis import CarbonBasis
from pentameter.carbon.embodied import Bounds, Embodied, MadeGpu, MadeServer
from pentameter.cost.plan import CostPlan, Quote
from pentameter.host_energy import HostPlan
from pentameter.meter import Meter
from pentameter.readings import EngineReading, GpuReading, GpusReading, HostReading, VllmReading
from pentameter.server_plan import MachinePlan, ServerPlan
from pentameter.snapshot import SourceHealth
from pentameter.windows import Window

from builders import H100, POLAND  # isort: skip

HOUR = 3600.0
NOON = 1_800_000_000.0
"""Full hour, in January 2027."""
STEP = 300.0
WATTS = 720.0
"""Of each of two GPUs."""

RENTED = CostPlan(
    Quote(2.02, "shipped", "AWS", "us-east-1", "p5.48xlarge", "H100-SXM-80GB", "spot", "2026-08-18", "catalogue"),
    per_server={"storage": 0.1},
    overhead_ratio=0.1,
)
OWNED = CostPlan(Quote(1.5, "owned"), {"host": 0.2}, {"storage": 0.1}, 0.08, 0.05)
_MAKING = Embodied({H100.gpu: MadeGpu(Bounds(1, 126.144, 200), "s")}, {"s": MadeServer(Bounds(0, 0, 0), 1)})


def meter(cost=RENTED):
    """Return a meter of one server on two GPUs, in a machine and a building that are known."""
    return Meter(
        [Window("10m", 600.0)],
        [ServerPlan("a", gpu_count=2, cost=cost)],
        find_spec={H100.nvml_names[0]: H100}.get,
        grid=POLAND,
        carbon=CarbonBasis(embodied=_MAKING),
        machine=MachinePlan(HostPlan(100.0, 300.0, gpus=2), 1.25),
    )


def page(time, work, *, start=1.0, running=0.0):
    """Return the page of a server that has finished ``work`` requests of 100 tokens, 40 of them cached, and 20 more."""
    counters = {
        "prompt_tokens": 100.0 * work,
        "prompt_tokens_by_source/local_compute": 60.0 * work,
        "prompt_tokens_by_source/local_cache_hit": 40.0 * work,
        "generation_tokens": 20.0 * work,
        "request_success/stop": 1.0 * work,
    }
    return VllmReading(
        "a", time, NOON + time, start, (EngineReading("m", "0", counters, {"running": running}, {}),), {}
    )


def boards(time):
    """Return both GPUs, which have drawn the same power since the beginning."""
    cards = (GpuReading(f"GPU-{i}", i, H100.nvml_names[0], 1e6 + WATTS * time) for i in range(2))
    return GpusReading(time, NOON + time, tuple(cards))


def follow(one, hours, *, since=0.0, walls=None, seen=None):
    """Take readings every five minutes and return the last snapshot; ``seen(step, meter)`` is called before each.

    ``walls`` gives the wall clock of a step in place of the true one; a step in the first half of an hour works.
    """
    work, snapshot = 0.0, None
    for step in range(round(hours * HOUR / STEP) + 1):
        time = since + step * STEP
        if seen is not None:
            seen(step, one)
        busy = time % HOUR < HOUR / 2
        work += 10.0 if busy else 0.0
        one.take_vllm(page(time, work, running=1.0 if busy else 0.0))
        one.take_gpus(boards(time), "nvml")
        one.take_host(HostReading(time, NOON + time, 4, 2.0 * time, 64e9, 12e9))
        snapshot = one.measure(time, NOON + time if walls is None else walls(step, NOON + time))
    return snapshot


def counted(snapshot, name):
    """Return the counter's sum over all its series, and None where there is none."""
    found = [sample.value for sample in snapshot.samples if sample.metric.name == f"pentameter_{name}"]
    return sum(found) if found else None


def silent():
    """Return the health of a server that does not answer."""
    return SourceHealth("vllm", "a", up=False, reason="unreachable")
