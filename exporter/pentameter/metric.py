"""A metric is a row of data, declared once beside its formula; calling the row makes a sample."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Literal

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
    FLOPS = "flops"
    FLOPS_PER_SECOND = "flops_per_second"
    FLOPS_PER_BYTE = "flops_per_byte"
    BYTES_PER_SECOND = "bytes_per_second"
    RATIO = "ratio"
    TOKENS = "tokens"
    TOKENS_PER_SECOND = "tokens_per_second"
    REQUESTS_PER_SECOND = "requests_per_second"
    INFO = "info"
    NONE = ""


class LabelCountError(ValueError):
    """A sample was made with more or fewer label values than its metric declares."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its public name, what it means and how it is computed."""

    name: str
    kind: Literal["counter", "gauge"]
    unit: Unit
    dimension: Dimension
    help: str
    formula: str
    labels: tuple[str, ...] = ()

    def __call__(self, value: float, *labels: str) -> Sample:
        """Make a sample of this metric.

        Raises ``LabelCountError`` when the label values do not match the declaration, and ``ValueError``
        for NaN: what is unknown is left out, never exported.
        """
        if len(labels) != len(self.labels):
            message = f"{self.name} takes the labels {self.labels}, got the values {labels}"
            raise LabelCountError(message)
        if math.isnan(value):
            message = f"{self.name}{labels}: NaN is not a value; an unknown value is left out"
            raise ValueError(message)
        return Sample(self, float(value), labels)

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

    @property
    def key(self) -> tuple[str, tuple[str, ...]]:
        """Return what identifies the series."""
        return (self.metric.name, self.labels)
