"""Rows of the price tables, from text to records: the shipped ones and the users' own are read by the same rules."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pentameter.cost.book import ANYWHERE, MODELLED, OFFER, PRICINGS, ApiPrice, GpuOffer
from pentameter.cost.dates import unix_time

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

GPU_COLUMNS = (
    "kind",
    "provider",
    "region",
    "gpu",
    "instance",
    "pricing",
    "gpus",
    "dollars_per_gpu_hour",
    "as_of",
    "as_of_basis",
    "source",
    "note",
)
GPU_NEEDED = ("provider", "dollars_per_gpu_hour")
"""Columns that a table must have; a row needs its gpu or its instance besides."""

API_COLUMNS = (
    "provider",
    "model",
    "baseline",
    "input_dollars_per_million",
    "cached_input_dollars_per_million",
    "output_dollars_per_million",
    "as_of",
    "as_of_basis",
    "status",
    "deprecation_date",
    "context_tier",
    "source",
    "note",
)
API_NEEDED = ("provider", "model", "input_dollars_per_million", "output_dollars_per_million")

KINDS = (OFFER, "model", "index")
STATUSES = ("listed", "retired")

MOST_DOLLARS = 10_000.0
"""Per GPU and hour, or per million tokens: above what anybody asks. More is another unit or a mistake."""

MOST_GPUS = 1024

LONGEST_TEXT = 1000
"""Characters of a cell: it becomes a label, and is kept with every hour that is paid by the row."""


class RowError(ValueError):
    """A cell does not hold what its column is for."""

    def __init__(self, column: str, message: str) -> None:
        super().__init__(message)
        self.column = column


def gpu_offer(row: Mapping[str, str], origin: str) -> GpuOffer:
    """Return a row of the table of GPU prices; raises ``RowError``.

    Of a row of a user's own, an empty region means every region, and an empty pricing on-demand.
    """
    own = origin != "shipped"
    kind = _one_of(row, "kind", KINDS, OFFER)
    pricing = _one_of(row, "pricing", PRICINGS + (() if kind == OFFER else MODELLED), "on-demand" if own else "")
    gpu, instance = _text(row, "gpu"), _text(row, "instance")
    if not (gpu or instance):
        message = "a row needs its gpu or its instance"
        raise RowError("gpu", message)
    return GpuOffer(
        provider=_needed(row, "provider"),
        pricing=pricing,
        dollars_per_gpu_hour=_dollars(row, "dollars_per_gpu_hour"),
        gpu=gpu,
        region=_text(row, "region") or (ANYWHERE if own else ""),
        instance=instance,
        gpus=_gpus(row),
        as_of=_date(row, "as_of"),
        source=_text(row, "source"),
        kind=kind,
        origin=origin,
        note=_text(row, "note"),
    )


def api_price(row: Mapping[str, str], origin: str) -> ApiPrice:
    """Return a row of the table of API prices; raises ``RowError``."""
    cached = "cached_input_dollars_per_million"
    return ApiPrice(
        provider=_needed(row, "provider"),
        model=_needed(row, "model"),
        input=_dollars(row, "input_dollars_per_million"),
        output=_dollars(row, "output_dollars_per_million"),
        cached_input=_dollars(row, cached) if _text(row, cached) else None,
        as_of=_date(row, "as_of"),
        baseline=_one_of(row, "baseline", ("yes", "no"), "no") == "yes",
        status=_one_of(row, "status", STATUSES, "listed"),
        deprecation_date=_date(row, "deprecation_date"),
        source=_text(row, "source"),
        origin=origin,
        context_tier=_text(row, "context_tier"),
        note=_text(row, "note"),
    )


def plain_pricing(name: str) -> str:
    """Return the name of a pricing in the spelling of ``PRICINGS``.

    >>> plain_pricing("ON_DEMAND"), plain_pricing("on demand")
    ('on-demand', 'on-demand')
    """
    return "-".join(name.casefold().replace("_", " ").replace("-", " ").split())


def _text(row: Mapping[str, str], column: str) -> str:
    text = (row.get(column) or "").strip()
    if not text.isprintable():
        message = "holds what cannot be printed"
        raise RowError(column, message)
    if len(text) > LONGEST_TEXT:
        message = f"has {len(text)} characters, of which at most {LONGEST_TEXT} are taken"
        raise RowError(column, message)
    return text


def _needed(row: Mapping[str, str], column: str) -> str:
    text = _text(row, column)
    if not text:
        message = "is empty"
        raise RowError(column, message)
    return text


def _one_of(row: Mapping[str, str], column: str, known: Collection[str], default: str) -> str:
    text = plain_pricing(_text(row, column)) or default
    if text not in known:
        message = f"is {text[:40]!r}, not one of {', '.join(known)}"
        raise RowError(column, message)
    return text


def _dollars(row: Mapping[str, str], column: str) -> float:
    text = _needed(row, column)
    try:
        dollars = float(text)
    except ValueError:
        dollars = math.nan
    if not 0 <= dollars <= MOST_DOLLARS:
        message = f"is {text[:40]!r}, not a number of dollars from 0 to {MOST_DOLLARS:g}"
        raise RowError(column, message)
    return dollars


def _gpus(row: Mapping[str, str]) -> int | None:
    text = _text(row, "gpus")
    if not text:
        return None
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 5 else 0
    if not 1 <= number <= MOST_GPUS:
        message = f"is {text[:40]!r}, not a number of GPUs"
        raise RowError("gpus", message)
    return number


def _date(row: Mapping[str, str], column: str) -> str:
    text = _text(row, column)
    if text:
        try:
            unix_time(text)
        except ValueError as error:
            raise RowError(column, str(error)) from error
    return text
