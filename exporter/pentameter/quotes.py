"""The price of a server's GPUs: the settings and the node's labels say which one is meant, the book what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.cost.book import ANYWHERE
from pentameter.cost.lookup import AMBIGUOUS, OTHER_GPU, PriceError, Wanted, covers, find
from pentameter.cost.plan import Quote
from pentameter.cost.price_rows import plain_pricing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pentameter.cost.book import GpuOffer, PriceBook

_INSTANCE = ("node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type")
_REGION = ("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region")
_CAPACITY = ("karpenter.sh/capacity-type", "eks.amazonaws.com/capacityType", "kubernetes.azure.com/scalesetpriority")
_SPOT = ("cloud.google.com/gke-spot", "cloud.google.com/gke-preemptible")

_PRICINGS = {
    "on-demand": "on-demand",
    "regular": "on-demand",
    "spot": "spot",
    "capacity-block": "capacity-block",
}
"""Capacity type of a node -> pricing; a reservation has a price that only its owner knows."""


def quote_for(
    book: PriceBook,
    *,
    provider: str | None = None,
    region: str | None = None,
    instance: str | None = None,
    pricing: str | None = None,
    labels: Mapping[str, str] | None = None,
    gpu: str | None = None,
) -> Quote | None:
    """Return the price of one GPU of a server; None where nothing says what it is rented as.

    The settings come first, the node's labels tell what they leave out; without either the pricing is on-demand.
    ``gpu`` is the server's GPU by its name in the table. Raises ``PriceError`` where the price is not found, where
    there are several, or where the instance has other GPUs than the server.
    """
    labels = labels or {}
    instance = instance or _first(labels, _INSTANCE)
    if not instance and not (provider and gpu):
        return None
    wanted = Wanted(
        provider or "",
        region or _first(labels, _REGION),
        instance,
        gpu or "",
        plain_pricing(pricing) if pricing else _pricing(labels),
    )
    offer = find(book, wanted)
    if gpu and offer.gpu and not covers(offer.gpu, gpu):
        what = offer.instance or offer.provider
        message = f"{what} has the GPU {offer.gpu}, the server has {gpu}: is it another instance?"
        raise PriceError(OTHER_GPU, message)
    return quote_of(offer)


def quote_of(offer: GpuOffer) -> Quote:
    """Return a row of the book as the price of a GPU."""
    return Quote(
        offer.dollars_per_gpu_hour,
        offer.origin,
        offer.provider,
        "" if offer.region == ANYWHERE else offer.region,
        offer.instance,
        offer.gpu,
        offer.pricing,
        offer.as_of,
        offer.source,
    )


def _pricing(labels: Mapping[str, str]) -> str:
    """Return how the node is paid for, as its labels say; on-demand where they say nothing."""
    if any(labels.get(name, "").casefold() == "true" for name in _SPOT):
        return "spot"
    told = plain_pricing(_first(labels, _CAPACITY))
    if not told:
        return "on-demand"
    if told not in _PRICINGS:
        message = f"the node's capacity type is {told}, which names no pricing; set economics.pricing"
        raise PriceError(AMBIGUOUS, message)
    return _PRICINGS[told]


def _first(labels: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((labels[name] for name in names if labels.get(name)), "")
