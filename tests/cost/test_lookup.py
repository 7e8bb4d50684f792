"""The one row that is meant, of a small book."""

from dataclasses import replace

import pytest

from pentameter.cost.book import GpuOffer, PriceBook
from pentameter.cost.lookup import PriceError, Wanted, covers, find

US = GpuOffer("AWS", "on-demand", 6.88, "H100-SXM-80GB", "us-east-1", "p5.4xlarge", 1, "2025-06-01", "catalogue")
JAKARTA = replace(US, region="ap-southeast-3", dollars_per_gpu_hour=9.4944)
SPOT = replace(US, pricing="spot", dollars_per_gpu_hour=2.0)
WHOLE = replace(US, instance="p5.48xlarge", gpus=8)
MODAL = GpuOffer("Modal", "on-demand", 3.95, "H100-80GB", as_of="2025-10-01", source="lecture")
ANYWHERE = GpuOffer("Lambda", "on-demand", 1.09, "RTX A6000", "*", "gpu_1x_a6000", 1)
MODEL = GpuOffer("SemiAnalysis", "on-demand", 1.3, "H100-80GB", kind="model")
BOOK = PriceBook((US, JAKARTA, SPOT, WHOLE, MODAL, ANYWHERE, MODEL))


def price(**wanted):
    return find(BOOK, Wanted(**wanted)).dollars_per_gpu_hour


def refusal(book=BOOK, **wanted):
    with pytest.raises(PriceError) as caught:
        find(book, Wanted(**wanted))
    return caught.value.reason, str(caught.value)


def test_an_instance_in_its_region_has_the_price_of_that_region_in_any_case_of_letters():
    assert price(instance="p5.4xlarge", region="us-east-1") == 6.88
    assert price(instance="P5.4xlarge", region="AP-Southeast-3") == 9.4944
    assert price(instance="p5.4xlarge", region="us-east-1", provider="aws", pricing="Spot") == 2.0


def test_a_provider_and_a_gpu_are_enough_where_the_provider_has_one_price():
    assert price(provider="modal", gpu="H100-SXM-80GB") == 3.95
    assert price(provider="Modal", gpu="H100-PCIE-80GB") == 3.95


def test_a_price_of_all_regions_is_that_of_any_and_of_none():
    assert price(instance="gpu_1x_a6000", region="us-west-9") == 1.09
    assert price(instance="gpu_1x_a6000") == 1.09


@pytest.mark.parametrize(
    ("offered", "gpu", "fits"),
    [
        ("H100-80GB", "H100-SXM-80GB", True),
        ("H100-80GB", "H100-NVL-94GB", False),
        ("H100-SXM-80GB", "H100-80GB", False),
        ("H100-80GB", "H800-SXM-80GB", False),
        ("A100-80GB", "A100-SXM4-40GB", False),
        ("B200", "B200-SXM", True),
        ("B200", "GB200-NVL72", False),
        ("L40", "L40S", False),
        ("RTX 6000 Ada", "RTX 6000 Ada", True),
        ("V100-16GB", "V100-SXM2-16GB", True),
        ("", "H100-SXM-80GB", False),
    ],
)
def test_an_offer_that_says_less_of_its_gpu_is_of_all_that_it_leaves_open(offered, gpu, fits):
    assert covers(offered, gpu) is fits


def test_rows_of_one_price_are_one_and_the_oldest_without_what_they_differ_in():
    row = find(PriceBook((replace(WHOLE, as_of="2026-01-01"), US)), Wanted("AWS", "us-east-1", gpu="H100-SXM-80GB"))
    assert (row.dollars_per_gpu_hour, row.instance, row.gpus, row.region) == (6.88, "", None, "us-east-1")
    assert row.as_of == "2025-06-01"


def test_a_model_or_an_index_is_never_quoted():
    assert refusal(provider="SemiAnalysis", gpu="H100-SXM-80GB") == (
        "unknown",
        "no price of SemiAnalysis H100-SXM-80GB on-demand; the price book has no provider SemiAnalysis",
    )


def test_another_region_is_named_and_not_taken():
    reason, message = refusal(instance="p5.4xlarge", region="eu-west-1")
    assert reason == "unknown"
    assert message == (
        "no price of eu-west-1 p5.4xlarge on-demand; the price book has it for region: ap-southeast-3, us-east-1"
    )


