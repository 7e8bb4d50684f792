"""Mixtures of experts with ordinary attention: in which layers the experts are, and what stands beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.model.attention_windows import FULL, Window, seen, windows
from pentameter.model.blueprint import Block, Blueprint, Linear, Routed, Sizes, gated_mlp, projections
from pentameter.model.dense import Habits, attention_vectors, finish, sizes_of, views_of

if TYPE_CHECKING:
    from pentameter.model.fields import Fields


def routed(fields: Fields, number: int, matrices: list[Linear], vectors: int = 0, default: int | None = None) -> Routed:
    """Return the experts, of which a token can be sent to no more than there are."""
    per_token = fields.integer("num_experts_per_tok", default=default)
    if per_token > number:
        raise fields.odd("num_experts_per_tok", f"more than the {number} experts")
    return Routed(number, per_token, tuple(matrices), vectors)


def layers(
    fields: Fields, sizes: Sizes, habits: Habits, sparse: list[bool], experts: Routed | None, beside: list[Linear],
    dense: list[Linear], sparse_vectors: int = 0, views: list[Window] | None = None,
) -> list[Block]:  # fmt: skip
    """Return layers that have experts and what is beside them where ``sparse`` says so, a dense MLP elsewhere."""
    attention = projections(sizes, output=habits.output)
    vectors = attention_vectors(fields, sizes, habits)
    seeing = views or views_of(fields, sizes.layers, habits)
    kinds: dict[tuple[bool, Window], Block] = {}
    for key in set(zip(sparse, seeing, strict=True)):
        has_experts, view = key
        kinds[key] = Block(
            linears=(*attention, *(beside if has_experts else dense)),
            attention=seen(sizes, view),
            routed=experts if has_experts else None,
            vectors=vectors + (sparse_vectors if has_experts else 0),
        )
    return [kinds[key] for key in zip(sparse, seeing, strict=True)]


def router(number: int, hidden: int, name: str = "mlp.gate") -> Linear:
    """Return the matrix that chooses among experts."""
    return Linear("router", name, number, hidden)


def mixtral(fields: Fields) -> Blueprint:
    """Return Mixtral's: experts in every layer."""
    habits = Habits(kv_heads=8)
    sizes = sizes_of(fields, habits)
    at, hidden, inner = "block_sparse_moe", sizes.hidden, fields.integer("intermediate_size")
    number = fields.integer("num_local_experts")
    matrices = [
        Linear("experts", f"{at}.experts.0.w1", inner, hidden),
        Linear("experts", f"{at}.experts.0.w3", inner, hidden),
        Linear("experts", f"{at}.experts.0.w2", hidden, inner),
    ]
    beside = [router(number, hidden, f"{at}.gate")]
    experts = routed(fields, number, matrices, default=2)
    blocks = layers(fields, sizes, habits, [True] * sizes.layers, experts, beside, [])
    return finish(fields, sizes, blocks, habits)


def qwen_sparse(fields: Fields, count: int) -> list[bool]:
    """Return which of Qwen's layers have experts: every ``decoder_sparse_step``-th that is not ``mlp_only``."""
    step = fields.integer("decoder_sparse_step", default=1)
    dense = set(fields.integers("mlp_only_layers"))
    return [index not in dense and (index + 1) % step == 0 for index in range(count)]


def qwen_experts(fields: Fields, hidden: int, *, shared: bool) -> tuple[Routed, list[Linear]]:
    """Return Qwen's experts and what is beside them: the router and, if so, a shared expert with a gate of its own."""
    number = fields.integer("num_experts", "num_local_experts")
    matrices = gated_mlp(hidden, fields.integer("moe_intermediate_size"), "mlp.experts.0", "experts")
    beside = [router(number, hidden)]
    if shared:
        inner = fields.integer("shared_expert_intermediate_size")
        beside += gated_mlp(hidden, inner, "mlp.shared_expert", "shared_experts")
        beside.append(Linear("router", "mlp.shared_expert_gate", 1, hidden))
    return routed(fields, number, matrices), beside


def qwen2(fields: Fields) -> Blueprint:
    """Return Qwen2-MoE's: a shared expert beside the routed ones."""
    return _qwen(fields, Habits(kv_heads=16, qkv_bias=("qkv_bias", True), slides_if_told=True), shared=True)


def qwen3(fields: Fields) -> Blueprint:
    """Return Qwen3-MoE's: no shared expert."""
    bias = ("attention_bias", False)
    habits = Habits(kv_heads=4, qkv_bias=bias, output_bias=bias, qk_norm="head", slides_if_told=True)
    return _qwen(fields, habits, shared=False)


def _qwen(fields: Fields, habits: Habits, *, shared: bool) -> Blueprint:
    sizes = sizes_of(fields, habits)
    experts, beside = qwen_experts(fields, sizes.hidden, shared=shared)
    sparse = qwen_sparse(fields, sizes.layers)
    dense = [] if all(sparse) else gated_mlp(sizes.hidden, fields.integer("intermediate_size"))
    return finish(fields, sizes, layers(fields, sizes, habits, sparse, experts, beside, dense), habits)


def glm4(fields: Fields) -> Blueprint:
    """Return GLM-4.5's: dense first layers, then routed and shared experts."""
    habits = Habits(kv_heads=8, qkv_bias=("attention_bias", False), qk_norm="head", qk_normed=("use_qk_norm", False))
    sizes = sizes_of(fields, habits)
    hidden, inner = sizes.hidden, fields.integer("moe_intermediate_size")
    number = fields.integer("n_routed_experts")
    beside = [router(number, hidden)]
    shared = fields.integer("n_shared_experts", default=1, least=0)
    if shared:
        beside += gated_mlp(hidden, inner * shared, "mlp.shared_experts", "shared_experts")
    experts = routed(fields, number, gated_mlp(hidden, inner, "mlp.experts.0", "experts"))
    first = fields.integer("first_k_dense_replace", default=1, least=0)
    sparse = [index >= first for index in range(sizes.layers)]
    dense = gated_mlp(hidden, fields.integer("intermediate_size"))
    # The bias that balances the experts is one number for each.
    blocks = layers(fields, sizes, habits, sparse, experts, beside, dense, sparse_vectors=number)
    return finish(fields, sizes, blocks, habits, unmodelled=multi_token_prediction(fields))


