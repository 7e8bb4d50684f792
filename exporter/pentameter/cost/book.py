"""The price book: what GPUs are offered for, and what APIs ask for tokens, in layers that replace each other's rows.

The layers are the rows that are shipped, those of the URLs that the user names, and the user's own file. A price is
found or it is not: nothing is averaged, and no other region's or pricing's row stands in for one that is missing.
"""

from __future__ import annotations

from dataclasses import dataclass

PRICINGS = (
    "on-demand",
    "spot",
    "reserved-1y",
    "reserved-3y",
    "committed",
    "capacity-block",
    "market-low",
    "market-high",
)
"""Ways to sell a GPU's hour; the last two are the ends of the range in which a market trades."""

MODELLED = ("owned-hyperscaler", "owned-neocloud")
"""What an hour of a GPU costs its owner, by somebody's model; nobody sells at that."""

ORIGINS = ("shipped", "url", "file")
"""The layers, each before all to its left."""

ANYWHERE = "*"

OFFER = "offer"
"""The kind of a row that somebody asked for a GPU; others are ``model`` (what it should cost) and ``index``."""


@dataclass(frozen=True, slots=True)
class GpuOffer:
    """What one GPU costs for an hour somewhere."""

    provider: str
    pricing: str
    """One of ``PRICINGS``."""
    dollars_per_gpu_hour: float
    gpu: str = ""
    """As in the table of GPUs, or less where the source says less: ``H100-80GB`` is any H100 of 80 GB."""
    region: str = ""
    """``*`` for a price of all regions; empty where the source does not say which one it is of."""
    instance: str = ""
    gpus: int | None = None
    """GPUs in the instance."""
    as_of: str = ""
    """Date, YYYY-MM-DD; the earliest possible one where the source is not exact."""
    source: str = ""
    kind: str = OFFER
    origin: str = "shipped"
    """The layer: ``shipped``, ``url`` or ``file``."""
    note: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """Return what a later layer's row must share in order to replace this one."""
        what = (self.instance,) if self.instance else (self.gpu, str(self.gpus or ""))
        when = "" if self.kind == OFFER else self.as_of  # an index has one value for each of its days
        return tuple(part.casefold() for part in (self.kind, self.provider, self.region, self.pricing, when, *what))


@dataclass(frozen=True, slots=True)
class ApiPrice:
    """What an API asks, in dollars per million tokens."""

    provider: str
    model: str
    input: float
    output: float
    cached_input: float | None = None
    """None where the provider lists no price of its own for cached input."""
    as_of: str = ""
    """Date, YYYY-MM-DD; the earliest possible one where the source is not exact."""
    baseline: bool = False
    """A row of the lecture's table, kept as it was; others are what is asked now."""
    status: str = "listed"
    """``listed``, or ``retired`` for what is no longer sold."""
    deprecation_date: str = ""
    """Date, YYYY-MM-DD, on which the provider ends or ended it; empty where none is known."""
    source: str = ""
    origin: str = "shipped"
    """The layer: ``shipped``, ``url`` or ``file``."""
    context_tier: str = ""
    """The length of contexts that the price is of, where it depends on it: ``<=200k``."""
    note: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """Return what a later layer's row must share in order to replace this one."""
        return (self.provider.casefold(), self.model.casefold(), "baseline" if self.baseline else "")


@dataclass(frozen=True, slots=True)
class PriceBook:
    """All rows that are in force."""

    gpus: tuple[GpuOffer, ...] = ()
    apis: tuple[ApiPrice, ...] = ()

    @property
    def offers(self) -> tuple[GpuOffer, ...]:
        """Return what GPUs are offered for, without models and indices."""
        return tuple(row for row in self.gpus if row.kind == OFFER)

    @property
    def days(self) -> dict[str, tuple[str, str]]:
        """Return the oldest and the newest day of each table's rows; the lecture's baseline is old on purpose."""
        dated = {
            "gpu": [row.as_of for row in self.offers if row.as_of],
            "api": [row.as_of for row in self.apis if row.as_of and not row.baseline],
        }
        return {table: (min(days), max(days)) for table, days in dated.items() if days}


def merged(*layers: PriceBook) -> PriceBook:
    """Return one book of all layers; a row replaces one with the same key in a layer before its own."""
    gpus: dict[tuple[str, ...], GpuOffer] = {}
    apis: dict[tuple[str, ...], ApiPrice] = {}
    for layer in layers:
        gpus |= {row.key: row for row in layer.gpus}
        apis |= {row.key: row for row in layer.apis}
    return PriceBook(tuple(gpus.values()), tuple(apis.values()))
