"""What all panels have in common: what they say of themselves, their colours and their size."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from grafana_foundation_sdk.builders import bargauge as bargauges
from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders import heatmap as heatmaps
from grafana_foundation_sdk.builders import stat as stats
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.builders import timeseries as series
from grafana_foundation_sdk.models import dashboard

from boards.queries import DATASOURCE, KEPT, MISSED, TARGET, metrics_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from grafana_foundation_sdk.builders.prometheus import Dataquery

GOOD, BAD = "green", "red"

EMPTY = "empty: "
"""Before a sentence that an empty panel says where nothing is missing."""

Steps = dict[float, str]
Panel = TypeVar("Panel", stats.Panel, series.Panel, tables.Panel, bargauges.Panel, heatmaps.Panel)


def describe(text: str, expressions: Sequence[str]) -> str:
    """Return plain words, then the help and formula of every metric in the expressions."""
    told = [f"**{metric.name}**: {metric.documentation}" for metric in metrics_in(expressions)]
    return "\n\n".join([text, *told] if text else told)


NOTHING = "nothing to show: no vLLM server of this choice has been read in this time"
"""What an empty panel says whose figures need no more than a server."""


def common_parts(
    panel: Panel, title: str, queries: Sequence[Dataquery], unit: str, text: str, needs: str, decimals: int | None
) -> Panel:
    """Return the panel with its queries, its texts and what it says when it is empty.

    ``needs`` is what figures wait for; where it begins with ``EMPTY``, the rest is said as it stands.
    """
    expressions = []
    for number, asked in enumerate(queries):
        built = asked.build()
        asked = asked if getattr(built, "ref_id", "") else asked.ref_id(chr(ord("A") + number))
        expressions.append(str(getattr(built, "expr", "")))
        panel = panel.with_target(asked)
    panel = panel.title(title).description(describe(told(text, needs), expressions)).unit(unit).datasource(DATASOURCE)
    panel = panel.no_value(when_empty(needs, brief=isinstance(panel, stats.Panel)))
    for asked in queries:
        ref = str(getattr(asked.build(), "ref_id", ""))
        colour = GOOD if ref.endswith(KEPT) else BAD if ref.endswith(MISSED) else ""
        if colour:
            panel = panel.override_by_query(ref, [dashboard.DynamicConfigValue("color", fixed(colour))])
    return panel if decimals is None else panel.decimals(decimals)


def told(text: str, needs: str) -> str:
    """Return a panel's plain words with what its figures wait for."""
    if not needs or needs.startswith(EMPTY):
        return text
    return f"{text} Empty until there is {needs}.".lstrip()


def when_empty(needs: str, *, brief: bool = False) -> str:
    """Return what an empty panel says; ``brief`` for a panel of big numbers, which would set a sentence in tiny type.

    >>> when_empty("traffic, and a price (settings: economics)", brief=True)
    'needs traffic'
    """
    if needs.startswith(EMPTY):
        return needs.removeprefix(EMPTY)
    if brief:
        return f"needs {re.split('[,(]', needs)[0].strip()}" if needs else "nothing read"
    return f"no data yet: needs {needs}" if needs else NOTHING


def fixed(colour: str) -> dict[str, str]:
    """Return the field setting of one colour."""
    return {"mode": "fixed", "fixedColor": colour}


def sized(panel: Panel, span: int, height: int) -> dashboard.Panel:
    """Return the finished panel with its size; the layout gives it its place."""
    built = panel.build()
    built.grid_pos = dashboard.GridPos(h=height, w=span, x=0, y=0)
    return built


def thresholds(steps: Steps | None, base: str) -> dashboards.ThresholdsConfig:
    """Return fixed colours from values up; the base is green where there are steps and no other is asked for."""
    made = [dashboard.Threshold(color=(GOOD if steps and base == "text" else base), value=None)]
    made += [dashboard.Threshold(color=colour, value=value) for value, colour in sorted((steps or {}).items())]
    return dashboards.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(made)


def mapping(values: Mapping[str, tuple[str, str]]) -> dashboard.ValueMap:
    """Return the texts and colours that stand for values."""
    options = {
        value: dashboard.ValueMappingResult(text=shown, color=colour, index=place)
        for place, (value, (shown, colour)) in enumerate(values.items())
    }
    return dashboard.ValueMap(options=options)


def targets_dashed(panel: series.Panel) -> series.Panel:
    """Return the panel with the lines of limits dashed, red and not stacked."""
    return panel.override_by_regexp(
        f"/^{TARGET}/",
        [
            dashboard.DynamicConfigValue("color", fixed(BAD)),
            dashboard.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}),
            dashboard.DynamicConfigValue("custom.fillOpacity", 0),
            dashboard.DynamicConfigValue("custom.stacking", {"mode": "none", "group": "B"}),
        ],
    )
