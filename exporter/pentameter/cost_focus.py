"""The cost journal with the columns of FOCUS 1.2, the FinOps Open Cost and Usage Specification, as CSV.

A row is what one component of one server cost in one hour, in one state and at one price. ``EffectiveCost`` adds up to
``pentameter_cost_dollars_total``. ``BilledCost`` is 0: nobody is billed by these rows, and FOCUS asks that charges that
somebody else invoices carry 0, so that a sum with the provider's own data counts nothing twice. What is not known is
empty, which is FOCUS's null in CSV.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from pentameter.cost.plan import COMPONENTS
from pentameter.cost_focus_format import moment, month, number
from pentameter.idle_meter import STATES
from pentameter.units import SECONDS_PER_HOUR, joules_to_kwh

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pentameter.cost.plan import Quote
    from pentameter.cost_hours import Entry

FOCUS_VERSION = "1.2"
COLUMNS = (
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "CommitmentDiscountStatus",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceDetails",
    "SkuPriceId",
    "x_Component",
    "x_State",
    "x_WarmupCost",
    "x_ModelName",
    "x_Engine",
    "x_Basis",
    "x_PriceAsOf",
    "x_PriceSource",
    "x_HourComplete",
    "x_EnergyKwh",
    "x_CarbonGrams",
    "x_EmbodiedCarbonGrams",
    "x_PromptTokens",
    "x_CachedTokens",
    "x_GeneratedTokens",
    "x_Requests",
)

SELF = "Self-hosted"
"""The provider of hardware that is owned, or whose provider nobody named; FOCUS lets no row go without one."""
ACCOUNT = "pentameter"
"""The billing account, likewise."""
PRICING = {"on-demand": "Standard", "spot": "Dynamic"}
"""By the pricing model of the price book; a configured price is the agreed rate, which FOCUS calls Standard."""

_METERS = {
    "gpu": ("GPU time", "GPU-Hours"),
    "energy": ("Electricity", "Kilowatt-Hours"),
    "storage": ("Storage", "Hours"),
    "network": ("Network", "Hours"),
    "host": ("Host time", "Hours"),
    "overhead": ("Overhead", "Hours"),
}


def to_csv(entries: Iterable[Entry], *, wall: float, host: str) -> str:
    """Return the rows of all entries, under a header line; an hour that ends after ``wall`` is not complete.

    ``host`` tells this exporter's servers from those of another, which may have the same names.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for entry in entries:
        writer.writerows(_rows(entry, wall, host))
    return text.getvalue()


def _rows(entry: Entry, wall: float, host: str) -> Iterator[dict[str, str]]:
    """Yield the rows of one entry; without a price there is none."""
    quote = entry.account.quote
    if quote is None:
        return
    common = _of_entry(entry, quote, wall, host)
    for state in STATES:
        for component in COMPONENTS:
            dollars = entry.amounts.get(f"dollars/{component}/{state}")
            if dollars is None and not (component == "gpu" and _happened(entry, state)):
                continue
            used = _usage(entry, state) if component == "gpu" else {}
            yield (
                common
                | _sku(component, quote)
                | _price(entry, component, state, dollars or 0.0)
                | used
                | {
                    "ChargeDescription": f"{_METERS[component][0]} of vLLM server {entry.account.server}, {state}",
                    "x_Component": component,
                    "x_State": state,
                    "x_WarmupCost": number(entry.amounts.get(f"warmup/{component}") if state == "unobserved" else None),
                }
            )


def _happened(entry: Entry, state: str) -> bool:
    """Say whether the GPUs' row of a state has something to tell, though it may cost nothing."""
    worked = state == "active" and bool({"tokens/prompt", "tokens/generated", "requests"} & entry.amounts.keys())
    return worked or bool(entry.amounts.get(f"gpu_seconds/{state}")) or _joules(entry, state) is not None


def _joules(entry: Entry, state: str) -> float | None:
    """Return the energy of a state, all components together; None where none is known."""
    found = [value for key, value in entry.amounts.items() if key.startswith("joules/") and key.endswith(f"/{state}")]
    return sum(found) if found else None


