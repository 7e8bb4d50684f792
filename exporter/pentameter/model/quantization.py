"""From a ``quantization_config``, or vLLM's word for a method, to how each matrix is stored and computed with.

What is not understood raises ``UnknownModelError`` with the method's name, so that the size of the model's files can be
used instead. Embeddings, routers and, unless a configuration says otherwise, the unembedding are never quantised.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pentameter.model import storage
from pentameter.model.compressed_tensors import read_compressed
from pentameter.model.module_rules import ModuleRules
from pentameter.model.scheme import Pick, Scheme, kv_scheme_bits, left_out
from pentameter.model.spec import UnknownModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pentameter.model.fields import Fields
    from pentameter.model.storage import Storage


def read_scheme(fields: Fields, text: Fields, override: str | None) -> Scheme:
    """Return the scheme of a configuration, of which ``text`` is the part about text.

    ``override`` is vLLM's word: it must agree with what the checkpoint says; where that says nothing, it means
    quantisation while loading.
    """
    found = _configured(fields, text)
    word = (override or "").lower().removeprefix("quantizationmethods.").replace("_", "-")
    if word in ("none", "auto"):
        word = ""
    if found is None:
        return _online(word) if word else Scheme()
    method = found.text("quant_method", _implied(found)).lower().replace("_", "-")
    if method not in METHODS:
        raise UnknownModelError(f"the quantisation {method[:40] or 'without a method'} is not known here")
    if word and method not in ALIASES.get(word, (word,)):
        raise UnknownModelError(f"the quantisation is {method} in the configuration but {word[:40]} in the server")
    return METHODS[method](found)


def _configured(fields: Fields, text: Fields) -> Fields | None:
    for place in (fields, text):
        for key in ("quantization_config", "compression_config", "quantization"):
            if key in place:
                return place.child(key)
    return None


def _implied(found: Fields) -> str:
    """Return the method of a configuration that does not name it: of modelopt's own file, or of compression."""
    if "quant_algo" in found or "quantization" in found:
        return "modelopt"
    return "compressed-tensors" if "config_groups" in found else ""


def _online(word: str) -> Scheme:
    if word not in ONLINE:
        raise UnknownModelError(f"the quantisation {word[:40]} while loading is not known here")
    return replace(ONLINE[word], name=word)


def _whole(name: str, stored: Storage, ignored: tuple[str, ...] = (), *, kv_bits: float | None = None) -> Scheme:
    return Scheme(name, (Pick(stored),), ModuleRules(ignored), kv_bits=kv_bits)


def _fp8(found: Fields) -> Scheme:
    """FP8 weights and activations; ``weight_block_size`` gives each block a scale."""
    block = found.integers("weight_block_size")
    if block and (len(block) != 2 or min(block) < 1):
        raise found.odd("weight_block_size", "not two sizes")
    kind = found.text("fmt", "e4m3")
    if kind not in ("e4m3", "e5m2", "float8_e4m3fn"):
        raise found.odd("fmt", "not an FP8 format")
    return _whole("fp8", storage.per_block(*block) if block else storage.FP8, left_out(found))


def _fbgemm(found: Fields) -> Scheme:
    return _whole("fbgemm-fp8", storage.FP8_CHANNEL, left_out(found))


def _awq(found: Fields) -> Scheme:
    """A zero point takes as many bits as a weight, and each group has a 16-bit scale."""
    bits = found.integer("bits", "w_bit", most=8)
    group = found.integer("group_size", "q_group_size", default=128, least=-1)
    zero = bits if found.boolean("zero_point", default=True) else 0
    return _grouped("awq", found, bits, group, zero)


def _gptq(found: Fields) -> Scheme:
    """As AWQ, with zero points even when symmetric; ``dynamic`` leaves modules out or gives them other bits."""
    bits = found.integer("bits", least=2, most=8)
    group = found.integer("group_size", default=128, least=-1)
    scheme = _grouped("gptq", found, bits, group, bits)
    if "modules_in_block_to_quantize" in found:
        raise found.odd("modules_in_block_to_quantize", "a choice of modules is not known here")
    if "dynamic" not in found:
        return scheme
    rules = found.child("dynamic")
    picks = []
    for rule in rules.names():
        match = ModuleRules((f"re:{rule.lstrip('+-:')}",))
        if rule.startswith("-"):
            picks.append(Pick(None, match))
            continue
        own = rules.child(rule)
        own_bits = own.integer("bits", default=bits, least=2, most=8)
        picks.append(Pick(_group(own_bits, own.integer("group_size", default=group, least=-1), own_bits), match))
    return replace(scheme, picks=(*picks, *scheme.picks))


