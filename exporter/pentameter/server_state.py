"""What is remembered of one server between its pages."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pentameter.deployments import deployment_of, names_of
from pentameter.idle_meter import IdleMeter
from pentameter.windows import Continuity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pentameter.cost_meter import CostClock
    from pentameter.readings import LanguageReading, VllmReading
    from pentameter.server_plan import ServerPlan
    from pentameter.world import Deployment, Engine, Gpu


@dataclass(slots=True)
class ServerState:
    """Follows one server; the meter alone writes to it."""

    plan: ServerPlan
    clock: CostClock
    reading: VllmReading | None = None
    last: VllmReading | None = None
    """The last good reading, kept through an outage: it tells a restart, and whom the cost is for."""
    gpus_seen: int | None = None
    """Kept while the GPUs cannot be read: they still cost money."""
    gpu_names: tuple[str, ...] = ()
    """Kept likewise: what making them emitted accrues."""
    first: float | None = None
    """When it answered first."""
    renewed: float = float("-inf")
    """When it was first seen to be another process than before."""
    languages: LanguageReading | None = None
    idle: IdleMeter = field(default_factory=IdleMeter)
    joules_before: float = 0.0
    """Of GPUs or host, while the other's are unknown."""
    shares: Mapping[str, float] = field(default_factory=lambda: {"unobserved": 1.0})
    """Of the energy that was last divided among the states."""

    def take(self, reading: VllmReading, continuity: Continuity) -> None:
        """Take in a page."""
        self.last = reading
        self.first = reading.monotonic if self.first is None else self.first
        self.idle.take(reading, continuity)
        self.clock.take(reading, foreign=continuity is Continuity.FOREIGN)

    def lose(self, *, asked: bool, watched_since: float | None) -> None:
        """Note that it does not answer; ``asked`` says whether it was asked at all yet."""
        self.reading = None
        self.idle.lose()
        if asked:
            self.clock.silence(self.last.monotonic if self.last else watched_since)

    def see(self, gpus: tuple[Gpu, ...], expected: int = 0) -> None:
        """Take in the GPUs that are counted to it now, and how many it says it has: some may be elsewhere.

        Its word alone is not enough: a GPU that others share, or a part of one, has no price of its own.
        """
        if gpus:
            self.gpus_seen = max(len(gpus), expected)
        self.gpu_names = names_of(self.plan, gpus, self.gpu_names, self.gpus_seen)
        if not gpus or any(gpu.server_tick for gpu in gpus):
            # New energy takes all that the pages told since the last.
            self.shares = self.idle.shares()

    def deployment(
        self, last: VllmReading, engines: tuple[Engine, ...], gpus: tuple[Gpu, ...], serving: int | None
    ) -> Deployment:
        """Return it as the unit that costs money, by its last page; ``gpus`` are all of its own, or none."""
        found = deployment_of(self.plan, last, engines, gpus, serving, self.gpus_seen, self.shares)
        return replace(found, gpu_names=self.gpu_names)

    def confirmed_languages(self) -> LanguageReading | None:
        """Return its tokens by language, if its present process makes them: another may have another model."""
        told = self.languages
        return told if told is not None and told.monotonic >= self.renewed else None
