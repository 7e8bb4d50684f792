"""Prices in force as metrics."""

from dataclasses import replace

from builders import deployment, names, value, world
from pentameter.cost.book import ApiPrice, GpuOffer, PriceBook
from pentameter.cost.plan import CostPlan, Quote
from pentameter.dimensions.prices import samples

QUOTE = Quote(
    6.88, "shipped", "AWS", "us-east-1", "p5.4xlarge", "H100-SXM-80GB", "on-demand", "2025-06-01", "catalogue"
)


def made(quote, **more):
    return list(samples(world(deployment(cost=CostPlan(quote), **more))))


def test_a_price_is_shown_with_all_that_it_is_the_price_of():
    found = made(QUOTE)
    assert value(found, "gpu_price_per_hour_dollars", server="a") == 6.88
    assert value(found, "gpu_price_as_of_timestamp_seconds") == 1_748_736_000  # date -u -d 2025-06-01 +%s
    [info] = [sample for sample in found if sample.metric.name == "pentameter_gpu_price_info"]
    assert dict(zip(info.metric.labels, info.labels, strict=True)) == {
        "server": "a",
        "model_name": "m",
        "engine": "0",
        "origin": "shipped",
        "provider": "AWS",
        "region": "us-east-1",
        "instance_type": "p5.4xlarge",
        "gpu_type": "H100-SXM-80GB",
        "pricing": "on-demand",
        "as_of": "2025-06-01",
        "source": "catalogue",
    }


def test_a_configured_price_has_no_day():
    found = made(Quote(2.5, "configured"))
    assert names(found) == {"gpu_price_per_hour_dollars", "gpu_price_info"}
    assert value(found, "gpu_price_info", origin="configured", as_of="", provider="") == 1


def test_without_a_price_there_is_none_and_where_it_was_looked_for_the_reason():
    assert made(None) == []
    found = made(None, price_unknown="ambiguous")
    assert names(found) == {"gpu_price_unknown"}
    assert value(found, "gpu_price_unknown", server="a", reason="ambiguous") == 1


def test_the_age_of_the_tables_is_that_of_their_oldest_and_newest_row():
    offer = GpuOffer("AWS", "on-demand", 6.88, "L4", as_of="2025-06-01")
    api = ApiPrice("OpenAI", "GPT-5", 1.25, 10.0, as_of="2026-11-23")
    book = PriceBook(
        (offer, replace(offer, as_of="2026-01-01")), (api, replace(api, baseline=True, as_of="2025-10-01"))
    )
    found = list(samples(world(book=book)))
    shown = {
        (table, row): value(found, "price_table_as_of_timestamp_seconds", table=table, row=row)
        for table in ("gpu", "api")
        for row in ("oldest", "newest")
    }
    assert shown == {
        ("gpu", "oldest"): 1_748_736_000,
        ("gpu", "newest"): 1_767_225_600,
        ("api", "oldest"): 1_795_392_000,
        ("api", "newest"): 1_795_392_000,
    }
