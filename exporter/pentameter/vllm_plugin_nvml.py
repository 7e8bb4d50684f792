"""What NVML says of the GPUs of this vLLM: runs inside vLLM, with the copy of ``pynvml`` that vLLM brings along.

A reading is whole or it fails: after an error that means a GPU or the driver is gone no handle can be trusted.
"""

from __future__ import annotations

import contextlib
import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pentameter.units import MILLI, MILLION, PERCENT
from pentameter.vllm_plugin_clocks import clock_reasons, clock_reasons_known, power_capped
from pentameter.vllm_plugin_devices import UntoldError
from pentameter.vllm_plugin_wire import LONGEST_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from pentameter.vllm_plugin_devices import Devices

    Question = Callable[[Any, Any], dict[str, Any]]

KEEP_READINGS = 60
"""How many readings a power limit stays good for: an operator may change it."""

# NVML's return codes. After these no handle can be trusted ...
_GONE = {1, 9, 12, 15, 16, 18, 28}
# ... after these the same question has the same answer next time ...
_REFUSED = {2, 3, 4, 13, 25}
# ... and after these there never was a driver.
_NEVER = {9, 12}


def find_nvml() -> Any:  # noqa: ANN401 - a module without annotations
    """Return NVIDIA's own bindings: vLLM's copy, which it has imported already, or those that are installed."""
    for name in ("vllm.third_party.pynvml", "pynvml"):
        if name.startswith("vllm.") and "vllm" not in sys.modules:
            continue
        try:
            module = import_module(name)
        except Exception:  # noqa: BLE001, S112 - whatever lies under that name
            continue
        if hasattr(module, "_nvmlGetFunctionPointer"):
            return module
    raise UntoldError("there is no nvidia-ml-py")


def _energy(nvml: Any, gpu: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"energy_joules": nvml.nvmlDeviceGetTotalEnergyConsumption(gpu) * MILLI}


def _power(nvml: Any, gpu: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"power_watts": nvml.nvmlDeviceGetPowerUsage(gpu) * MILLI}


def _utilization(nvml: Any, gpu: Any) -> dict[str, Any]:  # noqa: ANN401
    rates = nvml.nvmlDeviceGetUtilizationRates(gpu)
    return {"utilization_ratio": rates.gpu * PERCENT, "memory_utilization_ratio": rates.memory * PERCENT}


def _memory(nvml: Any, gpu: Any) -> dict[str, Any]:  # noqa: ANN401
    memory = nvml.nvmlDeviceGetMemoryInfo(gpu, version=nvml.nvmlMemory_v2)
    return {
        "memory_total_bytes": memory.total,
        "memory_used_bytes": memory.used,
        "memory_reserved_bytes": memory.reserved,
    }


def _temperature(nvml: Any, gpu: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"temperature_celsius": nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU)}


def _limit(nvml: Any, gpu: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"power_limit_watts": nvml.nvmlDeviceGetEnforcedPowerLimit(gpu) * MILLI}


def _mig(nvml: Any, gpu: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"mig_enabled": bool(nvml.nvmlDeviceGetMigMode(gpu)[0])}


def _capability(nvml: Any, gpu: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"compute_capability": "{}.{}".format(*nvml.nvmlDeviceGetCudaComputeCapability(gpu))}


def _bus(nvml: Any, gpu: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"memory_bus_width_bits": nvml.nvmlDeviceGetMemoryBusWidth(gpu)}


def _clock(nvml: Any, gpu: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"memory_clock_max_hz": nvml.nvmlDeviceGetMaxClockInfo(gpu, nvml.NVML_CLOCK_MEM) * MILLION}


_EVERY_TIME: tuple[Question, ...] = (_energy, _power, _utilization, _memory, _temperature, clock_reasons, power_capped)
_NOW_AND_THEN: tuple[Question, ...] = (_limit, _mig)
_ONCE: tuple[Question, ...] = (_capability, _bus, _clock, clock_reasons_known)


