"""What every query of a dashboard must keep: each rule returns one sentence per fault."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import yaml

import board_files
import promql_text
from pentameter.catalogue import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Callable

    from board_files import Query
    from promql_text import Selector

TARGET_LABELS = frozenset(
    {"job", "instance", "namespace", "pod", "cluster", "container", "node", "service", "endpoint"}
)
"""What Prometheus and those who run it add to every series."""
FOREIGN = {
    "up": frozenset[str](),
    "scrape_duration_seconds": frozenset[str](),
    "scrape_samples_scraped": frozenset[str](),
    "process_start_time_seconds": frozenset[str](),
    "process_cpu_seconds_total": frozenset[str](),
    "process_resident_memory_bytes": frozenset[str](),
    "process_open_fds": frozenset[str](),
    "ALERTS": frozenset({"alertname", "alertstate", "severity", "server", "model_name", "engine", "slo"}),
}
"""Series that are not of the catalogue, with their labels: Prometheus's own, and the exporter's process."""
ALTERNATIVES = frozenset({"window", "stat", "bound", "tokens", "scope", "method", "since", "against"})
"""Labels whose values tell the same thing in several ways: a query takes one of them, or shows which is which."""
FILTERED = {
    "cluster": '=~"$cluster"',
    "namespace": '=~"$namespace"',
    "model_name": '=~"$model"',
    "engine": '=~"$engine|"',
}
COUNTER_CALLS = frozenset(
    {"rate", "irate", "increase", "resets", "changes", "timestamp", "absent", "count", "present_over_time"}
)
RATES = frozenset({"rate", "irate"})


@cache
def labels_of() -> dict[str, frozenset[str]]:
    """Return the labels of every series that a query may ask for, by its name."""
    known = dict(FOREIGN)
    for metric in CATALOGUE:
        labels = frozenset(metric.labels)
        if metric.kind == "histogram":
            known |= {f"{metric.name}_{part}": labels for part in ("sum", "count")}
            known[f"{metric.name}_bucket"] = labels | {"le"}
        else:
            known[metric.name] = labels
    return known


@cache
def counters() -> frozenset[str]:
    """Return the names of the series that only grow."""
    own = {metric.name for metric in CATALOGUE if metric.kind == "counter"}
    parts = {f"{m.name}_{part}" for m in CATALOGUE if m.kind == "histogram" for part in ("sum", "count", "bucket")}
    return frozenset(own | parts | {"process_cpu_seconds_total"})


@cache
def recorded() -> frozenset[str]:
    """Return the names of the recording rules that are shipped."""
    found = set()
    for path in sorted((board_files.CHECKOUT / "deploy" / "rules").glob("*.yml")):
        groups = (yaml.safe_load(path.read_text()) or {}).get("groups", [])
        found |= {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}
    return frozenset(found)


def metrics_exist(query: Query) -> list[str]:
    """A query asks only for series that somebody exports: else the panel says "No data" for ever."""
    asked = {selector.metric for selector in promql_text.read(query.expr).selectors}
    return [f"unknown metric {name!r}" for name in sorted(asked - labels_of().keys() - recorded())]


def labels_exist(query: Query) -> list[str]:
    """A matcher names a label of its metric, or one that Prometheus adds."""
    return [
        f"{selector.metric} has no label {label}"
        for selector in promql_text.read(query.expr).selectors
        if selector.metric in labels_of()
        for label in sorted(selector.matched() - labels_of()[selector.metric] - TARGET_LABELS)
    ]


def groupings_and_legends_exist(query: Query) -> list[str]:
    """What is grouped by, joined on or written into a legend is a label of one of the series."""
    found = promql_text.read(query.expr)
    if any(selector.metric in recorded() for selector in found.selectors):
        return []
    there = TARGET_LABELS | found.made | {"le"}
    for selector in found.selectors:
        there |= labels_of().get(selector.metric, frozenset())
    legend = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", query.legend)) - {"__name__"}
    return [f"no series has the label {label}" for label in sorted((found.grouped | legend) - there)]


def filters_are_applied(query: Query) -> list[str]:
    """A selector follows every choice that its metric allows: cluster and namespace, and its own labels."""
    if query.where.startswith(("variable ", "annotation ")):
        return []
    found = promql_text.read(query.expr)
    # A process's own figures are filtered by what they are joined with.
    joined = {"instance"} <= found.grouped and any(s.metric not in FOREIGN for s in found.selectors)
    return [
        f"{selector.metric} is not filtered by {label}"
        for selector in found.selectors
        if not (joined and selector.metric in FOREIGN)
        for label in sorted(filters_of(selector.metric) - applied(selector))
    ]


def filters_of(metric: str) -> set[str]:
    """Return the labels by which a dashboard's choices filter a metric."""
    return {"cluster", "namespace"} | (labels_of().get(metric, frozenset()) & {"model_name", "engine"})


