"""A machine with NVIDIA GPUs that tests control: builds ``nvml.c`` and writes the state that it shows.

In one process: ``with FakeNvml.for_tests(tmp_path_factory, gpus=2).in_process() as nvml``. For a child
process: ``subprocess.Popen(..., env=os.environ | nvml.environment())``. Both read the same state file,
so the test changes the world of either with ``nvml.gpu(0, energy_mj=5_000)`` while it runs.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

SONAME = "libnvidia-ml.so.1"
STATE_VARIABLE = "FAKE_NVML_STATE"

# Return codes to inject, as NVML numbers them.
UNINITIALIZED = 1
INVALID_ARGUMENT = 2
NOT_SUPPORTED = 3
NO_PERMISSION = 4
DRIVER_NOT_LOADED = 9
TIMEOUT = 10
FUNCTION_NOT_FOUND = 13
GPU_IS_LOST = 15
LIB_RM_VERSION_MISMATCH = 18
GPU_NOT_FOUND = 28
UNKNOWN = 999


def uuid(index: int) -> str:
    """Return the UUID that the GPU has unless the test gives it another."""
    return f"GPU-{index:08d}-0000-4000-8000-000000000000"


def build_library(folder: Path, *defines: str) -> Path:
    """Compile the fake into ``folder``, once; skips the test where there is no C compiler."""
    library = folder / SONAME
    if library.exists():
        return library
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip(f"no C compiler here, so no fake {SONAME}")
    folder.mkdir(parents=True, exist_ok=True)
    sources = sorted(str(path) for path in Path(__file__).parent.glob("nvml*.c"))
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-fvisibility=hidden"]
    # glibc takes a loaded library with this soname for the one that pynvml asks for by name.
    soname = f"-Wl,-soname,{SONAME}"
    chosen = [f"-D{name}" for name in defines]
    subprocess.run([compiler, *flags, *chosen, soname, "-o", str(library), *sources], check=True)
    return library


class FakeNvml:
    """One machine: the compiled library and the state file that it shows."""

    def __init__(self, library: Path, state: Path, gpus: int = 1) -> None:
        self._library = library
        self._state_file = state
        self._state: dict[str, str] = {}
        self._loaded: ctypes.CDLL | None = None
        self.set(gpus=gpus)

    @classmethod
    def for_tests(cls, tmp_path_factory: pytest.TempPathFactory, gpus: int = 1, *defines: str) -> FakeNvml:
        """Return a new machine; the library is compiled once per test session.

        ``defines`` choose another driver (``WITHOUT_GPM``: one that is too old to have a performance monitor), for
        child processes alone: a process keeps the first library that it has loaded.
        """
        library = build_library(tmp_path_factory.getbasetemp() / "-".join(("fake-nvml", *defines)), *defines)
        return cls(library, tmp_path_factory.mktemp("nvml") / "state", gpus)

    def set(self, **values: float | str) -> None:
        """Write machine-wide state, for example ``set(gpus=2, driver="580.95.05")``."""
        self._update({key: str(value) for key, value in values.items()})

    def gpu(self, index: int, **values: float | str) -> None:
        """Write the state of one GPU, for example ``gpu(0, energy_mj=1_000, power_mw=350_000)``."""
        self._update({f"gpu{index}.{key}": str(value) for key, value in values.items()})

    def run_counter(self, index: int, power_mw: float, energy_mj: float = 0) -> None:
        """Let the energy counter grow by itself from now on, at this power."""
        self.gpu(index, energy_mj=energy_mj, power_mw=power_mw, since=time.monotonic())

    def fail(self, function: str, code: int, *, gpu: int | None = None) -> None:
        """Let a function return ``code``, for one GPU or whoever it is asked about."""
        self._update({_injection(function, gpu): str(code)})

    def heal(self, function: str, *, gpu: int | None = None) -> None:
        """Take back what ``fail`` did with the same arguments."""
        self._update({_injection(function, gpu): None})

    def lose_gpu(self, index: int, code: int = GPU_IS_LOST) -> None:
        """Let every question to one GPU return ``code``."""
        self._update({f"gpu{index}.return": str(code)})

    def restore_gpu(self, index: int) -> None:
        """Bring a lost GPU back."""
        self._update({f"gpu{index}.return": None})

    def hang(self, function: str, milliseconds: float) -> None:
        """Let every call of a function take this long; 0 ends it, and releases who is waiting."""
        self._update({f"sleep_ms.{function}": str(milliseconds)})

    def environment(self) -> dict[str, str]:
        """Return the variables under which a child process sees this machine."""
        folders = [str(self._library.parent), os.environ.get("LD_LIBRARY_PATH", "")]
        return {"LD_LIBRARY_PATH": ":".join(filter(None, folders)), STATE_VARIABLE: str(self._state_file)}

    @contextlib.contextmanager
    def in_process(self) -> Iterator[FakeNvml]:
        """Show this machine to ``pynvml`` in the running process; afterwards it has no GPUs again."""
        ctypes.CDLL(str(self._library))
        self._loaded = ctypes.CDLL(SONAME)
        if not hasattr(self._loaded, "fake_nvml_reset"):
            pytest.skip(f"the real {SONAME} is already loaded into this process and cannot be replaced")
        self._loaded.fake_nvml_reset()
        # os.environ calls putenv, so getenv in the library sees it at once.
        before = os.environ.get(STATE_VARIABLE)
        os.environ[STATE_VARIABLE] = str(self._state_file)
        try:
            yield self
        finally:
            self._loaded.fake_nvml_reset()
            if before is None:
                del os.environ[STATE_VARIABLE]
            else:
                os.environ[STATE_VARIABLE] = before

    def calls(self, function: str) -> int:
        """Return how often this process has called a function of the library since ``in_process``."""
        assert self._loaded is not None, "only inside in_process()"
        return int(self._loaded.fake_nvml_calls(function.encode()))

    def gpm_samples(self) -> int:
        """Return how many samples of the performance monitor this process holds."""
        assert self._loaded is not None, "only inside in_process()"
        return int(self._loaded.fake_nvml_gpm_samples())

    def _update(self, changes: dict[str, str | None]) -> None:
        """Replace the file in one step, so that no call sees half of a change."""
        merged = self._state | {key: value for key, value in changes.items() if value is not None}
        self._state = {key: value for key, value in merged.items() if changes.get(key, value) is not None}
        draft = self._state_file.with_suffix(".draft")
        draft.write_text("".join(f"{key} {value}\n" for key, value in self._state.items()), encoding="utf-8")
        draft.replace(self._state_file)


def _injection(function: str, gpu: int | None) -> str:
    return f"return.{function}" if gpu is None else f"gpu{gpu}.return.{function}"
