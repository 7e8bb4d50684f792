"""The price book in force, as a source: the shipped rows under those of URLs under those of the user's files.

It is read every ten seconds; mostly that is a look at the files' inodes. A file or a page that has become bad changes
nothing: what was last read well stays in force, and the reading says what the trouble is. Before a file of the user's
has been read once there is no book at all, because a shipped price must not stand in for the user's own; before a page
has been fetched once the shipped prices are in force, which it would only have renewed.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from pentameter.cost.book import PriceBook, merged
from pentameter.readings import PricesReading

if TYPE_CHECKING:
    from collections.abc import Callable

    from pentameter.cost.book import ApiPrice, GpuOffer
    from pentameter.sources.price_layers import FileLayer, Layer, PageLayer

READ_EVERY_SECONDS = 10.0


class PriceFeed:
    """The user's files and pages of prices, and the node's labels."""

    name = "prices"
    server = ""

    def __init__(
        self,
        shipped: PriceBook,
        *,
        gpu_page: PageLayer[tuple[GpuOffer, ...]] | None = None,
        api_page: PageLayer[tuple[ApiPrice, ...]] | None = None,
        gpu_file: FileLayer[tuple[GpuOffer, ...]] | None = None,
        api_file: FileLayer[tuple[ApiPrice, ...]] | None = None,
        labels_file: FileLayer[dict[str, str]] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._shipped = shipped
        self._gpu_layers = (gpu_page, gpu_file)
        self._api_layers = (api_page, api_file)
        self._labels = labels_file
        self._files: list[Layer[Any]] = [layer for layer in (gpu_file, api_file, labels_file) if layer is not None]
        self._layers = [*self._files, *(layer for layer in (gpu_page, api_page) if layer is not None)]
        self._monotonic = monotonic
        self._wall = wall
        self._anew = threading.Event()
        self._book: PriceBook | None = None

    def reread(self) -> None:
        """Make the next read look at all files and pages, changed or not; any thread may ask for it."""
        self._anew.set()

    def read(self) -> PricesReading:
        """Return the book in force; raises ``SourceError`` while a file has never been read."""
        anew = self._anew.is_set()
        if anew:
            self._anew.clear()
        now = self._monotonic()
        changed = [layer.look(now, anew=anew) for layer in self._layers]
        for layer in self._files:
            if layer.value is None and layer.error is not None:
                raise layer.error
        if self._book is None or any(changed):
            self._book = self._merged()
        error = next((layer.error for layer in self._layers if layer.error is not None), None)
        labels = self._labels.value if self._labels else None
        return PricesReading(
            self._book,
            labels or {},
            now,
            self._wall(),
            error.reason if error else "",
            str(error) if error else "",
        )

    def close(self) -> None:
        """Drop the connections."""
        for layer in self._layers:
            layer.close()

    def _merged(self) -> PriceBook:
        layers = zip(self._gpu_layers, self._api_layers, strict=True)
        return merged(
            self._shipped,
            *(PriceBook((gpus and gpus.value) or (), (apis and apis.value) or ()) for gpus, apis in layers),
        )