def multi_token_prediction(fields: Fields) -> tuple[str, ...]:
    """Return the name of the layers that only speculation loads, where there are any."""
    found = fields.integer("num_nextn_predict_layers", default=0, least=0)
    return ("multi-token prediction",) if found else ()


def gpt_oss(fields: Fields) -> Blueprint:
    """Return gpt-oss's: alternating windows, a sink per head, biases everywhere, the experts' too."""
    bias = ("attention_bias", True)
    habits = Habits(kv_heads=8, head_dim=64, qkv_bias=bias, output_bias=bias, window=128, pattern=2)
    sizes = sizes_of(fields, habits)
    hidden, inner = sizes.hidden, fields.integer("intermediate_size")
    number = fields.integer("num_local_experts", "num_experts")
    matrices = [
        Linear("experts", "mlp.experts.gate_up_proj", 2 * inner, hidden),
        Linear("experts", "mlp.experts.down_proj", hidden, inner),
    ]
    experts = routed(fields, number, matrices, vectors=2 * inner + hidden, default=4)
    beside = [router(number, hidden, "mlp.router")]
    blocks = layers(
        fields, sizes, habits, [True] * sizes.layers, experts, beside, [], sparse_vectors=number + sizes.heads
    )
    return finish(fields, sizes, blocks, habits)


def llama4(fields: Fields) -> Blueprint:
    """Return Llama 4's: one expert per token beside a shared one, chunked attention except in every fourth layer."""
    bias = ("attention_bias", False)
    habits = Habits(kv_heads=8, head_dim=128, qkv_bias=bias, output_bias=bias)
    sizes = sizes_of(fields, habits)
    hidden, inner = sizes.hidden, fields.integer("intermediate_size")
    number = fields.integer("num_local_experts")
    matrices = [
        Linear("experts", "feed_forward.experts.gate_up_proj", 2 * inner, hidden),
        Linear("experts", "feed_forward.experts.down_proj", hidden, inner),
    ]
    beside = [
        router(number, hidden, "feed_forward.router"),
        *gated_mlp(hidden, inner, "feed_forward.shared_expert", "shared_experts"),
    ]
    sparse = _llama4_sparse(fields, sizes.layers)
    dense = [] if all(sparse) else gated_mlp(hidden, fields.integer("intermediate_size_mlp"), "feed_forward")
    blocks = layers(
        fields, sizes, habits, sparse, routed(fields, number, matrices, default=1), beside, dense,
        views=_llama4_views(fields, sizes.layers),
    )  # fmt: skip
    return finish(fields, sizes, blocks, habits)


def _llama4_sparse(fields: Fields, count: int) -> list[bool]:
    if "moe_layers" in fields:
        chosen = set(fields.integers("moe_layers"))
    else:
        step = fields.integer("interleave_moe_layer_step", default=1)
        chosen = set(range(step - 1, count, step))
    return [index in chosen for index in range(count)]


def _llama4_views(fields: Fields, count: int) -> list[Window]:
    if fields.states("attention_chunk_size") and "attention_chunk_size" not in fields:
        return [FULL] * count
    if "layer_types" in fields:
        return windows(fields, count)
    chunk = Window(fields.integer("attention_chunk_size", default=8192), chunked=True)
    # The layers without rotary embedding (0 in the list) are those that see everything.
    rotary = fields.integers("no_rope_layers")
    if not rotary:
        step = fields.integer("no_rope_layer_interval", default=4)
        rotary = tuple(int((index + 1) % step != 0) for index in range(count))
    if len(rotary) < count:
        raise fields.odd("no_rope_layers", f"fewer than {count} layers")
    return [chunk if rotary[index] else FULL for index in range(count)]


def olmoe(fields: Fields) -> Blueprint:
    """Return OLMoE's."""
    bias = ("attention_bias", False)
    habits = Habits(qkv_bias=bias, output_bias=bias, qk_norm="all")
    sizes = sizes_of(fields, habits)
    hidden, number = sizes.hidden, fields.integer("num_experts", "num_local_experts")
    matrices = gated_mlp(hidden, fields.integer("intermediate_size"), "mlp.experts.0", "experts")
    experts = routed(fields, number, matrices)
    blocks = layers(fields, sizes, habits, [True] * sizes.layers, experts, [router(number, hidden)], [])
    return finish(fields, sizes, blocks, habits)


def granite(fields: Fields) -> Blueprint:
    """Return Granite-MoE's."""
    bias = ("attention_bias", False)
    habits = Habits(qkv_bias=bias, output_bias=bias)
    sizes = sizes_of(fields, habits)
    at, hidden, inner = "block_sparse_moe", sizes.hidden, fields.integer("intermediate_size")
    number = fields.integer("num_local_experts")
    matrices = [
        Linear("experts", f"{at}.input_linear", 2 * inner, hidden),
        Linear("experts", f"{at}.output_linear", hidden, inner),
    ]
    beside = [router(number, hidden, f"{at}.router.layer")]
    blocks = layers(fields, sizes, habits, [True] * sizes.layers, routed(fields, number, matrices), beside, [])
    return finish(fields, sizes, blocks, habits)
