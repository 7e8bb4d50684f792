"""Reads the GPUs of this vLLM once a second: runs inside vLLM, on a thread of its own.

NVML calls let the interpreter go while they last, so that vLLM never waits for them; a driver that hangs holds up this
thread and nothing else. While nobody listens, the driver is left alone.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from pentameter.vllm_plugin_devices import NotOursError, UntoldError, devices_of
from pentameter.vllm_plugin_nvml import NvmlGpus, find_nvml

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("vllm.pentameter")

PERIOD_SECONDS = 1.0
TROUBLE_SECONDS = 10.0
"""How long a driver in trouble is left alone."""

_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


class GpuWatch:
    """A thread that keeps the latest reading ready as the JSON text of an entry.

    Args:
        vllm_config: says which GPUs are this vLLM's.
        wanted: whether somebody listens.
        notify: called when there is something to be taken.
    """

    def __init__(self, vllm_config: object, wanted: Callable[[], bool], notify: Callable[[], None]) -> None:
        self._vllm_config = vllm_config
        self._wanted = wanted
        self._notify = notify
        self._fresh: str | None = None
        self._ended = threading.Event()
        self._said = ""
        self._thread = threading.Thread(target=self._run, name="pentameter-gpus", daemon=True)
        self._thread.start()

    def take(self) -> str | None:
        """Return the latest reading, once."""
        fresh, self._fresh = self._fresh, None
        return fresh

    def stop(self) -> None:
        """End the thread; for tests, vLLM just exits."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            gpus = NvmlGpus(devices_of(self._vllm_config, os.environ), find_nvml())
            pause = 0.0
            while not self._ended.wait(pause):
                pause = self._read(gpus) if self._wanted() else PERIOD_SECONDS
            gpus.close()
        except UntoldError as reason:
            level = logging.DEBUG if isinstance(reason, NotOursError) else logging.INFO
            log.log(level, "Pentameter: the plugin does not read the GPUs: %s", reason)
        except Exception:
            log.warning("Pentameter: the plugin does not read the GPUs", exc_info=True)

    def _read(self, gpus: NvmlGpus) -> float:
        """Read once; return how long to rest then: as long as it took at least, so that a slow driver has peace."""
        began = time.monotonic()
        try:
            entry = gpus.read()
        except UntoldError:
            raise
        except Exception as error:  # noqa: BLE001 - a GPU is lost, or the driver is being replaced
            self._say(f"the GPUs cannot be read: {error}")
            return TROUBLE_SECONDS
        self._say("")
        self._fresh = _encoded(entry, began)
        self._notify()
        took = time.monotonic() - began
        return max(PERIOD_SECONDS - took, took)

    def _say(self, trouble: str) -> None:
        if trouble != self._said:
            self._said = trouble
            log.info("Pentameter: %s", trouble or "the GPUs can be read again")


def _encoded(entry: dict[str, Any], began: float) -> str:
    gpus = [{name: value for name, value in gpu.items() if value not in ("", None)} for gpu in entry["gpus"]]
    return _ENCODER.encode({**entry, "monotonic": round(began, 6), "gpus": gpus})