def test_another_pricing_is_named_and_not_taken():
    _, message = refusal(instance="p5.48xlarge", region="us-east-1", pricing="spot")
    assert message.endswith("the price book has it for pricing: on-demand")
    _, message = refusal(instance="p5.48xlarge", region="eu-west-1", pricing="spot")
    assert message.endswith("the price book has it for region and pricing: us-east-1, on-demand")


def test_prices_that_differ_are_not_averaged_but_told():
    assert refusal(instance="p5.4xlarge") == (
        "ambiguous",
        (
            "the price of p5.4xlarge on-demand depends on the region; the book has: "
            "ap-southeast-3 region 9.4944, us-east-1 region 6.88 dollars"
        ),
    )


def test_the_only_region_in_the_shipped_table_is_not_taken_for_the_one_that_is_meant():
    reason, message = refusal(instance="p5.48xlarge")
    assert (reason, "us-east-1 region 6.88" in message) == ("ambiguous", True)
    own = replace(WHOLE, origin="file")
    assert find(PriceBook((own,)), Wanted(instance="p5.48xlarge")) == own


@pytest.mark.parametrize(
    ("wanted", "end"),
    [
        ({"instance": "p5.47xlarge"}, "the price book has no instance type p5.47xlarge; did you mean p5.48xlarge,"),
        ({"provider": "Modul", "gpu": "L4"}, "the price book has no provider Modul; did you mean Modal?"),
        ({"provider": "Modal", "gpu": "B200-SXM"}, "the price book has of Modal: H100-80GB"),
        ({"provider": "Modal", "instance": "p5.4xlarge"}, "the price book has no instance type p5.4xlarge"),
    ],
)
def test_what_is_known_nearby_is_named(wanted, end):
    reason, message = refusal(**wanted)
    assert reason == "unknown"
    assert end in message


def test_many_neighbours_are_cut_short():
    book = PriceBook(tuple(replace(US, region=f"r{n:02}") for n in range(20)))
    assert refusal(book, instance="p5.4xlarge", region="x")[1].endswith("r06, r07 and 12 more")


def test_neither_an_instance_nor_a_gpu_is_no_question():
    assert "needs an instance type, or a provider and a GPU type" in refusal(provider="AWS")[1]


def test_where_the_users_own_row_fits_no_earlier_layer_is_looked_at():
    page = replace(US, instance="", gpu="H100-80GB", dollars_per_gpu_hour=5.0, origin="url")
    own = replace(page, region="*", dollars_per_gpu_hour=4.0, origin="file")
    wanted = Wanted("AWS", "us-east-1", gpu="H100-SXM-80GB")
    assert find(PriceBook((US, WHOLE)), wanted).dollars_per_gpu_hour == 6.88
    assert find(PriceBook((US, WHOLE, page)), wanted) == page
    assert find(PriceBook((US, WHOLE, page, own)), wanted) == own
    assert find(PriceBook((US, own, JAKARTA)), replace(wanted, region="ap-southeast-3")) == own


def test_the_users_own_row_of_a_region_comes_before_that_of_all_regions():
    own = replace(US, origin="file")
    other = replace(own, region="*", dollars_per_gpu_hour=3.0)
    assert find(PriceBook((other, own)), Wanted(instance="p5.4xlarge", region="us-east-1")) == own
    assert find(PriceBook((other, own)), Wanted(instance="p5.4xlarge", region="eu-west-1")) == other


def test_the_users_own_row_of_a_providers_gpu_is_found_by_the_instance_alone_and_comes_before_the_shipped_one():
    own = replace(MODAL, provider="AWS", region="*", origin="file")
    wanted = Wanted(instance="p5.4xlarge", region="us-east-1")
    assert find(PriceBook((US, own)), wanted) == own
    assert find(PriceBook((US, replace(own, provider="Modal"))), wanted) == US
    assert find(PriceBook((US, replace(own, gpu="L4"))), wanted) == US
    assert find(PriceBook((US, own)), replace(wanted, gpu="L4")) == US, "another GPU: the caller sees that they differ"


def test_the_users_own_row_of_a_gpu_is_of_an_instance_too_and_a_shipped_one_is_not():
    own = replace(MODAL, provider="AWS", region="*", origin="file")
    wanted = Wanted("AWS", "eu-west-1", "p5.4xlarge", "H100-SXM-80GB")
    assert find(PriceBook((US, own)), wanted) == own
    assert refusal(PriceBook((US, replace(own, origin="shipped"))), instance="p9", provider="AWS")[0] == "unknown"
