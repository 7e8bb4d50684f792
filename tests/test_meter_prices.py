"""The price book through the whole meter and the daemon: prices that come late, change, or go bad at run time."""

import asyncio
from dataclasses import replace

import pytest

from fakes.http_server import ScriptedServer
from given_settings import settings_for
from pentameter.assembly import settings_to_feeds, settings_to_meter
from pentameter.cost.book import GpuOffer, PriceBook
from pentameter.daemon import Daemon, Feed
from pentameter.meter import Meter
from pentameter.price_desk import Asked, PriceDesk
from pentameter.readings import PricesReading
from pentameter.server_plan import ServerPlan
from pentameter.snapshot import SourceHealth
from test_daemon import good, running, until
from test_daemon import value as shown
from test_meter import H100, MINUTE, gpus, value, vllm

ROW = GpuOffer("ACME", "on-demand", 3.6, "H100-80GB", "*", as_of="2025-10-01", source="list", origin="file")
NODE = {"node.kubernetes.io/instance-type": "big", "topology.kubernetes.io/region": "north"}


BOOK = PriceBook((ROW,))


def meter(asked=None, book=BOOK):
    specs = {H100.nvml_names[0]: H100}
    desk = PriceDesk({"a": asked or Asked("ACME")}, book)
    return Meter(MINUTE, [ServerPlan("a")], find_spec=specs.get, prices=desk)


def at(m, second, *, seen=True):
    """Let a second pass in which the server answers; return its snapshot."""
    m.take_vllm(vllm(second, 10.0 * second))
    if seen:
        m.take_gpus(gpus(second, 1000.0 + second), "nvml")
    return m.measure(second, 1e9 + second)


def billed(snapshot):
    return value(snapshot, "pentameter_cost_dollars_total", component="gpu")


def test_the_gpu_that_is_seen_finds_its_price_and_the_seconds_before_are_paid():
    m = meter()
    assert billed(at(m, 0, seen=False)) is None
    at(m, 1, seen=False)
    for second in range(2, 11):
        snapshot = at(m, second)
    assert value(snapshot, "pentameter_gpu_price_per_hour_dollars") == 3.6
    assert billed(snapshot) == pytest.approx(10 * 0.001)
    assert value(snapshot, "pentameter_gpu_price_info", origin="file", as_of="2025-10-01", gpu_type="H100-80GB") == 1


def test_the_seconds_in_which_the_first_book_is_read_are_paid():
    m = meter(book=None)
    m.take_health(SourceHealth("prices"))
    for second in range(5):
        assert billed(at(m, second)) is None
    m.take_prices(PricesReading(BOOK, {}, 5.0, 1e9))
    assert billed(at(m, 5)) == pytest.approx(5 * 0.001)


def test_the_seconds_of_a_book_that_could_not_be_read_are_not():
    m = meter(book=None)
    for second in range(5):
        m.take_health(replace(SourceHealth("prices"), reason="not_found"))
        at(m, second)
    m.take_prices(PricesReading(BOOK, {}, 5.0, 1e9))
    assert billed(at(m, 5)) == pytest.approx(0.001)


def test_a_new_price_in_the_book_holds_from_then_on_and_what_was_billed_stays():
    m = meter()
    for second in range(11):
        at(m, second)
    m.take_prices(PricesReading(PriceBook((replace(ROW, dollars_per_gpu_hour=7.2),)), {}, 10.0, 1e9))
    for second in range(11, 21):
        snapshot = at(m, second)
    assert billed(snapshot) == pytest.approx(10 * 0.001 + 10 * 0.002)
    assert value(snapshot, "pentameter_cost_per_hour_dollars", component="total") == 7.2


def test_a_row_that_is_gone_ends_the_cost_with_its_reason():
    m = meter()
    for second in range(11):
        at(m, second)
    m.take_prices(PricesReading(PriceBook(), {}, 10.0, 1e9))
    after = at(m, 11)
    assert value(after, "pentameter_gpu_price_unknown", server="a", reason="unknown") == 1
    assert value(after, "pentameter_cost_per_hour_dollars", component="total") is None
    assert billed(after) is None
    m.take_prices(PricesReading(BOOK, {}, 11.0, 1e9))
    assert billed(at(m, 12)) == pytest.approx(11 * 0.001), "the second without a price is not paid later"


def test_the_nodes_labels_find_the_price_of_their_instance():
    row = replace(ROW, instance="big", region="north")
    m = meter(Asked(), None)
    m.take_prices(
        PricesReading(PriceBook((row, replace(row, region="south", dollars_per_gpu_hour=9.0))), NODE, 0.0, 1e9)
    )
    at(m, 0)
    assert value(at(m, 1), "pentameter_gpu_price_per_hour_dollars") == 3.6


def test_an_instance_with_other_gpus_than_those_that_are_seen_has_no_cost():
    m = meter(Asked(instance="big"), PriceBook((replace(ROW, instance="big", gpu="L4"),)))
    at(m, 0)
    snapshot = at(m, 1)
    assert value(snapshot, "pentameter_gpu_price_unknown", reason="other_gpu") == 1
    assert value(snapshot, "pentameter_gpu_price_per_hour_dollars") is None


async def _file_story(path):
    table = "provider,instance,dollars_per_gpu_hour\nACME,big,{}\n"
    path.write_text(table.format(2.0))
    with ScriptedServer({"/metrics": good()}) as server:
        servers = {"url": server.url, "gpu_count": 1}
        economics = {"instance": "big", "prices": {"gpu_file": str(path)}}
        settings = settings_for(servers, host={"enabled": False}, plugin={"enabled": False}, economics=economics)
        made = settings_to_feeds(settings)
        feeds = [Feed(feed.source, 0.02, 5.0) for feed in made if feed.source.name in ("vllm", "prices")]
        daemon = Daemon(settings_to_meter(settings), feeds, 0.02)

        def price():
            return shown(daemon, "pentameter_gpu_price_per_hour_dollars")

        async with running(daemon):
            await until(lambda: price() == 2.0)
            path.write_text(table.format(3.25))
            await until(lambda: price() == 3.25)
            path.write_text(table.format("cheap"))
            await until(lambda: shown(daemon, "pentameter_source_up", source="prices", reason="malformed") == 0)
            assert price() == 3.25
            path.write_text(table.format(4.125))
            await until(lambda: price() == 4.125)
            await until(lambda: shown(daemon, "pentameter_source_up", source="prices", reason="") == 1)
        for feed in feeds:
            feed.source.close()


def test_a_file_that_changes_is_followed_and_one_that_goes_bad_leaves_the_last_price_in_force(tmp_path):
    asyncio.run(_file_story(tmp_path / "prices.csv"))
