"""A model's sizes as vLLM 0.32 takes them from its configuration for ``--enable-mfu-metrics``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Grouped:
    """Attention with a number of heads of keys and values."""

    kv_heads: int
    head_dim: int
    window: int | None = None
    windowed_layers: int = 0


@dataclass(frozen=True)
class Latent:
    """Multi-head latent attention (MLA)."""

    q_rank: int | None
    kv_rank: int
    nope: int
    rope: int
    v_dim: int


@dataclass(frozen=True)
class Sizes:
    """A model as vLLM's estimate sees it."""

    hidden: int
    layers: int
    heads: int
    vocabulary: int
    attention: Grouped | Latent
    intermediate: int
    experts: int = 0
    per_token: int = 0
    expert_intermediate: int = 0
    shared_experts: int = 0
    expert_layers: int = 0
    weight_bytes: float = 2
    """Per parameter of attention and MLP; by the *name* of the quantisation."""
    model_bytes: int = 2
    """Per activation, and per parameter of the unembedding."""
    cache_bytes: int = 2


def sizes_of(config: Mapping[str, Any], weight_bytes: float = 2, cache_bytes: int = 2) -> Sizes:
    """Return what vLLM takes from a ``config.json`` of one of the rig's models.

    Experts are in every layer, except where both ``first_k_dense_replace`` and ``moe_layer_freq`` say otherwise:
    Qwen's ``mlp_only_layers`` is not read.
    """
    layers, heads = config["num_hidden_layers"], config["num_attention_heads"]
    experts = config.get("num_local_experts", config.get("n_routed_experts", 0))
    with_experts = range(config.get("first_k_dense_replace", 0), layers) if experts else ()
    return Sizes(
        hidden=config["hidden_size"],
        layers=layers,
        heads=heads,
        vocabulary=config["vocab_size"],
        attention=latent_of(config) if "kv_lora_rank" in config else grouped_of(config),
        intermediate=config["intermediate_size"],
        experts=experts,
        per_token=config.get("num_experts_per_tok", 0),
        expert_intermediate=config.get("moe_intermediate_size", 0),
        shared_experts=config.get("n_shared_experts", 0),
        expert_layers=len(with_experts),
        weight_bytes=weight_bytes,
        cache_bytes=cache_bytes,
    )


def grouped_of(config: Mapping[str, Any]) -> Grouped:
    """Return the attention of a model without MLA; a window counts in the layers that are named as sliding."""
    windowed = sum(kind == "sliding_attention" for kind in config.get("layer_types", ()))
    return Grouped(config["num_key_value_heads"], config["head_dim"], config.get("sliding_window"), windowed)


def latent_of(config: Mapping[str, Any]) -> Latent:
    """Return the attention of a model with MLA."""
    names = ("q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")
    return Latent(*(config[name] for name in names))
