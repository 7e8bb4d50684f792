"""From a board to the JSON that Grafana reads: places on the grid, ids, links, annotations."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

from boards.queries import DATASOURCE
from boards.variables import variables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from boards.kit import Board, Row

WIDTH = 24
SCHEMA = 42
TAG = "pentameter"
ALERTS = 'ALERTS{alertstate="firing",alertname=~"Pentameter.*",cluster=~"$cluster",namespace=~"$namespace"}'


class LayoutError(ValueError):
    """Panels do not fill their line of the grid."""


def document(board: Board) -> str:
    """Return the board's file: classic JSON with sorted keys; raises ``LayoutError``."""
    made: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(_frame(board).build()))
    made["panels"] = list(_numbered(_placed(board)))
    made["schemaVersion"] = SCHEMA
    for shown in (*made["links"], *made["annotations"]["list"]):
        shown.pop("placement", None)  # else they hide in a menu
    for variable in made["templating"]["list"]:
        for unused in ("auto", "auto_count", "auto_min"):
            variable.pop(unused, None)
    return json.dumps(made, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _frame(board: Board) -> dashboards.Dashboard:
    frame = dashboards.Dashboard(f"Pentameter / {board.title}")
    frame = frame.uid(f"pentameter-{board.slug}").description(board.description).tags([TAG]).readonly()
    frame = frame.time(board.since, "now").refresh("30s").timezone("browser")
    frame = frame.tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
    frame = frame.link(
        dashboards.DashboardLink("Pentameter")
        .type(dashboard.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(as_dropdown=False)
        .include_vars(include_vars=True)
        .keep_time(keep_time=True)
    )
    frame = frame.annotation(
        dashboards.AnnotationQuery()
        .name("Firing alerts")
        .datasource(DATASOURCE)
        .enable(enable=True)
        .icon_color("red")
        .expr(ALERTS)
        .title_format("{{alertname}}")
        .text_format("{{model_name}} {{slo}} {{severity}}")
        .tag_keys("severity")
        .step("60s")
    )
    for variable in variables():
        frame = frame.with_variable(variable)
    return frame


def _placed(board: Board) -> Iterator[dict[str, Any]]:
    height = 0
    for row in board.rows:
        inside, below = _lines(row, height + 1)
        heading = {
            "type": "row",
            "title": row.title,
            "collapsed": row.collapsed,
            "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": height},
            "panels": inside if row.collapsed else [],
        }
        yield heading
        if not row.collapsed:
            yield from inside
        height = height + 1 if row.collapsed else below


def _lines(row: Row, top: int) -> tuple[list[dict[str, Any]], int]:
    made: list[dict[str, Any]] = []
    across, tallest = 0, 0
    for panel in row.panels:
        document: dict[str, Any] = json.loads(JSONEncoder().encode(panel))
        document.pop("repeatDirection", None)
        size = document["gridPos"]
        size["x"], size["y"] = across, top
        across, tallest = across + size["w"], max(tallest, size["h"])
        made.append(document)
        if across > WIDTH:
            message = f"{row.title}: {document['title']} reaches over the edge"
            raise LayoutError(message)
        if across == WIDTH:
            top, across, tallest = top + tallest, 0, 0
    if across:
        message = f"{row.title}: the last line of panels is {across} wide, not {WIDTH}"
        raise LayoutError(message)
    return made, top


def _numbered(panels: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    number = 0
    for panel in panels:
        for each in (panel, *panel.get("panels", ())):
            number += 1
            each["id"] = number
        yield panel
