"""Rows of price tables, cell by cell."""

import pytest

from pentameter.cost.book import ApiPrice, GpuOffer
from pentameter.cost.price_rows import RowError, api_price, gpu_offer

GPU = {"provider": "ACME", "gpu": "H100-SXM-80GB", "dollars_per_gpu_hour": "2.50"}
API = {
    "provider": "ACME",
    "model": "m",
    "input_dollars_per_million": "1.25",
    "output_dollars_per_million": "10",
}


def test_a_row_of_the_users_own_needs_little():
    assert gpu_offer(GPU, "file") == GpuOffer(
        "ACME", "on-demand", 2.5, "H100-SXM-80GB", "*", as_of="", source="", origin="file"
    )
    assert api_price(API, "url") == ApiPrice("ACME", "m", 1.25, 10.0, None, origin="url")


def test_an_empty_price_of_cached_input_is_none_and_not_zero():
    assert api_price({**API, "cached_input_dollars_per_million": " "}, "file").cached_input is None
    assert api_price({**API, "cached_input_dollars_per_million": "0"}, "file").cached_input == 0.0


def test_spaces_around_a_cell_and_the_spelling_of_a_pricing_do_not_matter():
    row = gpu_offer({**GPU, "provider": " ACME ", "pricing": "On Demand", "gpus": " 8"}, "file")
    assert (row.provider, row.pricing, row.gpus) == ("ACME", "on-demand", 8)


@pytest.mark.parametrize(
    ("cells", "column", "message"),
    [
        ({"provider": " "}, "provider", "is empty"),
        ({"gpu": ""}, "gpu", "needs its gpu or its instance"),
        ({"dollars_per_gpu_hour": "two"}, "dollars_per_gpu_hour", "is 'two', not a number of dollars"),
        ({"dollars_per_gpu_hour": "nan"}, "dollars_per_gpu_hour", "not a number of dollars"),
        ({"dollars_per_gpu_hour": "inf"}, "dollars_per_gpu_hour", "not a number of dollars"),
        ({"dollars_per_gpu_hour": "-1"}, "dollars_per_gpu_hour", "not a number of dollars"),
        ({"dollars_per_gpu_hour": "10001"}, "dollars_per_gpu_hour", "not a number of dollars"),
        ({"pricing": "spott"}, "pricing", "is 'spott', not one of on-demand, spot"),
        ({"pricing": "owned-neocloud"}, "pricing", "not one of"),
        ({"kind": "guess"}, "kind", "not one of offer, model, index"),
        ({"gpus": "0"}, "gpus", "not a number of GPUs"),
        ({"gpus": "1.5"}, "gpus", "not a number of GPUs"),
        ({"gpus": "9" * 900}, "gpus", "not a number of GPUs"),
        ({"as_of": "2025-10"}, "as_of", "'2025-10' is no day YYYY-MM-DD"),
        ({"source": "a\x00b"}, "source", "cannot be printed"),
        ({"source": "a" * 1001}, "source", "1001 characters, of which at most 1000"),
    ],
)
def test_a_cell_that_is_wrong_is_named_by_its_column(cells, column, message):
    with pytest.raises(RowError) as caught:
        gpu_offer({**GPU, **cells}, "file")
    assert caught.value.column == column
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"model": ""}, "model"),
        ({"output_dollars_per_million": ""}, "output_dollars_per_million"),
        ({"cached_input_dollars_per_million": "-"}, "cached_input_dollars_per_million"),
        ({"baseline": "true"}, "baseline"),
        ({"status": "gone"}, "status"),
        ({"deprecation_date": "soon"}, "deprecation_date"),
    ],
)
def test_a_cell_of_an_api_that_is_wrong_is_named_by_its_column(cells, column):
    with pytest.raises(RowError) as caught:
        api_price({**API, **cells}, "file")
    assert caught.value.column == column


def test_a_shipped_row_must_say_its_pricing_and_keeps_an_unknown_region_empty():
    assert gpu_offer({**GPU, "pricing": "spot"}, "shipped").region == ""
    with pytest.raises(RowError, match="not one of"):
        gpu_offer(GPU, "shipped")
