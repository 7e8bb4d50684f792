"""Multi-head latent attention: DeepSeek V2 and V3, Kimi K2, GLM-4.7-Flash.

The cache keeps one compressed vector per token for all heads, and one rotary key. Prefill expands it to keys and values
of every head; decode absorbs the expansion into the queries and works on the compressed vector itself, with as many
multiplications by the same matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pentameter.model.blueprint import MOST_LAYERS, Block, Blueprint, Linear, gated_mlp, max_context
from pentameter.model.moe import multi_token_prediction, routed, router
from pentameter.model.spec import Attention, UnknownModelError

if TYPE_CHECKING:
    from pentameter.model.fields import Fields


@dataclass(frozen=True, slots=True)
class _Sizes:
    hidden: int
    heads: int
    query_rank: int | None
    rank: int
    nope: int
    rope: int
    value: int


def deepseek_v2(fields: Fields) -> Blueprint:
    """Return DeepSeek V2's: no bias at the router."""
    return _build(fields, balanced=False)


def deepseek_v3(fields: Fields) -> Blueprint:
    """Return DeepSeek V3's and Kimi K2's: the router has a bias that balances the experts."""
    return _build(fields, balanced=True)


def _build(fields: Fields, *, balanced: bool) -> Blueprint:
    if "index_topk" in fields:
        raise UnknownModelError("sparse attention by an indexer (index_topk) is not known here")
    sizes = _sizes(fields)
    attention, norms = _attention(fields, sizes)
    hidden = sizes.hidden
    sparse = _sparse(fields)
    kinds: dict[bool, Block] = {}
    if False in sparse:
        mlp = gated_mlp(hidden, fields.integer("intermediate_size"))
        kinds[False] = Block((*attention, *mlp), _cached(sizes), vectors=norms)
    if True in sparse:
        number, inner = fields.integer("n_routed_experts"), fields.integer("moe_intermediate_size")
        beside = [router(number, hidden)]
        shared = fields.integer("n_shared_experts", default=0, least=0)
        if shared:
            beside += gated_mlp(hidden, inner * shared, "mlp.shared_experts", "shared_experts")
        experts = routed(fields, number, gated_mlp(hidden, inner, "mlp.experts.0", "experts"))
        vectors = norms + (number if balanced else 0)
        kinds[True] = Block((*attention, *beside), _cached(sizes), routed=experts, vectors=vectors)
    return Blueprint(
        blocks=tuple(kinds[has_experts] for has_experts in sparse),
        hidden_size=hidden,
        vocab_size=fields.integer("vocab_size"),
        tied=fields.boolean("tie_word_embeddings", default=False),
        max_context=max_context(fields),
        vectors=hidden,
        unmodelled=multi_token_prediction(fields),
    )


def _sizes(fields: Fields) -> _Sizes:
    # A null rank of queries means that they are not compressed (V2-Lite); one that is missing is the class's own.
    compressed = "q_lora_rank" in fields or not fields.states("q_lora_rank")
    return _Sizes(
        hidden=fields.integer("hidden_size"),
        heads=fields.integer("num_attention_heads"),
        query_rank=fields.integer("q_lora_rank", default=1536) if compressed else None,
        rank=fields.integer("kv_lora_rank"),
        nope=fields.integer("qk_nope_head_dim"),
        rope=fields.integer("qk_rope_head_dim"),
        value=fields.integer("v_head_dim"),
    )


def _attention(fields: Fields, sizes: _Sizes) -> tuple[list[Linear], int]:
    """Return the projections, and the parameters of norms and biases of a layer."""
    hidden, heads, latent = sizes.hidden, sizes.heads, sizes.rank + sizes.rope
    width = heads * (sizes.nope + sizes.rope)
    vectors = 2 * hidden + sizes.rank
    if sizes.query_rank is None:
        queries = [Linear("attention", "self_attn.q_proj", width, hidden)]
    else:
        queries = [
            Linear("latent", "self_attn.q_a_proj", sizes.query_rank, hidden),
            Linear("attention", "self_attn.q_b_proj", width, sizes.query_rank),
        ]
        vectors += sizes.query_rank
    if fields.boolean("attention_bias", default=False):
        vectors += (sizes.query_rank or 0) + latent + hidden
    return [
        *queries,
        Linear("latent", "self_attn.kv_a_proj_with_mqa", latent, hidden),
        Linear("attention", "self_attn.kv_b_proj", heads * (sizes.nope + sizes.value), sizes.rank),
        Linear("attention", "self_attn.o_proj", hidden, heads * sizes.value),
    ], vectors


def _cached(sizes: _Sizes) -> Attention:
    latent = sizes.rank + sizes.rope
    return Attention(
        heads=sizes.heads,
        kv_heads=1,
        qk_dim=sizes.nope + sizes.rope,
        v_dim=sizes.value,
        kv_elements=latent,
        decode_qk_dim=latent,
        decode_v_dim=sizes.rank,
    )


def _sparse(fields: Fields) -> list[bool]:
    """Return which layers have experts."""
    layers = fields.integer("num_hidden_layers", most=MOST_LAYERS)
    if "mlp_layer_types" in fields:
        kinds = fields.texts("mlp_layer_types")
        if len(kinds) < layers or not set(kinds) <= {"dense", "sparse"}:
            raise fields.odd("mlp_layer_types", "not one of dense and sparse for each layer")
        return [kind == "sparse" for kind in kinds[:layers]]
    if "n_routed_experts" not in fields:
        return [False] * layers
    first = fields.integer("first_k_dense_replace", default=0, least=0)
    step = fields.integer("moe_layer_freq", default=1)
    return [index >= first and index % step == 0 for index in range(layers)]
