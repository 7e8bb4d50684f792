"""Shipped tables: what is known rather than measured. Every row says where it comes from and of when it is.

The tables are read when they are asked for, not at import.
"""

from __future__ import annotations

import csv
from importlib.resources import files
from typing import TYPE_CHECKING

from pentameter.units import GIGA, TERA
from pentameter.world import GpuSpec, GridIntensity

if TYPE_CHECKING:
    from collections.abc import Iterator


def _rows(table: str) -> Iterator[dict[str, str]]:
    text = files("pentameter.facts").joinpath(table).read_text(encoding="utf-8")
    return csv.DictReader(text.splitlines())


def gpu_specs() -> tuple[GpuSpec, ...]:
    """Return the GPU table: dense peaks, without the structured-sparsity factor of the datasheets."""
    return tuple(
        GpuSpec(
            gpu=row["gpu"],
            nvml_names=tuple(row["nvml_names"].split("|")),
            peak_flops=float(row["fp16_dense_tflops"]) * TERA,
            memory_bandwidth=float(row["memory_bandwidth_gbs"]) * GIGA,
        )
        for row in _rows("gpu_specs.csv")
    )


def find_gpu(name: str, specs: tuple[GpuSpec, ...]) -> GpuSpec | None:
    """Return the specification of a GPU by NVML's product name or by its name in the table.

    Only whole names match: an RTX 4090 D is not an RTX 4090, and a wrong peak is worse than none.
    """
    return next((spec for spec in specs if name == spec.gpu or name in spec.nvml_names), None)


def grid_intensities() -> dict[str, GridIntensity]:
    """Return the yearly grid carbon intensity by region key."""
    return {
        row["region"]: GridIntensity(
            region=row["region"],
            grams_per_kwh=float(row["grams_per_kwh"]),
            source=f"{row['source']} {row['year']}",
            factor_type=row["factor_type"],
        )
        for row in _rows("grid_intensity.csv")
    }
