"""The few figures that a person sees first, and which sample of the catalogue each of them is. Nothing is computed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from pentameter.dimensions.attainment import ATTAINMENT
from pentameter.dimensions.bandwidth import MBU
from pentameter.dimensions.carbon_units import CARBON_PER_TOKEN
from pentameter.dimensions.computation import MFU
from pentameter.dimensions.cost_per_token import COST_PER_MILLION
from pentameter.dimensions.drift import MATCHED
from pentameter.dimensions.economics import COST_PER_HOUR, IDLE_PER_HOUR
from pentameter.dimensions.energy import POWER
from pentameter.dimensions.energy_intensity import ENERGY_PER_TOKEN
from pentameter.dimensions.goodput import CAPACITY, GOODPUT
from pentameter.dimensions.kv_cache import KV_USAGE, PREEMPTION_PRESSURE
from pentameter.dimensions.prefix_cache import PREFIX_HITS
from pentameter.dimensions.requests import OFFERED
from pentameter.dimensions.timing import REQUESTS_PER_SECOND, RUNNING, TOKENS_PER_SECOND, TPOT, TTFT, WAITING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pentameter.metric import Metric, Sample

IDLE = "no request finished in the window"
NO_TOKENS = "no token was produced in the window"
NO_CARBON = "no energy, no token in the window, or no grid.region in the settings"
NO_POWER = "no source tells the power of this server's GPUs"
NO_PRICE = "no price of this server's GPUs is known: set economics.gpu_dollars_per_hour"


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure, and how its sample is found: by fixed labels, and by a label whose values are preferred in order."""

    key: str
    title: str
    metric: Metric
    absent: str
    """Why it is missing when nothing more particular is known."""
    fixed: Mapping[str, str] = field(default_factory=dict)
    by: str = ""
    """The label that says how the figure is known, such as ``basis``."""
    order: tuple[str, ...] = ()
    """Its values, the best first; a value that is not named is taken only where the order is empty."""
    unit: str = ""
    """How the page writes it, where the unit of the metric does not say enough."""


class Place(NamedTuple):
    """Whose figure it is."""

    server: str
    model_name: str
    engine: str


class Series(NamedTuple):
    """What identifies a figure in time: another basis or bound is another series, so that no chart mixes the two."""

    place: Place
    figure: str
    slo: str
    how: str


FIGURES: tuple[Figure, ...] = (
    Figure("mfu", "MFU: computing power used", MFU, IDLE, {"phase": "all"}, "basis", ("model", "vllm")),
    Figure("attainment", "Requests in time", ATTAINMENT, IDLE, by="bound", order=("exact", "lower")),
    Figure("goodput", "Goodput", GOODPUT, "no request records: load the plugin or send traces"),
    Figure(
        "capacity",
        "Goodput capacity",
        CAPACITY,
        "too little traffic was seen so far to estimate it",
        by="bound",
        order=("estimate", "lower"),
    ),
    Figure("offered", "Requests arriving", OFFERED, "vLLM's page does not tell it"),
    Figure("requests", "Requests finished", REQUESTS_PER_SECOND, "no complete window yet"),
    Figure("prompt", "Prompt tokens", TOKENS_PER_SECOND, "no complete window yet", {"phase": "prompt"}),
    Figure("generated", "Generated tokens", TOKENS_PER_SECOND, "no complete window yet", {"phase": "generation"}),
    Figure(
        "ttft_p95", "Time to first token, p95", TTFT, IDLE, {"stat": "p95"}, by="basis", order=("requests", "histogram")
    ),
    Figure(
        "tpot_p95",
        "Time per output token, p95",
        TPOT,
        IDLE,
        {"stat": "p95"},
        by="basis",
        order=("requests", "histogram"),
    ),
    Figure("running", "Requests running", RUNNING, "vLLM's page does not tell it"),
    Figure("waiting", "Requests waiting", WAITING, "vLLM's page does not tell it"),
    Figure("mbu", "MBU: memory bandwidth used", MBU, IDLE, {"phase": "all"}, "basis", ("model", "vllm")),
    Figure("kv_usage", "KV cache in use", KV_USAGE, "vLLM's page does not tell it"),
    Figure("prefix_hits", "Prefix cache hits", PREFIX_HITS, "nothing was looked up in the window"),
    Figure("preemption", "Preemptions per request", PREEMPTION_PRESSURE, IDLE, unit="number"),
    Figure("gpu_watts", "Power of the GPUs", POWER, NO_POWER, {"component": "gpu"}),
    Figure(
        "joules_per_token",
        "Energy per generated token",
        ENERGY_PER_TOKEN,
        NO_TOKENS,
        {"tokens": "generated"},
        by="scope",
        order=("facility", "it", "gpu"),
    ),
    Figure(
        "grams_per_token",
        "CO2e per generated token",
        CARBON_PER_TOKEN,
        NO_CARBON,
        {"kind": "operational"},
        by="region",
    ),
    Figure("dollars_per_hour", "Cost per hour", COST_PER_HOUR, NO_PRICE, {"component": "total"}),
    Figure("idle_dollars_per_hour", "Idle cost per hour", IDLE_PER_HOUR, NO_PRICE),
    Figure(
        "dollars_per_million",
        "Cost per million tokens",
        COST_PER_MILLION,
        NO_TOKENS,
        {"tokens": "blended", "method": "all_tokens"},
        unit="dollars",
    ),
    Figure(
        "dollars_per_million_output",
        "Cost per million generated tokens",
        COST_PER_MILLION,
        NO_TOKENS,
        {"tokens": "output", "method": "output_only"},
        unit="dollars",
    ),
    Figure(
        "load_matched_cost",
        "Cost per token against the past at the same load",
        MATCHED,
        "needs four days of traffic to compare with",
        {"quantity": "cost_per_token"},
        by="against",
        order=("baseline", "rolling"),
        unit="factor",
    ),
)


def pick(samples: Iterable[Sample]) -> tuple[str | None, dict[Series, float]]:
    """Return the window that the rolling figures are of, and every figure that is known.

    The window is the first one that is configured. Of several samples for one figure the best known is taken, by the
    order that the figure gives; a value that is not finite is unknown.
    """
    window: str | None = None
    best: dict[tuple[Place, str, str], tuple[int, str, float]] = {}
    for sample in samples:
        for figure in _BY_METRIC.get(sample.metric.name, ()):
            labels = dict(zip(sample.metric.labels, sample.labels, strict=True))
            if window is None:
                window = labels.get("window")
            rank = _rank(figure, labels, window)
            if rank is None or not math.isfinite(sample.value):
                continue
            place = Place(labels["server"], labels["model_name"], labels["engine"])
            key = (place, figure.key, labels.get("slo", ""))
            if key not in best or rank < best[key][0]:
                best[key] = (rank, labels.get(figure.by, ""), sample.value)
    return window, {Series(*key, how): value for key, (_, how, value) in best.items()}


def _rank(figure: Figure, labels: Mapping[str, str], window: str | None) -> int | None:
    """Return how good a sample is for a figure, 0 the best; None where it is not of it."""
    if labels.get("window", window) != window or any(labels[name] != value for name, value in figure.fixed.items()):
        return None
    if not figure.order:
        return 0
    return figure.order.index(labels[figure.by]) if labels[figure.by] in figure.order else None


_BY_METRIC: dict[str, list[Figure]] = {}
for _figure in FIGURES:
    _BY_METRIC.setdefault(_figure.metric.name, []).append(_figure)
