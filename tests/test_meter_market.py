"""The market through the whole meter: the shipped prices, a changed book, changed settings, a day that begins."""

from builders import found
from given_settings import settings_for
from pentameter.assembly import settings_to_meter
from pentameter.cost.book import ApiPrice, PriceBook
from pentameter.cost.dates import unix_time
from pentameter.price_changes import take_prices
from pentameter.readings import EngineReading, PricesReading, VllmReading

URL = "http://127.0.0.1:8000"
NOW = unix_time("2026-11-23") + 0.0
HOUR = {"prompt_tokens": 12e6, "prompt_tokens_by_source/local_compute": 11.2e6, "generation_tokens": 3e6}
PRICE = "api_price_dollars_per_million_tokens"
EQUIVALENT = "api_equivalent_cost_per_hour_dollars"


def configured(**market):
    return settings_for(URL, windows=["1h"], economics={"gpu_dollars_per_hour": 3.95, "market": market})


def busy(**market):
    """Return a meter, and the time on its clock, after an hour of traffic at an even rate."""
    meter = settings_to_meter(configured(**market))
    for second in range(0, 3601, 60):
        counters = {key: tokens * second / 3600 for key, tokens in HOUR.items()}
        page = EngineReading("m", "0", counters, {}, {})
        meter.take_vllm(VllmReading("127.0.0.1:8000", 1000.0 + second, NOW + second, NOW - 9, (page,), {}))
    return meter, 4600.0


def measured(meter, monotonic, wall=NOW):
    return meter.measure(monotonic, wall).samples


def test_the_shipped_prices_are_there_from_the_start():
    samples = measured(settings_to_meter(configured()), 0.0)
    assert found(samples, PRICE, api_model="GPT-5", vintage="baseline", tokens="output") == [10]
    assert found(samples, PRICE, api_model="Llama 4 Scout", vintage="current", status="retired", tokens="input") == [
        0.18
    ]


def test_the_traffic_of_an_hour_at_two_apis():
    meter, end = busy(compare=["Claude Sonnet 4.5", "GPT-5"], baseline=True)
    samples = measured(meter, end)
    assert [round(dollars, 2) for dollars in found(samples, EQUIVALENT, api_provider="Anthropic")] == [78.84, 78.84]
    assert [round(dollars, 2) for dollars in found(samples, EQUIVALENT, api_model="GPT-5", vintage="baseline")] == [45]
    # With its price of today for cached input: 11.2 x 1.25 + 0.8 x 0.125 + 3 x 10.
    assert [round(dollars, 2) for dollars in found(samples, EQUIVALENT, api_model="GPT-5", vintage="current")] == [44.1]


def test_a_changed_book_holds_from_the_next_snapshot_on():
    meter, end = busy(compare=["Claude Sonnet 4.5"])
    book = PriceBook((), (ApiPrice("Anthropic", "Claude Sonnet 4.5", 6, 30, 0.6, origin="file"),))
    meter.take_prices(PricesReading(book, {}, end, NOW))
    assert [round(dollars, 2) for dollars in found(measured(meter, end), EQUIVALENT)] == [157.68]


def test_changed_settings_hold_from_the_next_snapshot_on():
    meter, end = busy(compare=["Claude Sonnet 4.5"])
    before = found(measured(meter, end), EQUIVALENT)
    take_prices(meter, configured(compare=["Claude Haiku 4.5"], token_ratio=2))
    after = measured(meter, end + 1)
    assert [round(dollars, 2) for dollars in before] == [78.84]
    assert [round(dollars, 2) for dollars in found(after, EQUIVALENT)] == [52.56]


def test_a_model_that_its_provider_has_ended_is_no_longer_compared_with():
    meter, end = busy()
    before = found(measured(meter, end), EQUIVALENT, api_model="Claude Sonnet 4.5")
    after = measured(meter, end + 1, unix_time("2026-11-30"))
    assert len(before) == 1
    assert found(after, EQUIVALENT, api_model="Claude Sonnet 4.5") == []
    assert len(found(after, PRICE, api_model="Claude Sonnet 4.5", vintage="current", status="retired")) == 3
