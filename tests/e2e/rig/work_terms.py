"""Pentameter's account of a request's work beside vLLM's, part by part, and every difference between them by a reason.

Each reason is a formula of its own, in sizes and counts: it does not subtract one account from the other. All is for
one GPU and for requests that run alone, so that their steps are known.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from e2e.rig.vllm_perf import Step, Term, Terms, steps_of_one, totals
from e2e.rig.vllm_sizes import Grouped, Latent, Sizes, sizes_of
from pentameter.model.contexts import decode_seen, prefill_read, prefill_seen, reaches
from pentameter.model.flops import decode_flops, prefill_flops
from pentameter.model.moved import Moved, Traffic, moved
from pentameter.model.parallel import ONE_GPU
from pentameter.model.spec import Layer, Matrices

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pentameter.model.spec import ModelSpec

PREFILL, DECODE = PHASES = ("prefill", "decode")


@dataclass(frozen=True)
class Request:
    """What was asked for, and how vLLM is known to cut it into steps."""

    prompt: int
    output: int
    chunk: int
    """The most prompt tokens of a step."""
    cached: int = 0
    """Tokens of the prompt that the prefix cache holds."""

    def steps(self, phase: str) -> list[Step]:
        """Return the steps that compute its prompt, or those after them."""
        steps = steps_of_one(self.prompt, self.output, self.chunk, self.cached)
        chunks = math.ceil((self.prompt - self.cached) / self.chunk)
        return steps[:chunks] if phase == PREFILL else steps[chunks:]


@dataclass(frozen=True)
class Model:
    """What the reasons are made of: the sizes that vLLM's estimate knows, and some that it does not."""

    sizes: Sizes
    norms: int
    """Parameters of all tensors with one dimension."""
    mistaken: int
    """Layers without experts that vLLM takes for layers with experts."""


def model_at(folder: Path) -> Model:
    """Return a model from its files, by none of Pentameter's code."""
    config = json.loads((folder / "config.json").read_text())
    norms = sum(shape[0] for shape in tensor_shapes(folder).values() if len(shape) == 1)
    return Model(sizes_of(config), norms, len(config.get("mlp_only_layers", ())))


def tensor_shapes(folder: Path) -> dict[str, list[int]]:
    """Return the shapes of all stored tensors, from the header of ``model.safetensors``."""
    with (folder / "model.safetensors").open("rb") as file:
        header: dict[str, Any] = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return {name: tensor["shape"] for name, tensor in header.items() if name != "__metadata__"}


# vLLM's side


def theirs(sizes: Sizes, request: Request, phase: str) -> Terms:
    """Return vLLM's terms of one phase of a request, by part."""
    return totals(sizes, request.steps(phase))


# Pentameter's side


def parts(spec: ModelSpec) -> dict[str, ModelSpec]:
    """Return each part of a model as a model without the others: every formula is a sum over parts."""
    bare = replace(spec, layers=(), embedding=None, unembedding=None, vectors=0)

    def layers(part: Callable[[Layer], Layer]) -> ModelSpec:
        return replace(bare, layers=tuple(part(layer) for layer in spec.layers))

    def dense(*names: str) -> ModelSpec:
        return layers(lambda layer: Layer(layer.count, tuple(one for one in layer.dense if one.part in names)))

    return {
        "projections": dense("attention", "latent"),
        "attention": layers(lambda layer: Layer(layer.count, attention=layer.attention)),
        "mlp": dense("mlp"),
        "experts": layers(lambda layer: Layer(layer.count, experts=layer.experts)),
        "shared_experts": dense("shared_experts"),
        "router": dense("router"),
        "norms": replace(layers(lambda layer: Layer(layer.count, vectors=layer.vectors)), vectors=spec.vectors),
        # Not tied to it, so that the look-up stands alone.
        "embedding": replace(bare, embedding=spec.embedding, unembedding=Matrices("unembedding", 0, 16)),
        "unembedding": replace(bare, unembedding=spec.unembedding or spec.embedding),
    }


def ours(spec: ModelSpec, request: Request, phase: str) -> Terms:
    """Return Pentameter's terms of one phase of a request, by part."""
    return {name: our_term(part, request, phase) for name, part in parts(spec).items()}


def our_term(spec: ModelSpec, request: Request, phase: str) -> Term:
    """Return Pentameter's account of a whole model, or of a part, for one phase of a request."""
    bytes_ = our_bytes(spec, request)
    if phase == PREFILL:
        flops = prefill_flops(spec, request.prompt, request.cached)
        return Term(flops, bytes_.prefill_weights, 0, bytes_.prefill_kv, 0, bytes_.prefill_written)
    flops = decode_flops(spec, request.prompt, request.output)
    return Term(flops, bytes_.decode_weights, 0, bytes_.decode_kv, 0, bytes_.decode_written)


def our_bytes(spec: ModelSpec, request: Request) -> Moved:
    """Return Pentameter's bytes for a request whose steps are known."""
    prompt, output, cached = request.prompt, request.output, request.cached
    everywhere = reaches(spec)
    traffic = Traffic(
        prefill_tokens=prompt - cached,
        decode_tokens=output - 1,
        prefill_samples=1,
        decode_steps=output - 1,
        prefill_steps=len(request.steps(PREFILL)),
        mixed_steps=0,
        prefill_seen={reach: prefill_seen(reach, prompt, cached) for reach in everywhere},
        decode_seen={reach: decode_seen(reach, prompt, output) for reach in everywhere},
        prefill_cached_read={reach: prefill_read(reach, prompt, cached, request.chunk) for reach in everywhere},
    )
    return moved(spec, ONE_GPU, traffic)


