"""What a server costs by the hour, component by component.

The lecture names seven components. Six add up to the total: the accelerator (``gpu``), energy, storage, network, host
and overhead. The seventh, idleness and warm-up, is no further amount but the part of this total that was paid for
nothing: see ``dimensions.economics``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pentameter.units import SECONDS_PER_HOUR, WATTS_PER_KILOWATT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pentameter.cost.split import Ratios

COMPONENTS = ("gpu", "energy", "storage", "network", "host", "overhead")


@dataclass(frozen=True, slots=True)
class Quote:
    """The price of one GPU, and who says so."""

    dollars_per_hour: float
    """Of one GPU: its rent, or what owning it costs."""
    origin: str
    """``configured``, ``owned``, or where the price book has the row from: ``shipped``, ``url``, ``file``."""
    provider: str = ""
    region: str = ""
    instance: str = ""
    gpu: str = ""
    pricing: str = ""
    as_of: str = ""
    """Date of the row, YYYY-MM-DD; empty for what has none."""
    source: str = ""


@dataclass(frozen=True, slots=True)
class CostPlan:
    """What is known of a server's prices."""

    quote: Quote | None = None
    """None where nobody knows the price of its GPUs: then it has no cost."""
    per_gpu: Mapping[str, float] = field(default_factory=dict)
    """Component -> dollars per hour for each GPU of the server, beside the quote."""
    per_server: Mapping[str, float] = field(default_factory=dict)
    """Component -> dollars per hour of the whole server."""
    dollars_per_kwh: float | None = None
    """Of the energy with the building's part; None where the quote contains it, which a rent does."""
    overhead_ratio: float = 0.0
    """Overhead as a share of the sum of the other components, beside its fixed amounts."""
    ratios: Ratios | None = None
    """How prices of tokens stand to each other; None where nobody says."""

    @property
    def meters_energy(self) -> bool:
        """Say whether the cost depends on measured energy."""
        return bool(self.dollars_per_kwh)


def fixed_per_hour(plan: CostPlan, gpus: int | None) -> dict[str, float] | None:
    """Return dollars per hour by component without metered energy and without overhead by ratio.

    None where the number of GPUs or their price is unknown. A component without a price is missing, but for the energy
    of hardware that is owned, which is 0 here: what it costs comes from the meter.
    """
    if plan.quote is None or gpus is None:
        return None
    parts = {"gpu": gpus * plan.quote.dollars_per_hour}
    if plan.dollars_per_kwh is not None:
        parts["energy"] = 0.0
    for amounts, number in ((plan.per_gpu, gpus), (plan.per_server, 1)):
        for component, dollars in amounts.items():
            parts[component] = parts.get(component, 0.0) + number * dollars
    return parts


def with_energy(plan: CostPlan, fixed: Mapping[str, float], energy_dollars: float) -> dict[str, float]:
    """Return the components with the energy, and with the overhead that is a share of all others.

    Both arguments are dollars, or both dollars per hour: overhead = fixed overhead + ratio x sum of the others.
    """
    parts = dict(fixed)
    if plan.dollars_per_kwh is not None:
        parts["energy"] = parts.get("energy", 0.0) + energy_dollars
    if plan.overhead_ratio:
        others = sum(dollars for component, dollars in parts.items() if component != "overhead")
        parts["overhead"] = parts.get("overhead", 0.0) + plan.overhead_ratio * others
    return parts


def energy_dollars_per_hour(watts: float, dollars_per_kwh: float) -> float:
    """Return what power costs: kW x $/kWh.

    >>> round(energy_dollars_per_hour(8000 * 1.25, 0.08), 6)  # 8 kW in a building of PUE 1.25 at 8 cents
    0.8
    """
    return watts / WATTS_PER_KILOWATT * dollars_per_kwh


def energy_dollars(joules: float, dollars_per_kwh: float) -> float:
    """Return what energy costs: kWh x $/kWh.

    >>> energy_dollars(3_600_000, 0.08)  # one kWh
    0.08
    """
    return energy_dollars_per_hour(joules / SECONDS_PER_HOUR, dollars_per_kwh)
