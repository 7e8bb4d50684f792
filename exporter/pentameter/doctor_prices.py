"""The doctor's look at prices: which row is in force for each server, how old it is, or why there is none."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pentameter.cost.dates import unix_time
from pentameter.cost.lookup import AMBIGUOUS, OTHER_GPU, UNKNOWN
from pentameter.findings import Finding
from pentameter.price_sources import settings_to_asked, settings_to_desk
from pentameter.units import SECONDS_PER_DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pentameter.config import Settings
    from pentameter.cost.plan import Quote
    from pentameter.readings import PricesReading

OLD_AFTER_DAYS = 90

_OWN_ROW = "economics: {prices: {gpu_file: prices.csv}}    # your own row, or gpu_dollars_per_hour"
_FIXES = {
    UNKNOWN: _OWN_ROW,
    AMBIGUOUS: "economics: {provider: AWS, region: us-east-1, instance: p5.48xlarge, pricing: on-demand}    # say more",
    OTHER_GPU: "economics: {instance: NAME}    # as the provider calls the machine that the server runs on",
}


def look_at_feed(subject: str, reading: PricesReading) -> Iterator[Finding]:
    """Yield whether the user's own files and pages of prices could be read."""
    if reading.trouble:
        yield Finding("error", subject, f"{reading.trouble}: {reading.message}; prices before it stay in force")
    origins = [*(row.origin for row in reading.book.gpus), *(row.origin for row in reading.book.apis)]
    own = sum(origin != "shipped" for origin in origins)
    labels = f", {len(reading.labels)} labels of the node" if reading.labels else ""
    yield Finding("ok", subject, f"prices of your own: {own}{labels}")


def look_at_prices(
    settings: Settings,
    reading: PricesReading | None,
    gpus: Mapping[str, tuple[str, ...]],
    wall: Callable[[], float] = time.time,
) -> Iterator[Finding]:
    """Yield what is found about the price of every server that the book is asked for.

    ``reading`` is what the source of prices says, None where there is no such source; ``gpus`` are the table's names of
    each server's GPUs.
    """
    desk = settings_to_desk(settings)
    if reading is not None:
        desk.take(reading)
    for server in settings_to_asked(settings):
        quote = desk.quote(server, gpus.get(server, ()))
        error = desk.error(server)
        if error is not None:
            yield Finding("warning", "prices", f"{server}: {error}: cost is left out", _FIXES[error.reason])
        elif quote is not None:
            yield _judged(server, quote, wall())
        elif settings.economics.provider:
            message = f"{server}: the price book is asked by the GPU, which is not known: cost is left out"
            yield Finding("info", "prices", message, "economics: {instance: NAME}    # or gpu_type of the server")
        elif settings.economics.labels_file:
            message = f"{server}: the node's labels name no instance type: cost is left out"
            yield Finding("info", "prices", message, "economics: {provider: NAME, instance: NAME}")


def _judged(server: str, quote: Quote, now: float) -> Finding:
    what = " ".join(part for part in (quote.provider, quote.region, quote.instance, quote.pricing) if part)
    message = f"{server}: {quote.dollars_per_hour:g} dollars per GPU and hour, {what} ({quote.origin})"
    if not quote.as_of:
        return Finding("ok", "prices", f"{message}, without a date")
    days = (now - unix_time(quote.as_of)) / SECONDS_PER_DAY
    if days <= OLD_AFTER_DAYS:
        return Finding("ok", "prices", f"{message} of {quote.as_of}")
    return Finding("warning", "prices", f"{message} of {quote.as_of}, {days:.0f} days ago: is it still so?", _OWN_ROW)
