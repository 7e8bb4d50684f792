"""Drift on the page: the cost at goodput capacity, and what the book knows."""

from dataclasses import replace

import pytest

from builders import deployment, found, names, slo, value, world
from pentameter.capacity.estimate import Capacity
from pentameter.dimensions.drift import samples
from pentameter.drift.book import Cause, Drift, Matched
from pentameter.drift.loads import Comparison
from pentameter.world import CapacityOf

CAPACITY = Capacity("observed", 8.0, 10.0, 12.5, output_tokens=200.0)
KNOWN = CapacityOf("a", "m", "0", slo(ttft=1.0), CAPACITY)


def page(*capacities, **more):
    return list(samples(world(deployment(**more), capacities=capacities)))


def test_the_cost_at_capacity_is_price_over_tokens_at_capacity():
    # 10 requests/s x 200 tokens x 3600 s = 7.2 million tokens per hour for 3.6 dollars.
    said = page(KNOWN, gpu_count=1, price=3.6)
    name = "cost_per_million_tokens_at_capacity_dollars"
    assert value(said, name, slo="chat", bound="estimate") == pytest.approx(0.5)
    assert value(said, name, slo="chat", bound="lower") == pytest.approx(0.4)
    assert value(said, name, slo="chat", bound="upper") == pytest.approx(0.625)


def test_of_a_lower_bound_alone_only_the_highest_cost_is_known():
    said = page(replace(KNOWN, capacity=Capacity("lower_bound", 8.0, output_tokens=200.0)), gpu_count=1, price=3.6)
    assert found(said, "cost_per_million_tokens_at_capacity_dollars") == [pytest.approx(0.625)]
    assert found(said, "cost_per_million_tokens_at_capacity_dollars", bound="upper")


@pytest.mark.parametrize(
    ("capacity", "more"),
    [
        (KNOWN, {"gpu_count": 1}),  # no price
        (KNOWN, {"gpu_count": 1, "price": 3.6, "model": ""}),  # several models on the server
        (replace(KNOWN, server="b"), {"gpu_count": 1, "price": 3.6}),
        (replace(KNOWN, capacity=Capacity("unknown")), {"gpu_count": 1, "price": 3.6}),
    ],
)
def test_what_is_not_known_has_no_cost_at_capacity(capacity, more):
    assert page(capacity, **more) == []


def test_every_cause_is_a_series_of_its_figure():
    drift = Drift(causes=(Cause("cost", "1h", "1d", "price", 1.2), Cause("carbon", "1d", "7d", "all", 0.9)))
    said = page(drift=drift)
    assert value(said, "cost_drift_ratio", window="1h", since="1d", cause="price") == 1.2
    assert value(said, "carbon_drift_ratio", window="1d", since="7d", cause="all") == 0.9


def test_without_enough_likeness_there_is_a_count_and_no_ratio():
    drift = Drift(matched=(Matched("tpot", "rolling", Comparison(None, 7)),), days={"tpot": 2})
    said = page(drift=drift)
    assert names(said) == {"load_matched_periods", "load_table_days"}
    assert value(said, "load_matched_periods", quantity="tpot", against="rolling") == 7
    assert value(said, "load_table_days", quantity="tpot") == 2


def test_a_ratio_at_the_same_load_and_one_at_capacity():
    drift = Drift(
        matched=(
            Matched("tpot", "pinned", Comparison(1.1, 200)),
            Matched("at_capacity/chat", "rolling", Comparison(1.3, 200)),
        ),
        days={"tpot": 21, "at_capacity/chat": 21},
    )
    said = page(drift=drift)
    assert value(said, "load_matched_ratio", quantity="tpot", against="pinned") == 1.1
    assert value(said, "cost_at_capacity_drift_ratio", slo="chat", against="rolling") == 1.3
    assert len(said) == 4
