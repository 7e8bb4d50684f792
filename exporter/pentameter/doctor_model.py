"""What ``pentameter check`` says of a served model's configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.findings import Finding
from pentameter.model.kv import kv_bytes_per_token
from pentameter.model.parameters import active_parameters, total_parameters, weight_bytes
from pentameter.model.reader import read_model
from pentameter.model.spec import UnknownModelError
from pentameter.units import GIGA

if TYPE_CHECKING:
    from pentameter.readings import ModelReading


def look_at_model(subject: str, reading: ModelReading) -> Finding:
    """Say what the configuration means, or what is not understood of it."""
    where = f"{reading.model_name or 'the pasted configuration'} ({reading.origin})"
    try:
        spec = read_model(reading.config)
    except UnknownModelError as error:
        message = f"{where} is not understood: {error}; FLOPs and bytes of basis=model are left out"
        return Finding(
            "warning", subject, message, "vllm.servers[].model.parameters: ...    # for FLOPs without attention"
        )
    kept = f"{kv_bytes_per_token(spec):.0f} bytes of KV cache per token"
    size = f"{total_parameters(spec) / GIGA:.2f} billion parameters ({active_parameters(spec) / GIGA:.2f} active)"
    message = f"{where}: {spec.architecture}, {size}, {weight_bytes(spec) / GIGA:.2f} GB, {kept}"
    return Finding("ok", subject, message)
