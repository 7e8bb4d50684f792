"""What it costs per hour to own a machine: money, place, people (lecture: "Cost Components").

Electricity is not here: it is measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pentameter.units import HOURS_PER_MONTH, HOURS_PER_YEAR


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that was bought. Amounts are of all of it, in dollars."""

    gpus: int
    gpu_dollars: float
    host_dollars: float = 0.0
    network_dollars: float = 0.0
    storage_dollars: float = 0.0
    lifetime_years: float = 4.0
    discount_rate: float = 0.0
    """Per year, as a ratio."""
    residual_ratio: float = 0.0
    """What GPUs and host fetch at the end over what they cost; cables and disks fetch nothing."""
    colocation_kilowatts: float = 0.0
    """Power provisioned."""
    colocation_dollars_per_kilowatt_month: float = 0.0
    operations_ratio: float = 0.0
    """Per year, of all that the hardware cost."""

    @property
    def capital(self) -> float:
        """Return what all of the hardware cost."""
        return self.gpu_dollars + self.host_dollars + self.network_dollars + self.storage_dollars


def capital_recovery_factor(discount_rate: float, years: float) -> float:
    """Return the share of an amount that is paid each year so that it is paid off, with interest, after ``years``.

    CRF = r (1 + r)^L / ((1 + r)^L - 1); 1 / L without interest (any text on engineering economics, "capital recovery
    factor"). Raises ``ValueError`` for a time that is not above 0 or a negative rate.

    >>> round(capital_recovery_factor(0.10, 4), 5)
    0.31547
    >>> capital_recovery_factor(0, 4)
    0.25
    """
    if years <= 0 or discount_rate < 0:
        message = f"{years} years at a rate of {discount_rate} pay nothing back"
        raise ValueError(message)
    if discount_rate == 0:
        return 1 / years
    # The same as r / (1 - (1 + r)^-L), without the cancellation that a small rate would suffer.
    return discount_rate / -math.expm1(-years * math.log1p(discount_rate))


def capital_per_year(dollars: float, residual: float, discount_rate: float, years: float) -> float:
    """Return what hardware costs a year: (price - residual / (1 + r)^L) x CRF(r, L), in dollars.

    The residual is money that comes back at the end, worth less today.

    >>> capital_per_year(100_000, 20_000, 0, 4)  # straight line
    20000.0
    """
    worth_today: float = residual / (1 + discount_rate) ** years
    return (dollars - worth_today) * capital_recovery_factor(discount_rate, years)


def per_gpu_hour(machine: Machine) -> dict[str, float]:
    """Return dollars per hour for each GPU of a machine by component: gpu, host, network, storage, overhead.

    Overhead is the rent of the place (kW provisioned x $/kW-month x 12 / 8760) and operations (a share of all hardware
    per year). A component that costs nothing is missing, but for the GPUs.
    """

    def yearly(dollars: float, residual_ratio: float = 0.0) -> float:
        residual = residual_ratio * dollars
        return capital_per_year(dollars, residual, machine.discount_rate, machine.lifetime_years)

    place = machine.colocation_kilowatts * machine.colocation_dollars_per_kilowatt_month / HOURS_PER_MONTH
    hourly = {
        "gpu": yearly(machine.gpu_dollars, machine.residual_ratio) / HOURS_PER_YEAR,
        "host": yearly(machine.host_dollars, machine.residual_ratio) / HOURS_PER_YEAR,
        "network": yearly(machine.network_dollars) / HOURS_PER_YEAR,
        "storage": yearly(machine.storage_dollars) / HOURS_PER_YEAR,
        "overhead": place + machine.operations_ratio * machine.capital / HOURS_PER_YEAR,
    }
    return {part: dollars / machine.gpus for part, dollars in hourly.items() if dollars or part == "gpu"}