# The reasons


class Reason(NamedTuple):
    """A part of the difference, ours less vLLM's."""

    part: str
    quantity: str
    """A field of ``Term``."""
    why: str
    amount: float


def reasons(model: Model, request: Request, phase: str) -> list[Reason]:
    """Return why the accounts of one phase of a request differ; activations apart, which only vLLM counts."""
    steps = request.steps(phase)
    shares = [share for step in steps for share in step]
    runs = [(share.tokens, share.context) for share in shares]
    attention = model.sizes.attention
    if isinstance(attention, Grouped):
        found = grouped_reasons(model.sizes, attention, runs)
    else:
        found = latent_reasons(model.sizes, attention, runs, phase)
    found += [*small_reasons(model, runs), *expert_reasons(model, runs)]
    rows = len(runs) - 1 if phase == PREFILL and runs else 0
    why = "only the prompt's last chunk has a use for its row"
    found.append(Reason("unembedding", "flops", why, -2.0 * rows * model.sizes.hidden * model.sizes.vocabulary))
    return [reason for reason in found if reason.amount]


Runs = list[tuple[int, int]]
"""Of each step its t tokens, and the C positions that there are with them."""

CAUSAL = "causal mask: no query sees what comes after it"


def grouped_reasons(sizes: Sizes, attention: Grouped, runs: Runs) -> list[Reason]:
    """Return the reasons in attention proper, without MLA; one pair costs 4 operations per element of the queries."""
    pair = 4 * sizes.heads * attention.head_dim
    window, windowed = attention.window, attention.windowed_layers
    whole = sizes.layers - windowed
    found = [Reason("attention", "flops", CAUSAL, -pair * whole * sum(t * (t - 1) / 2 for t, _ in runs))]
    if window is None:
        return found
    unseen = sum(min(c, window) - min(i, window) for t, c in runs for i in range(c - t + 1, c + 1))
    reached = sum(min(c, t + window - 1) - min(c, window) for t, c in runs)
    element = 2 * attention.kv_heads * attention.head_dim * sizes.cache_bytes
    why = "a window's queries reach back from the first to the last: t + w - 1 positions, not w"
    return [
        *found,
        Reason("attention", "flops", f"{CAUSAL}, within the window", -pair * windowed * unseen),
        Reason("attention", "kv_read", why, element * windowed * reached),
    ]


def latent_reasons(sizes: Sizes, attention: Latent, runs: Runs, phase: str) -> list[Reason]:
    """Return the reasons in attention proper with MLA."""
    expanded = attention.nope + attention.rope + attention.v_dim
    compressed, heads, layers = attention.kv_rank + attention.rope, sizes.heads, sizes.layers
    positions = sum(c for _, c in runs)
    if phase == PREFILL:
        unseen = sum(t * (t - 1) / 2 for t, _ in runs)
        read = layers * positions * (compressed * sizes.cache_bytes - heads * expanded * sizes.model_bytes)
        why = "MLA's cache is compressed; the expanded keys and values are activations"
        return [
            Reason("attention", "flops", CAUSAL, -2 * heads * layers * expanded * unseen),
            Reason("attention", "kv_read", why, read),
        ]
    more = compressed + attention.kv_rank - expanded
    why = "MLA decodes on the compressed cache: longer vectors than the heads' own"
    return [Reason("attention", "flops", why, 2 * heads * layers * more * positions)]


def small_reasons(model: Model, runs: Runs) -> list[Reason]:
    """Return what vLLM's estimate has no term for: router, norms, embedding."""
    sizes, tokens = model.sizes, sum(t for t, _ in runs)
    router = sizes.hidden * sizes.experts * (sizes.expert_layers - model.mistaken)
    return [
        Reason("router", "flops", "vLLM has no router", 2.0 * router * tokens),
        Reason("router", "weights", "vLLM has no router", len(runs) * router * sizes.weight_bytes),
        Reason("norms", "weights", "vLLM has no norms", len(runs) * model.norms * sizes.model_bytes),
        Reason(
            "embedding", "weights", "vLLM has no embedding: a row per token", tokens * sizes.hidden * sizes.model_bytes
        ),
    ]


def expert_reasons(model: Model, runs: Runs) -> list[Reason]:
    """Return the reasons in routed experts, and in the dense layers that vLLM takes for such."""
    sizes, tokens = model.sizes, sum(t for t, _ in runs)
    if not sizes.experts or not runs:
        return []
    expert = 3 * sizes.hidden * sizes.expert_intermediate
    dense = 3 * sizes.hidden * sizes.intermediate
    most = sum(min(t * sizes.per_token, sizes.experts) for t, _ in runs)
    missed = (1 - sizes.per_token / sizes.experts) ** (tokens / len(runs))
    expected = len(runs) * sizes.experts * (1 - missed)
    right, wrong, stored = sizes.expert_layers - model.mistaken, model.mistaken, sizes.weight_bytes
    why = "tokens share experts: E (1 - (1 - k/E)^t) of them are expected, not min(k t, E)"
    layer = "vLLM takes a dense layer for one with experts"
    return [
        Reason("experts", "weights", why, right * (expected - most) * expert * stored),
        Reason("experts", "weights", layer, -wrong * most * expert * stored),
        Reason("experts", "flops", layer, -2.0 * wrong * tokens * sizes.per_token * expert),
        Reason("mlp", "weights", layer, wrong * len(runs) * dense * stored),
        Reason("mlp", "flops", layer, 2.0 * wrong * tokens * dense),
    ]
