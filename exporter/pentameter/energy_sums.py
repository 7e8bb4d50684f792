"""A window of energy and work, and the sums over many that a regression needs: no window has to be kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True)
class Span:
    """A window: its energy, and what the server did meanwhile."""

    end: float
    """Monotonic seconds."""
    seconds: float
    joules: float
    prefill_tokens: float
    """Computed, without what the cache held."""
    decode_tokens: float
    prefill_steps: float
    """Steps, and parts of steps with both, that count to prefill."""
    decode_steps: float
    cache_steps: float = 0.0
    """Sum over the steps of the share of the cache in use."""

    @property
    def features(self) -> tuple[float, ...]:
        """Return what the coefficients are of: idle, step, prompt token, decode token, cache read."""
        steps = self.prefill_steps + self.decode_steps
        return (self.seconds, steps, self.prefill_tokens, self.decode_tokens, self.cache_steps)

    def parts(self, coefficients: Sequence[float]) -> tuple[float, float, float]:
        """Return the joules that a fit puts to idle, prefill and decode."""
        idle, step, prefill, decode, cache = coefficients
        return (
            idle * self.seconds,
            step * self.prefill_steps + prefill * self.prefill_tokens,
            step * self.decode_steps + decode * self.decode_tokens + cache * self.cache_steps,
        )


class Sums:
    """Sums over windows, from which a fit is made."""

    def __init__(self) -> None:
        self.begin = self.end = 0.0
        self.windows = 0
        self.products = [[0.0] * 5 for _ in range(5)]
        self.moments = [0.0] * 5
        self.squares = 0.0
        self.total = Span(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)

    def add(self, span: Span) -> None:
        """Add a window."""
        features = span.features
        for x, line in zip(features, self.products, strict=True):
            for j, other in enumerate(features):
                line[j] += x * other
        self.moments = [old + x * span.joules for old, x in zip(self.moments, features, strict=True)]
        self.squares += span.joules**2
        self.begin = self.begin if self.windows else span.end - span.seconds
        self.end = span.end
        self.windows += 1
        self.total = _sum(self.total, span)

    def merge(self, other: Sums) -> None:
        """Add what another has."""
        for line, more in zip(self.products, other.products, strict=True):
            for j, value in enumerate(more):
                line[j] += value
        self.moments = [a + b for a, b in zip(self.moments, other.moments, strict=True)]
        self.squares += other.squares
        self.windows += other.windows
        self.total = _sum(self.total, other.total)

    def r2(self, coefficients: Sequence[float]) -> float:
        """Return 1 - residual variance / variance; 1 where all are met to 1 per mille, so that none has to vary."""
        fitted = sum(c * m for c, m in zip(coefficients, self.moments, strict=True))
        quadratic = sum(
            a * b * self.products[i][j] for i, a in enumerate(coefficients) for j, b in enumerate(coefficients)
        )
        residual = max(0.0, self.squares - 2 * fitted + quadratic)
        variance = self.squares - self.total.joules**2 / self.windows
        if residual <= 1e-6 * self.squares:
            return 1.0
        return 1.0 - residual / variance if variance > 0 else 0.0


def _sum(one: Span, other: Span) -> Span:
    return Span(
        other.end,
        one.seconds + other.seconds,
        one.joules + other.joules,
        one.prefill_tokens + other.prefill_tokens,
        one.decode_tokens + other.decode_tokens,
        one.prefill_steps + other.prefill_steps,
        one.decode_steps + other.decode_steps,
        one.cache_steps + other.cache_steps,
    )


def merged(parts: Iterable[Sums]) -> Sums:
    """Return the sums over several stretches."""
    whole = Sums()
    for part in parts:
        whole.merge(part)
    return whole
