"""One GPU behind NVML: what it is asked, and in which units it answers.

``pynvml`` has no annotations: it is passed around as a module, and what it returns is ``Any`` until a
conversion in this file has made it a float, a string or a truth value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pentameter.sources.nvml_clocks import clock_reasons, clock_reasons_known, power_capped
from pentameter.sources.nvml_codes import LIFECYCLE, PERMANENT, UNKNOWN, code_of, nvml_errors, reason_of
from pentameter.sources.nvml_gpm import METRICS, Gpm
from pentameter.units import MILLI, MILLION, PERCENT

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from pentameter.readings import GpuReading

    Answer = dict[str, Any]

_KEEP_SECONDS = 60.0
"""An operator changes a power limit rarely, but does change it: that is how power capping is tried."""


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


def _bus_width(nvml: ModuleType, handle: object) -> Answer:
    return {"memory_bus_width_bits": int(nvml.nvmlDeviceGetMemoryBusWidth(handle))}


def _memory_clock(nvml: ModuleType, handle: object) -> Answer:
    megahertz = nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_MEM)
    return {"memory_clock_max_hz": float(megahertz) * MILLION}


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
    _Question(("clock_reasons",), clock_reasons),
    _Question(("power_capped_seconds",), (power_capped,)),
    _Question(("clock_reasons_known",), clock_reasons_known, math.inf),
    _Question(("power_limit_watts",), (_power_limit,), _KEEP_SECONDS),
    _Question(("mig_enabled",), (_mig,), _KEEP_SECONDS),
    _Question(("compute_capability",), (_compute_capability,), math.inf),
    _Question(("memory_bus_width_bits",), (_bus_width,), math.inf),
    _Question(("memory_clock_max_hz",), (_memory_clock,), math.inf),
)


class Gpu:
    """One opened GPU; it remembers refusals, and answers that stay good, until it is opened anew."""

    def __init__(self, handle: object, identity: GpuReading) -> None:
        self._handle = handle
        self.identity = identity
        self._refused: dict[_Question, tuple[int, str]] = {}
        self._kept: dict[_Question, tuple[float, Answer]] = {}
        self._gpm = Gpm(handle)

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
        profile, profile_troubles = self._profile(nvml, monotonic, split=bool(answers.get("mig_enabled")))
        return replace(self.identity, **answers, **profile), troubles | profile_troubles

    def close(self, nvml: ModuleType) -> None:
        """Give back what the driver holds for this GPU; never raises."""
        self._gpm.free(nvml)

    def _profile(self, nvml: ModuleType, monotonic: float, *, split: bool) -> tuple[Answer, dict[str, str]]:
        """Ask the performance monitor, which counts a whole board: of one split by MIG it would mix its tenants."""
        if split:
            self._gpm.free(nvml)
            return {}, dict.fromkeys(METRICS, "mig_enabled")
        return self._gpm.read(nvml, monotonic)

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
                if code_of(error) not in PERMANENT:
                    raise
                reason = reason_of(error)
                self._refused[question] = (number + 1, reason)
            else:
                self._kept[question] = (monotonic, answer)
                return answer, reason
        return {}, reason
