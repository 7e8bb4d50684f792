"""What ``vllm_config`` says of a server beyond its metrics page: runs inside vLLM, the standard library only."""

from __future__ import annotations

import json
import os
import sys
from enum import Enum
from typing import Any

_FIELDS = {
    "model_config": (
        "model",
        "dtype",
        "quantization",
        "max_model_len",
        "runner_type",
        "enforce_eager",
        "disable_sliding_window",
        "language_model_only",
    ),
    "parallel_config": (
        "tensor_parallel_size",
        "pipeline_parallel_size",
        "data_parallel_size",
        "data_parallel_rank",
        "data_parallel_external_lb",
        "data_parallel_hybrid_lb",
        "decode_context_parallel_size",
        "prefill_context_parallel_size",
        "enable_expert_parallel",
        "world_size",
        "world_size_across_dp",
        "nnodes",
    ),
    "cache_config": (
        "block_size",
        "num_gpu_blocks",
        "cache_dtype",
        "gpu_memory_utilization",
        "enable_prefix_caching",
        "kv_cache_memory_bytes",
        "kv_cache_size_tokens",
        "kv_cache_max_concurrency",
    ),
    "scheduler_config": (
        "max_num_seqs",
        "max_num_batched_tokens",
        "max_num_queued_reqs",
        "max_num_queued_tokens",
        "enable_chunked_prefill",
        "async_scheduling",
        "policy",
    ),
    "device_config": ("device_type",),
    "speculative_config": ("method", "num_speculative_tokens"),
    "kv_transfer_config": ("kv_connector", "kv_role"),
    "lora_config": ("max_loras", "max_lora_rank"),
}
"""Part of ``vllm_config`` -> its fields, whose names the facts bear; vLLM documents them in ``vllm/config``."""

_PREFIXED = {"speculative_config": "speculative_", "lora_config": "lora_"}
"""Parts whose field names say too little alone."""

LARGEST_MODEL_CONFIG = 24_000
"""Bytes of JSON; the longest items (label lists, per-layer tables) are left out until the rest fits."""


def model_name(vllm_config: object) -> str:
    """Return the name that vLLM's metrics bear as ``model_name``: the first served one."""
    config = getattr(vllm_config, "model_config", None)
    name = getattr(config, "served_model_name", None) or getattr(config, "model", "")
    if isinstance(name, (list, tuple)):
        name = name[0] if name else ""
    return str(name)


def facts(vllm_config: object) -> dict[str, Any]:
    """Return what is known of the configuration: text, numbers, booleans, and None for what is not set.

    A field that this release does not have is left out, and so is a part that is not in use. ``num_gpu_blocks`` is as
    on the metrics page: the sum over the engines of this API server. ``hf_config`` is the model's own configuration as
    JSON text. ``vllm_version`` and ``cuda_visible_devices`` come from the process.
    """
    found: dict[str, Any] = {}
    for part, fields in _FIELDS.items():
        config = getattr(vllm_config, part, None)
        if config is None:
            continue
        for field in fields:
            try:
                value = getattr(config, field)
            except Exception:  # noqa: BLE001, S112 - not in this release, or a property that fails
                continue
            if _is_scalar(value := _plain(value)):
                found[_PREFIXED.get(part, "") + field] = value
    found["vllm_version"] = getattr(sys.modules.get("vllm"), "__version__", None)
    if (devices := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        found["cuda_visible_devices"] = devices
    if (described := _model_config(vllm_config)) is not None:
        found["hf_config"] = described
    return found


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a configuration holds
    """Return the value of an enumeration, and the name of a data type of PyTorch."""
    if isinstance(value, Enum):
        return value.value
    text = str(value) if type(value).__module__ == "torch" else ""
    return text.removeprefix("torch.") if text else value


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, (str, bool, int, float))


def _model_config(vllm_config: object) -> str | None:
    config = getattr(getattr(vllm_config, "model_config", None), "hf_config", None)
    try:
        items = config.to_dict().items()  # type: ignore[union-attr]
    except Exception:  # noqa: BLE001 - a model without one, or one of its own make
        return None
    encoded = {}
    for name, value in items:
        try:
            encoded[str(name)] = json.dumps(value, allow_nan=False, separators=(",", ":"), default=_plainly)
        except Exception:  # noqa: BLE001, S112 - no JSON: left out
            continue
    while encoded and sum(len(name) + len(text) + 8 for name, text in encoded.items()) > LARGEST_MODEL_CONFIG:
        del encoded[max(encoded, key=lambda name: len(encoded[name]))]
    return "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in encoded.items()) + "}"


def _plainly(value: object) -> object:
    plain = _plain(value)
    if plain is value:
        message = f"{type(value).__name__} is no JSON"
        raise TypeError(message)
    return plain
