"""What vLLM 0.32 estimates per scheduler step with ``--enable-mfu-metrics``, derived a second time and in plain terms.

vLLM walks through the matrices of a model and adds up, for the tokens of one step, operations, bytes read and bytes
written, all analytically: nothing is measured. This is the same arithmetic for one GPU, arranged by what the
numbers are for, so that a difference to another account of the same step can be named. That it *is* the same
arithmetic is tested against vLLM itself. Its peculiarities are kept, and said where they are.

Notation: T tokens in the step, C positions that a request has cached when the step ends, D hidden size.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from e2e.rig.vllm_sizes import Grouped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from e2e.rig.vllm_sizes import Latent, Sizes


@dataclass(frozen=True)
class Share:
    """What one step does for one request."""

    tokens: int
    context: int
    """Its positions when the step is over, these tokens included."""
    prefill: bool
    """By vLLM's rule: the request is new, or has more than one token in this step."""


Step = tuple[Share, ...]


@dataclass(frozen=True)
class Term:
    """Operations and bytes of one part of a model in one step, or in several."""

    flops: float = 0
    weights: float = 0
    """Bytes of weights read."""
    activations_read: float = 0
    kv_read: float = 0
    """Bytes of keys and values read, from the cache or as they were computed."""
    activations_written: float = 0
    kv_written: float = 0

    def __add__(self, other: Term) -> Term:
        """Return the sum, field by field."""
        return Term(*(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True)))

    @property
    def read(self) -> float:
        """Return all bytes read."""
        return self.weights + self.activations_read + self.kv_read

    @property
    def written(self) -> float:
        """Return all bytes written."""
        return self.activations_written + self.kv_written


Terms = dict[str, Term]


def steps_of_one(prompt: int, output: int, chunk: int, cached: int = 0) -> list[Step]:
    """Return the steps of a request that runs alone: its prompt in chunks, then one token per step.

    The last output token is not computed on. ``cached`` positions of the prompt come from the prefix cache.
    """
    steps: list[Step] = []
    for done in range(cached, prompt, chunk):
        tokens = min(chunk, prompt - done)
        steps.append((Share(tokens, done + tokens, prefill=done == cached or tokens > 1),))
    return steps + [(Share(1, prompt + n, prefill=False),) for n in range(1, output)]


def totals(sizes: Sizes, steps: Iterable[Step]) -> Terms:
    """Return the terms summed over steps, by part of the model."""
    found: Terms = {}
    for step in steps:
        for part, term in step_terms(sizes, step).items():
            found[part] = found.get(part, Term()) + term
    return found


def total(terms: Mapping[str, Term]) -> Term:
    """Return the sum over the parts."""
    return sum(terms.values(), Term())


def step_terms(sizes: Sizes, step: Step) -> Terms:
    """Return the terms of one step, by part: ``projections``, ``attention``, ``mlp``, ``experts``, ...

    A step without tokens reads every weight but the experts, as vLLM counts it.
    """
    attention = sizes.attention
    both = grouped(sizes, attention, step) if isinstance(attention, Grouped) else latent(sizes, attention, step)
    return {**both, **feed_forward(sizes, step), "unembedding": unembedding(sizes, step)}


def product(rows: float, fan_in: int, fan_out: int, weight_bytes: float, activation_bytes: int) -> Term:
    """Return the term of a weight matrix that ``rows`` vectors are multiplied with.

    2 rows fan_in fan_out operations; the matrix and the vectors are read, the products written.
    """
    return Term(
        flops=2 * rows * fan_in * fan_out,
        weights=fan_in * fan_out * weight_bytes,
        activations_read=rows * fan_in * activation_bytes,
        activations_written=rows * fan_out * activation_bytes,
    )


def times(count: float, term: Term) -> Term:
    """Return a term in so many layers."""
    return Term(*(count * value for value in astuple(term)))


def chain(sizes: Sizes, step: Step, matrices: Sequence[tuple[int, int]]) -> Term:
    """Return the term of weight matrices that every token goes through, in every layer."""
    rows = sum(share.tokens for share in step)
    each = (product(rows, fan_in, fan_out, sizes.weight_bytes, sizes.model_bytes) for fan_in, fan_out in matrices)
    return times(sizes.layers, sum(each, Term()))


def grouped(sizes: Sizes, attention: Grouped, step: Step) -> Terms:
    """Return projections and attention proper of a model without MLA."""
    queries, keys = sizes.heads * attention.head_dim, attention.kv_heads * attention.head_dim
    matrices = ((sizes.hidden, queries + 2 * keys), (queries, sizes.hidden))
    whole = sizes.layers - attention.windowed_layers
    core = times(whole, grouped_core(sizes, queries, keys, step, None))
    core += times(attention.windowed_layers, grouped_core(sizes, queries, keys, step, attention.window))
    return {"projections": chain(sizes, step, matrices), "attention": core}


