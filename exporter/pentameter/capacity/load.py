"""What one window of traffic was like: offered load, how the requests fared, how full the server was."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class LoadWindow:
    """The requests that ARRIVED in one stretch of time, whenever they finished."""

    start: float
    """Seconds, on the monotonic clock of whoever collected it; on the wall clock in ``memory``."""
    seconds: float
    arrivals: int
    judged: int
    """Requests with a verdict. What the policy excludes, and what has no verdict, arrived but is not judged."""
    good: int
    undecided: int = 0
    """Requests that should have had a verdict but whose records do not hold what decides."""
    severity: float | None = None
    """The quantile, at the SLO's target, of max(value / threshold): above 1 means that the target was missed."""
    margins: Mapping[str, float] = field(default_factory=dict)
    """Objective -> the same quantile of value / threshold."""
    output_tokens: float = 0.0
    """Mean output tokens of a request."""
    waiting_at_start: float | None = None
    running_peak: float | None = None
    running_mean: float | None = None
    kv_peak: float | None = None
    """Highest share of the KV cache in use, 0-1."""
    kv_mean: float | None = None
    dispersion: float | None = None
    """Variance over mean of the arrivals per ``DISPERSION_SECONDS``: 1 for a Poisson process."""
    prompt_tokens: float = 0.0
    """Mean prompt tokens; 0 where nobody says."""
    finished: int = 0
    """Requests that FINISHED in this stretch of time, whenever they arrived."""

    @property
    def rate(self) -> float:
        """Return the offered load in requests/s."""
        return self.arrivals / self.seconds

    @property
    def attainment(self) -> float:
        """Return the share of judged requests that were good, 0-1."""
        return self.good / self.judged
