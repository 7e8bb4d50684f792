"""The doctor on prices."""

from datetime import UTC, datetime

import pytest

from given_settings import settings
from pentameter.cost.book import GpuOffer, PriceBook
from pentameter.doctor_prices import look_at_feed, look_at_prices
from pentameter.readings import PricesReading

NOW = datetime(2025, 12, 30, tzinfo=UTC).timestamp()  # 90 days after 2025-10-01
H100 = {"a:1": ("H100-SXM-80GB",)}


def found(gpus=H100, reading=None, now=NOW, **economics):
    chosen = settings({"vllm": {"servers": [{"url": "http://a:1"}]}, "economics": economics})
    return [(one.level, one.message) for one in look_at_prices(chosen, reading, gpus, lambda: now)]


def own(**more):
    return PricesReading(
        PriceBook((GpuOffer("ACME", "on-demand", 2.0, "L4", "*", origin="file"),)), {}, 1.0, 2.0, **more
    )


def test_the_row_in_force_is_named_with_its_day():
    assert found(provider="Modal") == [
        ("ok", "a:1: 3.95 dollars per GPU and hour, Modal on-demand (shipped) of 2025-10-01")
    ]


def test_a_price_older_than_90_days_is_a_warning():
    [(level, message)] = found(provider="Modal", now=NOW + 86_400)
    assert level == "warning"
    assert message.endswith("of 2025-10-01, 91 days ago: is it still so?")


def test_a_price_without_a_day_is_said_to_have_none():
    [(level, message)] = found({"a:1": ("L4",)}, own(), provider="ACME")
    assert (level, message) == ("ok", "a:1: 2 dollars per GPU and hour, ACME on-demand (file), without a date")


@pytest.mark.parametrize(
    ("economics", "message"),
    [
        ({"instance": "p5.4xlarge"}, "depends on the region"),
        ({"instance": "p5.5xlarge"}, "did you mean p5.48xlarge, p5.4xlarge"),
        ({"instance": "p5en.48xlarge", "region": "us-east-1"}, "is it another instance?"),
    ],
)
def test_a_price_that_is_not_found_is_a_warning_with_what_to_say(economics, message):
    [(level, said)] = found(**economics)
    assert level == "warning"
    assert message in said


def test_what_is_missing_for_the_question_is_named():
    [(level, message)] = found({}, provider="AWS")
    assert (level, message) == ("info", "a:1: the price book is asked by the GPU, which is not known: cost is left out")
    [(level, message)] = found({}, own(), labels_file="/labels")
    assert (level, message) == ("info", "a:1: the node's labels name no instance type: cost is left out")


def test_nothing_is_said_where_the_book_is_not_asked():
    assert found(gpu_dollars_per_hour=2.0) == []
    assert found() == []


def test_the_feed_is_told_with_its_trouble():
    assert [(one.level, one.message) for one in look_at_feed("prices", own())] == [("ok", "prices of your own: 1")]
    [bad, _] = look_at_feed("prices", own(trouble="malformed", message="p.csv, line 2"))
    assert (bad.level, bad.message) == ("error", "malformed: p.csv, line 2; prices before it stay in force")