def grouped_core(sizes: Sizes, queries: int, keys: int, step: Step, window: int | None) -> Term:
    """Return attention proper of one layer.

    No causal mask: each of the T tokens meets all C positions, or the window's, even those after it: 4 T C queries
    operations. A prefill's keys and values are billed as activations, a decode's as they are cached.
    """
    sums = Term()
    for share in step:
        seen = share.context if window is None else min(share.context, window)
        sums += Term(
            flops=4 * queries * share.tokens * seen,
            activations_read=share.tokens * queries * sizes.model_bytes,
            kv_read=2 * seen * keys * (sizes.model_bytes if share.prefill else sizes.cache_bytes),
            kv_written=2 * share.tokens * keys * sizes.cache_bytes,
        )
    return sums


def latent(sizes: Sizes, attention: Latent, step: Step) -> Terms:
    """Return projections and attention proper of MLA.

    Decode is billed as if it were computed as prefill is, on the heads' own keys and values and through
    ``kv_b`` for the new tokens only, though its bytes are the compressed cache's.
    """
    qk, heads, compressed = attention.nope + attention.rope, sizes.heads, attention.kv_rank + attention.rope
    query: tuple[tuple[int, int], ...] = ((sizes.hidden, heads * qk),)
    if attention.q_rank is not None:
        query = ((sizes.hidden, attention.q_rank), (attention.q_rank, heads * qk))
    keys = ((sizes.hidden, compressed), (attention.kv_rank, heads * (attention.nope + attention.v_dim)))
    core = Term()
    for share in step:
        prefill_read = share.context * heads * (qk + attention.v_dim) * sizes.model_bytes
        decode_read = share.context * compressed * sizes.cache_bytes
        core += Term(
            flops=2 * heads * share.tokens * share.context * (qk + attention.v_dim),
            activations_read=share.tokens * heads * qk * sizes.model_bytes,
            kv_read=prefill_read if share.prefill else decode_read,
            kv_written=share.tokens * compressed * sizes.cache_bytes,
        )
    projections = chain(sizes, step, (*query, *keys, (heads * attention.v_dim, sizes.hidden)))
    return {"projections": projections, "attention": times(sizes.layers, core)}


def feed_forward(sizes: Sizes, step: Step) -> Terms:
    """Return dense MLPs, routed experts and shared experts, as far as the model has them."""
    tokens = sum(share.tokens for share in step)
    found: Terms = {}
    if dense_layers := sizes.layers - sizes.expert_layers:
        found["mlp"] = times(dense_layers, gated(sizes, tokens, sizes.intermediate))
    if sizes.expert_layers:
        found["experts"] = times(sizes.expert_layers, routed(sizes, tokens))
    if sizes.expert_layers and sizes.shared_experts:
        found["shared_experts"] = times(sizes.expert_layers, shared(sizes, tokens))
    return found


def gated(sizes: Sizes, rows: float, width: int) -> Term:
    """Return a gated MLP of one layer: up and gate as one matrix, the product of the two, down."""
    up = product(rows, sizes.hidden, 2 * width, sizes.weight_bytes, sizes.model_bytes)
    down = product(rows, width, sizes.hidden, sizes.weight_bytes, sizes.model_bytes)
    gate = Term(
        activations_read=2 * rows * width * sizes.model_bytes,
        activations_written=rows * width * sizes.model_bytes,
    )
    return up + gate + down


def routed(sizes: Sizes, tokens: int) -> Term:
    """Return the routed experts of one layer: no two tokens share one until all are in use."""
    rows = tokens * sizes.per_token
    one = gated(sizes, rows, sizes.expert_intermediate)
    return one + Term(weights=(min(rows, sizes.experts) - 1) * one.weights)


def shared(sizes: Sizes, tokens: int) -> Term:
    """Return the shared experts of one layer, an MLP of their joint width, but for two slips.

    The down projection reads the input of one expert only, and writes an output for each.
    """
    width, more = sizes.expert_intermediate, sizes.shared_experts - 1
    slips = Term(
        activations_read=-tokens * more * width * sizes.model_bytes,
        activations_written=tokens * more * sizes.hidden * sizes.model_bytes,
    )
    return gated(sizes, tokens, sizes.shared_experts * width) + slips


def unembedding(sizes: Sizes, step: Step) -> Term:
    """Return the product with the vocabulary: one row for a prefill, whether it ends the prompt or not."""
    rows = sum(1 if share.prefill else share.tokens for share in step)
    return product(rows, sizes.hidden, sizes.vocabulary, sizes.model_bytes, sizes.model_bytes)
