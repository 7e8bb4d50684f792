"""Layers of the price book."""

from dataclasses import replace

from pentameter.cost.book import ApiPrice, GpuOffer, PriceBook, merged

OFFER = GpuOffer("AWS", "on-demand", 6.88, "H100-SXM-80GB", "us-east-1", "p5.4xlarge", 1, "2025-06-01")
PRICE = ApiPrice("OpenAI", "GPT-5", 1.25, 10.0, as_of="2026-11-23")


def test_a_later_layers_row_replaces_that_of_the_same_key_in_any_case_of_letters():
    own = replace(OFFER, provider="aws", region="US-East-1", dollars_per_gpu_hour=5.0, gpu="", origin="file")
    book = merged(PriceBook((OFFER,), (PRICE,)), PriceBook((own,), (replace(PRICE, model="gpt-5", input=1.0),)))
    assert book.gpus == (own,)
    assert [row.input for row in book.apis] == [1.0]


def test_another_region_instance_pricing_or_kind_is_another_row():
    others = [
        replace(OFFER, region="us-east-2"),
        replace(OFFER, instance="p5.48xlarge"),
        replace(OFFER, pricing="spot"),
        replace(OFFER, kind="index"),
    ]
    assert len(merged(PriceBook((OFFER,)), *(PriceBook((other,)) for other in others)).gpus) == 5


def test_without_an_instance_the_gpu_and_their_number_are_the_key():
    one, eight = replace(OFFER, instance=""), replace(OFFER, instance="", gpus=8)
    assert len(merged(PriceBook((one,)), PriceBook((eight,))).gpus) == 2
    assert len(merged(PriceBook((one,)), PriceBook((replace(one, dollars_per_gpu_hour=1.0),))).gpus) == 1


def test_the_baseline_is_kept_beside_what_is_asked_now():
    book = merged(PriceBook(apis=(replace(PRICE, baseline=True, as_of="2025-10-01"),)), PriceBook(apis=(PRICE,)))
    assert [row.baseline for row in book.apis] == [True, False]


def test_the_days_of_a_table_leave_out_the_baseline_models_indices_and_what_has_no_date():
    book = PriceBook(
        (
            OFFER,
            replace(OFFER, region="a", as_of="2026-01-01"),
            replace(OFFER, region="b", as_of=""),
            replace(OFFER, kind="model", as_of="2020-01-01"),
        ),
        (PRICE, replace(PRICE, baseline=True, as_of="2025-10-01")),
    )
    assert book.days == {"gpu": ("2025-06-01", "2026-01-01"), "api": ("2026-11-23", "2026-11-23")}
    assert PriceBook().days == {}
