"""What every dashboard must keep: each rule returns one sentence per fault. Rules of its queries: ``query_rules``.

They follow Grafana's dashboard-linter, but that one chooses by cluster, namespace, model and engine, not by job.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import board_files

if TYPE_CHECKING:
    from collections.abc import Callable

Board = dict[str, Any]

SCHEMA_VERSION = 42
DRAWN_TYPES = frozenset({"stat", "timeseries", "table", "bargauge", "gauge", "heatmap", "state-timeline", "text"})
NUMBERS = frozenset({"stat", "timeseries", "bargauge", "gauge", "heatmap"})
"""Panels whose numbers need a unit of their own; a table has one per column, in its overrides."""
FILTERS = ("cluster", "namespace", "model", "engine")
UNITS = re.compile(
    r"none|short|percentunit|currencyUSD|watt|joule|celsius|s|ms|bytes|decbytes|Bps|binBps|flops|reqps|ops|"
    r"dateTimeFromNow|dateTimeAsIso|massg|masskg|bool|bool_yes_no|bool_on_off|string|locale|watth|kwatth|"
    r"dtdurations|dthms|clocks|conmgm3|(?:suffix|prefix|si|currency):.+"
)
GRID_WIDTH = 24


def template_datasource(board: Board) -> list[str]:
    """There is one variable for the data source, a Prometheus, and it is labelled as everywhere in Grafana."""
    found = [
        (v["name"], v.get("label"), v.get("query")) for v in board_files.variables(board) if v["type"] == "datasource"
    ]
    return [] if found == [("datasource", "Data source", "prometheus")] else [f"data source variables: {found}"]


def variables_reload(board: Board) -> list[str]:
    """Variables with choices from Prometheus use its variable and are asked for anew when the time range changes."""
    faults = []
    for variable in board_files.variables(board):
        if variable["type"] != "query":
            continue
        if variable.get("refresh") != 2:
            faults.append(f"{variable['name']}: refresh is {variable.get('refresh')}, not 2")
        if (variable.get("datasource") or {}).get("uid") not in {"${datasource}", "$datasource"}:
            faults.append(f"{variable['name']}: its data source is not the variable")
        if not variable.get("label"):
            faults.append(f"{variable['name']}: no label")
    return faults


def filters_allow_absence(board: Board) -> list[str]:
    """What selects all allows series without the label too: outside Kubernetes there are no namespaces."""
    return [
        f"{variable['name']}: includeAll {variable.get('includeAll')}, allValue {variable.get('allValue')!r}"
        for variable in board_files.variables(board)
        if variable["name"] in FILTERS and not (variable.get("includeAll") and variable.get("allValue") == ".*")
    ]


def variables_used_exist(board: Board) -> list[str]:
    """A variable that is used is defined; one that is defined is used, or common to all boards for the links' sake."""
    defined = {variable["name"] for variable in board_files.variables(board)}
    text = json.dumps({key: value for key, value in board.items() if key != "templating"})
    definitions = " ".join(json.dumps([v.get("query"), v.get("datasource")]) for v in board_files.variables(board))
    own = {name for name in board_files.names_in(text + definitions) if not name.startswith("__")}
    return [f"${name} is not defined" for name in sorted(own - defined)] + [
        f"${name} is not used" for name in sorted(defined - own - {*FILTERS, "slo", "window"})
    ]


def panels_use_the_datasource(board: Board) -> list[str]:
    """No panel and no query is bound to one installation's data source."""
    faults = []
    for panel in board_files.panels(board):
        if panel["type"] == "text":
            continue
        places = [panel, *panel.get("targets", [])]
        faults += [
            f"{panel.get('title')}: data source {place.get('datasource')}"
            for place in places
            if (place.get("datasource") or {}).get("uid") not in {"${datasource}", "$datasource"}
        ]
    return faults


def panels_are_explained(board: Board) -> list[str]:
    """Every panel has a title and a description that says more than the title."""
    faults = []
    for panel in board_files.panels(board):
        title, description = panel.get("title", "").strip(), panel.get("description", "").strip()
        if panel["type"] == "text":
            continue
        if not title:
            faults.append(f"panel {panel.get('id')}: no title")
        elif len(description) < len(title) + 10:
            faults.append(f"{title}: its description is {description!r}")
    return faults


def panels_say_why_they_are_empty(board: Board) -> list[str]:
    """A panel without figures tells what it waits for, not Grafana's "No data"."""
    said = [
        (panel.get("title"), panel.get("fieldConfig", {}).get("defaults", {}).get("noValue", ""))
        for panel in board_files.panels(board)
        if panel["type"] != "text"
    ]
    return [f"{title}: {text!r}" for title, text in said if text.strip().lower() in {"", "-", "no data"}]


def panels_have_units(board: Board) -> list[str]:
    """Numbers have units that Grafana knows or that are spelt out as a suffix."""
    faults = []
    for panel in [panel for panel in board_files.panels(board) if panel["type"] != "text"]:
        units = units_of(panel)
        if not units or (panel["type"] in NUMBERS and not default_unit(panel)):
            faults.append(f"{panel.get('title')}: no unit")
        faults += [f"{panel.get('title')}: unit {unit!r}" for unit in sorted(units) if not UNITS.fullmatch(unit)]
    return faults


