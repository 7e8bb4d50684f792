"""The pages of Great Britain's system operator: the country, a region by number, a region by postcode."""

import pytest

from fakes.grid_providers import NOW, Uk, answer
from fakes.http_server import ScriptedServer, page
from pentameter.sources import SourceError
from pentameter.sources.grid_uk import UkCarbonIntensity
from pentameter.sources.http_get import HttpClient


def fetched(path, body, **where):
    with ScriptedServer({path: body}) as server:
        provider = UkCarbonIntensity(HttpClient(server.url, timeout=5, max_bytes=10_000), **where)
        try:
            return provider.fetch(1.0, NOW.timestamp())
        finally:
            provider.close()


def refusal(path, body, **where):
    with pytest.raises(SourceError) as caught:
        fetched(path, body, **where)
    return caught.value.reason, str(caught.value)


def test_the_documented_example_is_read_without_seconds_in_its_times():
    body = (
        '{"data":[{"from":"2018-01-20T12:00Z","to":"2018-01-20T12:30Z",'
        '"intensity":{"forecast":266,"actual":263,"index":"moderate"}}]}'
    )
    found = fetched("/intensity", page(body, "application/json"))
    assert (found.region, found.grams_per_kwh, found.estimated) == ("GB", 263.0, False)
    assert (found.valid_from, found.valid_to) == (1_516_449_600.0, 1_516_451_400.0)


def test_where_the_actual_value_is_null_the_forecast_is_taken_and_called_estimated():
    found = fetched("/intensity", answer(Uk.content(NOW, None, forecast=184)))
    assert (found.grams_per_kwh, found.estimated) == (184.0, True)


def test_an_actual_value_of_zero_is_a_value():
    assert fetched("/intensity", answer(Uk.content(NOW, 0))).grams_per_kwh == 0.0


def test_a_region_by_number_has_a_forecast_only():
    found = fetched("/regional/regionid/3", answer(Uk.regional(NOW, 266)), regionid=3)
    assert (found.region, found.grams_per_kwh, found.estimated) == ("GB-region-3", 266.0, True)


def test_a_region_by_postcode_is_named_by_its_number():
    body = answer(Uk.regional(NOW, 266, postcode="RG10"))
    found = fetched("/regional/postcode/RG10", body, postcode="RG10")
    assert (found.region, found.grams_per_kwh) == ("GB-region-3", 266.0)


def test_another_region_than_asked_for_is_refused():
    body = answer(Uk.regional(NOW, 266, regionid=13))
    expected = ("malformed", "the answer is of the region 13, not of 3")
    assert refusal("/regional/regionid/3", body, regionid=3) == expected
    body = answer(Uk.regional(NOW, 266, postcode="NG1"))
    expected = ("malformed", "the answer is of postcode 'NG1', not of RG10")
    assert refusal("/regional/postcode/RG10", body, postcode="RG10") == expected


@pytest.mark.parametrize("regionid", [None, "3", True])
def test_an_answer_without_the_number_of_its_region_is_refused(regionid):
    body = answer(Uk.regional(NOW, 266, regionid=regionid))
    expected = ("malformed", "the answer does not say which region it is of")
    assert refusal("/regional/regionid/1", body, regionid=1) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"from": "2026-02-03T14:30Z"},
        {"to": "2026-02-03T14:00Z"},
        {"to": "2026-02-05T14:00Z"},
        {"from": None},
        {"intensity": None},
        {"intensity": {"forecast": None, "actual": None, "index": "low"}},
        {"intensity": {"forecast": 184, "actual": "low"}},
        {"intensity": {"forecast": 184, "actual": -3}},
    ],
)
def test_a_page_that_is_not_as_documented_is_refused(change):
    content = Uk.content(NOW, 263)
    content["data"][0].update(change)
    assert refusal("/intensity", answer(content))[0] == "malformed"
