"""The settings about drift: what changes in cost, energy and time per token at the same load."""

from __future__ import annotations

from pydantic import Field

from pentameter.config_section import Section


class Drift(Section):
    """Drift against the past at the same load. Set `state_file`, or the past is forgotten at every restart."""

    enabled: bool = Field(True, description="Remember what a token cost at which load.")  # noqa: FBT003
    horizon_days: int = Field(21, ge=3, le=90, description="Days with traffic that are remembered.")
    match_ratio: float = Field(
        0.12, ge=0.02, le=0.5, description="How much two loads may differ to be held against each other."
    )
    baseline: str | None = Field(
        None,
        min_length=1,
        description=(
            "Copy of a `state_file` from good days, to hold the present against as well: what has crept in slowly has "
            "become the past of a rolling comparison. It is only read, and not renewed."
        ),
    )
