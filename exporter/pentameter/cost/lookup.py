"""The one row of the price book that is meant, or what stands in the way of finding it."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from pentameter.cost.book import ANYWHERE, ORIGINS, GpuOffer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pentameter.cost.book import PriceBook

_LISTED = 8
"""As many neighbours are named in a message; a cloud has dozens of regions."""


UNKNOWN, AMBIGUOUS, OTHER_GPU = "unknown", "ambiguous", "other_gpu"


class PriceError(ValueError):
    """No price, or none alone, is what was asked for.

    ``reason`` is ``unknown`` (no such row), ``ambiguous`` (several), or ``other_gpu`` (the row is of other hardware).
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; what is empty is not said."""

    provider: str = ""
    region: str = ""
    instance: str = ""
    gpu: str = ""
    pricing: str = "on-demand"


def covers(offered: str, gpu: str) -> bool:
    """Say whether an offer's GPU, which may say less, can be this GPU: all that it says must be true of it.

    >>> covers("H100-80GB", "H100-SXM-80GB"), covers("H100-80GB", "H100-NVL-94GB"), covers("L40", "L40S")
    (True, False, False)
    """
    said = _words(offered)
    return bool(said) and said <= _words(gpu)


def find(book: PriceBook, wanted: Wanted) -> GpuOffer:
    """Return the one price that was asked for, by its instance or by its provider and GPU.

    Where the user's own file, or a URL, has a row that fits, that of an earlier layer is not looked at. Rows that
    differ in their places and not in their price are one price; what they differ in is then left empty. A shipped price
    of a region is found by its region only: the table does not hold all of them. Raises ``PriceError`` where there is
    no such row or several, with what is known nearby.
    """
    if not wanted.instance and not (wanted.provider and wanted.gpu):
        message = "a price needs an instance type, or a provider and a GPU type"
        raise PriceError(UNKNOWN, message)
    offers = book.offers
    whole = _completed(offers, wanted)
    rows = _narrowed([row for row in offers if _fits(row, whole)], whole)
    if not rows:
        message = f"no price of {_described(wanted)}; {_why_none(offers, wanted)}"
        raise PriceError(UNKNOWN, message)
    nowhere = not wanted.region and any(row.origin == "shipped" and row.region not in ("", ANYWHERE) for row in rows)
    if nowhere or len({row.dollars_per_gpu_hour for row in rows}) > 1:
        raise PriceError(AMBIGUOUS, _ambiguous(rows, wanted))
    return _common(rows)


def _completed(offers: Sequence[GpuOffer], wanted: Wanted) -> Wanted:
    """Return the question with the provider and the GPU of its instance, where the book knows them.

    So a row of the user's own for that provider's GPU is found by the instance, which a node's labels tell alone.
    """
    same = [row for row in offers if wanted.instance and _same(row.instance, wanted.instance)]
    return replace(
        wanted,
        provider=wanted.provider or _shared(row.provider for row in same),
        gpu=wanted.gpu or _shared(row.gpu for row in same),
    )


def _narrowed(rows: list[GpuOffer], wanted: Wanted) -> list[GpuOffer]:
    """Return the rows of the latest layer that has any, the more exact ones of them."""
    for origin in reversed(ORIGINS):
        layer = [row for row in rows if row.origin == origin]
        for exact in (
            [row for row in layer if wanted.instance and row.instance and row.region != ANYWHERE],
            [row for row in layer if wanted.instance and row.instance],
            [row for row in layer if row.region != ANYWHERE],
            layer,
        ):
            if exact:
                return exact
    return []


def _fits(row: GpuOffer, wanted: Wanted) -> bool:
    return (
        _same(row.pricing, wanted.pricing)
        and (not wanted.provider or _same(row.provider, wanted.provider))
        and (not wanted.region or row.region == ANYWHERE or _same(row.region, wanted.region))
        and _is_what(row, wanted)
    )


def _is_what(row: GpuOffer, wanted: Wanted) -> bool:
    """Say whether a row is of the instance, else of the GPU.

    A shipped row without an instance is not of an instance that somebody names; the users' own rows are, where they
    name the provider.
    """
    if not wanted.instance:
        return covers(row.gpu, wanted.gpu)
    if row.instance:
        return _same(row.instance, wanted.instance)
    return bool(row.origin != "shipped" and wanted.provider and wanted.gpu and covers(row.gpu, wanted.gpu))


def _common(rows: Sequence[GpuOffer]) -> GpuOffer:
    """Return the oldest of several rows of one price, without what they differ in."""
    oldest = min(rows, key=lambda row: row.as_of)
    return replace(
        oldest,
        provider=_shared(row.provider for row in rows),
        region=_shared(row.region for row in rows),
        instance=_shared(row.instance for row in rows),
        gpu=_shared(row.gpu for row in rows),
        gpus=oldest.gpus if len({row.gpus for row in rows}) == 1 else None,
        note=_shared(row.note for row in rows),
    )


def _shared(texts: Iterable[str]) -> str:
    different = set(texts)
    return different.pop() if len(different) == 1 else ""


def _why_none(offers: Sequence[GpuOffer], wanted: Wanted) -> str:
    """Say what stops the search: conditions that keep rows away, else what nobody knows."""
    every_pricing = {row.pricing for row in offers}
    for names in (("pricing",), ("region",), ("region", "pricing")):
        free = replace(wanted, region="") if "region" in names else wanted
        pricings = every_pricing if "pricing" in names else {wanted.pricing}
        near = [row for pricing in pricings for row in offers if _fits(row, replace(free, pricing=pricing))]
        if near:
            found = _listing(", ".join(getattr(row, name) or f"no {name}" for name in names) for row in near)
            return f"the price book has it for {' and '.join(names)}: {found}"
    providers = {row.provider for row in offers}
    if wanted.provider and not _among(wanted.provider, providers):
        return _unknown("provider", wanted.provider, providers)
    own = [row for row in offers if not wanted.provider or _same(row.provider, wanted.provider)]
    if wanted.instance:
        return _unknown("instance type", wanted.instance, {row.instance for row in own} - {""})
    return f"the price book has of {wanted.provider}: {_listing(row.gpu for row in own)}"


def _unknown(what: str, name: str, known: set[str]) -> str:
    by_folded = {one.casefold(): one for one in known}
    near = [by_folded[match] for match in get_close_matches(name.casefold(), by_folded, n=3)]
    hint = f"; did you mean {_listing(near)}?" if near else ""
    return f"the price book has no {what} {name}{hint}"


def _ambiguous(rows: Sequence[GpuOffer], wanted: Wanted) -> str:
    names = ("provider", "region", "instance", "gpus")
    differing = [name for name in names if len({getattr(row, name) for row in rows}) > 1] or ["region"]
    found = _listing(
        " ".join([*(f"{getattr(row, name) or 'no'} {name}" for name in differing), f"{row.dollars_per_gpu_hour:.7g}"])
        for row in rows
    )
    return f"the price of {_described(wanted)} depends on the {' and '.join(differing)}; the book has: {found} dollars"


def _described(wanted: Wanted) -> str:
    parts = [getattr(wanted, field.name) for field in fields(wanted)]
    return " ".join(part for part in parts if part)


def _listing(names: Iterable[str]) -> str:
    ordered = sorted(set(names))
    more = f" and {len(ordered) - _LISTED} more" if len(ordered) > _LISTED else ""
    return ", ".join(ordered[:_LISTED]) + more


def _among(name: str, known: Iterable[str]) -> bool:
    return any(_same(name, one) for one in known)


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()


def _words(gpu: str) -> set[str]:
    return set(re.split(r"[\s_-]+", gpu.casefold())) - {""}
