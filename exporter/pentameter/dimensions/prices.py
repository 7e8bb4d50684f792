"""Prices in force, where they come from and of when they are (lecture: "GPU Costs", "Cost per Token Evolution")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.cost.dates import unix_time
from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.world import World

PRICE = Metric(
    "pentameter_gpu_price_per_hour_dollars",
    "gauge",
    Unit.DOLLARS,
    Dimension.ECONOMICS,
    "Price of one GPU of the server for an hour that its cost is computed with; what it is the price of stands in "
    "pentameter_gpu_price_info. Of owned hardware: what the capital costs.",
    "as configured, as owned hardware pays itself back, or the one row of the price book that fits",
    ENGINE,
)
PRICE_INFO = Metric(
    "pentameter_gpu_price_info",
    "gauge",
    Unit.INFO,
    Dimension.ECONOMICS,
    "What the price of a GPU is the price of; always 1. origin=configured, owned, or the layer of the price book: "
    "shipped, url, file. as_of: the day that the price is of, the earliest possible one where its source is not exact.",
    "the row of the price book that is in force",
    (*ENGINE, "origin", "provider", "region", "instance_type", "gpu_type", "pricing", "as_of", "source"),
)
PRICE_AS_OF = Metric(
    "pentameter_gpu_price_as_of_timestamp_seconds",
    "gauge",
    Unit.TIMESTAMP,
    Dimension.ECONOMICS,
    "Unix time of the day that the price of a GPU is of, for time() - this; absent where the price has no date.",
    "start of the day as_of, UTC",
    ENGINE,
)
PRICE_UNKNOWN = Metric(
    "pentameter_gpu_price_unknown",
    "gauge",
    Unit.NONE,
    Dimension.ECONOMICS,
    "1 for a server whose price was looked for in the price book and not found: it has no cost. reason=unknown: no "
    "such row; ambiguous: several that differ; other_gpu: the row is of another GPU than the server's. The log and "
    "pentameter check say more.",
    "1 while the price book has not the one row",
    (*ENGINE, "reason"),
)
TABLE_AS_OF = Metric(
    "pentameter_price_table_as_of_timestamp_seconds",
    "gauge",
    Unit.TIMESTAMP,
    Dimension.ECONOMICS,
    "Unix time of the day that the oldest and the newest dated row of a price table are of. table=gpu: offers of GPUs; "
    "api: prices of APIs now, without the lecture's baseline.",
    "start of the day as_of, UTC; min and max over the rows of all layers",
    ("table", "row"),
)
METRICS = (PRICE, PRICE_INFO, PRICE_AS_OF, PRICE_UNKNOWN, TABLE_AS_OF)


def samples(world: World) -> Iterator[Sample]:
    """Yield this dimension's samples; what cannot be known is not yielded."""
    for table, days in world.book.days.items():
        for row, day in zip(("oldest", "newest"), days, strict=True):
            yield TABLE_AS_OF(unix_time(day), table, row)
    for deployment in world.deployments:
        quote = deployment.cost.quote
        if quote is None:
            if deployment.price_unknown:
                yield PRICE_UNKNOWN(1, *deployment.labels, deployment.price_unknown)
            continue
        yield PRICE(quote.dollars_per_hour, *deployment.labels)
        yield PRICE_INFO(
            1,
            *deployment.labels,
            quote.origin,
            quote.provider,
            quote.region,
            quote.instance,
            quote.gpu,
            quote.pricing,
            quote.as_of,
            quote.source,
        )
        if quote.as_of:
            yield PRICE_AS_OF(unix_time(quote.as_of), *deployment.labels)
