"""Which GPUs this vLLM uses, by its own configuration: runs inside vLLM, the standard library only.

vLLM numbers the devices that ``CUDA_VISIBLE_DEVICES`` lists. Worker ``rank`` of the local engine ``k`` takes device
``k * world_size + rank`` (``world_size``: tensor x pipeline x prefill-context parallel), so that the devices of all
local engines are a run of the list. Where somebody else places the workers (Ray, an executor of one's own, elastic
expert parallelism), nothing is known here, and nothing is said.
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from pentameter.vllm_plugin_wire import NO

if TYPE_CHECKING:
    from collections.abc import Mapping

SETTING = "PENTAMETER_PLUGIN__GPUS"
"""Off by ``0``, ``false``, ``no``, ``off``. ``visible``: all devices that this process sees are this vLLM's, whatever
its configuration says: for a container of its own, where Ray places the workers."""

_PLACED_HERE = (None, "mp", "uni")
"""Executors of vLLM's own that take the devices in their order."""


class UntoldError(Exception):
    """This process does not tell of GPUs; the message says why."""


class NotOursError(UntoldError):
    """There is nothing to be told of, and nothing wrong."""


class Devices(NamedTuple):
    """A run of the devices that vLLM sees."""

    names: tuple[str, ...] | None
    """As ``CUDA_VISIBLE_DEVICES`` names them: NVML's indices, UUIDs, UUIDs of MIG instances; None: all, in order."""
    first: int
    length: int | None
    """None: to the end."""
    expected: int | None
    """GPUs of the whole server, those on other nodes included."""
    per_engine: int | None
    first_engine: int
    pci_order: bool
    """Whether CUDA numbers the devices as NVML does, even where they differ."""

    def engine(self, place: int) -> str:
        """Return the engine that the device at a place of the run serves; empty where that is not known."""
        return "" if self.per_engine is None else str(self.first_engine + place // self.per_engine)


def devices_of(vllm_config: object, environment: Mapping[str, str]) -> Devices:
    """Return the devices of this vLLM; raises ``UntoldError``."""
    setting = environment.get(SETTING, "").strip().lower()
    if setting in NO:
        raise NotOursError("switched off")
    parallel = getattr(vllm_config, "parallel_config", None)
    if _whole(parallel, "_api_process_rank", 0) > 0:
        raise NotOursError("another API server of this vLLM tells")
    names = _visible(environment.get("CUDA_VISIBLE_DEVICES"))
    pci_order = environment.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    world = _whole(parallel, "world_size", 0)
    here = _whole(parallel, "data_parallel_size_local", 1)
    alone = getattr(parallel, "data_parallel_external_lb", False) or getattr(parallel, "data_parallel_hybrid_lb", False)
    expected = world * (here if alone else _whole(parallel, "data_parallel_size", 1)) or None
    if setting == "visible":
        return Devices(names, 0, None, expected, None, 0, pci_order)
    _require_known_places(vllm_config, parallel)
    if not world or not here:
        raise UntoldError("vLLM does not say how many GPUs it uses")
    assigned = getattr(parallel, "assigned_physical_gpu_ids", None)
    if assigned:
        # By --device-ids, which vLLM has made NVML's numbers.
        names, pci_order = tuple(map(str, assigned)), True
    first = _whole(parallel, "data_parallel_rank_local", 0) * world
    # An engine that spans nodes has an equal part of its workers on each, and is alone there.
    per_engine = _whole(parallel, "local_world_size", world)
    first_engine = _whole(parallel, "data_parallel_rank", 0)
    return Devices(names, first, here * per_engine, expected, per_engine, first_engine, pci_order)


def _require_known_places(vllm_config: object, parallel: object) -> None:
    kind = getattr(getattr(vllm_config, "device_config", None), "device_type", None)
    if kind != "cuda":
        message = f"vLLM runs on {kind}"
        raise NotOursError(message)
    placed_here = (
        getattr(parallel, "distributed_executor_backend", None) in _PLACED_HERE
        and getattr(parallel, "data_parallel_backend", "mp") in _PLACED_HERE
        and not getattr(parallel, "enable_elastic_ep", False)
    )
    if not placed_here:
        message = f"vLLM leaves the choice of devices to others; {SETTING}=visible says that all visible ones are its"
        raise UntoldError(message)


def _visible(listed: str | None) -> tuple[str, ...] | None:
    """Return the devices that CUDA takes from its variable: it stops at the first that makes no sense."""
    if listed is None:
        return None
    names = tuple(takewhile(lambda name: name and not name.startswith("-"), map(str.strip, listed.split(","))))
    if not names:
        raise UntoldError("CUDA_VISIBLE_DEVICES hides all devices")
    return names


def _whole(config: object, name: str, otherwise: int) -> int:
    """Return a number of the configuration; what a release lacks, does not set, or cannot say has its plain value."""
    try:
        value = getattr(config, name, None)
    except Exception:  # noqa: BLE001 - a property that fails
        return otherwise
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise
