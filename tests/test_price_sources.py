"""From the settings to the source of prices and to what is asked of the book."""

import pytest

from given_settings import refusal, settings
from pentameter.price_desk import Asked
from pentameter.price_sources import longest_read_seconds, price_feed, settings_to_asked, settings_to_desk

SERVERS = {"vllm": {"servers": [{"url": "http://a:1"}, {"url": "http://b:1", "gpu_dollars_per_hour": 1.0}]}}


def given(**economics):
    return settings({**SERVERS, "economics": economics})


def test_without_a_file_and_a_url_there_is_no_source_and_the_shipped_book_is_in_force():
    plain = given()
    assert price_feed(plain.economics) is None
    assert len(settings_to_desk(plain).book.gpus) == 148


@pytest.mark.parametrize(
    "economics",
    [
        {"labels_file": "/labels"},
        *({"prices": {key: "/p.csv"}} for key in ("gpu_file", "api_file")),
        *({"prices": {key: "http://c/p.csv"}} for key in ("gpu_url", "api_url")),
    ],
)
def test_with_any_of_them_the_source_says_which_book_is_in_force(economics):
    chosen = given(**economics)
    assert price_feed(chosen.economics).name == "prices"
    assert settings_to_desk(chosen).book.gpus == ()


def test_a_source_reads_the_files_that_are_configured(tmp_path):
    (tmp_path / "g.csv").write_text("provider,gpu,dollars_per_gpu_hour\nACME,L4,0.5\n")
    (tmp_path / "a.csv").write_text("provider,model,input_dollars_per_million,output_dollars_per_million\nACME,m,1,2\n")
    (tmp_path / "labels").write_text('a="b"\n')
    feed = price_feed(
        given(
            labels_file=str(tmp_path / "labels"),
            prices={"gpu_file": str(tmp_path / "g.csv"), "api_file": str(tmp_path / "a.csv")},
        ).economics
    )
    reading = feed.read()
    assert [row.gpu for row in reading.book.gpus if row.origin == "file"] == ["L4"]
    assert [row.model for row in reading.book.apis if row.origin == "file"] == ["m"]
    assert (len(reading.book.gpus), reading.labels, reading.trouble) == (149, {"a": "b"}, "")


def test_the_book_is_asked_for_the_servers_that_rent_and_whose_price_is_not_configured():
    assert settings_to_asked(given(provider="AWS", region="us-east-1", instance="p5.4xlarge", pricing="Spot")) == {
        "a:1": Asked("AWS", "us-east-1", "p5.4xlarge", "spot")
    }
    assert settings_to_asked(given(provider="AWS", gpu_dollars_per_hour=2.0)) == {}
    owned = {"machine_gpus": 8, "gpu_dollars": 250_000, "electricity_dollars_per_kwh": 0.08}
    tree = {**SERVERS, "economics": {"tenancy": "owned", "owned": owned}, "energy": {"pue": 1.2}}
    assert settings_to_asked(settings(tree)) == {}


def test_a_read_may_take_as_long_as_its_requests():
    assert longest_read_seconds(given().economics.prices) == 0.0
    urls = {"gpu_url": "http://c/g", "api_url": "http://c/a", "timeout_seconds": 7}
    assert longest_read_seconds(given(prices=urls).economics.prices) == 14.0


@pytest.mark.parametrize("url", ["ftp://c/p.csv", "http://user:word@c/p.csv", "http://c/p.csv?key=1", "p.csv"])
def test_a_url_that_cannot_be_fetched_is_refused(url):
    assert "economics.prices.gpu_url" in refusal({**SERVERS, "economics": {"prices": {"gpu_url": url}}})


def test_a_pricing_that_nobody_knows_is_refused():
    assert "on-demand, spot, reserved-1y" in refusal({**SERVERS, "economics": {"pricing": "cheap"}})
