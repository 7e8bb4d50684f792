"""WattTime's login and forecast: pounds to grams, tokens that end, and what is refused."""

import base64
from datetime import timedelta

import pytest

from fakes.grid_providers import NOW, SECRET, answer
from fakes.grid_providers import WattTime as Fake
from fakes.http_server import ScriptedServer, page
from pentameter.sources import SourceError
from pentameter.sources.grid_watttime import WattTime
from pentameter.sources.http_get import HttpClient
from pentameter.sources.secret import Secret

UNAUTHORIZED = page('{"error":"invalid_token"}', "application/json", "401 Unauthorized")


@pytest.fixture
def server():
    with ScriptedServer(Fake.answers(NOW, 400)) as server:
        yield server


@pytest.fixture
def provider(server):
    client = HttpClient(server.url, timeout=5, max_bytes=1_000_000)
    provider = WattTime(client, "CAISO_NORTH", "someone", Secret("password", SECRET, ascii_only=False))
    yield provider
    provider.close()


def asked(server):
    """Return what was asked, shortened."""
    return ["login" if head.startswith("GET /login ") else "forecast" for head in server.requests]


def refusal(provider, monotonic=0.0):
    with pytest.raises(SourceError) as caught:
        provider.fetch(monotonic, NOW.timestamp())
    assert SECRET not in f"{caught.value!r} {caught.value.__context__!r}"
    return caught.value.reason, str(caught.value)


def test_pounds_per_megawatt_hour_become_grams_per_kilowatt_hour(server, provider):
    server.answers[Fake.path] = answer(Fake.content(NOW, 870.0))
    found = provider.fetch(5.0, NOW.timestamp())
    # 870 lb x 453.59237 g/lb / 1000 kWh = 394.6253619 g/kWh.
    assert found.grams_per_kwh == pytest.approx(394.6253619, rel=1e-12)
    assert (found.average_or_marginal, found.factor_type, found.estimated) == ("marginal", "operational", True)


def test_the_login_is_basic_and_its_token_a_bearer(server, provider):
    provider.fetch(0.0, NOW.timestamp())
    pair = base64.b64encode(f"someone:{SECRET}".encode()).decode()
    assert f"Authorization: Basic {pair}\r\n" in server.requests[0]
    assert f"Authorization: Bearer {SECRET}.jwt\r\n" in server.requests[1]


def test_a_password_may_hold_any_letters_and_comes_from_its_file_at_every_login(server, tmp_path):
    file = tmp_path / "password"
    file.write_text("pässwörd\n", encoding="utf-8")
    client = HttpClient(server.url, timeout=5, max_bytes=1_000_000)
    provider = WattTime(client, "CAISO_NORTH", "someone", Secret("password", file=str(file), ascii_only=False))
    provider.fetch(0.0, NOW.timestamp())
    provider.close()
    assert base64.b64encode("someone:pässwörd".encode()).decode() in server.requests[0]


def test_a_token_is_used_for_25_of_its_30_minutes(server, provider):
    for minute in (0, 5, 24.9, 25, 49.9):
        provider.fetch(minute * 60, NOW.timestamp())
    assert asked(server) == ["login", "forecast", "forecast", "forecast", "login", "forecast", "forecast"]


def test_a_token_that_was_ended_early_is_renewed_once(server, provider):
    provider.fetch(0.0, NOW.timestamp())
    good = server.answers[Fake.path]

    def refused_once(connection, server):
        server.answers[Fake.path] = good
        connection.sendall(UNAUTHORIZED)

    server.answers[Fake.path] = refused_once
    assert provider.fetch(300.0, NOW.timestamp()).grams_per_kwh == pytest.approx(400)
    assert asked(server) == ["login", "forecast", "forecast", "login", "forecast"]


def test_a_fresh_token_that_is_refused_is_not_asked_for_again(server, provider):
    server.answers[Fake.path] = UNAUTHORIZED
    assert refusal(provider) == ("http_status", "answered 401 Unauthorized")
    assert asked(server) == ["login", "forecast"]


