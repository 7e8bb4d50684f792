"""Decoders of the Llama kind: four projections, a gated MLP or a plain one, and their families' habits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pentameter.model.attention_windows import FULL, Window, seen, windows
from pentameter.model.blueprint import (
    Block,
    Blueprint,
    Linear,
    Sizes,
    gated_mlp,
    max_context,
    plain_mlp,
    projections,
    read_sizes,
)

if TYPE_CHECKING:
    from pentameter.model.fields import Fields

Flag = bool | tuple[str, bool]
"""Whether something is there: fixed, or by a key with the family's default."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What a family does where its configuration is silent, and what it never says."""

    tied: bool = False
    kv_heads: int | None = None
    """Where the key is missing; None: as many as query heads."""
    head_dim: int | None = None
    """Where the key is missing; None: hidden / heads."""
    reads_head_dim: bool = True
    vocab_size: int | None = None
    heads: int | None = None
    qkv_bias: Flag = False
    output_bias: Flag = False
    mlp_bias: Flag = False
    norms: int = 2
    """Of the hidden size, in each layer."""
    norm_vectors: int = 1
    """2 where norms have a bias too, 0 where they have no weights at all."""
    qk_norm: str = ""
    """``head``: one for all heads; ``all``: over the whole width."""
    qk_normed: Flag = True
    """Whether it has that norm."""
    window: int | None = None
    pattern: int | None = None
    """Every pattern-th layer sees everything."""
    slides_if_told: bool = False
    """A window applies only with ``use_sliding_window`` (Qwen)."""
    gated: bool = True
    fused: bool = False
    """Its files keep queries, keys and values in one matrix, and gate and up too."""
    up: str = "mlp.up_proj"
    down: str = "mlp.down_proj"
    output: str = "o_proj"
    head_bias: bool = False


def build(fields: Fields, habits: Habits) -> Blueprint:
    """Return the blueprint of a dense decoder."""
    sizes = sizes_of(fields, habits)
    inner = fields.integer("intermediate_size")
    linears = _attention(sizes, habits) + _mlp(sizes.hidden, inner, habits)
    vectors = attention_vectors(fields, sizes, habits) + flag(fields, habits.mlp_bias) * _mlp_bias(sizes, inner, habits)
    views = views_of(fields, sizes.layers, habits)
    kinds = {view: Block(tuple(linears), seen(sizes, view), vectors=vectors) for view in set(views)}
    return finish(fields, sizes, [kinds[view] for view in views], habits)


def finish(
    fields: Fields, sizes: Sizes, blocks: list[Block], habits: Habits, unmodelled: tuple[str, ...] = ()
) -> Blueprint:
    """Return the blueprint of a model with these layers and an ordinary beginning and end."""
    vocab = fields.integer("vocab_size", default=habits.vocab_size)
    return Blueprint(
        blocks=tuple(blocks),
        hidden_size=sizes.hidden,
        vocab_size=vocab,
        tied=fields.boolean("tie_word_embeddings", default=habits.tied),
        max_context=max_context(fields),
        vectors=sizes.hidden * habits.norm_vectors + (vocab if habits.head_bias else 0),
        unmodelled=unmodelled,
    )


def sizes_of(fields: Fields, habits: Habits, layers: int | None = None) -> Sizes:
    """Return the sizes as the family has them."""
    return read_sizes(
        fields,
        layers=layers,
        heads=habits.heads,
        kv_heads=habits.kv_heads,
        head_dim=habits.head_dim,
        reads_head_dim=habits.reads_head_dim,
    )


def views_of(fields: Fields, layers: int, habits: Habits) -> list[Window]:
    """Return what each layer sees."""
    if habits.slides_if_told and not fields.boolean("use_sliding_window", default=False):
        return [FULL] * layers
    return windows(fields, layers, default=habits.window, pattern=habits.pattern)


def attention_vectors(fields: Fields, sizes: Sizes, habits: Habits) -> int:
    """Return the parameters of a layer's norms and of the biases of its projections."""
    qk = {"": 0, "head": 2 * sizes.head_dim, "all": sizes.query + sizes.key}[habits.qk_norm]
    qk *= flag(fields, habits.qk_normed)
    return (
        habits.norms * habits.norm_vectors * sizes.hidden
        + qk
        + flag(fields, habits.qkv_bias) * (sizes.query + 2 * sizes.key)
        + flag(fields, habits.output_bias) * sizes.hidden
    )


def flag(fields: Fields, flag: Flag) -> bool:
    """Return what a flag says."""
    return flag if isinstance(flag, bool) else fields.boolean(flag[0], default=flag[1])


def _attention(sizes: Sizes, habits: Habits) -> list[Linear]:
    if not habits.fused:
        return projections(sizes, output=habits.output)
    return [
        Linear("attention", "self_attn.qkv_proj", sizes.query + 2 * sizes.key, sizes.hidden),
        Linear("attention", "self_attn.o_proj", sizes.hidden, sizes.query),
    ]


def _mlp(hidden: int, inner: int, habits: Habits) -> list[Linear]:
    if not habits.gated:
        return plain_mlp(hidden, inner, habits.up, habits.down)
    if not habits.fused:
        return gated_mlp(hidden, inner)
    return [Linear("mlp", "mlp.gate_up_proj", 2 * inner, hidden), Linear("mlp", "mlp.down_proj", hidden, inner)]


def _mlp_bias(sizes: Sizes, inner: int, habits: Habits) -> int:
    return inner * (2 if habits.gated else 1) + sizes.hidden
