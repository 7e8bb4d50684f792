"""From the settings to the source of prices. Nothing is read yet."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from pentameter.facts.prices import shipped_book
from pentameter.price_desk import Asked, PriceDesk
from pentameter.sources.http_get import Credentials, HttpClient
from pentameter.sources.price_feed import PriceFeed
from pentameter.sources.price_files import MOST_BYTES, api_table, gpu_table, node_labels
from pentameter.sources.price_layers import FileLayer, PageLayer

if TYPE_CHECKING:
    from collections.abc import Callable

    from pentameter.config import Settings
    from pentameter.config_economics import Economics
    from pentameter.config_prices import Prices
    from pentameter.sources.price_layers import Parse

_T = TypeVar("_T")


def price_feed(
    economics: Economics, *, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
) -> PriceFeed | None:
    """Return the source that the settings describe; None where nothing can change: ``shipped_book`` is in force."""
    prices = economics.prices
    if not any((prices.gpu_file, prices.api_file, prices.gpu_url, prices.api_url, economics.labels_file)):
        return None
    return PriceFeed(
        shipped_book(),
        gpu_page=_page(prices.gpu_url, prices, partial(gpu_table, origin="url")),
        api_page=_page(prices.api_url, prices, partial(api_table, origin="url")),
        gpu_file=_file(prices.gpu_file, partial(gpu_table, origin="file")),
        api_file=_file(prices.api_file, partial(api_table, origin="file")),
        labels_file=_file(economics.labels_file, node_labels),
        monotonic=monotonic,
        wall=wall,
    )


def settings_to_asked(settings: Settings) -> dict[str, Asked]:
    """Return what the book is asked for, by server: for those that rent and whose price is not configured."""
    economics = settings.economics
    if economics.tenancy != "rented" or economics.gpu_dollars_per_hour is not None:
        return {}
    asked = Asked(economics.provider, economics.region, economics.instance, economics.pricing)
    return {server.name: asked for server in settings.vllm.servers if server.gpu_dollars_per_hour is None}


def settings_to_desk(settings: Settings) -> PriceDesk:
    """Return who finds prices; the shipped book is in force from the start only where no other is going to be read."""
    book = shipped_book() if price_feed(settings.economics) is None else None
    return PriceDesk(settings_to_asked(settings), book)


def longest_read_seconds(prices: Prices) -> float:
    """Return how long one read may take."""
    return prices.timeout_seconds * sum(url is not None for url in (prices.gpu_url, prices.api_url))


def _file(path: str | None, parse: Parse[_T]) -> FileLayer[_T] | None:
    return FileLayer(path, parse) if path else None


def _page(url: str | None, prices: Prices, parse: Parse[_T]) -> PageLayer[_T] | None:
    if not url:
        return None
    client = HttpClient(
        url,
        timeout=prices.timeout_seconds,
        max_bytes=MOST_BYTES,
        credentials=Credentials(bearer_token_file=prices.bearer_token_file, ca_file=prices.ca_file),
    )
    return PageLayer(client, url, parse, prices.refresh_interval_seconds)
