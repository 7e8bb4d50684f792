"""What the names on a dcgm-exporter's page mean: fields of DCGM, and the labels of a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pentameter.units import MEBI, MILLI, PERCENT

if TYPE_CHECKING:
    from collections.abc import Mapping

KNOWN_PREFIX = "DCGM_FI_"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of DCGM, as a field of ``GpuReading``."""

    name: str
    scale: float = 1.0
    """From DCGM's unit to ours."""
    share: bool = False
    """It is a part of a whole: 0 to 1 once it is scaled."""


MEMORY_FREE = "memory_free_bytes"
"""The one that ``GpuReading`` has no field for: with it, the total can be known."""

FIELDS: Mapping[str, Field] = {
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": Field("energy_joules", MILLI),
    "DCGM_FI_DEV_POWER_USAGE": Field("power_watts"),
    "DCGM_FI_DEV_FB_TOTAL": Field("memory_total_bytes", MEBI),
    "DCGM_FI_DEV_FB_USED": Field("memory_used_bytes", MEBI),
    "DCGM_FI_DEV_FB_RESERVED": Field("memory_reserved_bytes", MEBI),
    "DCGM_FI_DEV_FB_FREE": Field(MEMORY_FREE, MEBI),
    "DCGM_FI_DEV_GPU_UTIL": Field("utilization_ratio", PERCENT, share=True),
    "DCGM_FI_DEV_MEM_COPY_UTIL": Field("memory_utilization_ratio", PERCENT, share=True),
    "DCGM_FI_DEV_GPU_TEMP": Field("temperature_celsius"),
    "DCGM_FI_PROF_DRAM_ACTIVE": Field("dram_active_ratio", share=True),
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": Field("tensor_active_ratio", share=True),
}

PROFILED = ("dram_active_ratio", "tensor_active_ratio")

# A row's labels; the second of each is what ``--use-old-namespace`` makes of it.
UUID = ("UUID", "uuid")
POD = ("pod", "pod_name")
NAMESPACE = ("namespace", "pod_namespace")
INDEX = "gpu"
MODEL = "modelName"
INSTANCE = "GPU_I_ID"
"""The instance of a board that MIG has split; a row of a whole board lacks it."""
DRIVER = "DCGM_FI_DRIVER_VERSION"

_INT64_BLANK = 0x7FFFFFFFFFFFFFF0
_FP64_BLANK = 140_737_488_355_328.0
_BLANKS = 16


def is_blank(value: float) -> bool:
    """Say whether a value is one of those that DCGM writes for: none, not found, not supported, not permitted."""
    return value >= _INT64_BLANK or _FP64_BLANK <= value < _FP64_BLANK + _BLANKS


def field_of(name: str) -> Field | None:
    """Return the field that a sample is of; the reader of pages writes ``_total`` behind a counter that lacks it."""
    return FIELDS.get(name) or FIELDS.get(name.removesuffix("_total"))


def label(labels: Mapping[str, str], names: tuple[str, ...]) -> str:
    """Return the first label that is there, or the empty string."""
    return next((labels[name] for name in names if name in labels), "")
