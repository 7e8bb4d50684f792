"""Every query of every dashboard, on a real Prometheus that scrapes the demo: no error, and something to show."""

import time
from collections import Counter

import pytest

import board_files
from e2e.rig.backfilled import remembered_past
from e2e.rig.board_answers import legend, watched_demo

pytestmark = pytest.mark.real

SECONDS = 80.0
WINDOW = "1m"
"""Shorter than what the Prometheus has scraped: some figures are of whole windows only."""

HOURS = "the goodput capacity is known after some two hours of traffic near the limit"
DAYS = "needs a day of the past to compare with"
WEEK = "needs a week of the past to compare with"
SPLIT = "the energy is split by phase after 20 minutes of varied load"
BOUGHT = "the demo buys no power by contract"
RULES = "this Prometheus has no rules"
CLAIMED = "every GPU of the demo is counted to its server"
EMPTY_IN_DEMO = {
    "annotation Firing alerts": RULES,
    "pentameter-overview: Firing alerts / A": RULES,
    "pentameter-overview: Which alerts fire / C0": RULES,
    "pentameter-overview: Goodput / C": HOURS,
    "pentameter-economics: Cost of 1M output tokens at capacity / A": HOURS,
    "pentameter-economics: At capacity / A": HOURS,
    "pentameter-economics: Cost per token against the past, by cause / C0": DAYS,
    "pentameter-economics: Cost per token against the past, by cause / C1": WEEK,
    "pentameter-economics: Dearer than a day ago, and why / A": DAYS,
    "pentameter-economics: Dearer than a day ago, and why / B": DAYS,
    "pentameter-economics: Dearer than a day ago, and why / C": DAYS,
    "pentameter-economics: At the same load / A": DAYS,
    "pentameter-economics: Cost of adapters per hour / C0": "the simulated vLLM has no LoRA adapters",
    "pentameter-time: Load / A": HOURS,
    "pentameter-time: Goodput against the load / C": HOURS,
    "pentameter-time: Goodput of each engine / C": HOURS,
    "pentameter-time: Goodput of each engine / D": HOURS,
    "pentameter-time: Goodput capacity of each replica / C0": HOURS,
    "pentameter-time: Goodput capacity of each replica / C1": HOURS,
    "pentameter-time: Goodput capacity of each replica / C2": HOURS,
    "pentameter-time: Goodput capacity of each replica / C3": HOURS,
    "pentameter-time: Goodput capacity of each replica / C4": HOURS,
    "pentameter-time: What binds the capacity / C0": HOURS,
    "pentameter-time: Inter-token latency p95 of each engine / B": "no SLO of the demo has a threshold for it",
    "pentameter-energy: Energy per token by phase / A": SPLIT,
    "pentameter-energy: Energy per token by phase / B": SPLIT,
    "pentameter-energy: Fit of the division by phase / C0": SPLIT,
    "pentameter-energy: Fit of the division by phase / C1": SPLIT,
    "pentameter-energy: Fit of the division by phase / C2": SPLIT,
    "pentameter-energy: Grid intensity over time / B": "no marginal intensity is given to the demo",
    "pentameter-energy: Grid intensity over time / C": BOUGHT,
    "pentameter-energy: Carbon per hour as bought / A": BOUGHT,
    "pentameter-energy: Drift of energy per token / A": DAYS,
    "pentameter-energy: Drift of carbon per token / A": DAYS,
    "pentameter-fleet: GPUs without a server / C0": CLAIMED,
    "pentameter-fleet: GPUs without a server / C1": CLAIMED,
    "pentameter-fleet: GPUs without a server / C2": CLAIMED,
    "pentameter-exporter: GPUs without a server / C0": CLAIMED,
    "pentameter-exporter: GPUs without a server / C1": CLAIMED,
    "pentameter-exporter: GPUs without a server / C2": CLAIMED,
}
"""What the demo cannot show, by "place" or "board: place" of the query, and why."""
WITHOUT_VALUES_IN_DEMO = {
    "cluster": "only those who run several clusters add the label",
    "namespace": "the label comes from Kubernetes",
}
"""Variables of labels that are not there: everything must be shown all the same."""

