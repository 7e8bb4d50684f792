"""What NVML says of a GPU whose clocks are held down, asked inside vLLM: why, and for how long.

``sources.nvml_clocks`` asks the same outside, where more is known of the bindings.
"""

from __future__ import annotations

from typing import Any

from pentameter.units import NANO

# The driver's count of the nanoseconds under its power cap, and the type that it has.
_POWER_CAP = 74
_UNSIGNED_64_BITS = 3

_FUNCTION_NOT_FOUND = 13

_ALL = 0xFFFF_FFFF
"""More bits than there are reasons; a number that JSON's readers take for whole."""


def clock_reasons(nvml: Any, gpu: Any) -> dict[str, Any]:  # noqa: ANN401
    """Ask for the bitmask of what holds the clocks down now."""
    return {"clock_reasons": _mask(nvml, gpu, "Current")}


def clock_reasons_known(nvml: Any, gpu: Any) -> dict[str, Any]:  # noqa: ANN401
    """Ask for the bits that this board can set at all."""
    return {"clock_reasons_known": _mask(nvml, gpu, "Supported")}


def power_capped(nvml: Any, gpu: Any) -> dict[str, Any]:  # noqa: ANN401
    """Ask for the driver's own count; a count of another type than NVIDIA documents is none."""
    (answer,) = nvml.nvmlDeviceGetFieldValues(gpu, [_POWER_CAP])
    if answer.nvmlReturn:
        raise nvml.NVMLError(answer.nvmlReturn)
    if answer.valueType != _UNSIGNED_64_BITS:
        return {}
    return {"power_capped_seconds": answer.value.ullVal * NANO}


def _mask(nvml: Any, gpu: Any, which: str) -> int:  # noqa: ANN401
    """Ask by the new name of the function and, where the bindings or the driver lack it, by the old one."""
    try:
        reasons = getattr(nvml, f"nvmlDeviceGet{which}ClocksEventReasons")(gpu)
    except Exception as error:
        if getattr(error, "value", _FUNCTION_NOT_FOUND) != _FUNCTION_NOT_FOUND:
            raise
        reasons = getattr(nvml, f"nvmlDeviceGet{which}ClocksThrottleReasons")(gpu)
    return int(reasons) & _ALL
