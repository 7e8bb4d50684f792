"""The compressed-tensors format: groups of modules, each with bits, type and strategy for weights and activations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.model.module_rules import ModuleRules
from pentameter.model.scheme import Pick, Scheme, kv_scheme_bits, left_out
from pentameter.model.spec import Precision, UnknownModelError
from pentameter.model.storage import Storage

if TYPE_CHECKING:
    from pentameter.model.fields import Fields

EVERY_MATRIX = {"Linear", "FusedMoE", "RoutedExperts"}
COMPUTE = {
    ("float", 8): Precision.FP8,
    ("int", 8): Precision.INT8,
    ("float", 4): Precision.FP4,
    ("float", 16): Precision.BITS16,
    ("int", 16): Precision.BITS16,
}
"""By type and bits of the activations: weights with fewer bits are widened to them."""


def read_compressed(found: Fields) -> Scheme:
    """Return the scheme of a compressed-tensors configuration."""
    if "sparsity_config" in found and found.child("sparsity_config").text("format", "dense") != "dense":
        raise UnknownModelError("the quantisation compressed-tensors with sparsity is not known here")
    groups = found.child("config_groups")
    named, whole = [], []
    names = []
    for key in groups.names():
        group = groups.child(key)
        stored, name = _stored(group)
        names.append(name)
        targets = group.texts("targets") or ("Linear",)
        if EVERY_MATRIX & set(targets):
            whole.append(Pick(stored))
        rules = tuple(target for target in targets if target not in EVERY_MATRIX)
        if rules:
            named.append(Pick(stored, ModuleRules(rules)))
    if not names:
        raise found.odd("config_groups", "without groups")
    return Scheme(
        name=f"compressed-tensors-{'-'.join(sorted(set(names)))}",
        picks=(*named, *whole),
        ignored=ModuleRules(left_out(found)),
        unembedding=True,
        kv_bits=kv_scheme_bits(found),
    )


def _stored(group: Fields) -> tuple[Storage, str]:
    """Return a group's storage, and its name as in W4A16."""
    weights = group.child("weights")
    bits = weights.integer("num_bits", most=16)
    kind = _kind(weights)
    compute, activations = Precision.BITS16, 16
    if "input_activations" in group:
        inputs = group.child("input_activations")
        activations = inputs.integer("num_bits", most=16)
        key = (_kind(inputs), activations)
        if key not in COMPUTE:
            raise inputs.odd("num_bits", "activations of these bits are not known here")
        compute = COMPUTE[key]
    if kind == "float" and (bits, activations) == (8, 8):
        name = "fp8"
    elif kind == "float" and bits == 4:
        name = _four_bits(weights, activations)
    else:
        name = f"w{bits}a{activations}"
    return _scaled(weights, bits, kind, compute), name


def _four_bits(weights: Fields, activations: int) -> str:
    name = "nvfp4" if _group_size(weights, 16) == 16 else "mxfp4"
    return name if activations == 4 else f"{name}a{activations}"


def _scaled(weights: Fields, bits: int, kind: str, compute: Precision) -> Storage:
    strategy = weights.text("strategy", "")
    if not strategy:
        strategy = "group" if weights.integer("group_size", default=-1, least=-1) > 0 else "tensor"
    zero = 0 if kind == "float" or weights.boolean("symmetric", default=True) else bits
    if strategy == "tensor":
        return Storage(bits, compute)
    if strategy == "channel":
        return Storage(bits, compute, 32 + zero, rows=1)
    if strategy == "block":
        block = weights.integers("block_structure")
        if len(block) != 2 or min(block) < 1:
            raise weights.odd("block_structure", "not two sizes")
        return Storage(bits, compute, 32 + zero, rows=block[0], columns=block[1])
    if strategy in ("group", "tensor_group"):
        # FP4 has scales of 8 bits (E4M3 or E8M0), MXFP8 too; integers have them in the model's own type.
        scale = 8 if strategy == "tensor_group" or kind == "float" else 16
        return Storage(bits, compute, scale + zero, rows=1, columns=_group_size(weights))
    raise weights.odd("strategy", "not known here")


def _group_size(weights: Fields, default: int | None = None) -> int:
    return weights.integer("group_size", default=default)


def _kind(arguments: Fields) -> str:
    kind = arguments.text("type", "int")
    if kind not in ("int", "float"):
        raise arguments.odd("type", "neither int nor float")
    return kind
