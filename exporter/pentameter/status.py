"""What the status page shows, as JSON: the present figures with the reasons of those that are missing, and the hour."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pentameter.dimensions.attainment import TARGET, THRESHOLD
from pentameter.dimensions.prices import PRICE_UNKNOWN
from pentameter.dimensions.served_model import MODEL_UNKNOWN
from pentameter.status_figures import FIGURES, pick

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pentameter.history import History, Hour
    from pentameter.metric import Sample
    from pentameter.snapshot import Snapshot, SourceHealth
    from pentameter.status_figures import Figure

Group = tuple[str, str]
"""A server and the model it serves; a server of several engines is one group."""

DIGITS = 5
NO_SLO = "no SLO is set: see slos in the settings"
_NEEDS = {MODEL_UNKNOWN.name: ("mfu", "mbu"), PRICE_UNKNOWN.name: ("dollars", "idle_dollars", "load_matched")}
_GPU_SOURCES = ("nvml", "dcgm")


@dataclass(slots=True)
class _Known:
    """What the samples say of a group beside its figures."""

    values: list[dict[str, Any]] = field(default_factory=list)
    slos: dict[str, dict[str, Any]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    """Why the model or the price is not known, by the name of the metric that says so."""

    def shown(self) -> set[tuple[str, str]]:
        """Return the figures, with their SLO, that have a value."""
        return {(value["figure"], value["slo"]) for value in self.values}


def status(snapshot: Snapshot, history: History, version: str) -> dict[str, Any]:
    """Return the document of one moment; ``history`` tells which servers there were in the last hour."""
    window, figures = pick(snapshot.samples)
    known: dict[Group, _Known] = {}
    for series, value in figures.items():
        server, model_name, engine = series.place
        entry = {"figure": series.figure, "engine": engine, "slo": series.slo, "how": series.how, "value": short(value)}
        known.setdefault((server, model_name), _Known()).values.append(entry)
    for sample in snapshot.samples:
        _take(known, sample)
    down = {
        health.server: f"vllm {health.server} is down: {health.reason}"  # the message stands with the source
        for health in snapshot.sources
        if health.source == "vllm" and not health.up
    }
    groups = {**known, **{group: _Known() for group in sorted(history.places()) if group not in known}}
    servers = {server for server, _ in groups}
    groups |= {(server, ""): _Known() for server in down if server not in servers}
    gpus = next((_trouble(one) for one in snapshot.sources if one.source in _GPU_SOURCES and not one.up), "")
    return {
        "time": snapshot.wall,
        "version": version,
        "window": window,
        "figures": [_describe(figure) for figure in FIGURES],
        "servers": [
            {
                "server": server,
                "model_name": model_name,
                "slos": list(one.slos.values()),
                "values": one.values,
                "missing": list(_missing(one, down.get(server, ""), gpus)),
            }
            for (server, model_name), one in groups.items()
        ],
        "sources": [_source(health) for health in snapshot.sources],
    }


def past(hour: Hour) -> dict[str, Any]:
    """Return the document of the last hour: points at an even pace, the newest last."""
    return {
        "time": hour.wall,
        "step": hour.step,
        "points": hour.length,
        "left_out": hour.left_out,
        "series": [
            {
                "server": series.place.server,
                "model_name": series.place.model_name,
                "engine": series.place.engine,
                "figure": series.figure,
                "slo": series.slo,
                "how": series.how,
                "values": [None if math.isnan(value) else short(value) for value in values],
            }
            for series, values in hour.series
        ],
    }


def short(value: float) -> float:
    """Return a value with as many digits as a person reads.

    >>> short(17859.934627609673), short(1.1254294911702282e-05)
    (17860.0, 1.1254e-05)
    """
    return float(f"{value:.{DIGITS}g}")


def _describe(figure: Figure) -> dict[str, str]:
    return {
        "key": figure.key,
        "title": figure.title,
        "unit": figure.unit or figure.metric.unit.value,
        "dimension": figure.metric.dimension.value,
        "metric": figure.metric.name,
        "help": figure.metric.help,
        "slo": "slo" if "slo" in figure.metric.labels else "",
    }


def _take(known: dict[Group, _Known], sample: Sample) -> None:
    """Take what a sample says beside the figures: SLOs, and reasons why something is not known."""
    name = sample.metric.name
    if name not in (TARGET.name, THRESHOLD.name, *_NEEDS):
        return
    labels = dict(zip(sample.metric.labels, sample.labels, strict=True))
    one = known.setdefault((labels["server"], labels["model_name"]), _Known())
    if name in _NEEDS:
        one.reasons[name] = labels["reason"]
    else:
        slo = one.slos.setdefault(labels["slo"], {"slo": labels["slo"], "target": None, "thresholds": {}})
        if name == TARGET.name:
            slo["target"] = sample.value
        else:
            slo["thresholds"][labels["objective"]] = sample.value


def _missing(one: _Known, down: str, gpus: str) -> Iterator[dict[str, str]]:
    """Yield every figure that a group has no value of, and why."""
    shown = one.shown()
    for figure in FIGURES:
        for slo in _slos(figure, one.slos):
            if (figure.key, slo) not in shown:
                yield {"figure": figure.key, "slo": slo, "why": down or _why(figure, one, slo, gpus)}


def _slos(figure: Figure, slos: Iterable[str]) -> Iterable[str]:
    """Return the SLOs that a figure is told for: one without a name where it is of none, or where there are none."""
    return list(slos) or [""] if "slo" in figure.metric.labels else [""]


def _why(figure: Figure, one: _Known, slo: str, gpus: str) -> str:
    """Return why a figure is missing while its server is up."""
    if "slo" in figure.metric.labels and not slo:
        return NO_SLO
    for name, beginnings in _NEEDS.items():
        if name in one.reasons and figure.key.startswith(beginnings):
            what = "the model" if name == MODEL_UNKNOWN.name else "the price"
            return f"{what} is not known: {one.reasons[name]}"
    if figure.key in ("gpu_watts", "joules_per_token") and ("gpu_watts", "") not in one.shown() and gpus:
        return gpus
    return figure.absent


def _trouble(health: SourceHealth) -> str:
    """Return in a line what is wrong with a source."""
    where = f"{health.source} {health.server}".strip()
    return f"{where} is {'not here' if health.absent else 'down'}: {health.message or health.reason}"


def _source(health: SourceHealth) -> dict[str, Any]:
    return {
        "source": health.source,
        "server": health.server,
        "up": health.up,
        "absent": health.absent,
        "reason": health.reason,
        "message": health.message,
        "last_success": health.last_success,
        "failures": health.failures,
    }
