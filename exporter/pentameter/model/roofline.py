"""The roofline: what a GPU's peaks allow (Williams, Waterman and Patterson 2009, doi 10.1145/1498765.1498785).

Peaks are dense (no structured sparsity), in operations per second, per GPU; bandwidths in bytes per second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pentameter.model.spec import Precision

if TYPE_CHECKING:
    from collections.abc import Mapping


def ideal_seconds(flops: Mapping[Precision, float], peaks: Mapping[Precision, float]) -> float | None:
    """Return the time that the work would take at the peak of each precision, in seconds; None where one is unknown.

    A GPU without FP8, INT8 or FP4 arithmetic serves such weights by widening them in the kernel: the products run in
    16 bits, at that peak (vLLM's Marlin kernels: FP8 on Ampere, FP4 on Hopper). 32-bit work has no such way out: at the
    16-bit peak it would look faster than it can be.
    """
    total = 0.0
    for precision, amount in flops.items():
        if amount <= 0:
            continue
        peak = peaks.get(precision)
        if peak is None and precision is not Precision.BITS32:
            peak = peaks.get(Precision.BITS16)
        if peak is None:
            return None
        total += amount / peak
    return total


def mfu(flops: Mapping[Precision, float], peaks: Mapping[Precision, float], seconds: float) -> float | None:
    """Return ideal seconds / seconds, a ratio: with one precision the usual FLOPs / seconds / peak.

    FLOPs and peaks of one GPU. None where a peak is unknown or no time passed.

    >>> mfu({Precision.BITS16: 312e12}, {Precision.BITS16: 312e12}, 2)
    0.5
    """
    ideal = ideal_seconds(flops, peaks)
    return None if ideal is None or seconds <= 0 else ideal / seconds


def ridge(peak_flops: float, bandwidth: float) -> float:
    """Return the arithmetic intensity at which compute and memory take the same time, in FLOPs per byte.

    >>> ridge(312e12, 2e12)  # A100: 312 TFLOP/s in 16 bits, 2 TB/s
    156.0
    """
    return peak_flops / bandwidth


def bound(intensity: float, ridge: float) -> Literal["compute", "memory"]:
    """Say which of the two limits work of that intensity; at the ridge itself it is compute."""
    return "compute" if intensity >= ridge else "memory"


def attainable_flops(intensity: float, peak: float, bandwidth: float) -> float:
    """Return the most operations per second that work of that intensity can reach: min(peak, intensity x bandwidth)."""
    return min(peak, intensity * bandwidth)


def time_floor(
    flops: Mapping[Precision, float], moved_bytes: float, peaks: Mapping[Precision, float], bandwidth: float
) -> float:
    """Return the least time that the work can take on one GPU, in seconds: the longer of its compute and its traffic.

    Where a peak is unknown the traffic alone is still a floor.
    """
    return max(ideal_seconds(flops, peaks) or 0.0, moved_bytes / bandwidth)
