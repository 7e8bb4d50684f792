"""From words to what an estimate needs: a GPU of the table, a model in another data type, lengths. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from pentameter.model.impact import Format, converted
from pentameter.model.parallel import Parallel
from pentameter.model.spec import Basis
from pentameter.served_models import ModelPlan, resolve
from pentameter.world import UnknownModel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pentameter.model.spec import ModelSpec
    from pentameter.readings import ModelReading
    from pentameter.world import GpuSpec, ServedModel

DEFAULT_CONTEXT = 2048
_FORMATS = {"fp16": Format.FP16, "bf16": Format.FP16, "fp8": Format.FP8, "int4": Format.INT4}
_WORDS: Mapping[str, Mapping[str, str]] = {
    "fp32": {"dtype": "float32"},
    "int8": {"quantization": "w8a8"},
    "fp4": {"quantization": "nvfp4-per-token"},
}
"""Data types that are no ``Format``, in vLLM's words."""
DTYPES = (*_FORMATS, *_WORDS)
_QUANTIZED = ("quantization_config", "compression_config", "quantization")


def gpu_of(name: str, specs: Sequence[GpuSpec]) -> GpuSpec:
    """Return a GPU of the table by its name there, by NVML's, or by the beginning of either if only one has it.

    Letters' case, blanks, dashes and the vendor do not matter. Raises ValueError that lists who has that beginning, or
    all if none has.
    """
    wanted = _plain(name)
    names = {spec.gpu: [_plain(spec.gpu), *(_plain(each) for each in spec.nvml_names)] for spec in specs}
    whole = [spec for spec in specs if wanted in names[spec.gpu]]
    begun = whole or [spec for spec in specs if wanted and any(each.startswith(wanted) for each in names[spec.gpu])]
    if len(begun) == 1:
        return begun[0]
    if begun:
        raise ValueError(f"the GPU {name!r} could be {_listed(begun)}")
    raise ValueError(f"the GPU {name!r} is not in the table; there are {_listed(specs)}")


def model_of(found: ModelReading, dtype: str | None, kv_cache_dtype: str) -> ServedModel:
    """Return the model that was found, its weights in another data type if one is given.

    Then the checkpoint's own quantisation counts no more; its cache is in 16 bits unless ``kv_cache_dtype`` says
    otherwise. Raises ValueError for a model that is not understood.
    """
    words: dict[str, str | int | bool] = {"cache_dtype": kv_cache_dtype, **_WORDS.get(dtype or "", {})}
    if dtype is not None and found.config is not None:
        found = replace(found, config=_unquantized(found.config))
    model = resolve(ModelPlan(overrides=words), None, found, {}, None)
    if isinstance(model, UnknownModel):
        raise ValueError(f"the model {found.model_name or ''} is not understood: {model.message}".replace("  ", " "))
    if dtype is None:
        return model
    return replace(model, spec=_converted(model.spec, dtype))


def _converted(spec: ModelSpec, dtype: str) -> ModelSpec:
    if dtype in _FORMATS:
        return replace(converted(spec, _FORMATS[dtype]), quantization="none" if dtype == "bf16" else dtype)
    if spec.basis is not Basis.CONFIG:
        raise ValueError(f"a model of unknown layers can be in {', '.join(_FORMATS)}, not in {dtype}")
    return replace(spec, quantization=dtype)


def _unquantized(config: Mapping[str, object]) -> dict[str, object]:
    """Return a configuration without what it says of quantisation, in its part about text as well."""
    plain = {key: value for key, value in config.items() if key not in _QUANTIZED}
    text = plain.get("text_config")
    if isinstance(text, dict):
        plain["text_config"] = {key: value for key, value in text.items() if key not in _QUANTIZED}
    return plain


def parallel_of(gpus: int | None, tensor: int | None, pipeline: int) -> Parallel:
    """Return tensor and pipeline parallelism; without the tensor size it is the GPUs / pipeline stages.

    Raises ValueError where the three do not agree.
    """
    if tensor is None:
        tensor, rest = divmod(gpus or pipeline, pipeline)
        if rest or tensor < 1:
            raise ValueError(f"{gpus} GPUs do not make {pipeline} pipeline stages")
    if gpus is not None and gpus != tensor * pipeline:
        raise ValueError(f"{gpus} GPUs are not tensor {tensor} x pipeline {pipeline}")
    return Parallel(tensor=tensor, pipeline=pipeline)


def lengths_of(context: int | None, prompt: int | None, output: int | None) -> tuple[int, int]:
    """Return prompt and output tokens; context = prompt + output.

    What one of the three is left out follows from the others. Context alone (2,048 by default) is half prompt, half
    output; a prompt or an output alone fills the context. Raises ValueError where they do not agree.
    """
    if prompt is not None and output is not None:
        if context not in (None, prompt + output):
            raise ValueError(f"prompt {prompt} + output {output} is not the context {context}: leave one of them out")
        return prompt, output
    context = DEFAULT_CONTEXT if context is None else context
    if context < 2:
        raise ValueError("the context must have room for a prompt and an output: at least 2 tokens")
    if prompt is None:
        prompt = context - (context // 2 if output is None else output)
    if not 1 <= prompt < context:
        raise ValueError(f"a context of {context} tokens has no room for the prompt and the output")
    return prompt, context - prompt


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name.casefold().strip()).removeprefix("nvidia").removeprefix("geforce")


def _listed(specs: Sequence[GpuSpec]) -> str:
    return ", ".join(spec.gpu for spec in specs)
