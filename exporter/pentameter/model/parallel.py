"""Which share of a model's weights, cache and work falls to one GPU of an engine.

As vLLM divides (0.32: ``model_executor/layers/{linear,vocab_parallel_embedding}.py``, ``layers/fused_moe/config.py``):

- **tensor**: matrices, attention heads, vocabulary and the heads of keys and values; what cannot be divided is kept
  whole on every GPU: norms, the router, MLA's compressed cache, and key and value heads once there are fewer than GPUs.
- **pipeline**: the layers. What is said here of one GPU is the mean stage; embedding and unembedding are on the first
  and the last one in fact.
- **data**: each rank is an engine of its own with the whole model, but the routed experts: they are spread over all
  data x tensor GPUs, with and without expert parallelism (in slices of each expert, or as whole experts).

The few per cent of key and value projections that are copied when there are more GPUs than heads count as divided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pentameter.model.spec import Attention, Matrices, ModelSpec

WHOLE = frozenset({"router", "latent"})
"""Parts that every GPU of a tensor-parallel group keeps whole: the router, and MLA's projections down to its latents
(``ReplicatedLinear`` in vLLM), where the model's description tells these from its other projections."""


@dataclass(frozen=True, slots=True)
class Parallel:
    """How many GPUs share an engine (tensor x pipeline), and how many engines share the experts (data)."""

    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    expert: bool = False
    """Expert parallelism: each GPU has whole experts instead of a slice of every one."""

    @property
    def gpus(self) -> int:
        """Return the GPUs of one engine."""
        return self.tensor * self.pipeline

    @property
    def expert_gpus(self) -> int:
        """Return the GPUs that the experts of one layer are spread over."""
        return self.tensor * self.data


ONE_GPU = Parallel()


def flops_per_gpu(parallel: Parallel) -> float:
    """Return the share of an engine's FLOPs that one of its GPUs computes: 1 / (tensor x pipeline), a ratio.

    The copies of what cannot be divided are no work of the model. With data parallelism a GPU computes its slice of
    the experts for the tokens of all ranks, and has the rest of its own tokens' experts computed elsewhere: the same
    share if the ranks are balanced.
    """
    return 1 / parallel.gpus


def cache_share(attention: Attention, parallel: Parallel) -> float:
    """Return the share of a layer's cache, within its pipeline stage's share, that one GPU holds and reads.

    Heads are divided, but each GPU has at least one: with 8 heads on 16 GPUs each is there twice. MLA's compressed
    cache counts as one head.
    """
    return 1 / min(parallel.tensor, attention.kv_heads) / parallel.pipeline


def kv_share(spec: ModelSpec, parallel: Parallel) -> float:
    """Return the share of an engine's keys and values that one GPU holds, weighted over the layers that keep them."""
    kept = whole = 0.0
    for layer in spec.layers:
        if layer.attention is not None and not layer.attention.shares_cache:
            elements = layer.count * layer.attention.kv_elements
            whole += elements
            kept += elements * cache_share(layer.attention, parallel)
    return kept / whole if whole else 1 / parallel.gpus


def matrix_share(matrix: Matrices, parallel: Parallel) -> float:
    """Return the share of a dense matrix that one GPU of its pipeline stage has.

    Shared experts are whole where vLLM divides the tokens instead (``use_sequence_parallel_moe``: expert parallelism
    over tensor and data ranks, with its usual all-to-all backends).
    """
    by_sequence = parallel.expert and parallel.tensor > 1 and parallel.data > 1
    whole = matrix.part in WHOLE or (by_sequence and matrix.part == "shared_experts")
    return 1.0 if whole else 1 / parallel.tensor


def weights_per_gpu(spec: ModelSpec, parallel: Parallel) -> float:
    """Return the bytes of weights that one GPU keeps, of the mean pipeline stage.

    A tied embedding is there twice when the first and the last stage are different GPUs.
    """
    layers = vectors = 0.0
    for layer in spec.layers:
        stored = sum(matrix.stored_bytes * matrix_share(matrix, parallel) for matrix in layer.dense)
        if layer.experts is not None:
            stored += layer.experts.number * layer.experts.expert.stored_bytes / parallel.expert_gpus
        layers += layer.count * stored
        vectors += layer.count * layer.vectors
    outside = sum(matrix.stored_bytes for matrix in (spec.embedding, spec.unembedding, spec.other) if matrix)
    if spec.tied and spec.embedding and parallel.pipeline > 1:
        outside += spec.embedding.stored_bytes
    # Norms are never divided.
    vectors_bytes = (vectors + spec.vectors) * spec.dtype_bits / 8
    return (layers + vectors_bytes + outside / parallel.tensor) / parallel.pipeline
