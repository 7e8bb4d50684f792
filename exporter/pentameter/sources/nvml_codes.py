"""What NVML's return codes mean: a word for each, and what to do after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

# Return codes of NVML's stable binary interface; ``pynvml`` cannot be imported here to name them.
UNINITIALIZED = 1
NO_PERMISSION = 4
DRIVER_NOT_LOADED = 9
LIBRARY_NOT_FOUND = 12
GPU_IS_LOST = 15
LIB_RM_VERSION_MISMATCH = 18
UNKNOWN = 999
NOT_SUPPORTED = 3
FUNCTION_NOT_FOUND = 13
_RESET_REQUIRED = 16
_ARGUMENT_VERSION_MISMATCH = 25
_GPU_NOT_FOUND = 28

REASONS = {
    UNINITIALIZED: "uninitialized",
    2: "invalid_argument",
    NOT_SUPPORTED: "not_supported",
    NO_PERMISSION: "no_permission",
    6: "not_found",
    8: "insufficient_power",
    DRIVER_NOT_LOADED: "driver_missing",
    10: "timeout",
    11: "irq_issue",
    LIBRARY_NOT_FOUND: "library_missing",
    FUNCTION_NOT_FOUND: "function_not_found",
    14: "corrupted_inforom",
    GPU_IS_LOST: "gpu_lost",
    _RESET_REQUIRED: "reset_required",
    17: "operating_system",
    LIB_RM_VERSION_MISMATCH: "driver_mismatch",
    20: "out_of_memory",
    21: "no_data",
    _ARGUMENT_VERSION_MISMATCH: "version_mismatch",
    _GPU_NOT_FOUND: "gpu_not_found",
    UNKNOWN: "unknown",
}
"""One word for each return code; a code that is not here is ``other``."""

LIFECYCLE = frozenset(
    {
        UNINITIALIZED,
        DRIVER_NOT_LOADED,
        LIBRARY_NOT_FOUND,
        GPU_IS_LOST,
        _RESET_REQUIRED,
        LIB_RM_VERSION_MISMATCH,
        _GPU_NOT_FOUND,
    }
)
"""After these no handle can be trusted: the whole reading fails and NVML is initialised anew."""

PERMANENT = frozenset({NOT_SUPPORTED, FUNCTION_NOT_FOUND, _ARGUMENT_VERSION_MISMATCH})
"""The board or the driver will say the same next time, so it is not asked again."""


def nvml_errors(nvml: ModuleType) -> tuple[type[Exception], ...]:
    """Return what calls into ``pynvml`` raise; the second is no subclass of the first."""
    return (nvml.NVMLError, nvml.NVMLLibraryMismatchError)


def code_of(error: Exception) -> int:
    """Return the NVML return code; a mismatched library, which carries none, counts as an old structure."""
    return int(getattr(error, "value", _ARGUMENT_VERSION_MISMATCH))


def reason_of(error: Exception) -> str:
    """Return the one word for an error from ``pynvml``."""
    return REASONS.get(code_of(error), "other")
