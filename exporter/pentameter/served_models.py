"""Which model an engine serves and how it is spread over GPUs: from the settings, the plugin's facts, or files.

What is configured goes before what vLLM itself says, and that before what lies in files. Nothing here raises: a model
that is not understood is ``UnknownModel`` with a reason, and all figures that need it are left out.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pentameter.model.cache_dtype import kv_cache_bits
from pentameter.model.counted import of_parameters
from pentameter.model.parallel import Parallel
from pentameter.model.reader import read_model, size_only
from pentameter.model.spec import Basis, UnknownModelError
from pentameter.model.spread import spread
from pentameter.world import ServedModel, UnknownModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pentameter.model.spec import ModelSpec
    from pentameter.readings import ModelReading
    from pentameter.records import EngineConfig


GGUF = "gguf"
UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """What is configured of a server's model; None is what the server is to say itself."""

    parameters: int | None = None
    active_parameters: int | None = None
    overrides: Mapping[str, str | int | bool] = field(default_factory=dict)
    """By the names of vLLM's own configuration: dtype, quantization, cache_dtype, tensor_parallel_size, ..."""


def resolve(
    plan: ModelPlan,
    told: EngineConfig | None,
    found: ModelReading | None,
    page: Mapping[str, str],
    gpus_per_engine: int | None,
) -> ServedModel | UnknownModel:
    """Return the model that an engine serves.

    Args:
        plan: what is configured.
        told: what the plugin says of the engine.
        found: what was found in files.
        page: the labels of ``cache_config_info``.
        gpus_per_engine: GPUs that are known to serve one engine, for the parallelism where nobody says it.
    """
    said = {key: value for key, value in told.facts.items() if value is not None} if told else {}
    facts: dict[str, object] = {**_of_page(page), **said, **plan.overrides}
    try:
        spec, origin = _spec(plan, facts, told, found)
        if spec is None:
            return UnknownModel("not_found", "neither configured, nor told by the plugin, nor found in files")
        kv_bits = kv_bits_of(spec, facts.get("cache_dtype"))
    except UnknownModelError as error:
        return UnknownModel(UNSUPPORTED, str(error))
    return ServedModel(
        spec=spec,
        parallel=parallel_of(facts, gpus_per_engine),
        kv_bits=kv_bits,
        origin=origin,
        max_num_seqs=_positive(facts.get("max_num_seqs")),
        max_num_batched_tokens=_positive(facts.get("max_num_batched_tokens")),
        max_model_len=_positive(facts.get("max_model_len")),
        block_size=_positive(facts.get("block_size")),
        kv_cache_dtype=str(facts.get("cache_dtype") or "auto"),
        speculative=bool(facts.get("speculative_method")),
    )


def _spec(
    plan: ModelPlan, facts: Mapping[str, object], told: EngineConfig | None, found: ModelReading | None
) -> tuple[ModelSpec | None, str]:
    """Return the model and where it comes from; the first source that is understood wins."""
    if plan.parameters is not None:
        spec = of_parameters(plan.parameters, plan.active_parameters, _dtype(facts), _word(facts, "quantization"))
        return spec, "configured"
    trouble: UnknownModelError | None = None
    sources = [
        (found.config if found and found.origin in ("configured", "file") else None, found.origin if found else ""),
        (_told_config(told), "plugin"),
        (found.config if found else None, found.origin if found else ""),
    ]
    for config, origin in sources:
        if config:
            try:
                return _read(config, facts, found), origin
            except UnknownModelError as error:
                trouble = trouble or error
    if found is not None and found.stored_bytes and found.parameters:
        return size_only(found.parameters, found.stored_bytes, Basis.INDEX, found.config), "file"
    if trouble is not None:
        raise trouble
    return None, ""


def _read(config: Mapping[str, object], facts: Mapping[str, object], found: ModelReading | None) -> ModelSpec:
    """Return the model of a configuration; of GGUF, whose bits only the file tells, by the size of the file."""
    quantised = config.get("quantization_config")
    method = _word(facts, "quantization") or (quantised.get("quant_method") if isinstance(quantised, dict) else None)
    if method != GGUF or found is None or not found.stored_bytes:
        return read_model(config, quantization_override=_word(facts, "quantization"), dtype=_dtype(facts))
    shapes = {key: value for key, value in config.items() if key != "quantization_config"}
    return spread(read_model(shapes, dtype=_dtype(facts)), found.stored_bytes, GGUF)


def _told_config(told: EngineConfig | None) -> Mapping[str, object] | None:
    text = told.facts.get("hf_config") if told else None
    if not isinstance(text, str):
        return None
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return config if isinstance(config, dict) else None


def parallel_of(facts: Mapping[str, object], gpus_per_engine: int | None) -> Parallel:
    """Return how the model is spread; where nobody says it, over all GPUs of the engine by tensor parallelism."""
    tensor, pipeline = _positive(facts.get("tensor_parallel_size")), _positive(facts.get("pipeline_parallel_size"))
    if tensor is None and pipeline is None:
        tensor = gpus_per_engine
    return Parallel(
        tensor=tensor or 1,
        pipeline=pipeline or 1,
        data=_positive(facts.get("data_parallel_size")) or 1,
        expert=facts.get("enable_expert_parallel") is True,
    )


def kv_bits_of(spec: ModelSpec, cache_dtype: object) -> float:
    """Return the bits of a cached element: as the server was told, else as the model's own configuration has it.

    Raises ``UnknownModelError`` for a type that is not known here.
    """
    told = kv_cache_bits(str(cache_dtype or "auto"))
    return spec.kv_bits if told is None else told


def with_contexts(model: ServedModel, contexts: str) -> ServedModel:
    """Return the model with the word for where the contexts of its requests come from."""
    return model if model.contexts == contexts else replace(model, contexts=contexts)


def _of_page(page: Mapping[str, str]) -> dict[str, object]:
    known = {key: page[key] for key in ("cache_dtype", "block_size") if page.get(key) not in (None, "", "None")}
    return dict(known)


def _positive(value: object) -> int | None:
    """Return a whole number above zero, also one that is written as text or float."""
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if math.isfinite(value) and value >= 1 and value == int(value) else None


def _word(facts: Mapping[str, object], key: str) -> str | None:
    value = facts.get(key)
    return value if isinstance(value, str) and value and value != "None" else None


def _dtype(facts: Mapping[str, object]) -> str | None:
    dtype = _word(facts, "dtype")
    return None if dtype == "auto" else dtype
