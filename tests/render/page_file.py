"""The page of one dashboard: its panels with their places, and Prometheus's answers."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import board_files

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

WIDTH, CELL, GAP = 1600, 30, 8
"""Pixels: of the page, and of Grafana's grid upwards."""
HEAD = 64
"""Pixels above the grid, for the title and the choices."""

Panel = dict[str, Any]


def unfolded(board: Mapping[str, Any]) -> list[Panel]:
    """Return rows and panels with the collapsed rows opened, as a reader sees them who opens all.

    >>> row = {"type": "row", "collapsed": True, "gridPos": {"x": 0, "y": 0, "w": 24, "h": 1}}
    >>> inside = {"type": "stat", "gridPos": {"x": 0, "y": 1, "w": 24, "h": 4}}
    >>> after = {"type": "row", "gridPos": {"x": 0, "y": 1, "w": 24, "h": 1}}
    >>> [panel["gridPos"]["y"] for panel in unfolded({"panels": [{**row, "panels": [inside]}, after]})]
    [0, 1, 5]
    """
    found: list[Panel] = []
    lower = 0
    for panel in copy.deepcopy(board["panels"]):
        panel["gridPos"]["y"] += lower
        found.append(panel)
        inside = panel.pop("panels", None) or []
        if not inside:
            continue
        top = panel["gridPos"]["y"] + 1
        shift = top - min(one["gridPos"]["y"] for one in inside)
        for one in inside:
            one["gridPos"]["y"] += shift
        found += inside
        lower += max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in inside) - top
    return found


def page_height(panels: list[Panel]) -> int:
    """Return the pixels that the panels need.

    >>> page_height([{"gridPos": {"y": 1, "h": 4}}])
    262
    """
    cells = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    return int(HEAD + cells * (CELL + GAP) + GAP)


def choices(board: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what the line of variables shows."""
    return [
        (
            variable.get("label") or variable["name"],
            "All" if variable.get("includeAll") else board_files.value_of(variable),
        )
        for variable in board_files.variables(board)
        if variable["type"] != "datasource"
    ]


def write(
    board: dict[str, Any],
    answer: Callable[[Panel, Panel], list[dict[str, Any]]],
    span: tuple[float, float],
    script: Path,
    theme: str,
) -> tuple[Path, int]:
    """Write the page beside the script and return it with its height.

    Args:
        board: the dashboard.
        answer: what Prometheus answers to a target of a panel.
        span: the Unix times that graphs begin and end with.
        script: the bundled script.
        theme: "light" or "dark".
    """
    panels = unfolded(board)
    given = {
        "board": {"title": board["title"], "uid": board["uid"]},
        "panels": panels,
        "answers": {
            panel["id"]: {target["refId"]: answer(panel, target) for target in panel.get("targets", [])}
            for panel in panels
        },
        "range": {"from": span[0] * 1000, "to": span[1] * 1000},
        "theme": theme,
        "shown": choices(board),
        "width": WIDTH,
        "cell": CELL,
        "gap": GAP,
    }
    # Inside a script element only "</" could end it early.
    data = json.dumps(given).replace("</", "<\\/")
    page = script.with_name(f"{board['uid']}.html")
    page.write_text(
        "<!doctype html><meta charset=utf-8>"
        f'<link rel=stylesheet href="{script.with_suffix(".css").name}"><div id=root></div>'
        f'<script>window.RENDER = {data}</script><script src="{script.name}"></script>'
    )
    return page, page_height(panels)
