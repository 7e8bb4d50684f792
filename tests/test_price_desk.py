"""Who finds prices for servers, as the book, the labels and the GPUs become known and change."""

from dataclasses import replace

from pentameter.cost.book import GpuOffer, PriceBook
from pentameter.price_desk import Asked, PriceDesk
from pentameter.readings import PricesReading

MODAL = GpuOffer("Modal", "on-demand", 3.95, "H100-80GB")
AWS = GpuOffer("AWS", "on-demand", 6.88, "H100-SXM-80GB", "us-east-1", "p5.4xlarge", 1)
BOOK = PriceBook((MODAL, AWS))
H100 = ("H100-SXM-80GB",) * 2
NODE = {"node.kubernetes.io/instance-type": "p5.4xlarge", "topology.kubernetes.io/region": "us-east-1"}


def reading(book=BOOK, labels=None):
    return PricesReading(book, labels or {}, 1.0, 2.0)


def price(desk, gpu_names=H100, server="a"):
    quote = desk.quote(server, gpu_names)
    return quote and quote.dollars_per_hour


def test_before_there_is_a_book_there_is_no_price_and_no_error():
    desk = PriceDesk({"a": Asked("Modal")})
    assert (price(desk), desk.error("a"), desk.book) == (None, None, PriceBook())
    desk.take(reading())
    assert (price(desk), desk.book) == (3.95, BOOK)


def test_a_server_whose_price_is_configured_is_not_looked_for():
    assert price(PriceDesk({"b": Asked("Modal")}, BOOK)) is None


def test_the_price_follows_the_gpu_as_it_becomes_known():
    desk = PriceDesk({"a": Asked("Modal")}, BOOK)
    assert (price(desk, ()), desk.waits("a", ()), desk.error("a")) == (None, True, None)
    assert (price(desk), desk.waits("a", H100)) == (3.95, False)


def test_unequal_gpus_have_no_common_price_but_by_their_instance():
    mixed = ("H100-SXM-80GB", "L4")
    assert price(PriceDesk({"a": Asked("Modal")}, BOOK), mixed) is None
    assert price(PriceDesk({"a": Asked(instance="p5.4xlarge", region="us-east-1")}, BOOK), mixed) == 6.88


def test_a_new_book_new_labels_and_new_settings_are_in_force_at_once():
    desk = PriceDesk({"a": Asked("Modal")}, BOOK)
    assert price(desk) == 3.95
    desk.take(reading(PriceBook((replace(MODAL, dollars_per_gpu_hour=4.5),))))
    assert price(desk) == 4.5
    desk.ask({"a": Asked()})
    assert price(desk) is None
    desk.take(reading(labels=NODE))
    assert price(desk) == 6.88
    assert not desk.waits("a", ())


def test_why_there_is_no_price_is_told_until_there_is_one():
    desk = PriceDesk({"a": Asked("Modal"), "b": Asked("Modal")}, BOOK)
    assert (price(desk, ("L4",)), desk.error("a").reason) == (None, "unknown")
    assert (price(desk, H100, "b"), desk.error("b")) == (3.95, None)
    assert "the price book has of Modal: H100-80GB" in str(desk.error("a"))
    assert (price(desk), desk.error("a")) == (3.95, None)


def test_a_reading_that_says_the_same_looks_nothing_up_again():
    desk = PriceDesk({"a": Asked("Modal")}, BOOK)
    before = desk.quote("a", H100)
    desk.take(reading())
    assert desk.quote("a", H100) is before
