"""From the settings to what is known of every server's prices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.cost.owned import Machine, per_gpu_hour
from pentameter.cost.plan import CostPlan, Quote
from pentameter.cost.split import Ratios
from pentameter.units import HOURS_PER_MONTH

if TYPE_CHECKING:
    from pentameter.config import Server, Settings
    from pentameter.config_economics import Economics, Owned


def settings_to_costs(settings: Settings) -> dict[str, CostPlan]:
    """Return the prices of every server by its name."""
    return {server.name: _plan(settings.economics, server) for server in settings.vllm.servers}


def _plan(economics: Economics, server: Server) -> CostPlan:
    """Return one server's prices: its own price of a GPU comes before the common one."""
    per_gpu: dict[str, float] = {}
    quote, dollars_per_kwh = None, None
    if server.gpu_dollars_per_hour is not None:
        quote = Quote(server.gpu_dollars_per_hour, "configured")
    elif economics.tenancy == "owned":
        per_gpu = per_gpu_hour(_machine(economics.owned))
        quote = Quote(per_gpu.pop("gpu"), "owned")
        dollars_per_kwh = economics.owned.electricity_dollars_per_kwh
    elif economics.gpu_dollars_per_hour is not None:
        quote = Quote(economics.gpu_dollars_per_hour, "configured")
    return CostPlan(
        quote, per_gpu, _per_server(economics), dollars_per_kwh, economics.overhead_ratio, _ratios(economics)
    )


def _ratios(economics: Economics) -> Ratios | None:
    split = economics.split
    if split.output_to_input_ratio is None:
        return None
    return Ratios(split.output_to_input_ratio, split.cached_to_input_ratio)


def _per_server(economics: Economics) -> dict[str, float]:
    """Return what a server pays as a whole; what is not configured is left out."""
    storage = economics.storage_gigabytes * economics.storage_dollars_per_gigabyte_month / HOURS_PER_MONTH
    amounts = {
        "host": economics.host_dollars_per_hour,
        "storage": storage,
        "network": economics.network_dollars_per_hour,
        "overhead": economics.overhead_dollars_per_hour,
    }
    return {component: dollars for component, dollars in amounts.items() if dollars}


def _machine(owned: Owned) -> Machine:
    assert owned.machine_gpus is not None
    assert owned.gpu_dollars is not None
    return Machine(
        gpus=owned.machine_gpus,
        gpu_dollars=owned.gpu_dollars,
        host_dollars=owned.host_dollars,
        network_dollars=owned.network_dollars,
        storage_dollars=owned.storage_dollars,
        lifetime_years=owned.lifetime_years,
        discount_rate=owned.discount_rate,
        residual_ratio=owned.residual_ratio,
        colocation_kilowatts=owned.colocation_kilowatts,
        colocation_dollars_per_kilowatt_month=owned.colocation_dollars_per_kilowatt_month,
        operations_ratio=owned.operations_ratio,
    )