def applied(selector: Selector) -> set[str]:
    """Return the labels that a selector takes from the dashboard's choices."""
    return {label for label, operator, value in selector.matchers if FILTERED.get(label) == f'{operator}"{value}"'}


def alternatives_are_told_apart(query: Query) -> list[str]:
    """Of labels whose values tell one thing in several ways, one is selected, or the reader sees which it is."""
    found = promql_text.read(query.expr)
    shown = found.grouped | set(re.findall(r"\{\{\s*(\w+)\s*\}\}", query.legend))
    if query.where.startswith("variable ") or (query.shape == "table" and not found.calls):
        return []
    return [
        f"{selector.metric}: {label} is neither selected nor shown"
        for selector in found.selectors
        for label in sorted((labels_of().get(selector.metric, frozenset()) & ALTERNATIVES) - selector.matched() - shown)
        if not {"count", "absent", "group"} & set(selector.calls)
    ]


def counters_are_rated(query: Query) -> list[str]:
    """A counter is shown by its growth: its total restarts with the exporter."""
    return [
        f"{selector.metric} is not under rate() or increase()"
        for selector in promql_text.read(query.expr).selectors
        if selector.metric in counters() and not COUNTER_CALLS & set(selector.calls) and not selector.only_asked_after
        if not query.where.startswith("variable ")
    ]


def gauges_are_not_rated(query: Query) -> list[str]:
    """``rate()`` takes every fall for a restart, which for a gauge is nonsense."""
    return [
        f"{selector.metric} is no counter, but under rate() or increase()"
        for selector in promql_text.read(query.expr).selectors
        if selector.metric in labels_of() and selector.metric not in counters()
        if selector.calls[:1] and selector.calls[0] in RATES | {"increase"}
    ]


def rates_follow_the_step(query: Query) -> list[str]:
    """``rate()`` of a graph takes ``$__rate_interval`` or a window that the reader chose, never a fixed one."""
    allowed = {"$__rate_interval", "$__range", "$window", "${window}"}
    return [
        f"{selector.metric}[{selector.range}]"
        for selector in promql_text.read(query.expr).selectors
        if selector.calls[:1] and selector.calls[0] in RATES | {"increase"} and selector.range not in allowed
        if query.shape != "table"
    ]


def rates_and_rolling_figures_do_not_mix(query: Query) -> list[str]:
    """A rolling gauge is of what it has seen, ``rate(x[$window])`` of the whole window.

    Until Prometheus has scraped for as long, their quotient is wrong: a value one window ago must be asked for.
    """
    found = promql_text.read(query.expr)
    rated = [s.metric for s in found.selectors if s.range in {"$window", "${window}"} and not s.only_asked_after]
    rolling = [s.metric for s in found.selectors if "window" in s.matched() and not s.only_asked_after]
    if not rated or not rolling or " offset $window" in query.expr or "/" not in query.expr:
        return []
    return [f"{rated[0]} over [$window] with {rolling[0]}"]


def quantiles_are_of_histograms(query: Query) -> list[str]:
    """A quantile of quantiles, or of gauges of several engines, is not the quantile of the requests."""
    found = promql_text.read(query.expr)
    faults = [f"{call}()" for call in sorted(found.calls & {"quantile", "quantile_over_time"})]
    return faults + [
        f"histogram_quantile() of {selector.metric} without {want}"
        for selector in found.selectors
        if "histogram_quantile" in selector.calls
        for want, there in (
            ("buckets", selector.metric.endswith("_bucket")),
            ("rate()", bool(RATES & set(selector.calls) or "increase" in selector.calls)),
        )
        if not there and selector.metric not in recorded()
    ]


def ratios_are_not_averaged(query: Query) -> list[str]:
    """A fleet's ratio is the sum of its numerators by that of its denominators; a ratio times its weight is one."""
    return [
        f"avg() or sum() of {selector.metric}"
        for selector in promql_text.read(query.expr).selectors
        if re.search(r"_ratio$|_per_\w*(token|request)s?\w*_(dollars|joules|grams)$", selector.metric)
        if "avg" in selector.calls or ("sum" in selector.calls and selector.then != "*")
    ]


def legends_are_plain(query: Query) -> list[str]:
    """A series of a graph has a name that a person reads, not Grafana's list of all its labels."""
    if query.drawn not in {"timeseries", "bargauge", "state-timeline"}:
        return []
    return [] if query.legend and query.legend != "__auto" else [f"legend {query.legend!r}"]


RULES: tuple[Callable[[Query], list[str]], ...] = (
    metrics_exist,
    labels_exist,
    groupings_and_legends_exist,
    filters_are_applied,
    alternatives_are_told_apart,
    counters_are_rated,
    gauges_are_not_rated,
    rates_follow_the_step,
    rates_and_rolling_figures_do_not_mix,
    quantiles_are_of_histograms,
    ratios_are_not_averaged,
    legends_are_plain,
)
