"""Floating point operations of a model's forward pass, by the precision that they are computed in.

- A matrix of p parameters costs a token 2 p operations, a multiplication and an addition each. Looking up an embedding
  costs none; of the routed experts only those that a token goes to count.
- Attention costs 2 x heads x (qk_dim + v_dim) per pair of a query and a position that it sees: causal, never the full
  square. It is computed in 16 bits whatever the weights are stored in.
- The unembedding is paid where a token is sampled: once per prompt, not once per prompt token.

The parts that are no matrix products (norms, activations, softmax, rotary embeddings, sampling) are left out, as is
usual for model FLOPs (Kaplan et al. 2020, arXiv 2001.08361, table 1; Chowdhery et al. 2022, arXiv 2204.02311,
appendix B). The mean over a prompt of T tokens is Kaplan's 2 N + 2 L d T per token; Chowdhery's 6 N + 12 L H Q T is
three times 2 N + 4 L H Q T (training), which has no causal mask. Work that an implementation adds is left out too:
copies of a layer on several GPUs, padding, MLA's second expansion of a cached prefix.

**Identity**: a prompt costs the same in one piece or in chunks, and from an empty cache as from what a hit left over
plus what the hit saved, because each term is linear in tokens or a difference of one prefix sum (``contexts.seen``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.model.contexts import decode_seen, prefill_seen, reach, reaches, seen
from pentameter.model.spec import Precision

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pentameter.model.contexts import Reach
    from pentameter.model.spec import Matrices, ModelSpec


def token_flops(spec: ModelSpec) -> Mapping[Precision, float]:
    """Return 2 x active matrix parameters of the layers, plus their recurrences (16 bit), per token.

    Without embedding, unembedding and attention over the context.
    """
    return _added(_layer_work(spec))


def sample_flops(spec: ModelSpec) -> Mapping[Precision, float]:
    """Return 2 x parameters of the unembedding, for one sampled position; empty where the model's is not known."""
    matrix = spec.embedding if spec.tied else spec.unembedding
    return {} if matrix is None else {matrix.compute: 2.0 * matrix.parameters}


def attention_flops(spec: ModelSpec, seen: Mapping[Reach, float], *, decode: bool) -> float:
    """Return the sum over attention layers of 2 x heads x (qk_dim + v_dim) x positions seen, computed in 16 bits.

    ``seen`` holds for each of ``contexts.reaches`` the pairs of a query and a position; a missing one is a KeyError.
    In decode MLA works on the compressed cache itself (the absorbed form), whose dimensions are larger.
    """
    total = 0.0
    for layer in spec.layers:
        attention = layer.attention
        if attention is not None:
            qk, v = attention.qk_dim, attention.v_dim
            if decode:
                qk = qk if attention.decode_qk_dim is None else attention.decode_qk_dim
                v = v if attention.decode_v_dim is None else attention.decode_v_dim
            total += layer.count * 2.0 * attention.heads * (qk + v) * seen[reach(attention)]
    return total


def phase_flops(
    spec: ModelSpec, tokens: float, samples: float, seen: Mapping[Reach, float], *, decode: bool
) -> Mapping[Precision, float]:
    """Return the work on so many tokens and sampled positions whose queries saw ``seen``, by precision."""

    def parts() -> Iterator[tuple[Precision, float]]:
        yield from ((precision, tokens * flops) for precision, flops in token_flops(spec).items())
        yield from ((precision, samples * flops) for precision, flops in sample_flops(spec).items())
        yield Precision.BITS16, attention_flops(spec, seen, decode=decode)

    return _added(parts())


def prefill_flops(spec: ModelSpec, prompt_tokens: float, cached_tokens: float = 0) -> float:
    """Return the work of one prompt, of which the cache held the first tokens, up to its first sampled token."""
    pairs = {one: prefill_seen(one, prompt_tokens, cached_tokens) for one in reaches(spec)}
    computed = max(0.0, prompt_tokens - cached_tokens)
    return sum(phase_flops(spec, computed, 1, pairs, decode=False).values())


def decode_flops(spec: ModelSpec, prompt_tokens: float, output_tokens: float) -> float:
    """Return the work of one request after its first token: output_tokens - 1 steps, each of which samples one."""
    steps = max(0.0, output_tokens - 1)
    pairs = {one: decode_seen(one, prompt_tokens, output_tokens) for one in reaches(spec)}
    return sum(phase_flops(spec, steps, steps, pairs, decode=True).values())


def decode_token_flops(spec: ModelSpec, context: float) -> float:
    """Return the work of the decode step that is fed the token at position ``context`` and samples the next."""
    pairs = {one: seen(one, context - 1, context) for one in reaches(spec)}
    return sum(phase_flops(spec, 1, 1, pairs, decode=True).values())


def _layer_work(spec: ModelSpec) -> Iterator[tuple[Precision, float]]:
    for layer in spec.layers:
        for matrix in layer.dense:
            yield matrix.compute, layer.count * _products(matrix)
        if layer.experts is not None:
            expert = layer.experts.expert
            yield expert.compute, layer.count * layer.experts.per_token * _products(expert)
        if layer.recurrent is not None:
            yield Precision.BITS16, layer.count * layer.recurrent.flops_per_token


def _products(matrix: Matrices) -> float:
    return 2.0 * matrix.parameters


def _added(parts: Iterator[tuple[Precision, float]]) -> dict[Precision, float]:
    total: dict[Precision, float] = {}
    for precision, flops in parts:
        total[precision] = total.get(precision, 0.0) + flops
    return total