def _grouped(name: str, found: Fields, bits: int, group: int, zero_bits: int) -> Scheme:
    scheme = _whole(name, _group(bits, group, zero_bits), left_out(found))
    return replace(scheme, unembedding=found.boolean("lm_head", default=False))


def _group(bits: int, group: int, zero_bits: int) -> Storage:
    if group == 0:
        raise UnknownModelError("the quantisation's group_size is 0")
    return storage.per_group(bits, group if group > 0 else None, 16 + zero_bits)


def _mxfp4(found: Fields) -> Scheme:
    """gpt-oss: only its experts, with 16-bit activations."""
    return replace(_whole("mxfp4", storage.MXFP4, left_out(found)), experts_only=True)


def _modelopt(found: Fields) -> Scheme:
    inner = found.child("quantization") if "quantization" in found else found
    algorithm = inner.text("quant_algo").upper()
    if algorithm not in MODELOPT:
        raise UnknownModelError(f"the quantisation modelopt {algorithm[:40]} is not known here")
    stored = MODELOPT[algorithm]
    if algorithm in ("NVFP4", "W4A16_NVFP4"):
        stored = replace(stored, columns=inner.integer("group_size", default=16))
    cached = inner.text("kv_cache_quant_algo", "").upper()
    if cached not in KV_ALGORITHMS:
        raise inner.odd("kv_cache_quant_algo", "not known here")
    kv_bits = KV_ALGORITHMS[cached] or kv_scheme_bits(inner)
    name = f"modelopt-{algorithm.lower().replace('_', '-')}"
    scheme = _whole(name, stored, left_out(inner), kv_bits=kv_bits)
    # vLLM quantises the unembedding too where it is not among what is left out, and it always is.
    return replace(scheme, unembedding=True)


def _bitsandbytes(found: Fields) -> Scheme:
    if found.boolean("load_in_8bit", default=False):
        return _whole("bitsandbytes-8bit", storage.INT8_CHANNEL, left_out(found))
    if not found.boolean("load_in_4bit", default=False):
        raise UnknownModelError("the quantisation bitsandbytes says neither load_in_4bit nor load_in_8bit")
    doubled = found.boolean("bnb_4bit_use_double_quant", default=False)
    return _whole("bitsandbytes-4bit", storage.BNB_4BIT_DOUBLE if doubled else storage.BNB_4BIT, left_out(found))


MODELOPT = {
    "FP8": storage.FP8,
    "FP8_PER_CHANNEL_PER_TOKEN": storage.FP8_CHANNEL,
    "FP8_PB_WO": storage.per_block(128, 128),
    "NVFP4": storage.NVFP4,
    "W4A16_NVFP4": storage.NVFP4_WEIGHTS,
    "MXFP8": storage.MXFP8,
}
KV_ALGORITHMS: dict[str, float | None] = {"": None, "NONE": None, "FP8": 8, "INT8": 8, "NVFP4": 4.5}
METHODS: dict[str, Callable[[Fields], Scheme]] = {
    "fp8": _fp8,
    "fbgemm-fp8": _fbgemm,
    "awq": _awq,
    "gptq": _gptq,
    "compressed-tensors": read_compressed,
    "mxfp4": _mxfp4,
    "modelopt": _modelopt,
    "bitsandbytes": _bitsandbytes,
}
ALIASES = {
    "auto-awq": ("awq",),
    "awq-marlin": ("awq",),
    "auto-gptq": ("gptq",),
    "gptq-marlin": ("gptq",),
    "gptq-bitblas": ("gptq",),
    "moe-wna16": ("awq", "gptq"),
    "gpt-oss-mxfp4": ("mxfp4",),
    "modelopt-fp4": ("modelopt",),
    "modelopt-mxfp8": ("modelopt",),
}
"""The methods that a checkpoint may name, by vLLM's words for kernels and formats."""
ONLINE = {
    "fp8": _whole("", storage.FP8),
    "fp8-per-tensor": _whole("", storage.FP8),
    "fp8-per-channel": _whole("", storage.FP8_CHANNEL),
    "fp8-per-block": _whole("", storage.per_block(128, 128)),
    "int8-per-channel-weight-only": _whole("", storage.INT8_WEIGHTS),
    "experts-int8": replace(_whole("", storage.INT8_WEIGHTS), experts_only=True),
    "mxfp8": _whole("", storage.MXFP8),
    "nvfp4-per-token": _whole("", storage.NVFP4),
    "bitsandbytes": _whole("", storage.BNB_4BIT),
    "w8a8": _whole("", storage.INT8_CHANNEL),
    "w8a16": _whole("", storage.INT8_WEIGHTS),
    "w4a16": _whole("", storage.INT4_WEIGHTS),
}
"""What is done while loading; the last three are what a calculation may ask for."""
