"""Electricity Maps' page of the latest value: what is taken from it and what is refused."""

import pytest

from fakes.grid_providers import NOW, SECRET, answer
from fakes.grid_providers import ElectricityMaps as Fake
from fakes.http_server import ScriptedServer, page
from pentameter.sources import SourceError
from pentameter.sources.grid_electricity_maps import ElectricityMaps
from pentameter.sources.http_get import HttpClient
from pentameter.sources.secret import Secret


def fetched(body, token=None, **options):
    """Return the reading of one page and the request for it."""
    secret = token or Secret("token of Electricity Maps", SECRET)
    path = Fake.path.replace("lifecycle", options.get("factor_type", "lifecycle"))
    with ScriptedServer({path: body}) as server:
        provider = ElectricityMaps(HttpClient(server.url, timeout=5, max_bytes=10_000), "PL", secret, **options)
        try:
            return provider.fetch(1.0, NOW.timestamp()), server.requests
        finally:
            provider.close()


def reading(**changes):
    return fetched(answer(Fake.content(NOW, 612, **changes)))[0]


def refusal(body, **options):
    with pytest.raises(SourceError) as caught:
        fetched(body, **options)
    return caught.value.reason, str(caught.value)


def test_the_documented_example_is_read_and_the_token_is_sent_as_its_header():
    body = (
        '{"zone":"PL","carbonIntensity":612,"datetime":"2026-02-03T14:00:00.000Z",'
        '"updatedAt":"2026-02-03T13:51:02.892Z","createdAt":"2026-01-31T14:54:01.319Z",'
        '"emissionFactorType":"lifecycle","isEstimated":true,"estimationMethod":"TIME_SLICER_AVERAGE"}'
    )
    found, requests = fetched(page(body, "application/json; charset=utf-8"))
    assert (found.grams_per_kwh, found.estimated, found.factor_type) == (612.0, True, "lifecycle")
    assert (found.valid_from, found.valid_to) == (1_770_127_200.0, 1_770_130_800.0)
    assert f"auth-token: {SECRET}\r\n" in requests[0]
    assert "Authorization" not in requests[0]


@pytest.mark.parametrize(("said", "estimated"), [(False, False), (True, True), (None, None), ("yes", None)])
def test_whether_it_is_estimated_is_what_the_page_says(said, estimated):
    assert reading(isEstimated=said).estimated is estimated


@pytest.mark.parametrize(
    ("granularity", "seconds"), [("hourly", 3600), ("15_minutes", 900), ("5_minutes", 300), (None, 3600)]
)
def test_the_period_is_as_long_as_the_page_says_and_else_an_hour(granularity, seconds):
    found = reading(temporalGranularity=granularity)
    assert found.valid_to - found.valid_from == seconds


def test_direct_factors_are_asked_for_and_must_be_answered():
    body = answer(Fake.content(NOW, 580, emissionFactorType="direct"))
    assert fetched(body, factor_type="direct")[0].factor_type == "direct"
    lifecycle = answer(Fake.content(NOW, 612))
    expected = ("malformed", "the answer is of emissionFactorType 'lifecycle', not of direct")
    assert refusal(lifecycle, factor_type="direct") == expected


def test_another_zone_than_asked_for_is_refused():
    # The provider answers for the place of the caller's address where it does not know the zone.
    assert refusal(answer(Fake.content(NOW, 30, zone="IS"))) == ("malformed", "the answer is of zone 'IS', not of PL")


@pytest.mark.parametrize(
    "mark",
    [
        {"estimationMethod": "SANDBOX_MODE_DATA"},
        {"_disclaimer": "This response was generated in Sandbox mode; the figures are not real."},
    ],
)
def test_the_invented_figures_of_a_sandbox_token_are_refused(mark):
    reason, message = refusal(answer(Fake.content(NOW, 612, **mark)))
    assert (reason, message) == ("malformed", "the token is of the sandbox, whose figures are invented")


def test_another_disclaimer_is_no_reason_to_refuse():
    assert reading(_disclaimer="For academic use only.").grams_per_kwh == 612.0


@pytest.mark.parametrize("value", [-1, 2000.1, True, "612", None, float("inf"), 10**400, [612]])
def test_an_implausible_intensity_is_refused(value):
    body = answer(Fake.content(NOW, value))
    assert refusal(body)[0] == "malformed"


@pytest.mark.parametrize("value", [0, 2000])
def test_the_bounds_themselves_are_plausible(value):
    assert fetched(answer(Fake.content(NOW, value)))[0].grams_per_kwh == value


def test_nan_is_refused():
    assert refusal(page('{"zone":"PL","carbonIntensity":NaN}'))[0] == "malformed"


@pytest.mark.parametrize("moment", ["2026-02-03T14:00:00", "yesterday", 1_770_127_200, None, ""])
def test_a_moment_without_a_time_zone_is_refused(moment):
    reason, message = refusal(answer(Fake.content(NOW, 612, datetime=moment)))
    assert (reason, message) == ("malformed", f"{moment!r} is not a moment with its time zone")


def test_the_token_file_is_read_anew_and_an_empty_one_is_said(tmp_path):
    file = tmp_path / "token"
    secret = Secret("token of Electricity Maps", file=str(file))
    file.write_text(f"{SECRET}\n")
    assert f"auth-token: {SECRET}\r\n" in fetched(answer(Fake.content(NOW, 612)), token=secret)[1][0]
    file.write_text("\n")
    expected = ("credentials", "the token of Electricity Maps is empty")
    assert refusal(answer(Fake.content(NOW, 612)), token=secret) == expected