def default_unit(panel: dict[str, Any]) -> str:
    """Return the unit of all of a panel's fields, "" for none; a heatmap has it on its axis."""
    defaults = panel.get("fieldConfig", {}).get("defaults", {})
    axis = panel.get("options", {}).get("yAxis", {}) if panel["type"] == "heatmap" else {}
    return str(axis.get("unit") or defaults.get("unit") or "")


def units_of(panel: dict[str, Any]) -> set[str]:
    """Return all units that a panel names."""
    overrides = panel.get("fieldConfig", {}).get("overrides", [])
    named = {
        str(entry.get("value"))
        for override in overrides
        for entry in override.get("properties", [])
        if entry.get("id") == "unit"
    }
    return named | ({default_unit(panel)} - {""})


def panels_have_queries(board: Board) -> list[str]:
    """Every panel but a text asks for something."""
    return [
        f"{panel.get('title')}: no query"
        for panel in board_files.panels(board)
        if panel["type"] != "text" and not any(target.get("expr") for target in panel.get("targets", []))
    ]


def ids_are_unique(board: Board) -> list[str]:
    """Every panel and row has an id of its own: one without it cannot be linked to, or edited."""
    ids = [panel.get("id") for panel in board_files.everything(board)]
    return [f"panel ids: {ids}"] if None in ids or 0 in ids or len(set(ids)) != len(ids) else []


def queries_have_names(board: Board) -> list[str]:
    """The queries of one panel are told apart by their refId."""
    found = [
        (panel.get("title"), [target.get("refId") for target in panel.get("targets", [])])
        for panel in board_files.panels(board)
    ]
    return [f"{title}: refIds {ids}" for title, ids in found if None in ids or len(set(ids)) != len(ids)]


def panels_do_not_overlap(board: Board) -> list[str]:
    """No panel lies over another one, or beyond the page's edge."""
    faults, taken = [], {}
    for panel in board.get("panels", []):
        place = panel["gridPos"]
        if place["x"] + place["w"] > GRID_WIDTH:
            faults.append(f"{panel.get('title')}: ends at column {place['x'] + place['w']}")
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                other = taken.setdefault((x, y), panel.get("id"))
                if other != panel.get("id"):
                    faults.append(f"{panel.get('title')}: lies over panel {other}")
    return sorted(set(faults))


def board_is_read_only(board: Board) -> list[str]:
    """A provisioned dashboard is not editable: changes belong into its source."""
    return [] if board.get("editable") is False else [f"editable is {board.get('editable')}"]


def board_has_an_identity(board: Board) -> list[str]:
    """The uid, the title, the tags and the schema are what links, people and Grafana expect."""
    faults = []
    if not re.fullmatch(r"pentameter-[a-z-]+", board.get("uid", "")):
        faults.append(f"uid is {board.get('uid')!r}")
    if not board.get("title", "").startswith("Pentameter"):
        faults.append(f"title is {board.get('title')!r}")
    if "pentameter" not in board.get("tags", []):
        faults.append(f"tags are {board.get('tags')}")
    if board.get("schemaVersion") != SCHEMA_VERSION:
        faults.append(f"schemaVersion is {board.get('schemaVersion')}")
    if board.get("id") is not None:
        faults.append("an id of one installation is set")
    return faults


def links_lead_somewhere(board: Board) -> list[str]:
    """Links to dashboards name one that is shipped, by its uid; the others are absolute."""
    shipped = {board_files.load(path)["uid"] for path in board_files.paths()}
    urls = re.findall(r'"url": "((?:[^"\\]|\\.)*)"', json.dumps(board))
    faults = []
    for url in urls:
        uid = re.match(r"/d/([^/?]+)", url)
        if uid is not None and uid[1] not in shipped:
            faults.append(f"link to the unknown dashboard {uid[1]}")
        if uid is None and url and not url.startswith("https://") and not url.startswith("${"):
            faults.append(f"link to {url!r}")
    tagged = [link for link in board.get("links", []) if link.get("type") == "dashboards"]
    return faults + [
        f"a link to dashboards tagged {link.get('tags')}" for link in tagged if "pentameter" not in link["tags"]
    ]


def boards_are_linked(board: Board) -> list[str]:
    """From every dashboard one gets to the others, with the same choices and the same time."""
    links = [link for link in board.get("links", []) if link.get("includeVars") and link.get("keepTime")]
    return [] if links else ["no link that keeps variables and time"]


def alerts_are_shown(board: Board) -> list[str]:
    """Firing alerts are drawn over the graphs."""
    shown = [query.expr for query in board_files.annotation_queries(board)]
    return [] if any("ALERTS{" in expr and "Pentameter" in expr for expr in shown) else [f"annotations: {shown}"]


def types_are_drawn_without_plugins(board: Board) -> list[str]:
    """Only panels that every Grafana brings."""
    return [
        f"{panel.get('title')}: type {panel['type']}"
        for panel in board_files.panels(board)
        if panel["type"] not in DRAWN_TYPES
    ]


RULES: tuple[Callable[[Board], list[str]], ...] = (
    template_datasource,
    variables_reload,
    filters_allow_absence,
    variables_used_exist,
    panels_use_the_datasource,
    panels_are_explained,
    panels_say_why_they_are_empty,
    panels_have_units,
    panels_have_queries,
    ids_are_unique,
    queries_have_names,
    panels_do_not_overlap,
    board_is_read_only,
    board_has_an_identity,
    links_lead_somewhere,
    boards_are_linked,
    alerts_are_shown,
    types_are_drawn_without_plugins,
)
