"""The makers of panels; boards/kit.py tells how to use them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import bargauge as bargauges
from grafana_foundation_sdk.builders import common as parts
from grafana_foundation_sdk.builders import heatmap as heatmaps
from grafana_foundation_sdk.builders import stat as stats
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.builders import text as texts
from grafana_foundation_sdk.builders import timeseries as series
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.text import TextMode

from boards.queries import query
from boards.style import GOOD, Steps, common_parts, mapping, sized, targets_dashed, thresholds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from grafana_foundation_sdk.builders.prometheus import Dataquery


POINTS = 400
"""Most points of a line: a day of 50 replicas' histograms costs a point each, and no screen shows more."""

CELLS = 120
"""Most columns of a heatmap, each of which has a row for each bucket."""

NARROW = 9
"""Up to this span a graph has no room for a table under it."""

_NARROWEST = 50
"""Pixels that a column keeps: Grafana's own 150 push the last columns of a wide table out of sight."""


@dataclass(frozen=True)
class Column:
    """A column of a table: a query whose values it shows."""

    title: str
    expression: str
    unit: str
    decimals: int | None = None
    steps: Steps | None = None
    base: str = GOOD
    width: int | None = None


def stat(
    title: str,
    queries: Sequence[Dataquery],
    *,
    unit: str,
    text: str = "",
    span: int = 6,
    height: int = 4,
    decimals: int | None = None,
    steps: Steps | None = None,
    base: str = "text",
    needs: str = "",
    names: bool = False,
    graph: bool = False,
    values: Mapping[str, tuple[str, str]] | None = None,
) -> dashboard.Panel:
    """Return big numbers, one for each series, as they are now; ``graph`` draws a line of their past behind.

    ``names`` shows each series' legend beside its number; ``values`` maps values to (text, colour).
    """
    asked = queries if graph else [each.instant() for each in queries]
    panel = common_parts(stats.Panel(), title, asked, unit, text, needs, decimals)
    panel = panel.reduce_options(parts.ReduceDataOptions().calcs(["lastNotNull"]))
    panel = panel.graph_mode(common.BigValueGraphMode.AREA if graph else common.BigValueGraphMode.NONE)
    panel = panel.text_mode(common.BigValueTextMode.VALUE_AND_NAME if names else common.BigValueTextMode.AUTO)
    panel = panel.color_mode(common.BigValueColorMode.VALUE).thresholds(thresholds(steps, base))
    if values:
        panel = panel.mappings([mapping(values)])
    return sized(panel, span, height)


