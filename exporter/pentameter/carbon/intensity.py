"""The carbon intensity of a grid, and where the figure comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GridIntensity:
    """Carbon per kilowatt-hour of a grid."""

    region: str
    grams_per_kwh: float
    """CO2-equivalent, location-based."""
    source: str
    factor_type: str
    """``lifecycle`` with building the plants and providing fuel, ``direct`` or ``operational`` without, or
    ``configured``."""
    step: str = ""
    """How it was found: ``override``, ``live``, ``zone``, ``state``, ``country`` or ``world``; empty where untold."""
    quality: int | None = None
    """5, of this place and hour or the user's own, to 1, of the whole world."""
    age_seconds: float | None = None
    """Of a live figure: the time since the end of the period that it is of."""
