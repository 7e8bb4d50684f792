"""One GPU behind NVML: what it is asked, in which units it answers, and what its refusals mean.

``pynvml`` has no annotations: it is passed around as a module, and what it returns is ``Any`` until a
conversion in this file has made it a float, a string or a truth value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pentameter.units import MILLI, PERCENT

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from pentameter.readings import GpuReading

    Answer = dict[str, Any]

# Return codes of NVML's stable binary interface; ``pynvml`` cannot be imported here to name them.
UNINITIALIZED = 1
NO_PERMISSION = 4
DRIVER_NOT_LOADED = 9
LIBRARY_NOT_FOUND = 12
GPU_IS_LOST = 15
LIB_RM_VERSION_MISMATCH = 18
UNKNOWN = 999
_NOT_SUPPORTED = 3
_FUNCTION_NOT_FOUND = 13
_RESET_REQUIRED = 16
_ARGUMENT_VERSION_MISMATCH = 25
_GPU_NOT_FOUND = 28

REASONS = {
    UNINITIALIZED: "uninitialized",
    2: "invalid_argument",
    _NOT_SUPPORTED: "not_supported",
    NO_PERMISSION: "no_permission",
    6: "not_found",
    8: "insufficient_power",
    DRIVER_NOT_LOADED: "driver_missing",
    10: "timeout",
    11: "irq_issue",
    LIBRARY_NOT_FOUND: "library_missing",
    _FUNCTION_NOT_FOUND: "function_not_found",
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

_PERMANENT = frozenset({_NOT_SUPPORTED, _FUNCTION_NOT_FOUND, _ARGUMENT_VERSION_MISMATCH})
"""The board or the driver will say the same next time, so it is not asked again."""

_KEEP_SECONDS = 60.0
"""An operator changes a power limit rarely, but does change it: that is how power capping is tried."""


def nvml_errors(nvml: ModuleType) -> tuple[type[Exception], ...]:
    """Return what calls into ``pynvml`` raise; the second is no subclass of the first."""
    return (nvml.NVMLError, nvml.NVMLLibraryMismatchError)


def code_of(error: Exception) -> int:
    """Return the NVML return code; a mismatched library, which carries none, counts as an old structure."""
    return int(getattr(error, "value", _ARGUMENT_VERSION_MISMATCH))


def reason_of(error: Exception) -> str:
    """Return the one word for an error from ``pynvml``."""
    return REASONS.get(code_of(error), "other")


def _energy(nvml: ModuleType, handle: object) -> Answer:
    return {"energy_joules": nvml.nvmlDeviceGetTotalEnergyConsumption(handle) * MILLI}


def _power(nvml: ModuleType, handle: object) -> Answer:
    return {"power_watts": nvml.nvmlDeviceGetPowerUsage(handle) * MILLI}


def _power_limit(nvml: ModuleType, handle: object) -> Answer:
    return {"power_limit_watts": nvml.nvmlDeviceGetEnforcedPowerLimit(handle) * MILLI}


def _memory_v2(nvml: ModuleType, handle: object) -> Answer:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2)
    return {
        "memory_total_bytes": float(memory.total),
        "memory_used_bytes": float(memory.used),
        "memory_reserved_bytes": float(memory.reserved),
    }


def _memory_v1(nvml: ModuleType, handle: object) -> Answer:
    # The first version counts what the driver reserves as used, and cannot say how much that is.
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    return {"memory_total_bytes": float(memory.total), "memory_used_bytes": float(memory.used)}


def _utilization(nvml: ModuleType, handle: object) -> Answer:
    rates = nvml.nvmlDeviceGetUtilizationRates(handle)
    return {
        "utilization_ratio": rates.gpu * PERCENT,
        "memory_utilization_ratio": rates.memory * PERCENT,
    }


def _temperature(nvml: ModuleType, handle: object) -> Answer:
    celsius = nvml.nvmlDeviceGetTemperatureV(handle, nvml.NVML_TEMPERATURE_GPU)
    return {"temperature_celsius": float(celsius)}


def _temperature_deprecated(nvml: ModuleType, handle: object) -> Answer:
    celsius = nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)
    return {"temperature_celsius": float(celsius)}


def _compute_capability(nvml: ModuleType, handle: object) -> Answer:
    major, minor = nvml.nvmlDeviceGetCudaComputeCapability(handle)
    return {"compute_capability": f"{major}.{minor}"}


def _mig(nvml: ModuleType, handle: object) -> Answer:
    current, _pending = nvml.nvmlDeviceGetMigMode(handle)
    return {"mig_enabled": bool(current)}


@dataclass(frozen=True, slots=True)
class _Question:
    """Fields of ``GpuReading`` that one call answers."""

    fields: tuple[str, ...]
    calls: tuple[Callable[[ModuleType, object], Answer], ...]
    """The best first; the next is for a board or a driver that refuses the one before for good."""
    keep_seconds: float = 0.0
    """How long an answer stays good."""


# Energy and power come first, so that they stand as close as possible to the moment of the reading.
_QUESTIONS = (
    _Question(("energy_joules",), (_energy,)),
    _Question(("power_watts",), (_power,)),
    _Question(("memory_total_bytes", "memory_used_bytes", "memory_reserved_bytes"), (_memory_v2, _memory_v1)),
    _Question(("utilization_ratio", "memory_utilization_ratio"), (_utilization,)),
    _Question(("temperature_celsius",), (_temperature, _temperature_deprecated)),
    _Question(("power_limit_watts",), (_power_limit,), _KEEP_SECONDS),
    _Question(("mig_enabled",), (_mig,), _KEEP_SECONDS),
    _Question(("compute_capability",), (_compute_capability,), math.inf),
)


class Gpu:
    """One opened GPU; it remembers refusals, and answers that stay good, until it is opened anew."""

    def __init__(self, handle: object, identity: GpuReading) -> None:
        self._handle = handle
        self.identity = identity
        self._refused: dict[_Question, tuple[int, str]] = {}
        self._kept: dict[_Question, tuple[float, Answer]] = {}

    def read(self, nvml: ModuleType, monotonic: float) -> tuple[GpuReading, dict[str, str]]:
        """Return the reading, and ``field -> reason`` for each field that is missing from it.

        Raises what ``pynvml`` raised where that means the GPU or the driver is gone. An unknown error
        means so only if nothing else was answered: one broken sensor must not hide a whole GPU.
        """
        answers: Answer = {}
        troubles: dict[str, str] = {}
        alive = False
        unknown: Exception | None = None
        for question in _QUESTIONS:
            answer: Answer = {}
            try:
                answer, reason = self._ask(nvml, question, monotonic)
            except nvml_errors(nvml) as error:
                if code_of(error) in LIFECYCLE:
                    raise
                if code_of(error) == UNKNOWN:
                    unknown = error
                reason = reason_of(error)
            alive = alive or (bool(answer) and not question.keep_seconds)
            answers |= answer
            troubles |= {field: reason for field in question.fields if field not in answer}
        if unknown is not None and not alive:
            raise unknown
        return replace(self.identity, **answers), troubles

    def _ask(self, nvml: ModuleType, question: _Question, monotonic: float) -> tuple[Answer, str]:
        """Return the answer and, where part of it is missing for good, the reason."""
        asked, answer = self._kept.get(question, (-math.inf, {}))
        if monotonic - asked < question.keep_seconds:
            return answer, ""
        first, reason = self._refused.get(question, (0, ""))
        for number, call in enumerate(question.calls[first:], first):
            try:
                answer = call(nvml, self._handle)
            except nvml_errors(nvml) as error:
                if code_of(error) not in _PERMANENT:
                    raise
                reason = reason_of(error)
                self._refused[question] = (number + 1, reason)
            else:
                self._kept[question] = (monotonic, answer)
                return answer, reason
        return {}, reason
