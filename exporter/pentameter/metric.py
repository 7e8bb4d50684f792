"""A metric is a row of data, declared once beside its formula; calling the row makes a sample."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pentameter.readings import Histogram

ENGINE = ("server", "model_name", "engine")
"""The labels that every figure of an engine or a server begins with."""


class Dimension(Enum):
    """Where a metric belongs: the five dimensions of the lecture, and the exporter's own health."""

    COMPUTATION = "Computation"
    TIME = "Time"
    MEMORY = "Memory"
    ENERGY = "Energy and carbon"
    ECONOMICS = "Economics"
    HEALTH = "Health"


class Unit(Enum):
    """Base units; the value is the suffix that a metric's name must carry."""

    SECONDS = "seconds"
    TIMESTAMP = "timestamp_seconds"
    BYTES = "bytes"
    JOULES = "joules"
    WATTS = "watts"
    CELSIUS = "celsius"
    GRAMS = "grams"
    GRAMS_PER_KWH = "grams_per_kwh"
    DOLLARS = "dollars"
    DOLLARS_PER_MILLION_TOKENS = "dollars_per_million_tokens"
    FLOPS = "flops"
    FLOPS_PER_SECOND = "flops_per_second"
    FLOPS_PER_BYTE = "flops_per_byte"
    BYTES_PER_SECOND = "bytes_per_second"
    BYTES_PER_TOKEN = "bytes_per_token"
    RATIO = "ratio"
    TOKENS = "tokens"
    TOKENS_PER_SECOND = "tokens_per_second"
    TOKENS_PER_HOUR = "tokens_per_hour"
    TOKENS_PER_MONTH = "tokens_per_month"
    REQUESTS_PER_SECOND = "requests_per_second"
    INFO = "info"
    NONE = ""


class LabelCountError(ValueError):
    """A sample was made with more or fewer label values than its metric declares."""


class KindError(ValueError):
    """A number was given to a histogram, or a histogram to what is none."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its public name, what it means and how it is computed."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: Unit
    dimension: Dimension
    help: str
    formula: str
    labels: tuple[str, ...] = ()

    def __call__(self, value: float, *labels: str) -> Sample:
        """Make a sample of this metric.

        Raises ``LabelCountError`` when the label values do not match the declaration, ``KindError`` for a
        histogram, and ``ValueError`` for NaN: what is unknown is left out, never exported.
        """
        self._check(labels)
        if self.kind == "histogram":
            message = f"{self.name} is a histogram, a number is no sample of it"
            raise KindError(message)
        if math.isnan(value):
            message = f"{self.name}{labels}: NaN is not a value; an unknown value is left out"
            raise ValueError(message)
        return Sample(self, float(value), labels)

    def observe(self, histogram: Histogram, *labels: str) -> Sample:
        """Make a sample of this metric, which is a histogram; its value is the number of observations.

        Raises ``LabelCountError`` when the label values do not match the declaration, ``KindError`` where the
        metric is no histogram, and ``ValueError`` for a histogram that no page can show: its bounds must end with
        +Inf, as many as counts, and its sum must be finite.
        """
        self._check(labels)
        if self.kind != "histogram":
            message = f"{self.name} is a {self.kind}, a histogram is no sample of it"
            raise KindError(message)
        if histogram.bounds[-1:] != (math.inf,) or len(histogram.bounds) != len(histogram.counts):
            message = f"{self.name}{labels}: the bounds do not end with +Inf, or are not as many as the counts"
            raise ValueError(message)
        if not math.isfinite(histogram.sum):
            message = f"{self.name}{labels}: {histogram.sum} is no sum"
            raise ValueError(message)
        return Sample(self, float(histogram.count), labels, histogram)

    def _check(self, labels: tuple[str, ...]) -> None:
        if len(labels) != len(self.labels):
            message = f"{self.name} takes the labels {self.labels}, got the values {labels}"
            raise LabelCountError(message)

    @property
    def documentation(self) -> str:
        """Return the HELP text: the meaning, then the formula."""
        return f"{self.help} Formula: {self.formula}." if self.formula else self.help


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one metric."""

    metric: Metric
    value: float
    labels: tuple[str, ...]
    histogram: Histogram | None = None
    """What a sample of a histogram shows; ``value`` is then the number of observations."""

    @property
    def key(self) -> tuple[str, tuple[str, ...]]:
        """Return what identifies the series."""
        return (self.metric.name, self.labels)
