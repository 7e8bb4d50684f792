"""What the settings and the node's labels ask of the book."""

from dataclasses import replace

import pytest

from pentameter.cost.book import GpuOffer, PriceBook
from pentameter.cost.lookup import PriceError
from pentameter.cost.plan import Quote
from pentameter.quotes import quote_for

US = GpuOffer("AWS", "on-demand", 6.88, "H100-SXM-80GB", "us-east-1", "p5.4xlarge", 1, "2025-06-01", "catalogue")
SPOT = replace(US, pricing="spot", dollars_per_gpu_hour=2.0)
EU = replace(US, region="eu-west-2", dollars_per_gpu_hour=8.944)
MODAL = GpuOffer("Modal", "on-demand", 3.95, "H100-80GB", origin="file")
BOOK = PriceBook((US, SPOT, EU, MODAL))
NODE = {"node.kubernetes.io/instance-type": "p5.4xlarge", "topology.kubernetes.io/region": "us-east-1"}
H100 = "H100-SXM-80GB"


def price(**asked):
    quote = quote_for(BOOK, **asked)
    return quote and quote.dollars_per_hour


def test_the_quote_is_the_row_with_all_that_it_says_of_itself():
    assert quote_for(BOOK, instance="p5.4xlarge", region="us-east-1", gpu=H100) == Quote(
        6.88, "shipped", "AWS", "us-east-1", "p5.4xlarge", H100, "on-demand", "2025-06-01", "catalogue"
    )
    assert quote_for(BOOK, provider="Modal", gpu=H100).origin == "file"


@pytest.mark.parametrize("asked", [{}, {"gpu": H100}, {"provider": "AWS"}, {"region": "us-east-1", "pricing": "spot"}])
def test_where_nothing_says_what_is_rented_there_is_no_price(asked):
    assert price(**asked) is None


def test_the_nodes_labels_tell_what_the_settings_leave_out():
    assert price(labels=NODE) == 6.88
    assert price(labels=NODE, region="eu-west-2") == 8.944
    assert price(labels={**NODE, "node.kubernetes.io/instance-type": "t3"}, instance="p5.4xlarge") == 6.88
    old = {"beta.kubernetes.io/instance-type": "p5.4xlarge", "failure-domain.beta.kubernetes.io/region": "eu-west-2"}
    assert price(labels=old) == 8.944


@pytest.mark.parametrize(
    ("label", "value", "dollars"),
    [
        ("karpenter.sh/capacity-type", "spot", 2.0),
        ("karpenter.sh/capacity-type", "on-demand", 6.88),
        ("eks.amazonaws.com/capacityType", "SPOT", 2.0),
        ("eks.amazonaws.com/capacityType", "ON_DEMAND", 6.88),
        ("cloud.google.com/gke-spot", "true", 2.0),
        ("cloud.google.com/gke-spot", "false", 6.88),
        ("cloud.google.com/gke-preemptible", "true", 2.0),
        ("kubernetes.azure.com/scalesetpriority", "spot", 2.0),
        ("kubernetes.azure.com/scalesetpriority", "regular", 6.88),
    ],
)
def test_the_nodes_capacity_type_is_the_pricing(label, value, dollars):
    assert price(labels={**NODE, label: value}) == dollars


def test_the_settings_pricing_comes_before_the_nodes():
    assert price(labels={**NODE, "karpenter.sh/capacity-type": "spot"}, pricing="On Demand") == 6.88
    assert price(labels={**NODE, "karpenter.sh/capacity-type": "reserved"}, pricing="spot") == 2.0


def test_a_reservation_has_no_price_that_a_table_could_know():
    with pytest.raises(PriceError, match=r"capacity type is reserved, which names no pricing; set economics\.pricing"):
        price(labels={**NODE, "karpenter.sh/capacity-type": "reserved"})


def test_an_instance_with_other_gpus_than_the_server_is_the_wrong_one():
    with pytest.raises(PriceError, match=r"p5\.4xlarge has the GPU H100-SXM-80GB, the server has H200") as caught:
        price(labels=NODE, gpu="H200-SXM-141GB")
    assert caught.value.reason == "other_gpu"
    assert price(labels=NODE, gpu=H100) == 6.88
