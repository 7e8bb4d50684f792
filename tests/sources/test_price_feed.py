"""The price book in force, from real files and a page on loopback; the clock stands still."""

from functools import partial

import pytest

from fakes.grid_providers import Clock
from fakes.http_server import ScriptedServer, page
from pentameter.cost.book import GpuOffer, PriceBook
from pentameter.sources import SourceError
from pentameter.sources.http_get import HttpClient
from pentameter.sources.price_feed import PriceFeed
from pentameter.sources.price_files import api_table, gpu_table, node_labels
from pentameter.sources.price_layers import FileLayer, PageLayer

SHIPPED = PriceBook((GpuOffer("ACME", "on-demand", 1.0, "H100-SXM-80GB", "*"),))
HEAD = "provider,gpu,dollars_per_gpu_hour\n"


def table(price, gpu="H100-SXM-80GB"):
    return f"{HEAD}ACME,{gpu},{price}\n"


def dollars(reading):
    return [row.dollars_per_gpu_hour for row in reading.book.gpus]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "prices.csv"
    path.write_text(table(2.0))
    return path


def gpu_file(path):
    return FileLayer(str(path), partial(gpu_table, origin="file"))


def feed(clock, **layers):
    return PriceFeed(SHIPPED, monotonic=clock.monotonic, wall=clock.wall, **layers)


def test_it_is_the_source_prices_of_no_server(clock):
    source = feed(clock)
    assert (source.name, source.server) == ("prices", "")
    reading = source.read()
    assert (dollars(reading), reading.monotonic, reading.wall) == ([1.0], clock.monotonic(), clock.wall())


def test_the_users_row_replaces_the_shipped_one_of_the_same_key_and_its_file_is_followed(clock, file):
    source = feed(clock, gpu_file=gpu_file(file))
    assert dollars(source.read()) == [2.0]
    assert source.read().book is source.read().book
    file.write_text(table(3.25))
    assert dollars(source.read()) == [3.25]
    file.write_text(HEAD)
    assert dollars(source.read()) == [1.0]


def test_while_a_file_has_never_been_read_there_is_no_book_because_a_shipped_price_would_be_a_wrong_one(clock, file):
    file.write_text(table("cheap"))
    source = feed(clock, gpu_file=gpu_file(file))
    with pytest.raises(SourceError, match="line 2, column dollars_per_gpu_hour") as caught:
        source.read()
    assert caught.value.reason == "malformed"
    file.write_text(table(2.5))
    assert dollars(source.read()) == [2.5]


def test_a_file_that_becomes_bad_changes_nothing_and_is_told(clock, file):
    source = feed(clock, gpu_file=gpu_file(file))
    source.read()
    file.write_text(table("cheap"))
    for _ in range(2):
        reading = source.read()
        assert (dollars(reading), reading.trouble) == ([2.0], "malformed")
        assert "prices.csv, line 2, column dollars_per_gpu_hour: is 'cheap'" in reading.message
    file.unlink()
    assert (dollars(source.read()), source.read().trouble) == ([2.0], "not_found")
    file.write_text(table(4.0))
    assert (dollars(source.read()), source.read().trouble) == ([4.0], "")


def test_labels_are_handed_on_and_looked_for_before_there_is_a_book(clock, tmp_path):
    path = tmp_path / "labels"
    source = feed(clock, labels_file=FileLayer(str(path), node_labels))
    with pytest.raises(SourceError) as caught:
        source.read()
    assert caught.value.reason == "not_found"
    path.write_text('topology.kubernetes.io/region="us-east-1"\n')
    assert source.read().labels == {"topology.kubernetes.io/region": "us-east-1"}


def test_a_page_lies_between_the_shipped_rows_and_the_file_and_is_no_condition(clock, file):
    with ScriptedServer({"/p": page("bad")}) as server:
        client = HttpClient(f"{server.url}/p", timeout=2.0, max_bytes=1000)
        layer = PageLayer(client, f"{server.url}/p", partial(gpu_table, origin="url"), 3600.0)
        source = feed(clock, gpu_page=layer, gpu_file=gpu_file(file))
        reading = source.read()
        assert (dollars(reading), reading.trouble) == ([2.0], "malformed")
        server.answers["/p"] = page(f"{HEAD}ACME,H100-SXM-80GB,1.5\nACME,L4,0.5\n")
        clock.now += 30
        reading = source.read()
        assert (dollars(reading), reading.trouble) == ([2.0, 0.5], "")
        file.write_text(table(0.25, "L40S"))
        assert {row.gpu: (row.dollars_per_gpu_hour, row.origin) for row in source.read().book.gpus} == {
            "H100-SXM-80GB": (1.5, "url"),
            "L4": (0.5, "url"),
            "L40S": (0.25, "file"),
        }
        assert len(server.requests) == 2
        source.reread()
        source.read()
        source.read()
        assert len(server.requests) == 3, "asked once more by the next read, and by no other"
        source.close()


def test_a_table_of_apis_has_its_own_layers(clock, tmp_path):
    path = tmp_path / "apis.csv"
    path.write_text("provider,model,input_dollars_per_million,output_dollars_per_million\nACME,m,1,2\n")
    source = feed(clock, api_file=FileLayer(str(path), partial(api_table, origin="file")))
    assert [(row.model, row.origin) for row in source.read().book.apis] == [("m", "file")]
