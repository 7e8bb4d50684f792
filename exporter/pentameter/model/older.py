"""Older decoders, each with names of its own: GPT-2, OPT, GPT-NeoX, Falcon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.model.attention_windows import FULL, seen
from pentameter.model.blueprint import MOST_LAYERS, Block, Blueprint, Linear, Sizes, divided, max_context, plain_mlp
from pentameter.model.spec import UnknownModelError

if TYPE_CHECKING:
    from pentameter.model.fields import Fields


def gpt2(fields: Fields) -> Blueprint:
    """Return GPT-2's: learned positions, biases everywhere, tied."""
    if fields.boolean("add_cross_attention", default=False):
        raise UnknownModelError("cross attention (add_cross_attention) is not known here")
    hidden = fields.integer("n_embd", "hidden_size")
    sizes = _heads(fields.integer("n_layer", "num_hidden_layers", most=MOST_LAYERS), hidden, fields, "n_head")
    inner = fields.integer("n_inner", default=4 * hidden)
    positions = fields.integer("n_positions", "max_position_embeddings")
    linears = (
        Linear("attention", "attn.c_attn", 3 * hidden, hidden),
        Linear("attention", "attn.c_proj", hidden, hidden),
        *plain_mlp(hidden, inner, "mlp.c_fc", "mlp.c_proj"),
    )
    block = Block(linears, seen(sizes, FULL), vectors=_biases(hidden, inner) + 4 * hidden)
    return Blueprint(
        blocks=(block,) * sizes.layers,
        hidden_size=hidden,
        vocab_size=fields.integer("vocab_size"),
        tied=fields.boolean("tie_word_embeddings", default=True),
        max_context=positions,
        vectors=positions * hidden + 2 * hidden,
        prefix="transformer.h",
    )


def opt(fields: Fields) -> Blueprint:
    """Return OPT's: learned positions, of which two are never used, biases, tied."""
    hidden = fields.integer("hidden_size")
    if fields.integer("word_embed_proj_dim", default=hidden) != hidden:
        raise fields.odd("word_embed_proj_dim", "projected embeddings are not known here")
    plain = fields.boolean("do_layer_norm_before", default=True) and fields.boolean("enable_bias", default=True)
    if not plain or fields.boolean("_remove_final_layer_norm", default=False):
        raise UnknownModelError("OPT without biases or without a last norm is not known here")
    sizes = _heads(fields.integer("num_hidden_layers", most=MOST_LAYERS), hidden, fields, "num_attention_heads")
    inner, positions = fields.integer("ffn_dim"), fields.integer("max_position_embeddings")
    names = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj")
    linears = (*(Linear("attention", name, hidden, hidden) for name in names), *plain_mlp(hidden, inner, "fc1", "fc2"))
    block = Block(linears, seen(sizes, FULL), vectors=_biases(hidden, inner) + 4 * hidden)
    return Blueprint(
        blocks=(block,) * sizes.layers,
        hidden_size=hidden,
        vocab_size=fields.integer("vocab_size"),
        tied=fields.boolean("tie_word_embeddings", default=True),
        max_context=positions,
        vectors=(positions + 2) * hidden + 2 * hidden,
        prefix="model.decoder.layers",
    )


def gpt_neox(fields: Fields) -> Blueprint:
    """Return GPT-NeoX's and Pythia's."""
    hidden, inner = fields.integer("hidden_size"), fields.integer("intermediate_size")
    sizes = _heads(fields.integer("num_hidden_layers", most=MOST_LAYERS), hidden, fields, "num_attention_heads")
    linears = (
        Linear("attention", "attention.query_key_value", 3 * hidden, hidden),
        Linear("attention", "attention.dense", hidden, hidden),
        *plain_mlp(hidden, inner, "mlp.dense_h_to_4h", "mlp.dense_4h_to_h"),
    )
    biases = _biases(hidden, inner) - (0 if fields.boolean("attention_bias", default=True) else 4 * hidden)
    return Blueprint(
        blocks=(Block(linears, seen(sizes, FULL), vectors=biases + 4 * hidden),) * sizes.layers,
        hidden_size=hidden,
        vocab_size=fields.integer("vocab_size"),
        tied=fields.boolean("tie_word_embeddings", default=False),
        max_context=max_context(fields),
        vectors=2 * hidden,
        prefix="gpt_neox.layers",
    )


def falcon(fields: Fields) -> Blueprint:
    """Return Falcon's: one head of keys for all queries (7B), or groups (40B and 180B)."""
    hidden = fields.integer("hidden_size", "n_embed")
    layers = fields.integer("num_hidden_layers", "n_layer", most=MOST_LAYERS)
    heads = fields.integer("num_attention_heads", "n_head")
    head_dim = divided(hidden, heads, "hidden_size by num_attention_heads")
    new = fields.boolean("new_decoder_architecture", default=False)
    if new:
        keys = fields.integer("num_kv_heads", "n_head_kv", default=heads)
    else:
        keys = 1 if fields.boolean("multi_query", default=True) else heads
    divided(heads, keys, "query heads by heads of keys")
    sizes = Sizes(layers, hidden, heads, keys, head_dim)
    inner = fields.integer("ffn_hidden_size", default=4 * hidden)
    linears = (
        Linear("attention", "self_attention.query_key_value", sizes.query + 2 * sizes.key, hidden),
        Linear("attention", "self_attention.dense", hidden, sizes.query),
        *plain_mlp(hidden, inner, "mlp.dense_h_to_4h", "mlp.dense_4h_to_h"),
    )
    biases = sizes.query + 2 * sizes.key + hidden + inner + hidden
    vectors = 2 * hidden * _falcon_norms(fields, new=new) + fields.boolean("bias", default=False) * biases
    return Blueprint(
        blocks=(Block(linears, seen(sizes, FULL), vectors=vectors),) * layers,
        hidden_size=hidden,
        vocab_size=fields.integer("vocab_size"),
        tied=fields.boolean("tie_word_embeddings", default=True),
        max_context=max_context(fields),
        vectors=2 * hidden,
        prefix="transformer.h",
    )


def _falcon_norms(fields: Fields, *, new: bool) -> int:
    if new:
        return fields.integer("num_ln_in_parallel_attn", default=2, most=2)
    return 1 if fields.boolean("parallel_attn", default=True) else 2


def _heads(layers: int, hidden: int, fields: Fields, key: str) -> Sizes:
    heads = fields.integer(key, "num_attention_heads")
    return Sizes(layers, hidden, heads, heads, divided(hidden, heads, f"hidden size by {key}"))


def _biases(hidden: int, inner: int) -> int:
    """Return the biases of four projections of the hidden size and of a plain MLP."""
    return 4 * hidden + inner + hidden