class NvmlGpus:
    """The GPUs of this vLLM; opened by the first reading, and anew by the one after a failure."""

    def __init__(self, devices: Devices, nvml: Any) -> None:  # noqa: ANN401
        self._devices = devices
        self._nvml = nvml
        self._opened = False
        self._gpus: list[_Gpu] = []
        self._driver: str | None = None
        self._had_gpus = False

    def read(self) -> dict[str, Any]:
        """Return the entry of a message, without its time.

        Raises ``UntoldError`` where there is nothing to be told, for good, and what ``pynvml`` raised where the driver
        or a GPU is gone.
        """
        try:
            if not self._opened:
                self._open()
            gpus = [gpu.read(self._nvml) for gpu in self._gpus]
        except Exception as error:
            self.close()
            if not self._had_gpus and getattr(error, "value", None) in _NEVER:
                message = f"NVML says: {error}"
                raise UntoldError(message) from error
            raise
        return {"kind": "gpus", "driver": self._driver, "expected": self._devices.expected, "gpus": gpus}

    def close(self) -> None:
        """Let go of NVML; never raises."""
        self._gpus = []
        if self._opened:
            self._opened = False
            with contextlib.suppress(Exception):  # it is gone already
                self._nvml.nvmlShutdown()

    def _open(self) -> None:
        nvml = self._nvml
        nvml.nvmlInit()
        self._opened = True
        self._driver = nvml.nvmlSystemGetDriverVersion()
        count = nvml.nvmlDeviceGetCount()
        devices = self._devices
        names = tuple(map(str, range(count))) if devices.names is None else devices.names
        last = len(names) if devices.length is None else devices.first + devices.length
        ours = names[devices.first : last]
        if len(ours) < last - devices.first or not ours:
            message = f"vLLM uses devices {devices.first} to {last - 1}, and {len(names)} are visible"
            raise UntoldError(message)
        self._require_an_order(ours, names, count)
        gpus: dict[str, _Gpu] = {}
        for place, name in enumerate(ours):
            gpu = _opened(nvml, name, devices.engine(place))
            if gpu.uuid in gpus and gpus[gpu.uuid].engine != gpu.engine:
                gpu.engine = ""  # two instances of one board, or one board for two engines
            gpus[gpu.uuid] = gpu
        self._gpus = list(gpus.values())
        self._had_gpus = True

    def _require_an_order(self, ours: tuple[str, ...], names: tuple[str, ...], count: int) -> None:
        """Refuse to take CUDA's numbers for NVML's where CUDA may have put the fastest device first."""
        by_number = any(name.isdecimal() for name in ours)
        if self._devices.pci_order or not by_number or (len(ours) == len(names) == count):
            return
        nvml = self._nvml
        if len({nvml.nvmlDeviceGetName(nvml.nvmlDeviceGetHandleByIndex(index)) for index in range(count)}) > 1:
            raise UntoldError("the GPUs differ, and CUDA_DEVICE_ORDER is not PCI_BUS_ID: their numbers are not certain")


class _Gpu:
    """An opened board; it remembers what stays good, and what is refused for good."""

    def __init__(self, handle: object, identity: dict[str, Any], engine: str) -> None:
        self._handle = handle
        self._identity = identity
        self._kept: dict[str, Any] = {}
        self._refused: set[Question] = set()
        self._readings = 0
        self.uuid: str = identity["uuid"]
        self.engine = engine

    def read(self, nvml: Any) -> dict[str, Any]:  # noqa: ANN401
        # A slow driver reads the last GPU seconds after the first: energy over time needs the GPU's own moment.
        answers: dict[str, Any] = {"read_at": round(time.monotonic(), 6)}
        for question in _EVERY_TIME:  # energy and power first, as close as possible to the moment of the reading
            answers |= self._ask(nvml, question)
        if self._readings == 0:
            for question in _ONCE:
                self._kept |= self._ask(nvml, question)
        if self._readings % KEEP_READINGS == 0:
            for question in _NOW_AND_THEN:
                self._kept |= self._ask(nvml, question)
        self._readings += 1
        return {**self._identity, "engine": self.engine, **self._kept, **answers}

    def _ask(self, nvml: Any, question: Question) -> dict[str, Any]:  # noqa: ANN401
        if question in self._refused:
            return {}
        try:
            return question(nvml, self._handle)
        except Exception as error:
            code = getattr(error, "value", None)
            if code in _GONE:
                raise
            if code is None or code in _REFUSED:  # no code: bindings or a library that lack the function
                self._refused.add(question)
            return {}


def _opened(nvml: Any, name: str, engine: str) -> _Gpu:  # noqa: ANN401
    if name.isdecimal():
        handle = nvml.nvmlDeviceGetHandleByIndex(int(name))
    else:
        handle = nvml.nvmlDeviceGetHandleByUUID(name)
        if name.startswith("MIG-"):
            # An instance has no energy counter, and no power: it is the board that is told of.
            handle = nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle)
    identity = {
        "uuid": nvml.nvmlDeviceGetUUID(handle),
        "index": nvml.nvmlDeviceGetIndex(handle),
        "name": nvml.nvmlDeviceGetName(handle)[:LONGEST_NAME],
    }
    return _Gpu(handle, identity, engine)
