"""A model as its computation sees it: which weights every token is multiplied with, and what attention keeps.

Sizes are of the whole model, before any parallelism. A weight matrix of p parameters costs a token 2 p floating point
operations (a multiplication and an addition each).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Precision(StrEnum):
    """In which numbers a matrix product is computed: it decides which of a GPU's peaks applies."""

    BITS32 = "32bit"
    BITS16 = "16bit"
    FP8 = "fp8"
    INT8 = "int8"
    FP4 = "fp4"


class Basis(StrEnum):
    """How much is known of a model."""

    CONFIG = "config"
    """Every layer, from its configuration."""
    INDEX = "index"
    """Its stored size alone, from the index of its files: nothing of attention."""
    PARAMETERS = "parameters"
    """The number of its parameters alone, as configured."""


@dataclass(frozen=True, slots=True)
class Matrices:
    """Weight matrices that are stored alike."""

    part: str
    """``embedding``, ``unembedding``, ``attention``, ``latent`` (MLA's projections down to its latents), ``recurrent``,
    ``mlp``, ``shared_experts``, ``experts``, ``router``, ``vision``, or ``all`` where nothing more is known."""
    parameters: int
    """Of the original matrices, without scales and zero points."""
    bits: float
    """Stored bits per parameter, scales and zero points included: 16, 8, 4.25, ..."""
    compute: Precision = Precision.BITS16

    @property
    def stored_bytes(self) -> float:
        """Return the bytes that they take."""
        return self.parameters * self.bits / 8


@dataclass(frozen=True, slots=True)
class Attention:
    """Softmax attention of one layer over cached keys and values, without its projections."""

    heads: int
    """Query heads."""
    kv_heads: int
    """Heads of keys and values that tensor parallelism can divide; 1 for MLA, whose cache every GPU keeps whole."""
    qk_dim: int
    """Per head: elements of a query and key, as multiplied in prefill."""
    v_dim: int
    """Per head: elements of a value, as multiplied in prefill."""
    kv_elements: int
    """Elements that one layer caches per token: 2 x kv_heads x head_dim; MLA: kv_lora_rank + qk_rope_head_dim."""
    decode_qk_dim: int | None = None
    """The same in decode, where it differs: MLA's absorbed form works on kv_lora_rank + qk_rope_head_dim."""
    decode_v_dim: int | None = None
    window: int | None = None
    """The most positions that a query sees, its own included; None: all before it."""
    chunked: bool = False
    """The window is a chunk (Llama 4): a query sees the positions since its chunk began."""
    shares_cache: bool = False
    """It reads the cache of an earlier layer and keeps none of its own (Gemma 3n)."""


@dataclass(frozen=True, slots=True)
class Recurrent:
    """A layer that keeps a state of fixed size per sequence instead of keys and values: Mamba, gated delta nets."""

    state_bytes: float
    """Per sequence and layer."""
    flops_per_token: float
    """Of the recurrence itself, without its projections."""


@dataclass(frozen=True, slots=True)
class Experts:
    """The routed experts of one layer."""

    number: int
    per_token: int
    expert: Matrices
    """One of them."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Layers that are alike."""

    count: int
    dense: tuple[Matrices, ...] = ()
    """What every token is multiplied with: projections, MLP, shared experts, router."""
    attention: Attention | None = None
    recurrent: Recurrent | None = None
    experts: Experts | None = None
    vectors: int = 0
    """Parameters of norms, biases, sinks and the like, kept in the model's own type: stored, never multiplied as
    matrices."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model, as far as it is known."""

    architecture: str
    layers: tuple[Layer, ...]
    embedding: Matrices | None
    """Looked up, never multiplied, unless it is the unembedding too."""
    unembedding: Matrices | None
    """None where it is tied to the embedding."""
    dtype_bits: int = 16
    """Of activations and of what is not quantised."""
    vectors: int = 0
    """As in ``Layer``, outside the layers."""
    other: Matrices | None = None
    """What is in memory but not in the path of text: a vision encoder. Its work is not counted."""
    quantization: str = "none"
    """fp8, int8, awq, gptq, compressed-tensors-w4a16, ..., as users know it."""
    kv_bits: float = 16
    """Per cached element, as the model's own configuration has it; the server may say otherwise."""
    hidden_size: int = 0
    vocab_size: int = 0
    max_context: int | None = None
    unmodelled: tuple[str, ...] = ()
    """Parts that were found and left out: ``vision``, ``audio``, ``multi-token prediction``, ..."""
    basis: Basis = Basis.CONFIG

    @property
    def tied(self) -> bool:
        """Say whether one matrix embeds and unembeds."""
        return self.embedding is not None and self.unembedding is None


class UnknownModelError(ValueError):
    """A configuration that is not understood; its message says what, for people."""
