"""The page of one dashboard: its panels with their places, and Prometheus's answers."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
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


def choices(board: dict[str, Any], chosen: Mapping[str, str]) -> list[str]:
    """Return what the line of variables shows; ``chosen`` are values other than the board's own."""
    return [
        f"{variable.get('label') or variable['name']}: {_choice(variable, chosen)}"
        for variable in board_files.variables(board)
        if variable["type"] != "datasource"
    ]


def _choice(variable: dict[str, Any], chosen: Mapping[str, str]) -> str:
    own = "All" if variable.get("includeAll") else board_files.value_of(variable)
    return chosen.get(variable["name"], own)


@dataclass(frozen=True)
class Asked:
    """How Prometheus is asked."""

    answer: Callable[[Panel, Panel], list[dict[str, Any]]]
    """What it answers to a target of a panel."""
    span: tuple[float, float]
    """The Unix times that graphs begin and end with."""
    step: float
    """Seconds between two points of a graph: a longer gap is drawn as one."""


def write(board: dict[str, Any], asked: Asked, script: Path, theme: str, head: list[str]) -> tuple[Path, int]:
    """Write the page beside the script and return it with its height.

    Args:
        board: the dashboard.
        asked: what Prometheus says.
        script: the bundled script.
        theme: "light" or "dark".
        head: what the line under the title says.
    """
    panels = unfolded(board)
    given = {
        "board": {"title": board["title"], "uid": board["uid"]},
        "panels": panels,
        "answers": {
            panel["id"]: {target["refId"]: asked.answer(panel, target) for target in panel.get("targets", [])}
            for panel in panels
        },
        "range": {"from": asked.span[0] * 1000, "to": asked.span[1] * 1000},
        "step": asked.step * 1000,
        "theme": theme,
        "head": head,
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
