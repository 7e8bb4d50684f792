"""A model's shape before it is known how its matrices are stored: what the families build and the reader stores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pentameter.model.spec import UnknownModelError

if TYPE_CHECKING:
    from pentameter.model.fields import Fields
    from pentameter.model.spec import Attention, Recurrent

MOST_LAYERS = 2000


@dataclass(frozen=True, slots=True)
class Linear:
    """A weight matrix, under the name that quantisation methods know it by within its layer."""

    part: str
    name: str
    outputs: int
    inputs: int

    @property
    def parameters(self) -> int:
        """Return how many weights it has."""
        return self.outputs * self.inputs


@dataclass(frozen=True, slots=True)
class Routed:
    """The routed experts of a layer, and the matrices of one of them."""

    number: int
    per_token: int
    matrices: tuple[Linear, ...]
    vectors: int = 0
    """Biases of one expert: they are read with it, so they are counted with it."""


@dataclass(frozen=True, slots=True)
class Block:
    """One layer."""

    linears: tuple[Linear, ...]
    attention: Attention | None = None
    recurrent: Recurrent | None = None
    routed: Routed | None = None
    vectors: int = 0


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A model: its layers in order, of which equal ones are the same object where the family can say so."""

    blocks: tuple[Block, ...]
    hidden_size: int
    vocab_size: int
    tied: bool
    max_context: int | None
    vectors: int = 0
    """Outside the layers: the last norm, learned positions."""
    unmodelled: tuple[str, ...] = ()
    prefix: str = "model.layers"
    """Where the layers' names begin."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What every family's configuration says."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int

    @property
    def query(self) -> int:
        """Return the width of all query heads."""
        return self.heads * self.head_dim

    @property
    def key(self) -> int:
        """Return the width of all key heads, which is that of the value heads."""
        return self.kv_heads * self.head_dim


def read_sizes(
    fields: Fields,
    *,
    layers: int | None = None,
    heads: int | None = None,
    kv_heads: int | None = None,
    head_dim: int | None = None,
    reads_head_dim: bool = True,
) -> Sizes:
    """Read the common sizes; the arguments are the family's defaults, else those are heads and hidden / heads.

    A missing number of key heads is the default, a null one means as many as there are query heads, as in the
    official configuration classes.
    """
    heads = fields.integer("num_attention_heads", default=heads)
    hidden = fields.integer("hidden_size")
    keys = kv_heads if kv_heads is not None and not fields.states("num_key_value_heads") else heads
    if "head_dim" in fields and reads_head_dim:
        head_dim = fields.integer("head_dim")
    sizes = Sizes(
        layers=layers or fields.integer("num_hidden_layers", most=MOST_LAYERS),
        hidden=hidden,
        heads=heads,
        kv_heads=fields.integer("num_key_value_heads", default=keys),
        head_dim=head_dim or divided(hidden, heads, "hidden_size by heads"),
    )
    if sizes.heads % sizes.kv_heads:
        raise UnknownModelError(f"{heads} query heads cannot share {sizes.kv_heads} heads of keys")
    return sizes


def divided(whole: int, parts: int, what: str) -> int:
    """Return a quotient that must be whole and at least one."""
    if whole % parts or whole < parts:
        raise UnknownModelError(f"{what}: {whole} / {parts} is not whole")
    return whole // parts


def projections(sizes: Sizes, at: str = "self_attn", *, output: str = "o_proj", gated: bool = False) -> list[Linear]:
    """Return the four projections of attention; a gated one has queries of twice the width."""
    return [
        Linear("attention", f"{at}.q_proj", sizes.query * (2 if gated else 1), sizes.hidden),
        Linear("attention", f"{at}.k_proj", sizes.key, sizes.hidden),
        Linear("attention", f"{at}.v_proj", sizes.key, sizes.hidden),
        Linear("attention", f"{at}.{output}", sizes.hidden, sizes.query),
    ]


def gated_mlp(hidden: int, inner: int, at: str = "mlp", part: str = "mlp") -> list[Linear]:
    """Return the three matrices of a gated MLP."""
    return [
        Linear(part, f"{at}.gate_proj", inner, hidden),
        Linear(part, f"{at}.up_proj", inner, hidden),
        Linear(part, f"{at}.down_proj", hidden, inner),
    ]


def plain_mlp(hidden: int, inner: int, up: str, down: str) -> list[Linear]:
    """Return the two matrices of an MLP without a gate."""
    return [Linear("mlp", up, inner, hidden), Linear("mlp", down, hidden, inner)]


def max_context(fields: Fields) -> int | None:
    """Return the longest context that the configuration allows."""
    return fields.maybe_integer("max_position_embeddings")


def known_kinds(fields: Fields, key: str, layers: int, known: set[str]) -> list[str]:
    """Return the kind of each layer from a list of their names."""
    kinds = fields.texts(key)
    if len(kinds) < layers or not set(kinds) <= known:
        raise fields.odd(key, f"not one of {', '.join(sorted(known))} for each of {layers} layers")
    return list(kinds[:layers])


def state_number(fields: Fields, key: str, dtype_bits: int) -> float:
    """Return the bytes of one number of a recurrent state: of the type that the key names, else of the model's."""
    kind = fields.text(key, "")
    return {"float32": 4.0, "float16": 2.0, "bfloat16": 2.0}.get(kind, dtype_bits / 8)
