"""Which price is in force for each server: asked anew when the book, the labels or the server's GPUs change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pentameter.cost.book import PriceBook
from pentameter.cost.lookup import PriceError
from pentameter.quotes import quote_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pentameter.cost.plan import Quote
    from pentameter.readings import PricesReading
    from pentameter.world import Deployment


@dataclass(frozen=True, slots=True)
class Asked:
    """What the settings say about the rent of a server; what is None the node's labels may tell."""

    provider: str | None = None
    region: str | None = None
    instance: str | None = None
    pricing: str | None = None


class PriceDesk:
    """Finds prices in the book for the servers whose price is not configured."""

    def __init__(self, asked: Mapping[str, Asked], book: PriceBook | None = None) -> None:
        self._asked = dict(asked)
        self._book = book
        self._is_coming = book is None
        """The first book is being read, and nobody has said yet that it cannot be."""
        self._labels: Mapping[str, str] = {}
        self._found: dict[tuple[str, str], Quote | None] = {}
        self._errors: dict[tuple[str, str], PriceError] = {}
        self._current: dict[str, str] = {}

    @property
    def book(self) -> PriceBook:
        """Return the book in force; an empty one before the first."""
        return self._book or PriceBook()

    def lose(self) -> None:
        """Note that the book cannot be read: before the first one there is no price."""
        self._is_coming = False

    def take(self, reading: PricesReading) -> None:
        """Take in the book in force and the node's labels."""
        self._is_coming = False
        if reading.book == self._book and reading.labels == self._labels:
            return
        self._book, self._labels = reading.book, reading.labels
        self._forget()

    def ask(self, asked: Mapping[str, Asked]) -> None:
        """Take in what changed settings say."""
        self._asked = dict(asked)
        self._forget()

    def quote(self, server: str, gpu_names: Iterable[str]) -> Quote | None:
        """Return the price of one GPU of a server; None where it is configured elsewhere or not known.

        ``gpu_names`` are the table's names of its GPUs; unequal ones have no common price but by their instance.
        """
        asked = self._asked.get(server)
        if asked is None or self._book is None:
            return None
        kinds = set(gpu_names)
        gpu = kinds.pop() if len(kinds) == 1 else ""
        self._current[server] = gpu
        key = (server, gpu)
        if key not in self._found:
            self._found[key] = self._look(asked, key, self._book)
        return self._found[key]

    def priced(self, deployment: Deployment, gpu_names: Iterable[str]) -> Deployment:
        """Return a server with its price from the book, where none is configured."""
        if deployment.cost.quote is not None:
            return deployment
        quote = self.quote(deployment.server, gpu_names)
        error = self.error(deployment.server)
        cost = replace(deployment.cost, quote=quote)
        return replace(deployment, cost=cost, price_unknown=error.reason if error else "")

    def waits(self, server: str, gpu_names: Iterable[str]) -> bool:
        """Say whether the price is not known only yet: the first book is being read, or nobody has told the GPU."""
        asked = self._asked.get(server)
        if asked is None or self._is_coming:
            return asked is not None
        return bool(asked.provider) and not (asked.instance or self._labels or tuple(gpu_names))

    def error(self, server: str) -> PriceError | None:
        """Return why the price that was last asked for is not known."""
        return self._errors.get((server, self._current.get(server, "")))

    def _forget(self) -> None:
        self._found.clear()
        self._errors.clear()

    def _look(self, asked: Asked, key: tuple[str, str], book: PriceBook) -> Quote | None:
        try:
            return quote_for(
                book,
                provider=asked.provider,
                region=asked.region,
                instance=asked.instance,
                pricing=asked.pricing,
                labels=self._labels,
                gpu=key[1],
            )
        except PriceError as error:
            self._errors[key] = error
            return None
