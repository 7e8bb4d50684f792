"""The dashboards as they are committed, taken apart: panels, queries, variables, links."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
FOLDER = CHECKOUT / "dashboards" / "json"

INTERVALS = {
    "__rate_interval": "1m",
    "__interval": "15s",
    "__range": "2m",
    "__interval_ms": "15000",
    "__range_s": "120",
    "__range_ms": "120000",
}
"""What Grafana would put for its own variables, on a Prometheus that has scraped for two minutes."""

_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)(?::\w+)?\}|\$([A-Za-z_]\w*)|\[\[(\w+)\]\]")


@dataclass(frozen=True)
class Query:
    """One query of a panel, a variable or an annotation, as it stands in the file; ``drawn`` is the panel's type."""

    board: str
    where: str
    expr: str
    legend: str = ""
    instant: bool = False
    shape: str = "time_series"
    drawn: str = ""


def paths() -> list[Path]:
    """Return the committed dashboards."""
    return sorted(FOLDER.glob("pentameter-*.json"))


def load(path: Path) -> dict[str, Any]:
    """Return one dashboard."""
    board: dict[str, Any] = json.loads(path.read_text())
    return board


def everything(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows and the panels, those in collapsed rows too."""
    return [inner for panel in board.get("panels", []) for inner in (panel, *panel.get("panels", []))]


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels that show something: all but the rows."""
    return [panel for panel in everything(board) if panel["type"] != "row"]


def variables(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the template variables."""
    found: list[dict[str, Any]] = board.get("templating", {}).get("list", [])
    return found


def panel_queries(board: dict[str, Any]) -> list[Query]:
    """Return the queries of all panels."""
    return [
        Query(
            board["uid"],
            f"{panel.get('title', '')} / {target.get('refId', '')}",
            target.get("expr", ""),
            target.get("legendFormat", ""),
            bool(target.get("instant")),
            target.get("format", "time_series"),
            panel["type"],
        )
        for panel in panels(board)
        for target in panel.get("targets", [])
    ]


def annotation_queries(board: dict[str, Any]) -> list[Query]:
    """Return the queries of the annotations, but for Grafana's own."""
    return [
        Query(board["uid"], f"annotation {annotation['name']}", expr)
        for annotation in board.get("annotations", {}).get("list", [])
        if (expr := annotation.get("expr") or annotation.get("target", {}).get("expr", ""))
    ]


def variable_definition(variable: dict[str, Any]) -> str:
    """Return what a query variable asks for: ``label_values(...)`` or ``query_result(...)``."""
    query = variable.get("query", "")
    return str(query.get("query", "")) if isinstance(query, dict) else str(query)


def variable_queries(board: dict[str, Any]) -> list[Query]:
    """Return the series selectors and expressions behind the query variables."""
    found = []
    for variable in variables(board):
        if variable["type"] != "query":
            continue
        expr, _ = values_asked_for(variable_definition(variable))
        if expr:
            found.append(Query(board["uid"], f"variable {variable['name']}", expr))
    return found


def values_asked_for(definition: str) -> tuple[str, str]:
    """Return the expression and the label of a variable's definition.

    >>> values_asked_for('label_values(up{job="a, b"}, instance)')
    ('up{job="a, b"}', 'instance')
    >>> values_asked_for("label_values(instance)")
    ('', 'instance')
    """
    inside = re.fullmatch(r"\s*(label_values|query_result)\((.*)\)\s*", definition, re.DOTALL)
    if inside is None:
        return definition, ""
    if inside[1] == "query_result":
        return inside[2], ""
    expr, _, label = inside[2].rpartition(",")
    return expr.strip(), label.strip()


def choices(variable: dict[str, Any]) -> list[str]:
    """Return the values of a custom or interval variable, without "All".

    >>> choices({"type": "custom", "query": "5 minutes : 5m,1h"})
    ['5m', '1h']
    """
    query = str(variable.get("query", ""))
    return [choice.rpartition(" : ")[2].strip() for choice in query.split(",") if choice.strip()]


def value_of(variable: dict[str, Any]) -> str:
    """Return what a variable stands for when all its values are chosen, else its first value."""
    if variable.get("includeAll"):
        return str(variable.get("allValue") or ".*")
    if variable["type"] in {"custom", "interval"}:
        return str(variable.get("current", {}).get("value") or choices(variable)[0])
    if variable["type"] in {"textbox", "constant"}:
        return str(variable.get("query", ""))
    return str(variable.get("current", {}).get("value") or ".*")


def values(board: dict[str, Any]) -> dict[str, str]:
    """Return a value for each of a dashboard's variables and for Grafana's own."""
    return INTERVALS | {variable["name"]: value_of(variable) for variable in variables(board)}


def names_in(text: str) -> set[str]:
    """Return the names of the variables in a text.

    >>> sorted(names_in('a{b=~"$b"}[$__range] + ${c:regex}'))
    ['__range', 'b', 'c']
    """
    return {name for match in _VARIABLE.findall(text) for name in match if name}


def filled(text: str, given: dict[str, str]) -> str:
    """Return a text with its variables replaced; raise ``KeyError`` for one that has no value.

    >>> filled('a{b=~"$b"}[$__range] + ${c:regex}', {"b": ".*", "__range": "2m", "c": "x"})
    'a{b=~".*"}[2m] + x'
    """
    return _VARIABLE.sub(lambda match: given[next(name for name in match.groups() if name)], text)
