"""A model whose shapes are known and whose bits are not: the size of its files spread evenly over its parameters."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pentameter.model.parameters import total_parameters
from pentameter.model.spec import Precision, UnknownModelError

if TYPE_CHECKING:
    from pentameter.model.spec import Layer, Matrices, ModelSpec

MOST_BITS = 32.0


def spread(spec: ModelSpec, stored_bytes: float, quantization: str) -> ModelSpec:
    """Return the model with stored_bytes x 8 / parameters bits for every parameter, computed in 16 bits.

    For GGUF, which mixes types tensor by tensor and says so in the file alone: the sum is right, the division between
    parts is not. Kernels widen such weights to 16 bits. Raises ``UnknownModelError`` for a size that cannot be.

    >>> from pentameter.model.spec import Basis, Layer, Matrices, ModelSpec
    >>> one = ModelSpec("m", (Layer(1, (Matrices("mlp", 1000, 16),)),), None, None)
    >>> spread(one, 600, "gguf").layers[0].dense[0].bits
    4.8
    """
    parameters = total_parameters(spec)
    bits = stored_bytes * 8 / parameters if parameters else 0.0
    if not 1.0 <= bits <= MOST_BITS:
        message = f"files of {stored_bytes:.0f} bytes are not of a model of {parameters} parameters"
        raise UnknownModelError(message)
    return replace(
        spec,
        layers=tuple(_layer(layer, bits) for layer in spec.layers),
        embedding=spec.embedding and _matrix(spec.embedding, bits),
        unembedding=spec.unembedding and _matrix(spec.unembedding, bits),
        other=spec.other and _matrix(spec.other, bits),
        quantization=quantization,
    )


def _layer(layer: Layer, bits: float) -> Layer:
    experts = layer.experts
    return replace(
        layer,
        dense=tuple(_matrix(matrix, bits) for matrix in layer.dense),
        experts=experts and replace(experts, expert=_matrix(experts.expert, bits)),
    )


def _matrix(matrix: Matrices, bits: float) -> Matrices:
    return replace(matrix, bits=bits, compute=Precision.BITS16)
