"""What boards are made of: panels with a title, a unit and the catalogue's own words.

A board is data::

    from boards.kit import Board, Row, query, select, stat, timeseries

    BOARD = Board(
        slug="memory",                     # uid pentameter-memory, file pentameter-memory.json
        title="Memory",
        description="One sentence on what the board answers.",
        rows=(
            Row("KV cache", (
                stat("KV cache in use", [query(select("pentameter_kv_cache_usage_ratio"), "{{model_name}}")],
                     unit="percentunit", text="Plain words first.", span=6, steps={0.8: "orange", 0.95: "red"}),
                timeseries(...),
            )),
            Row("Details", (...), collapsed=True),
        ),
    )

To register a board, append its ``BOARD`` to ``BOARDS`` in ``boards/generate.py``; then run
``PYTHONPATH=dashboards:exporter python -m boards.generate``.

* ``select("pentameter_x", basis="model")`` writes the selector with the filters of the variables for the labels that
  the metric has (cluster, namespace, instance, model_name, engine, slo, window); it raises for a metric or label that
  does not exist. ``rate`` and ``total_rate`` rate a counter over ``$window``; ``ratio(a, b)`` is absent where b is 0.
* A panel's description is ``text`` and then, for every metric in its queries, the catalogue's help and formula.
* ``needs="..."`` is what an empty panel says: "no data yet: needs ..."; a stat has room for the words up to the first
  comma or bracket. The description has all of it. ``needs=EMPTY + "..."`` (boards/style.py) is said as it stands.
* A graph of up to 9 of the 24 columns has a list for its legend, which shows four lines at a height of 9; a wider one
  a table. Put the word that tells the lines apart first: what is cut is the end of the model's name.
* Curves of a counter are rates over ``$__rate_interval``; a ratio divides two counters over the same ``$window``, or
  takes the exporter's own rolling gauges: both are right while the window began before the first scrape.
* ``span`` is the width on a grid of 24 and ``height`` its rows; every line of panels must fill the 24.
* ``steps={0.8: "orange"}`` are fixed colours from a value up (base green, or ``base=``). A limit that the exporter
  exports is never written as a number: ``judged`` colours a value by it, ``target`` draws it as a dashed line.
* ``judged`` makes a pair of queries with refs ending in ``_kept`` and ``_missed``, of which one is empty by design.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from boards.panels import Column, bars, heatmap, note, stat, table, timeseries
from boards.queries import judged, query, rate, ratio, select, target, total_rate

if TYPE_CHECKING:
    from grafana_foundation_sdk.models import dashboard

__all__ = [
    "Board",
    "Column",
    "Row",
    "bars",
    "heatmap",
    "judged",
    "note",
    "query",
    "rate",
    "ratio",
    "select",
    "stat",
    "table",
    "target",
    "timeseries",
    "total_rate",
]


@dataclass(frozen=True)
class Row:
    """A line of the board with a title, and the panels under it."""

    title: str
    panels: tuple[dashboard.Panel, ...]
    collapsed: bool = False


@dataclass(frozen=True)
class Board:
    """One dashboard."""

    slug: str
    title: str
    description: str
    rows: tuple[Row, ...]
    since: str = "now-3h"
