"""What NVML says of a GPU whose clocks are held down: why, and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pentameter.sources.nvml_codes import FUNCTION_NOT_FOUND, NOT_SUPPORTED
from pentameter.units import NANO

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    Call = Callable[[ModuleType, object], dict[str, Any]]

_POWER_CAP = 74
"""``NVML_FI_DEV_PERF_POLICY_POWER``, later called ``NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP`` as well.

In nanoseconds: so DCGM documents the same count (``DCGM_FI_DEV_POWER_VIOLATION``), and so NVIDIA's own stand-in for the
driver, k8s-test-infra's, gives it. nvidia-smi shows microseconds."""

_UNSIGNED_64_BITS = 3


def _mask(field: str, function: str) -> Call:
    def call(nvml: ModuleType, handle: object) -> dict[str, Any]:
        ask = getattr(nvml, function, None)
        if ask is None:  # the bindings lose the old names with CUDA 14
            raise nvml.NVMLError(FUNCTION_NOT_FOUND)
        return {field: int(ask(handle))}

    return call


# Old drivers know the old names alone.
clock_reasons = (
    _mask("clock_reasons", "nvmlDeviceGetCurrentClocksEventReasons"),
    _mask("clock_reasons", "nvmlDeviceGetCurrentClocksThrottleReasons"),
)
clock_reasons_known = (
    _mask("clock_reasons_known", "nvmlDeviceGetSupportedClocksEventReasons"),
    _mask("clock_reasons_known", "nvmlDeviceGetSupportedClocksThrottleReasons"),
)


def power_capped(nvml: ModuleType, handle: object) -> dict[str, Any]:
    """Ask for the driver's own count; a count of another type than NVIDIA documents is none."""
    (answer,) = nvml.nvmlDeviceGetFieldValues(handle, [_POWER_CAP])
    if answer.nvmlReturn:
        raise nvml.NVMLError(answer.nvmlReturn)
    if answer.valueType != _UNSIGNED_64_BITS:
        raise nvml.NVMLError(NOT_SUPPORTED)
    return {"power_capped_seconds": answer.value.ullVal * NANO}
