"""Layers with a state of fixed size among layers with a cache: gated delta nets (Qwen3-Next, Qwen3.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.model.attention_windows import FULL, seen
from pentameter.model.blueprint import (
    Block,
    Blueprint,
    Linear,
    gated_mlp,
    known_kinds,
    projections,
    state_number,
)
from pentameter.model.dense import Habits, attention_vectors, finish, sizes_of
from pentameter.model.moe import qwen_experts, qwen_sparse
from pentameter.model.spec import Recurrent

if TYPE_CHECKING:
    from pentameter.model.fields import Fields


def qwen3_next(fields: Fields, dtype_bits: int) -> Blueprint:
    """Return Qwen3-Next's: three gated delta nets to one gated attention, experts in every layer."""
    return _qwen(fields, dtype_bits, fused=True, sparse=True)


def qwen3_5(fields: Fields, dtype_bits: int) -> Blueprint:
    """Return Qwen3.5's: the same layers with a dense MLP."""
    return _qwen(fields, dtype_bits, fused=False, sparse=False)


def qwen3_5_moe(fields: Fields, dtype_bits: int) -> Blueprint:
    """Return Qwen3.5-MoE's."""
    return _qwen(fields, dtype_bits, fused=False, sparse=True)


def _qwen(fields: Fields, dtype_bits: int, *, fused: bool, sparse: bool) -> Blueprint:
    bias = ("attention_bias", False)
    habits = Habits(kv_heads=2 if sparse else 4, head_dim=256, qkv_bias=bias, output_bias=bias, qk_norm="head")
    sizes = sizes_of(fields, habits)
    experts, beside = qwen_experts(fields, sizes.hidden, shared=True) if sparse else (None, [])
    has_experts = qwen_sparse(fields, sizes.layers) if sparse else [False] * sizes.layers
    dense = [] if all(has_experts) else gated_mlp(sizes.hidden, fields.integer("intermediate_size"))
    delta, state, own = _delta_net(fields, sizes.hidden, dtype_bits, fused=fused)
    gated = fields.boolean("attn_output_gate", default=True)
    attention = projections(sizes, gated=gated)
    gate_bias = sizes.query if gated and fields.boolean("attention_bias", default=False) else 0
    full_vectors = attention_vectors(fields, sizes, habits) + gate_bias
    kinds: dict[tuple[str, bool], Block] = {}
    for kind in set(zip(_qwen_kinds(fields, sizes.layers), has_experts, strict=True)):
        rest, chosen = (beside, experts) if kind[1] else (dense, None)
        if kind[0] == "full_attention":
            kinds[kind] = Block((*attention, *rest), seen(sizes, FULL), routed=chosen, vectors=full_vectors)
        else:
            vectors = 2 * sizes.hidden + own
            kinds[kind] = Block((*delta, *rest), recurrent=state, routed=chosen, vectors=vectors)
    blocks = [kinds[kind] for kind in zip(_qwen_kinds(fields, sizes.layers), has_experts, strict=True)]
    unmodelled = ("multi-token prediction",) if fields.integer("mtp_num_hidden_layers", default=0, least=0) else ()
    return finish(fields, sizes, blocks, habits, unmodelled)


def _qwen_kinds(fields: Fields, layers: int) -> list[str]:
    if "layer_types" in fields:
        return known_kinds(fields, "layer_types", layers, {"linear_attention", "full_attention"})
    step = fields.integer("full_attention_interval", default=4)
    return ["linear_attention" if (index + 1) % step else "full_attention" for index in range(layers)]


def _delta_net(fields: Fields, hidden: int, dtype_bits: int, *, fused: bool) -> tuple[list[Linear], Recurrent, int]:
    """Return a gated delta net: its matrices, its state, and the parameters of its convolution, decay and norm.

    Per token and value head the state of key x value numbers decays (1 operation each), is read by the key, is
    corrected, and is read by the query (2 each): 7 key x value, and 2 for each weight of the convolution.
    """
    keys, values = fields.integer("linear_num_key_heads"), fields.integer("linear_num_value_heads")
    key_dim, value_dim = fields.integer("linear_key_head_dim"), fields.integer("linear_value_head_dim")
    kernel = fields.integer("linear_conv_kernel_dim", default=4)
    key_width, value_width = keys * key_dim, values * value_dim
    channels = 2 * key_width + value_width
    at = "linear_attn"
    if fused:
        inputs = {"in_proj_qkvz": channels + value_width, "in_proj_ba": 2 * values}
    else:
        inputs = {"in_proj_qkv": channels, "in_proj_z": value_width, "in_proj_b": values, "in_proj_a": values}
    linears = [Linear("recurrent", f"{at}.{name}", outputs, hidden) for name, outputs in inputs.items()]
    linears.append(Linear("recurrent", f"{at}.out_proj", hidden, value_width))
    size = values * key_dim * value_dim
    number = state_number(fields, "mamba_ssm_dtype", dtype_bits)
    state = Recurrent(
        state_bytes=channels * (kernel - 1) * dtype_bits / 8 + size * number,
        flops_per_token=7.0 * size + 2.0 * channels * kernel,
    )
    return linears, state, channels * kernel + 2 * values + value_dim
