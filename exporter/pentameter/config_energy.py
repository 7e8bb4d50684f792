"""The settings about energy beyond the GPUs: the machine that holds them, and the building that holds the machine."""

from __future__ import annotations

from pydantic import Field, model_validator

from pentameter.config_section import Section


class HostEnergy(Section):
    """Energy of the machine without its GPUs: measured by RAPL, else estimated where figures are given here."""

    rapl: bool = Field(True, description="Read the energy of processors and memory where the kernel lets us.")  # noqa: FBT003
    powercap: str = Field(
        "/sys/class/powercap",
        min_length=1,
        description=(
            "Folder of the RAPL counters. In a container: where the host's /sys/devices/virtual/powercap is mounted; "
            "reading it takes root."
        ),
    )
    idle_watts: float | None = Field(
        None, gt=0, le=100_000, description="Power of the machine without its GPUs and with idle processors."
    )
    max_watts: float | None = Field(
        None, gt=0, le=100_000, description="Power with all processors busy; by default the same as idle_watts."
    )
    estimate: bool = Field(
        False,  # noqa: FBT003
        description=(
            "Without idle_watts: estimate by Cloud Carbon Footprint's means per CPU and per GB of memory. Rough: "
            "machines differ by a factor of two."
        ),
    )
    gpus: int | None = Field(
        None,
        ge=1,
        description=(
            "Number of GPUs in the machine: a server is charged with the share of the machine that its GPUs are of "
            "them. By default those that are visible, which in a container may be fewer than there are."
        ),
    )
    share: float | None = Field(
        None, gt=0, le=1, description="Share of the machine that a server is charged with, in place of that by GPUs."
    )

    @model_validator(mode="after")
    def _consistent(self) -> HostEnergy:
        if self.max_watts is not None and self.idle_watts is None:
            message = "max_watts needs idle_watts beside it"
            raise ValueError(message)
        if self.max_watts is not None and self.idle_watts is not None and self.max_watts < self.idle_watts:
            message = f"max_watts {self.max_watts:g} is less than idle_watts {self.idle_watts:g}"
            raise ValueError(message)
        if self.estimate and self.idle_watts is not None:
            message = "give idle_watts or estimate, not both"
            raise ValueError(message)
        if self.gpus is not None and self.share is not None:
            message = "give gpus or share, not both"
            raise ValueError(message)
        return self


class Energy(Section):
    """Energy beyond the GPUs."""

    pue: float | None = Field(
        None,
        ge=1,
        le=5,
        description=(
            "Power usage effectiveness of the building: all its energy over that of its machines, such as 1.15. "
            "Without it figures of scope facility are left out."
        ),
    )
    host: HostEnergy = HostEnergy()
