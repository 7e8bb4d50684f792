"""The GPUs of this machine through NVML, the driver's own library: energy, power, memory and their like.

NVML serialises its callers inside the driver, so a reading makes few calls and never lists processes.
A reading is whole or it fails: after an error that means a GPU or the driver is gone no handle can be
trusted, so everything is let go and opened anew by the next ``read()``.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from pentameter.readings import GpuReading, GpusReading
from pentameter.sources import SourceAbsent, SourceError
from pentameter.sources.nvml_codes import (
    DRIVER_NOT_LOADED,
    LIB_RM_VERSION_MISMATCH,
    LIBRARY_NOT_FOUND,
    LIFECYCLE,
    UNKNOWN,
    code_of,
    nvml_errors,
    reason_of,
)
from pentameter.sources.nvml_gpu import Gpu

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_EXPLANATIONS = {
    LIBRARY_NOT_FOUND: "libnvidia-ml.so.1 cannot be loaded: there is no NVIDIA driver here, or its libraries "
    "are not mounted into this container",
    DRIVER_NOT_LOADED: "libnvidia-ml.so.1 is here, the NVIDIA kernel driver is not loaded",
    LIB_RM_VERSION_MISMATCH: "the driver was replaced and this process still holds the library of the old "
    "one; only a restart of Pentameter loads the new one",
    UNKNOWN: "unknown error; a container that lost its GPU devices must be created anew",
}


class NvmlSource:
    """Reads the GPUs that NVML shows, or those of them that ``gpus`` names by UUID or by index.

    Building it does no I/O. With MIG enabled a board is still one GPU: its energy counter is the board's.
    """

    name = "nvml"
    server = ""

    def __init__(
        self,
        gpus: tuple[str, ...] = (),
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._wanted = gpus
        self._monotonic = monotonic
        self._wall = wall
        self._nvml: ModuleType | None = None
        """Set while NVML is initialised."""
        self._gpus: tuple[Gpu, ...] = ()
        self._driver_version: str | None = None
        self._unopened: dict[str, str] = {}
        self._had_gpus = False
        self._doing = ""

    def read(self) -> GpusReading:
        """Return one reading of every GPU.

        Raises ``SourceAbsent`` where there is nothing to read and never was (``library_missing``,
        ``driver_missing``, ``no_device``, ``pynvml_missing``) and ``SourceError`` with a word of
        ``nvml_codes.REASONS`` (or ``unofficial_pynvml``, ``other``) for everything else.
        """
        nvml = _import_pynvml()
        try:
            if not self._gpus:
                self._open(nvml)
            return self._read(nvml)
        except SourceError:
            self.close()
            raise
        except nvml_errors(nvml) as error:
            failure = self._failure(error)
            self.close()
            raise failure from error

    def close(self) -> None:
        """Shut NVML down and forget the handles; never raises."""
        nvml, self._nvml = self._nvml, None
        gpus, self._gpus = self._gpus, ()
        self._unopened = {}
        if nvml is not None:
            for gpu in gpus:
                gpu.close(nvml)
            with contextlib.suppress(*nvml_errors(nvml)):
                nvml.nvmlShutdown()

    def _open(self, nvml: ModuleType) -> None:
        self._doing = "initialising"
        nvml.nvmlInit()
        self._nvml = nvml
        try:
            self._driver_version = nvml.nvmlSystemGetDriverVersion()
        except nvml_errors(nvml):
            self._driver_version = None
        count = nvml.nvmlDeviceGetCount()
        if count == 0:
            raise self._nothing_here("no_device", "NVML is here and shows no GPU")
        gpus: dict[str, Gpu] = {}
        for wanted in self._wanted or tuple(str(index) for index in range(count)):
            self._doing = f"opening GPU {wanted}"
            try:
                gpu = _open_gpu(nvml, wanted)
            except nvml_errors(nvml) as error:
                if code_of(error) in LIFECYCLE or code_of(error) == UNKNOWN:
                    raise
                self._unopened[f"{wanted}/handle"] = reason_of(error)
            else:
                gpus[gpu.identity.uuid] = gpu
        if not gpus:
            reason = next(iter(self._unopened.values()))
            message = f"not one GPU can be opened: {self._unopened} (NVML counts {count})"
            raise SourceError(reason, message)
        self._gpus = tuple(sorted(gpus.values(), key=lambda gpu: gpu.identity.index))
        self._had_gpus = True

    def _read(self, nvml: ModuleType) -> GpusReading:
        # The clocks are read after the opening, which may take seconds, and before the first counter.
        monotonic, wall = self._monotonic(), self._wall()
        readings: list[GpuReading] = []
        field_errors = dict(self._unopened)
        for gpu in self._gpus:
            self._doing = f"reading GPU {gpu.identity.uuid}"
            # A slow driver reads the last GPU seconds after the first: energy over time needs the GPU's own moment.
            read_at = self._monotonic() if readings else monotonic
            reading, troubles = gpu.read(nvml, monotonic)
            readings.append(replace(reading, read_at=read_at))
            field_errors |= {f"{reading.uuid}/{field}": reason for field, reason in troubles.items()}
        return GpusReading(monotonic, wall, tuple(readings), self._driver_version, field_errors)

    def _failure(self, error: Exception) -> SourceError:
        code = code_of(error)
        message = f"NVML, {self._doing}: {_EXPLANATIONS.get(code, error)}"
        if code in (LIBRARY_NOT_FOUND, DRIVER_NOT_LOADED):
            return self._nothing_here(reason_of(error), message)
        return SourceError(reason_of(error), message)

    def _nothing_here(self, reason: str, message: str) -> SourceError:
        """Return an absence on a machine that never had a GPU, and an error on one that lost it."""
        return (SourceError if self._had_gpus else SourceAbsent)(reason, message)


def _import_pynvml() -> ModuleType:
    """Return the module ``pynvml``; imported late, because a machine without NVIDIA has no use for it."""
    try:
        import pynvml
    except ImportError as error:
        raise SourceAbsent("pynvml_missing", f"nvidia-ml-py is not installed: {error}") from error
    if not hasattr(pynvml, "_nvmlGetFunctionPointer"):
        origin = getattr(pynvml, "__file__", None) or "an unknown place"
        message = f"the module pynvml from {origin} is not NVIDIA's: uninstall it and install nvidia-ml-py"
        raise SourceError("unofficial_pynvml", message)
    module: ModuleType = pynvml
    return module


def _open_gpu(nvml: ModuleType, wanted: str) -> Gpu:
    if wanted.isdecimal():
        handle = nvml.nvmlDeviceGetHandleByIndex(int(wanted))
    else:
        handle = nvml.nvmlDeviceGetHandleByUUID(wanted)
    uuid: str = nvml.nvmlDeviceGetUUID(handle)
    index: int = nvml.nvmlDeviceGetIndex(handle)
    name: str = nvml.nvmlDeviceGetName(handle)
    return Gpu(handle, GpuReading(uuid=uuid, index=index, name=name))
