"""What carbon is reckoned with beside the grid's own intensity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pentameter.carbon.sci import TOKENS_PER_PAGE

if TYPE_CHECKING:
    from pentameter.carbon.embodied import Embodied
    from pentameter.carbon.intensity import GridIntensity


@dataclass(frozen=True, slots=True)
class CarbonBasis:
    """Everything is optional: what is missing is not reckoned."""

    market_grams_per_kwh: float | None = None
    """Of the electricity that was bought, by contract or certificate."""
    marginal: GridIntensity | None = None
    """Of one more kWh now."""
    others: tuple[GridIntensity, ...] = ()
    """Grids to compare with."""
    embodied: Embodied | None = None
    tokens_per_page: float = TOKENS_PER_PAGE
