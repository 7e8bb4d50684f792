"""Follows the drift of every server: what a snapshot saw goes into its book.

A part of the meter, with its rule: nothing here waits, reads a clock or does I/O. The books live on a clock of their
own: it starts with the wall clock, goes on with the monotonic one, and takes up over a restart what the wall clock
passed meanwhile, if it did not run backwards. So a step of the wall clock while the exporter runs changes no age, and
one between two runs makes the past older at most; nothing is forgotten by age alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pentameter.dimensions.drift import at_capacity
from pentameter.drift.book import DriftBook, DriftPlan
from pentameter.drift.tally import checked, refuse, rows_of
from pentameter.drift_step import step_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pentameter.world import Deployment, World

MOST_MODELS = 4
"""Books of one server that are kept, the last used ones: each is of one model."""


class DriftMeter:
    """Keeps a book for every server and model."""

    def __init__(self, plan: DriftPlan | None) -> None:
        self._plan = plan
        self._books: dict[tuple[str, str], DriftBook] = {}
        """The last used one of a server comes last."""
        self._baselines: Mapping[tuple[str, str], DriftBook] = {}
        self._clock: float | None = None
        self._wall = 0.0
        self._monotonic: float | None = None

    def observe(self, world: World, monotonic: float, wall: float) -> World:
        """Take in a snapshot's world; return it with what is known of the drift. Without a plan nothing happens."""
        if self._plan is None:
            return world
        clock = self._advance(monotonic, wall)
        return replace(world, deployments=tuple(self._observe(world, one, clock) for one in world.deployments))

    def _advance(self, monotonic: float, wall: float) -> float:
        clock = wall if self._clock is None else self._clock
        passed = 0.0 if self._monotonic is None else max(0.0, monotonic - self._monotonic)
        self._clock, self._monotonic, self._wall = clock + passed, monotonic, wall
        return self._clock

    def _observe(self, world: World, deployment: Deployment, clock: float) -> Deployment:
        book = self._book((deployment.server, deployment.model_name))
        costs = {
            one.slo.name: dollars["estimate"]
            for one in world.capacities
            if one.server == deployment.server and "estimate" in (dollars := at_capacity(world, deployment, one))
        }
        book.add(clock, step_of(world, deployment), costs)
        return replace(deployment, drift=book.drift(clock))

    def _book(self, key: tuple[str, str]) -> DriftBook:
        book = self._books.get(key)
        if book is not None and next(reversed(self._books)) == key:
            return book
        if book is None:
            book = DriftBook(self._plan)
            if key in self._baselines:
                book.pin(self._baselines[key])
        self._books.pop(key, None)
        self._books[key] = book
        for old in [known for known in self._books if known[0] == key[0]][:-MOST_MODELS]:
            del self._books[old]
        return book

    def pin(self, state: object) -> None:
        """Hold everything against what another run has learnt; raises ``ValueError`` for what is no state."""
        self._baselines = {key: DriftBook.from_state(book, self._plan) for key, book in _entries(state)}
        for key, book in self._books.items():
            if key in self._baselines:
                book.pin(self._baselines[key])

    def to_state(self) -> dict[str, Any]:
        """Return what has been learnt, as JSON can hold it; nothing where that is nothing."""
        if self._plan is None or self._clock is None or not self._books:
            return {}
        books = [{"server": s, "model": m, "book": book.to_state()} for (s, m), book in self._books.items()]
        return {"clock": self._clock, "wall": self._wall, "books": books}

    def restore(self, state: object, wall: float) -> None:
        """Take over what was learnt before a restart; raises ``ValueError`` for what ``to_state`` has not written."""
        books = {key: DriftBook.from_state(book, self._plan) for key, book in _entries(state)}
        clock, then = checked([state.get("clock"), state.get("wall")] if isinstance(state, dict) else None, 2)
        self._clock = clock + max(0.0, wall - then)
        self._wall = wall
        self._books = books
        for key, book in books.items():
            if key in self._baselines:
                book.pin(self._baselines[key])


def _entries(state: object) -> list[tuple[tuple[str, str], object]]:
    found: list[tuple[tuple[str, str], object]] = []
    for entry in rows_of(state, "books"):
        match entry:
            case {"server": str(server), "model": str(model), "book": book}:
                found.append(((server, model), book))
            case _:
                refuse("a book of nobody")
    return found
