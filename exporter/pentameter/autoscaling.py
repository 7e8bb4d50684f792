"""What an autoscaler asks for, as JSON: load over goodput capacity. A view on the snapshot, computing nothing.

KEDA's ``metrics-api`` scaler reads one number by a GJSON path, for example ``targets.0.load_ratio`` of
``/api/v1/autoscaling?slo=chat``. A number that is not known is not there: the scaler then reports an error and keeps
the replicas, which is what one wants of a guess that nobody can make.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pentameter.dimensions.attainment import ATTAINMENT
from pentameter.dimensions.goodput import CAPACITY, CAPACITY_STATE, GOODPUT, LOAD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pentameter.metric import Sample
    from pentameter.snapshot import Snapshot

SELECTORS = ("server", "model_name", "slo")


def autoscaling(snapshot: Snapshot, window: str | None, wanted: Mapping[str, str]) -> dict[str, Any]:
    """Return the document: one target for each server, model and SLO that the selectors leave.

    ``window`` is that of the offered rate and the served goodput: by default the first that is configured.
    """
    window = window or _first_window(snapshot)
    targets: dict[tuple[str, ...], dict[str, Any]] = {}
    for sample in snapshot.samples:
        if sample.metric is CAPACITY_STATE and sample.value == 1.0:
            labels = _labels(sample)
            if all(labels[key] == value for key, value in wanted.items()):
                targets[_place(labels)] = {
                    **{key: labels[key] for key in ("server", "model_name", "engine", "slo")},
                    "state": labels["state"],
                }
    for sample in snapshot.samples:
        for key, name in _values(sample, window):
            target = targets.get(key)
            if target is not None:
                target[name] = sample.value
    return {"time": snapshot.wall, "window": window, "targets": list(targets.values())}


def _first_window(snapshot: Snapshot) -> str | None:
    return next((_labels(sample)["window"] for sample in snapshot.samples if sample.metric is LOAD), None)


def _values(sample: Sample, window: str | None) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield where in the document a sample belongs."""
    labels = _labels(sample)
    if labels.get("window", window) != window:
        return
    if sample.metric is CAPACITY:
        yield _place(labels), f"capacity_{labels['bound']}_requests_per_second"
    elif sample.metric is LOAD:
        yield _place(labels), "load_ratio" if labels["bound"] == "estimate" else "load_ratio_at_most"
    elif sample.metric is GOODPUT:
        yield _place(labels), "goodput_requests_per_second"
    elif sample.metric is ATTAINMENT and labels["bound"] == "exact":
        yield _place(labels), "attainment_ratio"


def _labels(sample: Sample) -> dict[str, str]:
    return dict(zip(sample.metric.labels, sample.labels, strict=True))


def _place(labels: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(labels[key] for key in ("server", "model_name", "engine", "slo"))
