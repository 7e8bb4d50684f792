"""What a server did since the last snapshot, as the books of drift want it; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.carbon.sci import operational_grams
from pentameter.dimensions.economics import total_per_hour
from pentameter.dimensions.energy import scoped_joules
from pentameter.drift.tally import Tally
from pentameter.idle_meter import STATES
from pentameter.units import SECONDS_PER_HOUR

if TYPE_CHECKING:
    from pentameter.windows import Interval
    from pentameter.world import Deployment, World

OBSERVED = ("active", "idle", "asleep")


def step_of(world: World, deployment: Deployment) -> Tally:
    """Return the sums since the last snapshot; what is not known is missing, and its seconds with it."""
    step = Tally()
    spent = deployment.time.tick.deltas if deployment.time.tick else {}
    step.seconds = sum(spent.get(state, 0.0) for state in STATES)
    step.note("active", spent.get("active", 0.0), sum(spent.get(state, 0.0) for state in OBSERVED))
    dollars = total_per_hour(deployment, world.windows[0])
    if dollars is not None:
        step.note("dollars", dollars * step.seconds / SECONDS_PER_HOUR, step.seconds)
    _note_energy(world, deployment, step)
    _note_work(deployment, step)
    return step


def _note_energy(world: World, deployment: Deployment, step: Tally) -> None:
    # What a reading after a gap brings is of the gap as well.
    ticks = [gpu.server_tick.seconds for gpu in deployment.gpus if gpu.server_tick is not None]
    seconds = sum(ticks) / len(ticks) if ticks else 0.0
    for scope, joules in scoped_joules(deployment).items():
        step.note(f"joules/{scope}", joules, seconds)
        if world.grid is not None:
            step.note(f"grams/{scope}", operational_grams(joules, world.grid.grams_per_kwh), seconds)


def _note_work(deployment: Deployment, step: Tally) -> None:
    """Note tokens and batch of all engines; of some of them they would be those of a smaller server."""
    ticks = [engine.rolled.tick for engine in deployment.engines]
    known = [tick for tick in ticks if tick is not None]
    if not known or len(known) < len(ticks):
        return
    seconds = max(tick.seconds for tick in known)
    for key, amounts in (
        ("tokens", [tick.delta("generation_tokens") for tick in known]),
        ("running", [_running_seconds(tick) for tick in known]),
        ("decode", [_decode_seconds(tick) for tick in known]),
        ("decoded", [_decoded(tick) for tick in known]),
    ):
        told = [amount for amount in amounts if amount is not None]
        if len(told) == len(amounts):
            step.note(key, sum(told), seconds)


def _running_seconds(tick: Interval) -> float | None:
    """Return request-seconds in the running batch, by the pages at both ends: right on average."""
    before, after = tick.gauges_before.get("running"), tick.gauges_after.get("running")
    return None if before is None or after is None else (before + after) / 2 * tick.seconds


def _decode_seconds(tick: Interval) -> float | None:
    """Return request-seconds between outputs: what vLLM's histogram of inter-token latencies sums up."""
    histogram = tick.histograms.get("inter_token")
    return None if histogram is None else histogram.sum


def _decoded(tick: Interval) -> float | None:
    """Return the tokens that came after the first of their request: several at once where vLLM speculates."""
    tokens, first = tick.delta("generation_tokens"), tick.histograms.get("ttft")
    return None if tokens is None or first is None else tokens - first.count
