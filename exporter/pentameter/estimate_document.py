"""An estimate as JSON: SI base units, one key per figure, unknown is null, and the formula of each. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from pentameter.estimate_figures import formulas
from pentameter.model.spec import Basis
from pentameter.units import GIGA, TERA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pentameter.estimate import Case, Estimate
    from pentameter.world import GpuSpec, ServedModel

_BASIS = {Basis.CONFIG: "its configuration", Basis.INDEX: "the size of its files", Basis.PARAMETERS: "its parameters"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, and where what belongs to it was found."""

    name: str
    model: ServedModel
    gpu: GpuSpec
    watts: float | None
    watts_source: str | None
    """``TDP`` of the table or ``given``."""
    grams_per_kwh: float | None
    grid: str | None
    """Region, source, year and factor type, where it comes from the table."""
    dtype: str | None


def document(asked: Asked, case: Case, found: Estimate, warnings: Sequence[str]) -> str:
    """Return the JSON text; no figure is infinite or not a number."""
    whole = {"inputs": _inputs(asked, case), **asdict(found), "warnings": list(warnings), "formulas": formulas()}
    return json.dumps(whole, indent=2, allow_nan=False)


def head(asked: Asked, case: Case) -> list[str]:
    """Return the lines above the table: what was asked, and what was taken for it."""
    spec, gpu, parallel = case.spec, case.gpu, case.parallel
    peaks = ", ".join(f"{flops / TERA:g} TFLOP/s {precision}" for precision, flops in gpu.peaks.items())
    spread = f" (tensor {parallel.tensor} x pipeline {parallel.pipeline})" if parallel.gpus > 1 else ""
    power = f"{asked.watts:g} W each ({asked.watts_source})" if asked.watts is not None else "unknown power"
    grid = f"{asked.grams_per_kwh:g} g/kWh" if asked.grams_per_kwh is not None else ""
    source = f"({asked.grid})" if asked.grid else ""
    price = case.prices.gpu_dollars_per_hour
    cost = f"${price:g} per GPU and hour" if price is not None else ""
    known = f"{spec.architecture or 'unknown architecture'}, from {_BASIS[spec.basis]} ({asked.model.origin})"
    lengths = f"context {case.context:,} tokens = prompt {case.prompt:,} + output {case.output:,}"
    return [
        f"{asked.name}: {known}, weights {asked.dtype or _stored(asked)}, KV cache {case.kv_bits:g} bits",
        f"{parallel.gpus} x {gpu.gpu}{spread}: {gpu.memory_bandwidth / GIGA:,g} GB/s, {peaks}",
        ", ".join(filter(None, (power, f"{grid} {source}".strip(), cost))),
        f"batch {case.batch}, {lengths}, gpu memory utilization {case.memory_utilization:g}",
    ]


def _stored(asked: Asked) -> str:
    spec = asked.model.spec
    return f"{spec.dtype_bits} bits" if spec.quantization == "none" else spec.quantization


def _inputs(asked: Asked, case: Case) -> dict[str, object]:
    gpu, parallel = case.gpu, case.parallel
    return {
        "model": asked.name,
        "model_origin": asked.model.origin,
        "model_basis": case.spec.basis.value,
        "architecture": case.spec.architecture,
        "weights_format": asked.dtype or _stored(asked),
        "cache_bits_per_element": case.kv_bits,
        "gpu": gpu.gpu,
        "gpu_memory_bytes": gpu.memory_bytes,
        "gpu_bandwidth_bytes_per_second": gpu.memory_bandwidth,
        "gpu_peak_flop_per_second": {precision.value: flops for precision, flops in gpu.peaks.items()},
        "gpus": parallel.gpus,
        "tensor_parallel_size": parallel.tensor,
        "pipeline_parallel_size": parallel.pipeline,
        "batch_sequences": case.batch,
        "context_tokens": case.context,
        "prompt_tokens": case.prompt,
        "output_tokens": case.output,
        "gpu_memory_utilization_ratio": case.memory_utilization,
        "overhead_bytes_per_gpu": case.overhead_bytes,
        "mfu_given_ratio": case.mfu,
        "mbu_given_ratio": case.mbu,
        "watts_per_gpu": asked.watts,
        "watts_source": asked.watts_source,
        "grams_per_kwh": asked.grams_per_kwh,
        "grid": asked.grid,
        "dollars_per_gpu_hour": case.prices.gpu_dollars_per_hour,
    }
