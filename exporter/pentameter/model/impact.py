"""What another format of the weights would mean for a model: bytes, the floor of the time per token, what fits.

The formats, as checkpoints of the kind commonly are:

- ``fp16``: everything in 16 bits.
- ``fp8``: the layers' matrices in 8 bits, computed in FP8; scales per channel, block or tensor, about a hundredth of a
  bit, are neglected.
- ``int4``: the layers' matrices in 4 bits with a 16-bit scale and a 4-bit zero point per group of 128 (AWQ, GPTQ):
  4 + 20 / 128 = 4.15625 bits, computed in 16 (the kernels widen them).

In all of them embedding, unembedding, router, norms and what is not in the path of text stay in 16 bits, and the cache
as it is. Nothing is said of accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from pentameter.model.contexts import reaches, seen
from pentameter.model.fit import sequences_that_fit
from pentameter.model.kv import kv_read_bytes, recurrent_bytes, sequence_bytes
from pentameter.model.moved import step_weight_bytes
from pentameter.model.parallel import weights_per_gpu
from pentameter.model.spec import Precision

if TYPE_CHECKING:
    from pentameter.model.parallel import Parallel
    from pentameter.model.spec import Layer, Matrices, ModelSpec

ALWAYS_16BIT = frozenset({"embedding", "unembedding", "router"})
INT4_BITS = 4 + (16 + 4) / 128


class Format(StrEnum):
    """In which numbers the layers' matrices are stored."""

    FP16 = "fp16"
    FP8 = "fp8"
    INT4 = "int4"


class _Stored(NamedTuple):
    bits: float
    compute: Precision


_STORED = {
    Format.FP16: _Stored(16, Precision.BITS16),
    Format.FP8: _Stored(8, Precision.FP8),
    Format.INT4: _Stored(INT4_BITS, Precision.BITS16),
}


@dataclass(frozen=True, slots=True)
class Impact:
    """What one format means, per GPU unless said otherwise."""

    format: Format
    weight_bytes: float
    """Kept on one GPU of the mean pipeline stage."""
    step_bytes: float
    """Read for one decode step of the batch: weights and caches."""
    tpot_floor_seconds: float
    """No decode step can be faster than its traffic, through all pipeline stages."""
    sequences: float | None
    """Of an engine, that fit beside the weights; 0 where not even the weights do, None where the cache is unknown."""


def converted(spec: ModelSpec, fmt: Format) -> ModelSpec:
    """Return the model with its weights in another format; parameters, cache and shapes stay as they are.

    A model of which only the number of parameters is known (part ``all``) is converted whole, embedding included.
    """
    stored = _STORED[fmt]
    return replace(
        spec,
        layers=tuple(_layer(layer, stored) for layer in spec.layers),
        embedding=None if spec.embedding is None else _matrix(spec.embedding, stored),
        unembedding=None if spec.unembedding is None else _matrix(spec.unembedding, stored),
        other=None if spec.other is None else _other(spec.other, stored),
        dtype_bits=16,
        quantization="none" if fmt is Format.FP16 else fmt.value,
    )


def impact(
    spec: ModelSpec,
    parallel: Parallel,
    *,
    bandwidth: float,
    memory_bytes: float,
    sequence_tokens: float,
    batch: float = 1,
    kv_bits: float | None = None,
) -> tuple[Impact, ...]:
    """Return what each format means for a model.

    ``bandwidth`` in bytes per second and ``memory_bytes`` (for weights and cache together) are of one GPU; the batch
    has sequences of ``sequence_tokens`` each. The floor is pipeline x (weights of a step of ``batch`` tokens + what
    their queries read of the cache + recurrent states read and written) / bandwidth: a token passes the stages one
    after the other. Where the layers are not known (``kv.kv_known``) the floor is that of the weights alone.
    """
    return tuple(
        _impact(converted(spec, fmt), fmt, parallel, bandwidth, memory_bytes, sequence_tokens, batch, kv_bits)
        for fmt in Format
    )


def _impact(
    spec: ModelSpec,
    fmt: Format,
    parallel: Parallel,
    bandwidth: float,
    memory_bytes: float,
    sequence_tokens: float,
    batch: float,
    kv_bits: float | None,
) -> Impact:
    weights = weights_per_gpu(spec, parallel)
    contexts = {one: batch * seen(one, sequence_tokens - 1, sequence_tokens) for one in reaches(spec)}
    caches = kv_read_bytes(spec, contexts, kv_bits, parallel) + 2 * recurrent_bytes(spec, batch, parallel)
    step = step_weight_bytes(spec, parallel, batch, batch) + caches
    each = sequence_bytes(spec, sequence_tokens, kv_bits, parallel)
    return Impact(
        format=fmt,
        weight_bytes=weights,
        step_bytes=step,
        tpot_floor_seconds=parallel.pipeline * step / bandwidth,
        sequences=sequences_that_fit(memory_bytes - weights, each) if each > 0 else None,
    )


def _layer(layer: Layer, stored: _Stored) -> Layer:
    experts = layer.experts
    return replace(
        layer,
        dense=tuple(_matrix(matrix, stored) for matrix in layer.dense),
        experts=None if experts is None else replace(experts, expert=_matrix(experts.expert, stored)),
    )


def _matrix(matrix: Matrices, stored: _Stored) -> Matrices:
    if matrix.part in ALWAYS_16BIT:
        return _sixteen(matrix)
    return replace(matrix, bits=stored.bits, compute=stored.compute)


def _other(matrix: Matrices, stored: _Stored) -> Matrices:
    """Return the rest of a counted model like the whole of it, an encoder in 16 bits."""
    return _matrix(matrix, stored) if matrix.part == "all" else _sixteen(matrix)


def _sixteen(matrix: Matrices) -> Matrices:
    return replace(matrix, bits=16, compute=Precision.BITS16)
