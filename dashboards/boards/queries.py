"""PromQL for the boards: selectors that know the catalogue, and the queries of panels.

A selector that names a metric or a label that the exporter does not have raises, so no board can ask for what is
not there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from pentameter.catalogue import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pentameter.metric import Metric

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")

METRICS: dict[str, Metric] = {metric.name: metric for metric in CATALOGUE}

PLACE = ("cluster", "namespace", "instance")
"""What Prometheus and people add; where they are absent, their filters match all the same."""

FILTERS = {"model_name": "=~$model", "engine": "=~$engine|", "slo": "=~$slo"}
"""The labels of ours that a dashboard variable filters by, and how. Energy and cost of a server with several engines
have an empty engine: they stay when one of these is chosen."""

KEPT, MISSED = "_kept", "_missed"
"""How the refs of a judged pair of queries end: one of the two is empty by design."""

TARGET = "target: "
"""What the legend of a line that is a limit begins with."""

_NAME = re.compile(r"(?<![\w:])pentameter_[a-z0-9_]+")
"""The exporter's metrics alone: the names of recording rules have a colon before it."""
_HISTOGRAM_SUFFIX = re.compile(r"_(bucket|sum|count)$")


class UnknownMetricError(LookupError):
    """A query names a metric that the exporter does not have."""


class UnknownLabelError(LookupError):
    """A query filters by a label that the metric does not have."""


def metric_of(series: str) -> Metric:
    """Return the metric of a series' name, which for a histogram carries ``_bucket``, ``_sum`` or ``_count``.

    Raises ``UnknownMetricError``.
    """
    metric = METRICS.get(series)
    if metric is None:
        metric = METRICS.get(_HISTOGRAM_SUFFIX.sub("", series))
        if metric is None or metric.kind != "histogram":
            message = f"the exporter has no metric {series}"
            raise UnknownMetricError(message)
    return metric


def metrics_in(expressions: Iterable[str]) -> list[Metric]:
    """Return the exporter's metrics in some expressions, each once, in order; raises ``UnknownMetricError``."""
    names = [name for expression in expressions for name in _NAME.findall(expression)]
    return list({(metric := metric_of(name)).name: metric for name in names}.values())


def select(series: str, **matchers: str | None) -> str:
    """Return ``series{...}`` with the filters of the dashboard's variables for every label that the metric has.

    A matcher's value is compared with ``=``, unless it begins with ``=~``, ``!~`` or ``!=``; None leaves the filter
    of that label out. ``window`` is the variable's unless given.

    Raises ``UnknownMetricError`` and ``UnknownLabelError``.
    """
    metric = metric_of(series)
    allowed = {*metric.labels, *PLACE, "job", "pod", "le"}
    if unknown := matchers.keys() - allowed:
        message = f"{metric.name} has no label {', '.join(sorted(unknown))}"
        raise UnknownLabelError(message)
    filters: dict[str, str | None] = {place: f"=~${place}" for place in PLACE}
    filters |= {label: matcher for label, matcher in FILTERS.items() if label in metric.labels}
    if "window" in metric.labels:
        filters["window"] = "$window"
    filters |= matchers
    inside = ",".join(_matcher(label, value) for label, value in filters.items() if value is not None)
    return f"{series}{{{inside}}}" if inside else series


def _matcher(label: str, value: str) -> str:
    operator = value[:2] if value[:2] in {"=~", "!~", "!="} else "="
    return f'{label}{operator}"{value.removeprefix(operator) if operator != "=" else value}"'


def rate(series: str, span: str = "$window", **matchers: str | None) -> str:
    """Return ``rate(series{...}[span])`` of a counter; the span is the dashboard's window unless given."""
    return f"rate({select(series, **matchers)}[{span}])"


def total_rate(series: str, by: str = "model_name", span: str = "$window", **matchers: str | None) -> str:
    """Return the rate of a counter, summed by some labels: what ratios over a fleet are made of."""
    return f"sum by ({by}) ({rate(series, span, **matchers)})"


def ratio(numerator: str, denominator: str) -> str:
    """Return a quotient that is absent, not infinite, where the denominator is 0."""
    return f"({numerator}) / ({denominator} > 0)"


def query(
    expression: str,
    legend: str = "",
    *,
    ref: str = "",
    instant: bool = False,
    table: bool = False,
    heatmap: bool = False,
) -> prometheus.Dataquery:
    """Return a query of a panel. ``ref`` is given by the panel unless stated.

    ``instant`` asks for the last value alone, ``table`` for rows (and is instant), ``heatmap`` for buckets by ``le``.
    """
    made = prometheus.Dataquery().expr(expression).legend_format(legend).datasource(DATASOURCE)
    if ref:
        made = made.ref_id(ref)
    if table:
        return made.instant().format(PromQueryFormat.TABLE)
    if heatmap:
        return made.range().format(PromQueryFormat.HEATMAP)
    return made.instant() if instant else made.range()


def judged(
    value: str, limit: str, legend: str, ref: str, *, most: bool
) -> tuple[prometheus.Dataquery, prometheus.Dataquery]:
    """Return two queries of a value, one for where it keeps an exported limit and one for where it misses it.

    Args:
        value: the expression that is shown.
        limit: the expression it is compared with; its labels must match, write ``on (...) group_left`` yourself.
        legend: the name of the series.
        ref: a name of the pair, one per panel.
        most: whether the limit is the most that is allowed, or else the least.
    """
    keeps, misses = ("<=", ">") if most else (">=", "<")
    return (
        query(f"{value} {keeps} {limit}", legend, ref=f"{ref}{KEPT}", instant=True),
        query(f"{value} {misses} {limit}", legend, ref=f"{ref}{MISSED}", instant=True),
    )


def target(expression: str, legend: str) -> prometheus.Dataquery:
    """Return the query of a limit, which a time series draws as a dashed red line."""
    return query(expression, TARGET + legend)