def test_a_token_refused_twice_is_asked_for_anew_the_next_time(server, provider):
    provider.fetch(0.0, NOW.timestamp())
    server.answers[Fake.path] = UNAUTHORIZED
    refusal(provider, 300.0)
    refusal(provider, 330.0)
    assert asked(server)[2:] == ["forecast", "login", "forecast", "forecast", "login", "forecast"]


def test_a_token_that_was_refused_is_not_used_again_where_the_login_fails(server, provider):
    provider.fetch(0.0, NOW.timestamp())
    good = dict(server.answers)
    server.answers.update({"/login": page("", status="503 Service Unavailable"), Fake.path: UNAUTHORIZED})
    assert refusal(provider, 300.0) == ("http_status", "answered 503 Service Unavailable")
    server.answers.update(good)
    provider.fetch(330.0, NOW.timestamp())
    assert asked(server)[2:] == ["forecast", "login", "login", "forecast"]


def test_a_refused_login_asks_for_nothing_else(server, provider):
    server.answers["/login"] = UNAUTHORIZED
    assert refusal(provider) == ("http_status", "answered 401 Unauthorized")
    assert asked(server) == ["login"]


@pytest.mark.parametrize(
    "said", [{}, {"token": None}, {"token": ""}, {"token": "two\nlines"}, {"token": "é"}, {"token": "x" * 8193}]
)
def test_a_login_without_a_usable_token_is_malformed(server, provider, said):
    server.answers["/login"] = answer(said)
    assert refusal(provider) == ("malformed", "the answer to the login holds no token")


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"region": "CAISO_SOUTH"}, "the answer is of region 'CAISO_SOUTH', not of CAISO_NORTH"),
        ({"signal_type": "co2_aoer"}, "the answer is of signal_type 'co2_aoer', not of co2_moer"),
        ({"units": "percentile"}, "the answer is of units 'percentile', not of lbs_co2_per_mwh"),
        ({"units": None}, "the answer is of units None, not of lbs_co2_per_mwh"),
    ],
)
def test_an_answer_of_something_else_is_refused(server, provider, meta, message):
    server.answers[Fake.path] = answer(Fake.content(NOW, 870, meta=meta))
    assert refusal(provider) == ("malformed", message)


@pytest.mark.parametrize("pounds", [-1, 4410, None, "870"])
def test_an_implausible_rate_is_refused(server, provider, pounds):
    server.answers[Fake.path] = answer(Fake.content(NOW, pounds))
    assert refusal(provider)[0] == "malformed"


def test_of_a_whole_forecast_the_point_of_now_is_taken(server, provider):
    points = [
        {"point_time": (NOW + timedelta(minutes=minutes)).isoformat(), "value": 800 + minutes}
        for minutes in (10, 5, 0, -5, -10)
    ]
    server.answers[Fake.path] = answer(Fake.content(NOW, 0, data=points))
    found = provider.fetch(0.0, NOW.timestamp() + 60)
    assert found.grams_per_kwh == pytest.approx(800 * 0.45359237)
    assert found.valid_from == NOW.timestamp()


def test_a_first_point_that_has_not_begun_is_taken_where_there_is_no_other(server, provider):
    points = [{"point_time": (NOW + timedelta(minutes=minutes)).isoformat(), "value": minutes} for minutes in (4, 9)]
    server.answers[Fake.path] = answer(Fake.content(NOW, 0, data=points))
    assert provider.fetch(0.0, NOW.timestamp()).valid_from == NOW.timestamp() + 240


@pytest.mark.parametrize(("said", "seconds"), [(3600, 3600), (None, 300), (True, 300), (0, 300), (1e9, 300)])
def test_the_period_is_what_the_answer_says_within_reason(server, provider, said, seconds):
    server.answers[Fake.path] = answer(Fake.content(NOW, 870, meta={"data_point_period_seconds": said}))
    found = provider.fetch(0.0, NOW.timestamp())
    assert found.valid_to - found.valid_from == seconds