def timeseries(
    title: str,
    queries: Sequence[Dataquery],
    *,
    unit: str,
    text: str = "",
    span: int = 12,
    height: int = 8,
    decimals: int | None = None,
    least: float | None = 0,
    most: float | None = None,
    stacked: bool = False,
    needs: str = "",
    axis: str = "",
    logarithmic: bool = False,
    steps: bool = False,
) -> dashboard.Panel:
    """Return lines over time, with values in the legend: the last, and where there is room the mean and the greatest.

    ``least`` and ``most`` bound the axis; ``stacked`` fills and adds up; ``steps`` draws states as steps; targets
    (see ``target``) are dashed and red.
    """
    panel = common_parts(series.Panel(), title, queries, unit, text, needs, decimals)
    panel = panel.legend(_legend(span)).tooltip(
        parts.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
    )
    panel = (
        panel.line_width(1 if stacked else 2).fill_opacity(30 if stacked else 0).show_points(common.VisibilityMode.AUTO)
    )
    panel = panel.span_nulls(span_nulls=False).max_data_points(POINTS)
    if stacked:
        panel = panel.stacking(parts.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    if steps:
        panel = panel.line_interpolation(common.LineInterpolation.STEP_AFTER)
    if logarithmic:
        panel = panel.scale_distribution(parts.ScaleDistributionConfig().type(common.ScaleDistribution.LOG).log(10))
    elif least is not None:
        panel = panel.min(least)
    if most is not None:
        panel = panel.max(most)
    if axis:
        panel = panel.axis_label(axis)
    return sized(targets_dashed(panel), span, height)


def _legend(span: int) -> parts.VizLegendOptions:
    """Return the legend: a list in a narrow panel, where a table would cut the names and show three of them."""
    legend = parts.VizLegendOptions().placement(common.LegendPlacement.BOTTOM).show_legend(show_legend=True)
    if span <= NARROW:
        return legend.display_mode(common.LegendDisplayMode.LIST).calcs(["lastNotNull"])
    return legend.display_mode(common.LegendDisplayMode.TABLE).calcs(["lastNotNull", "mean", "max"])


def bars(
    title: str,
    queries: Sequence[Dataquery],
    *,
    unit: str,
    text: str = "",
    span: int = 8,
    height: int = 8,
    decimals: int | None = None,
    steps: Steps | None = None,
    base: str = "blue",
    least: float | None = 0,
    most: float | None = None,
    needs: str = "",
) -> dashboard.Panel:
    """Return one horizontal bar for each series: a comparison of what is, now. Give instant queries."""
    panel = common_parts(bargauges.Panel(), title, queries, unit, text, needs, decimals)
    panel = panel.reduce_options(parts.ReduceDataOptions().calcs(["lastNotNull"]))
    panel = panel.orientation(common.VizOrientation.HORIZONTAL).display_mode(common.BarGaugeDisplayMode.BASIC)
    panel = panel.thresholds(thresholds(steps, base)).show_unfilled(show_unfilled=True)
    if least is not None:
        panel = panel.min(least)
    if most is not None:
        panel = panel.max(most)
    return sized(panel, span, height)


def heatmap(
    title: str,
    expression: str,
    *,
    unit: str,
    text: str = "",
    span: int = 12,
    height: int = 8,
    needs: str = "",
    scheme: str = "Oranges",
) -> dashboard.Panel:
    """Return a histogram's buckets over time; the expression is a sum by ``le`` of the buckets' increase."""
    panel = common_parts(heatmaps.Panel(), title, [query(expression, "{{le}}", heatmap=True)], unit, text, needs, None)
    panel = panel.calculate(calculate=False).max_data_points(CELLS)
    panel = panel.y_axis(heatmaps.YAxisConfig().unit(unit).axis_placement(common.AxisPlacement.LEFT))
    panel = panel.color(heatmaps.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme(scheme).steps(64))
    panel = panel.cell_values(heatmaps.CellValues().unit("short"))
    panel = panel.tooltip(
        heatmaps.HeatmapTooltip().mode(common.TooltipDisplayMode.SINGLE).y_histogram(y_histogram=True)
    )
    return sized(panel, span, height)


def table(
    title: str,
    labels: Mapping[str, str],
    columns: Sequence[Column],
    *,
    text: str = "",
    span: int = 24,
    height: int = 8,
    needs: str = "",
    sort_by: str = "",
    widths: Mapping[str, int] | None = None,
) -> dashboard.Panel:
    """Return a table with one row for each set of labels, and a column for each query.

    Args:
        title: noun phrase.
        labels: the labels that identify a row, in order, with the headings of their columns. Every query must yield
            these labels and no others (sum or max by them).
        columns: what is shown of each.
        text: plain words.
        span: width on the grid of 24.
        height: rows of the grid.
        needs: what an empty table says.
        sort_by: heading of the column to sort by, the greatest first.
        widths: pixels of labels' columns, by heading; the others share what is left.
    """
    queries = [query(column.expression, ref=f"C{number}", table=True) for number, column in enumerate(columns)]
    panel = common_parts(tables.Panel(), title, queries, "none", text, needs, None)
    panel = panel.with_transformation(dashboard.DataTransformerConfig(id_val="merge", options={}))
    values = [f"Value #C{number}" if len(columns) > 1 else "Value" for number in range(len(columns))]
    order = [*labels, *values]
    headings = {**labels, **{value: column.title for value, column in zip(values, columns, strict=True)}}
    panel = panel.with_transformation(
        dashboard.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {"Time": True},
                "indexByName": {name: place for place, name in enumerate(order)},
                "renameByName": headings,
            },
        )
    )
    panel = panel.min_width(_NARROWEST)
    for heading in labels.values():
        panel = panel.override_by_name(heading, _label_style(heading, (widths or {}).get(heading)))
    for column in columns:
        panel = panel.override_by_name(column.title, _column_style(column))
    if sort_by:
        panel = panel.sort_by([parts.TableSortByFieldState().display_name(sort_by).desc(desc=True)])
    return sized(panel, span, height)


def note(markdown: str, *, title: str = "", span: int = 24, height: int = 3) -> dashboard.Panel:
    """Return a panel of text: how to read what follows."""
    panel = texts.Panel().title(title).mode(TextMode.MARKDOWN).content(markdown).transparent(transparent=True)
    built = panel.build()
    built.grid_pos = dashboard.GridPos(h=height, w=span, x=0, y=0)
    return built


def _label_style(heading: str, width: int | None) -> list[dashboard.DynamicConfigValue]:
    """Return how a label's column looks: names are long, and a label may be empty, which is no missing figure."""
    empty = dashboard.DynamicConfigValue("noValue", " ")
    wide = width or (250 if heading == "Model" else None)
    return [empty, dashboard.DynamicConfigValue("custom.width", wide)] if wide else [empty]


def _column_style(column: Column) -> list[dashboard.DynamicConfigValue]:
    style = [dashboard.DynamicConfigValue("unit", column.unit), dashboard.DynamicConfigValue("noValue", "-")]
    if column.decimals is not None:
        style.append(dashboard.DynamicConfigValue("decimals", column.decimals))
    if column.width is not None:
        style.append(dashboard.DynamicConfigValue("custom.width", column.width))
    if column.steps:
        style.append(dashboard.DynamicConfigValue("thresholds", thresholds(column.steps, column.base).build()))
        style.append(dashboard.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}))
    return style
