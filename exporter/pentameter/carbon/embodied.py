"""Embodied carbon: what making the hardware emitted, spread over the time that it serves.

ISO/IEC 21031 (SCI): M = TE x (time reserved / lifetime) x (resources reserved / resources). Published figures for one
and the same GPU differ by a factor of 3.5, so that every figure has a low, a central and a high one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pentameter.units import KILO, SECONDS_PER_YEAR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFAULT_LIFETIME_YEARS = 4.0
"""Cloud Carbon Footprint and Boavizta's GPU servers; EcoLogits takes 3 years, Boavizta's cloud machines 6."""

BOUNDS = ("low", "central", "high")


@dataclass(frozen=True, slots=True)
class Bounds:
    """A figure as the most sparing, a middle and the most generous source have it."""

    low: float
    central: float
    high: float

    def __add__(self, other: Bounds) -> Bounds:
        """Return the sum, bound by bound."""
        return Bounds(self.low + other.low, self.central + other.central, self.high + other.high)

    def times(self, factor: float) -> Bounds:
        """Return every bound times a factor."""
        return Bounds(self.low * factor, self.central * factor, self.high * factor)

    def items(self) -> tuple[tuple[str, float], ...]:
        """Return (name of the bound, value)."""
        return (("low", self.low), ("central", self.central), ("high", self.high))


@dataclass(frozen=True, slots=True)
class MadeGpu:
    """What making a GPU emitted, and the machine that it is shared out with."""

    kg: Bounds
    server: str
    """Key of the machine."""
    sources: tuple[str, str, str] = ("", "", "")
    server_assumed: bool = False
    """Nothing is published about a machine of this GPU: the machine is of the same class."""


@dataclass(frozen=True, slots=True)
class MadeServer:
    """What making a machine without its GPUs emitted."""

    kg: Bounds
    gpus: int


@dataclass(frozen=True, slots=True)
class Embodied:
    """The tables, and what the user knows better."""

    gpus: Mapping[str, MadeGpu] = field(default_factory=dict)
    servers: Mapping[str, MadeServer] = field(default_factory=dict)
    gpu_kg: float | None = None
    """Of one GPU, the user's own."""
    server_kg: float | None = None
    """Of the machine without its GPUs, the user's own."""
    gpus_per_server: int | None = None
    lifetime_years: float = DEFAULT_LIFETIME_YEARS

    @property
    def lifetime_seconds(self) -> float:
        """Return the time over which the hardware is spread."""
        return self.lifetime_years * SECONDS_PER_YEAR

    def grams(self, names: Sequence[str]) -> Bounds | None:
        """Return the grams of these GPUs (names of the GPU table) and of their parts of the machines around them.

        None where any of them is unknown: half of a machine is no lower bound that anybody asked for.
        """
        total = Bounds(0, 0, 0)
        for name in names:
            one = self._of_one(name)
            if one is None:
                return None
            total += one
        return total.times(KILO) if names else None

    def grams_per_second(self, names: Sequence[str]) -> Bounds | None:
        """Return what accrues while these GPUs are reserved, idle or not: grams / lifetime."""
        grams = self.grams(names)
        return None if grams is None else grams.times(1 / self.lifetime_seconds)

    def _of_one(self, name: str) -> Bounds | None:
        """Return kg of one GPU and its part of the machine."""
        known = self.gpus.get(name)
        machine = self.servers.get(known.server) if known else None
        gpu = known.kg if known else None
        server = machine.kg if machine else None
        share = self.gpus_per_server or (machine.gpus if machine else None)
        if self.gpu_kg is not None:
            gpu = _exactly(self.gpu_kg)
        if self.server_kg is not None:
            server = _exactly(self.server_kg)
        if gpu is None or server is None or share is None:
            return None
        return gpu + server.times(1 / share)


def grams_per_second(gpu_kg: float, server_kg: float, gpus_per_server: int, lifetime_seconds: float) -> float:
    """Return the embodied grams that one GPU accrues per second, with its part of its machine.

    (gpu_kg + server_kg / gpus_per_server) x 1000 / lifetime

    >>> year = 365 * 24 * 3600
    >>> round(grams_per_second(0, 1000, 1, 4 * year) * 3600, 1)  # SCI's example: 1000 kg over four years, one hour
    28.5
    """
    return (gpu_kg + server_kg / gpus_per_server) * KILO / lifetime_seconds


def _exactly(kg: float) -> Bounds:
    return Bounds(kg, kg, kg)
