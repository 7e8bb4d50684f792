"""The settings about carbon beyond the grid: making the hardware, the page, the grids to compare with."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from pentameter.config_section import Section, items_of


class Carbon(Section):
    """Carbon beyond the grid behind the GPUs."""

    compare_regions: Annotated[tuple[str, ...], BeforeValidator(items_of)] = Field(
        ("ISL", "NOR", "FRA", "GBR", "DEU", "USA", "CHN", "POL", "IND", "WORLD"),
        max_length=50,
        description=(
            "Regions for which it is counted what the same energy would emit there; named as grid.region. Each makes a "
            "series for every server. Empty: none."
        ),
    )
    embodied: bool = Field(True, description="Reckon with what making the hardware emitted.")  # noqa: FBT003
    lifetime_years: float = Field(
        4.0, gt=0, le=20, description="Time over which making the hardware is spread; others take 3 to 6 years."
    )
    gpu_kg: float | None = Field(
        None, ge=0, description="CO2-equivalent of making one GPU, in kg, in place of the table's three sources."
    )
    server_kg: float | None = Field(None, ge=0, description="The same of the machine without its GPUs, all of it.")
    gpus_per_server: int | None = Field(
        None, ge=1, le=1024, description="GPUs that share the machine; by default 8 for a machine of the table."
    )
    tokens_per_page: float | None = Field(
        None, gt=0, le=100_000, description="Tokens of a page of 500 words; 667 by default, which is about English."
    )

    @model_validator(mode="after")
    def _shared(self) -> Carbon:
        if self.server_kg is not None and self.gpus_per_server is None:
            message = "server_kg needs gpus_per_server beside it"
            raise ValueError(message)
        return self
