"""What is configured of a server, and what its GPUs can do at best."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from pentameter.cost.plan import CostPlan
from pentameter.host_energy import HostPlan
from pentameter.model.gpu_bandwidth import bandwidth_of
from pentameter.model.spec import Precision
from pentameter.served_models import ModelPlan
from pentameter.world import Peaks

if TYPE_CHECKING:
    from pentameter.world import Gpu, GpuSpec

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """What is configured of a server."""

    server: str
    gpus: tuple[str, ...] = ()
    gpu_count: int | None = None
    gpu_spec: GpuSpec | None = None
    cost: CostPlan = field(default_factory=CostPlan)
    gpu_peak_flops: float | None = None
    """Dense 16-bit FLOP/s of one GPU, where the table does not know it."""
    gpu_bandwidth: float | None = None
    """Bytes per second of one GPU."""
    model: ModelPlan = field(default_factory=ModelPlan)


@dataclass(frozen=True, slots=True)
class MachinePlan:
    """What is configured of the machine and the building around it."""

    host: HostPlan = field(default_factory=HostPlan)
    pue: float | None = None
    """Power usage effectiveness: energy of the building over that of the machines in it."""


def peaks_of(plan: ServerPlan, gpus: tuple[Gpu, ...]) -> Peaks:
    """Return what one GPU of a server can do: as configured, else by the table, the bandwidth else by the driver.

    Unequal GPUs have no common peak.
    """
    spec = plan.gpu_spec or _common([gpu.spec for gpu in gpus])
    flops = dict(spec.peaks) if spec else {}
    flops_source = "table" if flops else ""
    if plan.gpu_peak_flops is not None:
        # The one figure that is given replaces the table: the others may be of another board.
        flops, flops_source = {Precision.BITS16: plan.gpu_peak_flops}, "configured"
    name = spec.gpu if spec else ""
    if plan.gpu_bandwidth is not None:
        return Peaks(flops, plan.gpu_bandwidth, flops_source, "configured", name)
    if spec is not None:
        return Peaks(flops, spec.memory_bandwidth, flops_source, "table", name)
    read = _common([bandwidth_of(gpu.reading) for gpu in gpus])
    return Peaks(flops, read, flops_source, "nvml" if read is not None else "")


def _common(values: list[_T | None]) -> _T | None:
    """Return the value that all share, or None."""
    return values[0] if values and all(value == values[0] for value in values) else None
