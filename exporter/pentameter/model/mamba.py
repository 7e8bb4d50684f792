"""Mamba 2 layers among layers of attention: Granite 4 and Nemotron-H."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from pentameter.model.attention_windows import FULL, seen
from pentameter.model.blueprint import (
    Block,
    Blueprint,
    Linear,
    divided,
    known_kinds,
    plain_mlp,
    projections,
    state_number,
)
from pentameter.model.dense import Habits, attention_vectors, finish, sizes_of
from pentameter.model.moe import multi_token_prediction, routed, router
from pentameter.model.spec import Recurrent

if TYPE_CHECKING:
    from pentameter.model.fields import Fields

BIAS = ("attention_bias", False)


class _Mamba2(NamedTuple):
    """A Mamba 2 mixer: ``heads`` of ``width`` numbers, each with a state of ``width`` x ``state``."""

    at: str
    hidden: int
    heads: int
    width: int
    groups: int
    state: int
    kernel: int
    conv_bias: bool
    bias: bool

    @property
    def inner(self) -> int:
        return self.heads * self.width

    @property
    def channels(self) -> int:
        """Return the channels of the convolution."""
        return self.inner + 2 * self.groups * self.state

    @property
    def linears(self) -> list[Linear]:
        inputs = self.inner + self.channels + self.heads
        return [
            Linear("recurrent", f"{self.at}.in_proj", inputs, self.hidden),
            Linear("recurrent", f"{self.at}.out_proj", self.hidden, self.inner),
        ]

    @property
    def vectors(self) -> int:
        """Return the parameters of the convolution, the decays (A, D, dt) and the norm."""
        biases = self.bias * (self.inner + self.channels + self.heads + self.hidden)
        return self.channels * (self.kernel + self.conv_bias) + 3 * self.heads + self.inner + biases

    def recurrent(self, state_number: float, dtype_bits: int) -> Recurrent:
        """Return the state and its work.

        Per token and number of the state: its decay (1 operation), what is added (2) and its reading (2); and 2 for
        each weight of the convolution.
        """
        size = self.inner * self.state
        return Recurrent(
            state_bytes=self.channels * (self.kernel - 1) * dtype_bits / 8 + size * state_number,
            flops_per_token=5.0 * size + 2.0 * self.channels * self.kernel,
        )


def granite(fields: Fields, dtype_bits: int) -> Blueprint:
    """Return Granite 4's: each layer has a mixer, routed experts, if there are any, and a shared MLP."""
    habits = Habits(qkv_bias=BIAS, output_bias=BIAS)
    sizes = sizes_of(fields, habits)
    hidden, at = sizes.hidden, "block_sparse_moe"
    shared = fields.integer("shared_intermediate_size")
    number = fields.integer("num_local_experts", default=0, least=0)
    part = "shared_experts" if number else "mlp"
    rest = [
        Linear(part, "shared_mlp.input_linear", 2 * shared, hidden),
        Linear(part, "shared_mlp.output_linear", hidden, shared),
    ]
    experts = None
    if number:
        inner = fields.integer("intermediate_size")
        rest.append(router(number, hidden, f"{at}.router.layer"))
        matrices = [
            Linear("experts", f"{at}.input_linear", 2 * inner, hidden),
            Linear("experts", f"{at}.output_linear", hidden, inner),
        ]
        experts = routed(fields, number, matrices)
    heads = fields.integer("mamba_n_heads")
    inner_width = fields.integer("mamba_expand", default=2) * hidden
    mixer = _Mamba2(
        at="mamba",
        hidden=hidden,
        heads=heads,
        width=divided(inner_width, heads, "mamba_expand x hidden_size by mamba_n_heads"),
        groups=fields.integer("mamba_n_groups", default=1),
        state=fields.integer("mamba_d_state"),
        kernel=fields.integer("mamba_d_conv", default=4),
        conv_bias=fields.boolean("mamba_conv_bias", default=True),
        bias=fields.boolean("mamba_proj_bias", default=False),
    )
    own = attention_vectors(fields, sizes, habits)
    recurrent = mixer.recurrent(dtype_bits / 8, dtype_bits)
    attention = Block((*projections(sizes), *rest), seen(sizes, FULL), routed=experts, vectors=own)
    mamba = Block((*mixer.linears, *rest), None, recurrent, experts, vectors=2 * hidden + mixer.vectors)
    kinds = {"attention": attention, "full_attention": attention, "mamba": mamba, "linear_attention": mamba}
    names = known_kinds(fields, "layer_types", sizes.layers, set(kinds))
    return finish(fields, sizes, [kinds[name] for name in names], habits)


def nemotron_h(fields: Fields, dtype_bits: int) -> Blueprint:
    """Return Nemotron-H's: a layer is one of Mamba 2, attention, MLP or experts, with one norm."""
    names = _nemotron_kinds(fields)
    # Its attention has no biases, whatever attention_bias says, and its embeddings are never tied.
    habits = Habits(kv_heads=8, head_dim=128, norms=1)
    sizes = sizes_of(fields, habits, layers=len(names))
    hidden, at = sizes.hidden, "mixer"
    mixer = _Mamba2(
        at=at,
        hidden=hidden,
        heads=fields.integer("mamba_num_heads"),
        width=fields.integer("mamba_head_dim"),
        groups=fields.integer("n_groups"),
        state=fields.integer("ssm_state_size"),
        kernel=fields.integer("conv_kernel", default=4),
        conv_bias=fields.boolean("use_conv_bias", default=True),
        bias=fields.boolean("use_bias", default=False),
    )
    state = mixer.recurrent(state_number(fields, "mamba_ssm_cache_dtype", 32), dtype_bits)
    kinds = {
        "full_attention": Block(
            tuple(projections(sizes, at)), seen(sizes, FULL), vectors=attention_vectors(fields, sizes, habits)
        ),
        "linear_attention": Block(tuple(mixer.linears), recurrent=state, vectors=hidden + mixer.vectors),
    }
    biased = fields.boolean("mlp_bias", default=False)
    if "mlp" in names:
        inner = fields.integer("intermediate_size")
        linears = plain_mlp(hidden, inner, f"{at}.up_proj", f"{at}.down_proj")
        kinds["mlp"] = Block(tuple(linears), vectors=hidden + biased * (inner + hidden))
    if "moe" in names:
        kinds["moe"] = _nemotron_experts(fields, hidden, biased=biased)
    plan = finish(fields, sizes, [kinds[name] for name in names], habits, multi_token_prediction(fields))
    return replace(plan, tied=False)


def _nemotron_kinds(fields: Fields) -> list[str]:
    letters = {"M": "linear_attention", "*": "full_attention", "-": "mlp", "E": "moe"}
    if "hybrid_override_pattern" in fields:
        pattern = fields.text("hybrid_override_pattern")
        if not pattern or len(pattern) > 1000 or not set(pattern) <= set(letters):
            raise fields.odd("hybrid_override_pattern", "not of M, *, - and E")
        return [letters[letter] for letter in pattern]
    key = "layers_block_type" if "layers_block_type" in fields else "layer_types"
    old = {"mamba": "linear_attention", "attention": "full_attention"}
    names = known_kinds(fields, key, max(1, len(fields.items(key))), {*letters.values(), *old})
    return [old.get(name, name) for name in names]


def _nemotron_experts(fields: Fields, hidden: int, *, biased: bool) -> Block:
    if "moe_latent_size" in fields or biased:
        raise fields.odd("moe_latent_size", "experts in a latent space, or with biases, are not known here")
    number, inner = fields.integer("n_routed_experts"), fields.integer("moe_intermediate_size")
    shared = fields.integer("moe_shared_expert_intermediate_size")
    experts = [
        Linear("experts", "mixer.experts.0.up_proj", inner, hidden),
        Linear("experts", "mixer.experts.0.down_proj", hidden, inner),
    ]
    beside = (
        router(number, hidden, "mixer.gate"),
        Linear("shared_experts", "mixer.shared_experts.up_proj", shared, hidden),
        Linear("shared_experts", "mixer.shared_experts.down_proj", hidden, shared),
    )
    return Block(beside, routed=routed(fields, number, experts, default=2), vectors=hidden + number)