BOARDS = [pytest.param(board_files.load(path), id=path.stem) for path in board_files.paths()]


@pytest.fixture(scope="module")
def prometheus(rig):
    with watched_demo(SECONDS) as watched:
        yield watched


@pytest.fixture(scope="module")
def answers(prometheus):
    """Return a function from a board to each of its queries with its series; each board is asked once."""
    now, known = time.time(), {}

    def of(board):
        if board["uid"] not in known:
            given = board_files.values(board) | {"window": WINDOW}
            queries = [
                *board_files.panel_queries(board),
                *board_files.variable_queries(board),
                *board_files.annotation_queries(board),
            ]
            known[board["uid"]] = [(query, prometheus.answer(query, given, now)) for query in queries]
        return known[board["uid"]]

    return of


@pytest.fixture(scope="module")
def days(rig):
    """Hand over a Prometheus that holds the last of some simulated days."""
    with remembered_past() as watched:
        yield watched


def place(query):
    """Two queries of a judged value make one place: it either keeps its limit or misses it."""
    return query.where.removesuffix("_kept").removesuffix("_missed")


def excuse(query):
    return EMPTY_IN_DEMO.get(f"{query.board}: {place(query)}") or EMPTY_IN_DEMO.get(place(query))


@pytest.mark.parametrize("board", BOARDS)
def test_every_query_of_a_board_has_something_to_show(board, answers):
    shown = Counter()
    for query, series in answers(board):
        shown[place(query), excuse(query)] += len(series)

    assert [where for (where, why), count in shown.items() if count == 0 and why is None] == []


@pytest.mark.parametrize("board", BOARDS)
def test_what_is_said_to_be_empty_is_empty(board, answers):
    excused = {query.where: len(series) for query, series in answers(board) if excuse(query)}

    assert {where: count for where, count in excused.items() if count} == {}


def test_after_some_days_every_query_that_needs_hours_or_days_has_something_to_show(days):
    shown = Counter()
    for board in map(board_files.load, board_files.paths()):
        given = board_files.values(board) | days.given
        for query in board_files.panel_queries(board):
            if excuse(query) in (HOURS, DAYS):
                shown[f"{query.board}: {place(query)}"] += len(days.answer(query, given, days.now()))

    assert {where for where, why in EMPTY_IN_DEMO.items() if why in (HOURS, DAYS)} == shown.keys()
    assert [where for where, count in shown.items() if count == 0] == []


def test_what_is_said_to_be_empty_is_on_some_board():
    boards = [board_files.load(path) for path in board_files.paths()]
    queries = [
        query
        for board in boards
        for query in (
            *board_files.panel_queries(board),
            *board_files.variable_queries(board),
            *board_files.annotation_queries(board),
        )
    ]
    places = {place(query) for query in queries} | {f"{query.board}: {place(query)}" for query in queries}

    assert set(EMPTY_IN_DEMO) - places == set()


@pytest.mark.parametrize("board", BOARDS)
def test_every_variable_finds_values(board, prometheus):
    given, now = board_files.values(board), time.time()
    empty = set()
    for variable in board_files.variables(board):
        if variable["type"] != "query":
            continue
        expr, label = board_files.values_asked_for(board_files.variable_definition(variable))
        query = board_files.Query(board["uid"], variable["name"], expr, instant=True)
        found = {series["metric"].get(label, "") for series in prometheus.answer(query, given, now)} - {""}
        if not found:
            empty.add(variable["name"])
        elif not variable.get("includeAll"):
            assert given[variable["name"]] in found

    assert empty == WITHOUT_VALUES_IN_DEMO.keys()


@pytest.mark.parametrize("board", BOARDS)
def test_the_series_of_a_panel_are_told_apart(board, answers):
    names, numbers = Counter(), Counter()
    for query, found in answers(board):
        panel = query.where.rpartition(" / ")[0]
        # The two halves of a judged value take turns.
        if query.shape != "time_series" or not query.drawn or query.where.endswith("_missed"):
            continue
        names.update((panel, legend(query, series).strip()) for series in found)
        numbers[panel] += len(found)

    # A single number needs no name.
    assert [name for name, count in names.items() if count > 1 or (not name[1] and numbers[name[0]] > 1)] == []
