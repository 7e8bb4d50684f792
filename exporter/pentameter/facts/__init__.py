"""Shipped tables: what is known rather than measured. Every row says where it comes from and of when it is.

The tables are read when they are asked for, not at import.
"""

from __future__ import annotations

import json
from importlib.resources import files

from pentameter.carbon.intensity import GridIntensity
from pentameter.facts.tables import rows
from pentameter.model.spec import Precision
from pentameter.units import GIGA, MEBI, TERA
from pentameter.world import GpuSpec

_OTHER_PEAKS = {
    Precision.BITS32: "fp32_tflops",
    Precision.FP8: "fp8_dense_tflops",
    Precision.INT8: "int8_dense_tops",
    Precision.FP4: "fp4_dense_tflops",
}
"""FP32 is that of the ordinary cores: PyTorch multiplies 32-bit matrices in TF32 only when it is told to."""


def gpu_specs() -> tuple[GpuSpec, ...]:
    """Return the GPU table: dense peaks with FP32 accumulation, without the structured sparsity of the datasheets.

    Every row was compared with a second source, which the table names; what sources disagree on was left out. A GPU
    that runs above its nominal boost clock, as GeForce cards do, can exceed its peak by about a tenth.
    """
    return tuple(
        GpuSpec(
            gpu=row["gpu"],
            nvml_names=tuple(row["nvml_names"].split("|")),
            peak_flops=float(row["fp16_dense_tflops"]) * TERA,
            memory_bandwidth=float(row["memory_bandwidth_gbs"]) * GIGA,
            other_peaks=tuple(
                (precision, float(row[column]) * TERA) for precision, column in _OTHER_PEAKS.items() if row[column]
            ),
            memory_bytes=float(row["memory_mib"]) * MEBI,
            tdp_watts=float(row["tdp_watts"]) if row["tdp_watts"] else None,
            verified=row["verified"],
        )
        for row in rows("gpu_specs.csv")
    )


def find_gpu(name: str, specs: tuple[GpuSpec, ...]) -> GpuSpec | None:
    """Return the specification of a GPU by NVML's product name or by its name in the table.

    Only whole names match: an RTX 4090 D is not an RTX 4090, and a wrong peak is worse than none.
    """
    return next((spec for spec in specs if name == spec.gpu or name in spec.nvml_names), None)


def grid_intensities() -> dict[str, GridIntensity]:
    """Return the yearly life-cycle carbon intensity of countries and the world by ISO 3166 alpha-3 code."""
    return {
        row["region"]: GridIntensity(
            region=row["region"],
            grams_per_kwh=float(row["grams_per_kwh"]),
            source=f"{row['source']} {row['year']}",
            factor_type=row["factor_type"],
        )
        for row in rows("grid_intensity.csv")
        if row["scope"] in ("country", "world") and row["factor_type"] == "lifecycle"
    }


def known_models() -> dict[str, dict[str, object]]:
    """Return the configurations of public models by their names at Hugging Face: the keys that decide their work.

    ``facts/models`` has a file for each publisher; an entry names its source and the month that it is of.
    """
    tables = (table for table in files("pentameter.facts").joinpath("models").iterdir() if table.name.endswith(".json"))
    return {
        name: entry["config"]
        for table in sorted(tables, key=lambda table: table.name)
        for name, entry in json.loads(table.read_text(encoding="utf-8")).items()
    }


def find_model(name: str) -> dict[str, object] | None:
    """Return the configuration of a model by its name, with the publisher's or without, in any case of letters.

    Only whole names match, and a name that two publishers use needs theirs.
    """
    wanted = name.casefold()
    known = {key.casefold(): config for key, config in known_models().items()}
    short = [config for key, config in known.items() if key.partition("/")[2] == wanted]
    return known.get(wanted) or (short[0] if len(short) == 1 else None)
