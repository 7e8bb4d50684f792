"""How many parameters a model has, how many of them a token passes through, and what its weights take."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.model.spec import Layer, Matrices, ModelSpec

VECTORS = "vectors"
"""The part under which norms, biases and the like are counted."""


def _layer_matrices(layer: Layer) -> Iterator[tuple[Matrices, int]]:
    for matrices in layer.dense:
        yield matrices, layer.count
    if layer.experts:
        yield layer.experts.expert, layer.count * layer.experts.number


def _matrices(spec: ModelSpec) -> Iterator[tuple[Matrices, int]]:
    """Yield every matrix of the text model, and how many times it is there."""
    for layer in spec.layers:
        yield from _layer_matrices(layer)
    for matrices in (spec.embedding, spec.unembedding):
        if matrices:
            yield matrices, 1


def _vectors(spec: ModelSpec) -> int:
    return spec.vectors + sum(layer.count * layer.vectors for layer in spec.layers)


def parameters_by_part(spec: ModelSpec) -> dict[str, int]:
    """Return the parameters of the text model by part, ``vectors`` among them; an empty part is not there."""
    parts: Counter[str] = Counter()
    for matrices, count in _matrices(spec):
        parts[matrices.part] += matrices.parameters * count
    parts[VECTORS] += _vectors(spec)
    return {part: number for part, number in parts.items() if number}


def total_parameters(spec: ModelSpec) -> int:
    """Return all parameters of the text model, a tied embedding once; scales and zero points are none.

    Comparable with the count of a published model without its encoders and multi-token prediction.
    """
    return sum(parameters_by_part(spec).values())


def active_parameters(spec: ModelSpec, *, embedding: bool = False) -> int:
    """Return the parameters that one token passes through: of experts only those that it is sent to.

    The unembedding counts, and the table of embeddings does not, of which a token reads one row: this is how
    DeepSeek and gpt-oss publish. With ``embedding`` the table counts too, as in Mixtral's, Qwen's and Llama 4's
    figures; then a dense model's active parameters are all of them. A tied table counts once either way.
    """
    inactive = sum(
        layer.count * (layer.experts.number - layer.experts.per_token) * layer.experts.expert.parameters
        for layer in spec.layers
        if layer.experts
    )
    looked_up = spec.embedding.parameters if spec.embedding and not spec.tied and not embedding else 0
    return total_parameters(spec) - inactive - looked_up


def weight_bytes_by_part(spec: ModelSpec) -> dict[str, float]:
    """Return the bytes of the weights by part, scales and zero points included, encoders as ``other``."""
    sizes: dict[str, float] = {}
    for matrices, count in _matrices(spec):
        sizes[matrices.part] = sizes.get(matrices.part, 0.0) + matrices.stored_bytes * count
    vectors = _vectors(spec) * spec.dtype_bits / 8
    if vectors:
        sizes[VECTORS] = vectors
    if spec.other:
        sizes["other"] = spec.other.stored_bytes
    return sizes


def weight_bytes(spec: ModelSpec) -> float:
    """Return the bytes that the weights take in memory, before any parallelism."""
    return sum(weight_bytes_by_part(spec).values())