def _of_entry(entry: Entry, quote: Quote, wall: float, host: str) -> dict[str, str]:
    """Return the columns that all rows of an entry share."""
    begins, ends = month(entry.start)
    provider = quote.provider or SELF
    return {
        "BilledCost": number(0.0),
        "BillingAccountId": ACCOUNT,
        "BillingCurrency": "USD",
        "BillingPeriodStart": begins,
        "BillingPeriodEnd": ends,
        "ChargeCategory": "Usage",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": moment(entry.start),
        "ChargePeriodEnd": moment(entry.end),
        "InvoiceIssuerName": provider,
        "PricingCategory": _pricing_category(quote),
        "ProviderName": provider,
        "PublisherName": provider,
        "RegionId": quote.region,
        "RegionName": quote.region,
        "ResourceId": f"{host}/{entry.account.server}",
        "ResourceName": entry.account.server,
        "ResourceType": "vLLM server",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": "vLLM",
        "ServiceSubcategory": "Generative AI",
        "x_ModelName": entry.account.model_name,
        "x_Engine": entry.account.engine,
        "x_Basis": quote.origin,
        "x_PriceAsOf": quote.as_of,
        "x_PriceSource": quote.source,
        "x_HourComplete": "true" if entry.end <= wall else "false",
    }


def _pricing_category(quote: Quote) -> str:
    if quote.origin == "owned":
        return "Other"
    return PRICING.get(quote.pricing, "Other") if quote.pricing else "Standard"


def _sku(component: str, quote: Quote) -> dict[str, str]:
    """Return what was used: of GPUs the instance or their kind, at the price of a region and a pricing model."""
    kind = quote.instance or quote.gpu if component == "gpu" else ""
    sku = "/".join(part for part in (component, kind) if part)
    price = "/".join(part for part in (sku, quote.region, quote.pricing or quote.origin) if part)
    return {"SkuId": sku, "SkuMeter": _METERS[component][0], "SkuPriceId": price}


def _price(entry: Entry, component: str, state: str, dollars: float) -> dict[str, str]:
    """Return quantity, unit price and cost, of which the last is the product of the others.

    What has a price by the hour is sold by the hour: of the GPUs GPU-hours, of energy kilowatt-hours, else hours.
    """
    unit = _METERS[component][1]
    unit_price: float | None
    if component == "gpu":
        quantity = entry.amounts.get(f"gpu_seconds/{state}", 0.0) / SECONDS_PER_HOUR
        unit_price = entry.account.quote.dollars_per_hour if entry.account.quote else None
    elif component == "energy" and entry.account.dollars_per_kwh:
        unit_price = entry.account.dollars_per_kwh
        quantity = dollars / unit_price
    else:
        quantity = entry.amounts.get(f"seconds/{state}", 0.0) / SECONDS_PER_HOUR
        if not quantity:
            # Overhead as a share of energy that was told after its time had been booked.
            unit, quantity = "Units", 1.0
        unit_price = dollars / quantity
    cost, price = number(dollars), number(unit_price)
    return {
        "ConsumedQuantity": number(quantity),
        "ConsumedUnit": unit,
        "PricingQuantity": number(quantity),
        "PricingUnit": unit,
        "ContractedUnitPrice": price,
        "ListUnitPrice": price,
        "ContractedCost": cost,
        "EffectiveCost": cost,
        "ListCost": cost,
    }


def _usage(entry: Entry, state: str) -> dict[str, str]:
    """Return energy, carbon and work of a state: they stand in the GPUs' row alone, so that sums count them once."""
    joules, amounts = _joules(entry, state), entry.amounts
    columns = {
        "x_EnergyKwh": number(None if joules is None else joules_to_kwh(joules)),
        "x_CarbonGrams": number(amounts.get(f"grams/operational/{state}")),
        "x_EmbodiedCarbonGrams": number(amounts.get(f"grams/embodied/{state}")),
    }
    if state != "active":
        return columns
    tokens = entry.tokens()
    return columns | {
        "x_PromptTokens": number(tokens.get("prompt")),
        "x_CachedTokens": number(tokens.get("cached")),
        "x_GeneratedTokens": number(tokens.get("generated")),
        "x_Requests": number(amounts.get("requests")),
    }
