"""The time floors of prefill and decode by the roofline, and what that time uses in energy, carbon and money. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from pentameter.model.contexts import decode_seen, prefill_read, prefill_seen, reaches, seen
from pentameter.model.flops import phase_flops
from pentameter.model.moved import Traffic, moved
from pentameter.model.parallel import flops_per_gpu
from pentameter.model.roofline import bound, ideal_seconds, ridge
from pentameter.units import JOULES_PER_KWH, MILLION, SECONDS_PER_HOUR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pentameter.estimate import Case
    from pentameter.model.contexts import Reach
    from pentameter.model.spec import Precision


class Prices(NamedTuple):
    """What a second of one GPU draws and costs; None is unknown."""

    watts: float | None = None
    """Drawn by one GPU."""
    grams_per_kwh: float | None = None
    gpu_dollars_per_hour: float | None = None


class Spent(NamedTuple):
    """What some time of all the engine's GPUs uses."""

    joules: float | None
    grams: float | None
    dollars: float | None


class _Work(NamedTuple):
    flops: Mapping[Precision, float]
    """Of the whole engine."""
    bytes_per_gpu: float


class _Times(NamedTuple):
    compute: float | None
    traffic: float
    floor: float
    reached: float


@dataclass(frozen=True, slots=True)
class Phase:
    """One pass through the model: the prefill of one prompt, or one decode step of the batch."""

    tokens: int
    flop: float
    moved_bytes_per_gpu: float
    compute_seconds: float | None
    traffic_seconds: float
    floor_seconds: float
    seconds: float
    tokens_per_second: float
    intensity_flop_per_byte: float
    ridge_flop_per_byte: float | None
    bound: Literal["compute", "memory"] | None
    mfu_ratio: float | None
    mbu_ratio: float
    joules_per_token: float | None
    joules_per_million_tokens: float | None
    grams_per_million_tokens: float | None
    dollars_per_million_tokens: float | None


def prefill_phase(case: Case) -> Phase:
    """Return the prefill of one prompt in one piece, with nothing cached, up to its first output token."""
    reach = reaches(case.spec)
    pairs = {one: prefill_seen(one, case.prompt, 0) for one in reach}
    traffic = Traffic(
        prefill_tokens=case.prompt,
        decode_tokens=0,
        prefill_samples=1,
        decode_steps=0,
        prefill_steps=1,
        mixed_steps=0,
        prefill_seen=pairs,
        decode_seen=dict.fromkeys(reach, 0.0),
        prefill_cached_read={one: prefill_read(one, case.prompt, 0, case.prompt) for one in reach},
    )
    went = moved(case.spec, case.parallel, traffic, case.kv_bits)
    flops = phase_flops(case.spec, case.prompt, 1, pairs, decode=False)
    return _phase(case, case.prompt, _Work(flops, went.prefill_weights + went.prefill_kv + went.prefill_written))


def decode_phase(case: Case) -> Phase:
    """Return one decode step of the batch, every sequence at its full length (``context`` tokens)."""
    pairs = {one: case.batch * seen(one, case.context - 1, case.context) for one in reaches(case.spec)}
    return _phase(case, case.batch, _decode_work(case, 1, pairs))


def request_decode(case: Case) -> float:
    """Return the seconds of the output - 1 decode steps of the batch, as its sequences grow; 0 for one output token."""
    steps = case.output - 1
    if steps < 1:
        return 0.0
    pairs = {one: case.batch * decode_seen(one, case.prompt, case.output) for one in reaches(case.spec)}
    return _times(case, _decode_work(case, steps, pairs)).reached


def spent(case: Case, seconds: float) -> Spent:
    """Return what the engine's GPUs use in that time.

    Joules are watts x GPUs x seconds, grams are joules / 3.6e6 x grams per kWh, dollars are dollars per hour x GPUs x
    seconds / 3600. Only of the GPUs: no host, no cooling.

    The lecture's 400 W at 10 tokens/s: a token takes 0.1 s, so 40 J, and a million 40e6 J / 3.6e6 = 11.1 kWh.
    """
    gpu_seconds = case.parallel.gpus * seconds
    watts, grams_per_kwh, dollars = case.prices
    joules = None if watts is None else watts * gpu_seconds
    return Spent(
        joules,
        None if joules is None or grams_per_kwh is None else joules / JOULES_PER_KWH * grams_per_kwh,
        None if dollars is None else dollars / SECONDS_PER_HOUR * gpu_seconds,
    )


def _decode_work(case: Case, steps: int, pairs: Mapping[Reach, float]) -> _Work:
    tokens = case.batch * steps
    traffic = Traffic(
        prefill_tokens=0,
        decode_tokens=tokens,
        prefill_samples=0,
        decode_steps=steps,
        prefill_steps=0,
        mixed_steps=0,
        prefill_seen={},
        decode_seen=pairs,
    )
    went = moved(case.spec, case.parallel, traffic, case.kv_bits)
    flops = phase_flops(case.spec, tokens, tokens, pairs, decode=True)
    return _Work(flops, went.decode_weights + went.decode_kv + went.decode_written)


def _times(case: Case, work: _Work) -> _Times:
    """Return compute, traffic, their longer one, and that at the shares of the peaks that are reached.

    Compute is FLOPs per GPU / peak of their precision, traffic bytes per GPU / peak bandwidth; both times the pipeline
    stages, which a token passes one after the other. A peak that is unknown leaves the traffic as the floor.
    """
    share, stages = flops_per_gpu(case.parallel), case.parallel.pipeline
    ideal = ideal_seconds({precision: flops * share for precision, flops in work.flops.items()}, case.gpu.peaks)
    compute = None if ideal is None else stages * ideal
    traffic = stages * work.bytes_per_gpu / case.gpu.memory_bandwidth
    floor = max(compute or 0.0, traffic)
    return _Times(compute, traffic, floor, max((compute or 0.0) / case.mfu, traffic / case.mbu))


def _phase(case: Case, tokens: int, work: _Work) -> Phase:
    """Return the figures of one pass.

    The ridge is that of the precisions that the work is computed in: (FLOPs / compute seconds) / bandwidth, both of one
    GPU. MFU and MBU are compute and traffic seconds / (pipeline x seconds): with one batch in a pipeline the other
    stages wait.
    """
    times = _times(case, work)
    stages = case.parallel.pipeline
    flop = sum(work.flops.values())
    own_flop = flop * flops_per_gpu(case.parallel)
    intensity = own_flop / work.bytes_per_gpu
    point = ridge(own_flop * stages / times.compute, case.gpu.memory_bandwidth) if times.compute else None
    used = spent(case, times.reached / tokens)
    return Phase(
        tokens=tokens,
        flop=flop,
        moved_bytes_per_gpu=work.bytes_per_gpu,
        compute_seconds=times.compute,
        traffic_seconds=times.traffic,
        floor_seconds=times.floor,
        seconds=times.reached,
        tokens_per_second=tokens / times.reached,
        intensity_flop_per_byte=intensity,
        ridge_flop_per_byte=point,
        bound=None if point is None else bound(intensity, point),
        mfu_ratio=None if times.compute is None else times.compute / stages / times.reached,
        mbu_ratio=times.traffic / stages / times.reached,
        joules_per_token=used.joules,
        joules_per_million_tokens=_million(used.joules),
        grams_per_million_tokens=_million(used.grams),
        dollars_per_million_tokens=_million(used.dollars),
    )


def _million(each: float | None) -> float | None:
    return None if each is None else each * MILLION
