"""What fits into the memory of the GPUs, and how many of them it would take. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pentameter.model.fit import free_for_cache, sequences_that_fit
from pentameter.model.kv import kv_bytes_per_token, kv_known, sequence_bytes, uniform_cache
from pentameter.model.parallel import weights_per_gpu

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pentameter.estimate import Case
    from pentameter.model.spec import ModelSpec

MOST_GPUS = 1024


@dataclass(frozen=True, slots=True)
class Fit:
    """Bytes of one GPU; what fits is of the engine. None is unknown."""

    memory_bytes: float | None
    usable_bytes: float | None
    weights_bytes: float
    overhead_bytes: float
    left_bytes: float | None
    sequence_bytes: float | None
    tokens: int | None
    sequences: int | None
    weights_fit: bool | None
    batch_fits: bool | None
    gpus_for_weights: int | None
    gpus_for_batch: int | None


def fit(case: Case) -> Fit:
    """Return what one GPU of the engine holds, and what is left of it.

    Left = memory x utilization - weights - overhead; negative where so much is missing. Sequences = floor(left / cache
    of a sequence of ``context`` tokens), tokens = floor(left / cache of a token) where each token takes the same.
    The part of a last block that stays empty is not counted, nor what a hybrid model's groups of layers waste.
    """
    spec, parallel = case.spec, case.parallel
    weights = weights_per_gpu(spec, parallel)
    memory = case.gpu.memory_bytes
    sequence = sequence_bytes(spec, case.context, case.kv_bits, parallel) if kv_known(spec) else None
    if memory is None:
        return Fit(
            None, None, weights, case.overhead_bytes, None, sequence, None, None, None, None, None, None
        )  # fmt: skip
    left = free_for_cache(memory, case.memory_utilization, weights, case.overhead_bytes)
    sequences = int(sequences_that_fit(left, sequence)) if sequence else None
    tokens = None
    if kv_known(spec) and uniform_cache(spec):
        tokens = max(0, math.floor(left / kv_bytes_per_token(spec, case.kv_bits, parallel)))
    return Fit(
        memory_bytes=memory,
        usable_bytes=memory * case.memory_utilization,
        weights_bytes=weights,
        overhead_bytes=case.overhead_bytes,
        left_bytes=left,
        sequence_bytes=sequence,
        tokens=tokens,
        sequences=sequences,
        weights_fit=left >= 0,
        batch_fits=None if sequences is None else sequences >= case.batch,
        gpus_for_weights=_gpus(case, memory, sequences=0),
        gpus_for_batch=_gpus(case, memory, sequences=case.batch) if sequence else None,
    )


def tensor_sizes(spec: ModelSpec) -> Sequence[int]:
    """Return the sizes of tensor parallelism that divide the query heads of every layer, as vLLM requires.

    Where the heads are not known, every size up to 1,024.
    """
    heads = math.gcd(*(layer.attention.heads for layer in spec.layers if layer.attention is not None))
    return [size for size in range(1, MOST_GPUS + 1) if heads % size == 0]


def _gpus(case: Case, memory: float, *, sequences: int) -> int | None:
    """Return the fewest GPUs that hold weights and so many sequences, by more tensor parallelism; None if none do.

    Pipeline stages stay as asked. A cache that cannot be divided (MLA, or fewer heads of keys than GPUs) soon stops
    shrinking.
    """
    for size in tensor_sizes(case.spec):
        parallel = replace(case.parallel, tensor=size)
        left = free_for_cache(
            memory, case.memory_utilization, weights_per_gpu(case.spec, parallel), case.overhead_bytes
        )
        needed = sequences * sequence_bytes(case.spec, case.context, case.kv_bits, parallel) if sequences else 0.0
        if left >= needed:
            return parallel.gpus
    return None
