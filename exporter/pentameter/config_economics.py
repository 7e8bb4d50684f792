"""The settings about money: what the hardware costs, and what the figures are held against."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from pentameter.config_drift import Drift
from pentameter.config_languages import Languages
from pentameter.config_market import Market
from pentameter.config_prices import Prices
from pentameter.config_section import Section
from pentameter.cost.book import PRICINGS
from pentameter.cost.price_rows import plain_pricing


class Owned(Section):
    """A machine that was bought: what it costs to own and to keep. All amounts are of one whole machine."""

    machine_gpus: int | None = Field(
        None, ge=1, le=1024, description="GPUs in the machine; a server pays for its own. Needed for tenancy owned."
    )
    gpu_dollars: float | None = Field(
        None,
        ge=0,
        description="What the GPUs cost, or all of it where host_dollars is left out. Needed for tenancy owned.",
    )
    host_dollars: float = Field(0.0, ge=0, description="What the machine without its GPUs cost, where told apart.")
    network_dollars: float = Field(0.0, ge=0, description="Its part of switches, cables and adapters.")
    storage_dollars: float = Field(0.0, ge=0, description="Its part of the storage that was bought.")
    lifetime_years: float = Field(4.0, gt=0, le=20, description="Time over which it pays itself back.")
    discount_rate: float = Field(
        0.0, ge=0, le=1, description="Interest per year on the money that lies in it, such as 0.1; 0: straight line."
    )
    residual_ratio: float = Field(
        0.0, ge=0, lt=1, description="What GPUs and host fetch at the end, as a share of what they cost."
    )
    electricity_dollars_per_kwh: float | None = Field(
        None,
        ge=0,
        description=(
            "Price of electricity, for the measured energy with the building's part (energy.pue). 0 where something "
            "else contains it. Needed for tenancy owned."
        ),
    )
    colocation_kilowatts: float = Field(0.0, ge=0, description="Power that is provisioned for the machine.")
    colocation_dollars_per_kilowatt_month: float = Field(0.0, ge=0, description="Rent of the place, per kW and month.")
    operations_ratio: float = Field(
        0.0, ge=0, le=10, description="Staff, spares and support per year, as a share of all that the hardware cost."
    )


class Split(Section):
    """How the cost is divided between input and output where nothing measures it: by fixed ratios of prices."""

    output_to_input_ratio: float | None = Field(
        None, gt=0, le=1000, description="Price of an output token over that of an input token; vendors ask 4 to 8."
    )
    cached_to_input_ratio: float = Field(
        0.0, ge=0, le=1, description="Price of an input token from the prefix cache over that of another; vendors: 0.1."
    )


class Economics(Section):
    """Prices. What has no price has no cost: nothing is guessed."""

    tenancy: Literal["rented", "owned"] = Field(
        "rented", description="Rented: the price contains the energy. Owned: see `owned`."
    )
    gpu_dollars_per_hour: float | None = Field(
        None, ge=0, description="Price of one rented GPU; without it the price book is asked by the keys below."
    )
    provider: str | None = Field(None, min_length=1, description="Provider as in the price book, such as AWS.")
    region: str | None = Field(None, min_length=1, description="Region as in the price book, such as us-east-1.")
    instance: str | None = Field(None, min_length=1, description="Instance type as in the price book.")
    pricing: str | None = Field(
        None,
        min_length=1,
        description="Pricing model as in the price book; by default what the node's labels tell, else on-demand.",
    )
    labels_file: str | None = Field(
        None,
        min_length=1,
        description=(
            "File of lines KEY=\"VALUE\", as Kubernetes' downward API writes them, with the node's labels "
            "node.kubernetes.io/instance-type, topology.kubernetes.io/region and the capacity type, for what is not "
            "set here."
        ),
    )
    prices: Prices = Prices()
    owned: Owned = Owned()
    host_dollars_per_hour: float = Field(
        0.0, ge=0, description="What a server pays for processors and memory beside the price of its GPUs."
    )
    storage_gigabytes: float = Field(0.0, ge=0, description="Storage of a server: weights, caches, logs.")
    storage_dollars_per_gigabyte_month: float = Field(0.0, ge=0, description="Its price.")
    network_dollars_per_hour: float = Field(0.0, ge=0, description="What a server pays for its network and traffic.")
    overhead_dollars_per_hour: float = Field(
        0.0, ge=0, description="What a server pays for staff, monitoring, licences and the place."
    )
    overhead_ratio: float = Field(
        0.0, ge=0, le=10, description="The same as a share of all other components; added to the fixed amount."
    )
    split: Split = Split()
    market: Market = Market()
    languages: Languages = Languages()
    drift: Drift = Drift()

    @field_validator("pricing")
    @classmethod
    def _pricing(cls, pricing: str | None) -> str | None:
        plain = pricing and plain_pricing(pricing)
        if plain is not None and plain not in PRICINGS:
            message = f"must be one of {', '.join(PRICINGS)}"
            raise ValueError(message)
        return plain

    @model_validator(mode="after")
    def _whole(self) -> Economics:
        if self.tenancy == "owned":
            needed = ("machine_gpus", "gpu_dollars", "electricity_dollars_per_kwh")
            missing = [name for name in needed if getattr(self.owned, name) is None]
            if missing:
                message = f"tenancy owned needs {', '.join(f'owned.{name}' for name in missing)}"
                raise ValueError(message)
            if self.gpu_dollars_per_hour is not None:
                message = "give gpu_dollars_per_hour (rented) or tenancy owned, not both"
                raise ValueError(message)
        return self
