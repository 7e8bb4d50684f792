"""A model's configuration, as Hugging Face files or vLLM hold it, to a ``ModelSpec``.

Only architectures that are known by name are read. What is odd raises ``UnknownModelError``, which names it; nothing is
guessed from keys that look alike.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from pentameter.model.blueprint import Linear
from pentameter.model.encoders import gemma3_vision
from pentameter.model.families import MULTIMODAL, WRAPPERS, blueprint, family_of
from pentameter.model.fields import Fields, shown
from pentameter.model.quantization import read_scheme
from pentameter.model.spec import Basis, Experts, Layer, Matrices, ModelSpec, Precision, UnknownModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pentameter.model.blueprint import Block, Blueprint
    from pentameter.model.scheme import Scheme
    from pentameter.model.storage import Storage

DTYPE_BITS = {"float32": 32, "float": 32, "float16": 16, "half": 16, "bfloat16": 16}
MOST_PARAMETERS = 10**15
ENCODERS = {"vision_config": "vision", "audio_config": "audio"}

_Stores = tuple["Storage | None", ...]


def read_model(
    config: Mapping[str, object], *, quantization_override: str | None = None, dtype: str | None = None
) -> ModelSpec:
    """Return the model that a ``config.json`` describes.

    ``quantization_override`` is vLLM's word for a method, ``dtype`` its type of activations: without one, or with
    ``auto``, 16 bits, because vLLM narrows 32 to that. Raises ``UnknownModelError`` where anything is not understood.
    """
    fields = Fields(config)
    architecture = _architecture(fields)
    text, wrapped = _text(fields, architecture)
    family = family_of(architecture, text.text("model_type", ""))
    bits = _dtype_bits(dtype)
    plan = blueprint(family, text, bits)
    other = None
    if wrapped:
        other = _encoder(fields, family, plan.hidden_size, bits)
        plan = _unwrapped(plan, fields, text, architecture, counted=other is not None)
    scheme = read_scheme(fields, text, quantization_override)
    width = plan.vocab_size * plan.hidden_size
    return ModelSpec(
        architecture=architecture or family,
        layers=tuple(_layers(plan, scheme, bits)),
        embedding=Matrices("embedding", width, bits, _plain_compute(bits)),
        unembedding=None if plan.tied else _unembedding(plan, scheme, bits),
        dtype_bits=bits,
        vectors=plan.vectors,
        other=other,
        quantization=scheme.name,
        kv_bits=scheme.kv_bits or bits,
        hidden_size=plan.hidden_size,
        vocab_size=plan.vocab_size,
        max_context=plan.max_context,
        unmodelled=plan.unmodelled,
    )


def size_only(
    parameters: int, stored_bytes: float | None, basis: Basis, config: Mapping[str, object] | None
) -> ModelSpec:
    """Return a model of which only its size is known: one layer with one matrix of all parameters.

    Bits per parameter are the stored bytes divided by the parameters, else 16. Raises ``UnknownModelError`` for a
    number that cannot be, and where the configuration speaks of experts, because then not every parameter is read
    for every token.
    """
    if not 1 <= parameters <= MOST_PARAMETERS:
        raise UnknownModelError(f"{shown(parameters)} parameters cannot be")
    if stored_bytes is not None and not 0 < stored_bytes / parameters <= 8:
        raise UnknownModelError(f"{stored_bytes:g} bytes cannot hold {parameters} parameters")
    hint = _experts_hint(config or {})
    if hint:
        raise UnknownModelError(f"{hint} speaks of experts, so the size alone does not say what a token reads")
    bits = 16.0 if stored_bytes is None else stored_bytes * 8 / parameters
    return ModelSpec(
        architecture="",
        layers=(Layer(1, (Matrices("all", parameters, bits),)),),
        embedding=None,
        unembedding=None,
        quantization="unknown" if stored_bytes is None or bits < 16 else "none",
        basis=basis,
    )


def _experts_hint(config: Mapping[str, object]) -> str:
    """Return the first key that speaks of several experts, at any depth."""
    places: list[Mapping[str, object]] = [config]
    for place in places:
        for key, value in place.items():
            if isinstance(value, dict):
                places.append(value)
            several = isinstance(value, int | float) and not isinstance(value, bool) and value > 1
            if several and "expert" in str(key).lower():
                return str(key)
    return ""


def _architecture(fields: Fields) -> str:
    names = fields.texts("architectures")
    return names[0] if names else ""


def _text(fields: Fields, architecture: str) -> tuple[Fields, bool]:
    """Return the part of the configuration about text, and whether it stands inside a wrapper."""
    if architecture not in MULTIMODAL and architecture not in WRAPPERS:
        return fields, False
    return (fields.child("text_config") if "text_config" in fields else fields), True


def _encoder(fields: Fields, family: str, hidden: int, bits: int) -> Matrices | None:
    """Return the encoder beside the text, where its size follows from the configuration."""
    if family != "gemma3" or "vision_config" not in fields:
        return None
    parameters = gemma3_vision(fields.child("vision_config"), hidden)
    return Matrices("vision", parameters, bits, _plain_compute(bits)) if parameters else None


def _unwrapped(plan: Blueprint, fields: Fields, text: Fields, architecture: str, *, counted: bool) -> Blueprint:
    """Return the plan of a wrapper's text with what the wrapper has besides it.

    Whether embeddings are tied may stand at the outer level alone; there it means nothing for wrappers of any
    decoder, whose own default would be taken for a statement.
    """
    tied = plan.tied
    if "tie_word_embeddings" not in text and architecture not in WRAPPERS:
        tied = fields.boolean("tie_word_embeddings", default=plan.tied)
    encoders = tuple(name for key, name in ENCODERS.items() if key in fields) or ("vision",)
    left_out = tuple(name for name in encoders if not (counted and name == "vision"))
    return replace(plan, tied=tied, unmodelled=(*left_out, *plan.unmodelled))


def _dtype_bits(dtype: str | None) -> int:
    word = (dtype or "auto").lower().removeprefix("torch.")
    if word == "auto":
        return 16
    if word not in DTYPE_BITS:
        raise UnknownModelError(f"the type {word[:40]} is not known here")
    return DTYPE_BITS[word]


def _layers(plan: Blueprint, scheme: Scheme, bits: int) -> Iterator[Layer]:
    """Yield the layers, of which those that are alike in shape and storage are one."""
    counts: Counter[tuple[int, _Stores]] = Counter()
    blocks: dict[int, Block] = {}
    for index, block in enumerate(plan.blocks):
        blocks[id(block)] = block
        linears = (*block.linears, *(block.routed.matrices if block.routed else ()))
        stores = tuple(scheme.of(linear, f"{plan.prefix}.{index}.{linear.name}") for linear in linears)
        counts[id(block), stores] += 1
    for (key, stores), count in counts.items():
        yield _layer(blocks[key], stores, count, bits)


def _layer(block: Block, stores: _Stores, count: int, bits: int) -> Layer:
    dense = zip(block.linears, stores[: len(block.linears)], strict=True)
    experts = None
    if block.routed:
        own = zip(block.routed.matrices, stores[len(block.linears) :], strict=True)
        (expert,) = _one(own, bits, block.routed.vectors)
        experts = Experts(block.routed.number, block.routed.per_token, expert)
    return Layer(
        count=count,
        dense=_merged(dense, bits),
        attention=block.attention,
        recurrent=block.recurrent,
        experts=experts,
        vectors=block.vectors,
    )


def _merged(stored: Iterator[tuple[Linear, Storage | None]], bits: int) -> tuple[Matrices, ...]:
    """Return matrices of the same part and precision as one, with the mean of their bits."""
    sums: dict[tuple[str, Precision], tuple[int, float]] = {}
    for linear, store in stored:
        compute = _compute(store, bits)
        parameters, total = sums.get((linear.part, compute), (0, 0.0))
        own = store.total_bits(linear) if store else float(linear.parameters * bits)
        sums[linear.part, compute] = (parameters + linear.parameters, total + own)
    return tuple(
        Matrices(part, parameters, total / parameters, compute) for (part, compute), (parameters, total) in sums.items()
    )


def _one(stored: Iterator[tuple[Linear, Storage | None]], bits: int, vectors: int) -> tuple[Matrices]:
    """Return an expert's matrices as one, with its biases; they must be computed in one precision."""
    merged = _merged(stored, bits)
    if len(merged) != 1:
        raise UnknownModelError("the matrices of an expert are quantised differently")
    whole = merged[0]
    if not vectors:
        return (whole,)
    parameters = whole.parameters + vectors
    return (replace(whole, parameters=parameters, bits=(whole.parameters * whole.bits + vectors * bits) / parameters),)


def _unembedding(plan: Blueprint, scheme: Scheme, bits: int) -> Matrices:
    linear = Linear("unembedding", "lm_head", plan.vocab_size, plan.hidden_size)
    return _merged(iter([(linear, scheme.of(linear, "lm_head"))]), bits)[0]


def _compute(store: Storage | None, bits: int) -> Precision:
    """Return the precision of a product; weights alone in fewer bits are widened to the model's own type."""
    if store is None or store.compute is Precision.BITS16:
        return _plain_compute(bits)
    return store.compute


def _plain_compute(bits: int) -> Precision:
    return Precision.BITS32 if bits == 32 else Precision.BITS16
