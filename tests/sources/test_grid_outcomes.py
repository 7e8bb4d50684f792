"""Every provider through every outcome, over a real socket: good, 401, 429, silence, nonsense, old, and back again."""

import contextlib
from datetime import timedelta

import pytest

from fakes.grid_providers import NOW, PROVIDERS, SECRET, Clock, answer, too_many
from fakes.http_server import ScriptedServer, page
from pentameter.config_grid import Live
from pentameter.grid_feed import live_grid
from pentameter.sources import SourceError


@pytest.fixture(params=PROVIDERS, ids=lambda provider: provider.name)
def provider(request):
    return request.param


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def server(provider):
    with ScriptedServer(provider.answers(NOW, 321.5)) as server:
        yield server


@pytest.fixture
def source(provider, server, clock):
    live = Live(url=server.url, **provider.settings)
    source = live_grid(live, monotonic=clock.monotonic, wall=clock.wall)
    yield source
    source.close()


def failure(source):
    with pytest.raises(SourceError) as caught:
        source.read()
    assert SECRET not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    return caught.value


def silence(connection, server):
    server.stopping.wait(5)


@contextlib.contextmanager
def patience_for(said, source):
    """Wait for an answer as long as it takes, but not for one that does not come."""
    client = source._provider._client
    usual = client._timeout
    client._timeout = 0.15 if said is silence else usual
    yield
    client._timeout = usual


OUTCOMES = {
    "401": (page("", status="401 Unauthorized"), "credentials", 30),
    "403": (page("Access denied", status="403 Forbidden"), "credentials", 30),
    "429": (too_many("120"), "rate_limited", 120),
    "500": (answer({"error": {"code": "500 Internal Server Error"}}, "500 Internal Server Error"), "http_status", 30),
    "silence": (silence, "timeout", 30),
    "not JSON": (page("<html>Service maintenance</html>", "text/html"), "malformed", 30),
    "empty": (page("", "application/json"), "malformed", 30),
    "another object": (answer({"message": "hello"}), "malformed", 30),
    "a list": (answer([1, 2, 3]), "malformed", 30),
    "no data": (answer({"data": [], "meta": {}}), "malformed", 30),
}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_failure_has_its_reason_and_after_its_back_off_the_provider_is_believed_again(
    provider, server, source, clock, outcome
):
    said, reason, pause = OUTCOMES[outcome]
    good = server.answers[provider.path]
    server.answers[provider.path] = said
    with patience_for(said, source):
        error = failure(source)
    assert error.reason == reason
    assert str(error).startswith(f"{provider.name}: ")
    server.answers[provider.path] = good
    asked = len(server.requests)
    clock.now += pause - 1
    assert failure(source).reason == reason
    assert len(server.requests) == asked
    clock.now += 1
    assert source.read().grams_per_kwh == pytest.approx(321.5, rel=1e-12)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_failure_after_a_good_value_keeps_it_with_its_age_until_it_is_stale(provider, server, source, clock, outcome):
    said, reason, _ = OUTCOMES[outcome]
    assert source.read().trouble == ""
    server.answers[provider.path] = said
    clock.now += 3600
    with patience_for(said, source):
        kept = source.read()
    begun = NOW - (NOW - NOW.replace(hour=0, minute=0)) % provider.period
    assert kept.grams_per_kwh == pytest.approx(321.5, rel=1e-12)
    assert kept.trouble == reason
    assert kept.age_seconds(clock.now) == (clock.date - begun - provider.period).total_seconds()
    clock.now += 7200
    with patience_for(said, source):
        error = failure(source)
    assert error.reason == "stale"
    assert f": {reason}: " in str(error)


def test_a_good_answer_becomes_a_reading(provider, source, clock):
    reading = source.read()
    begun = NOW - (NOW - NOW.replace(hour=0, minute=0)) % provider.period
    assert reading.grams_per_kwh == pytest.approx(321.5, rel=1e-12)
    assert (reading.region, reading.source) == (provider.region, provider.name)
    assert (reading.average_or_marginal, reading.factor_type) == (provider.kind, provider.factor_type)
    assert (reading.valid_from, reading.valid_to) == (begun.timestamp(), (begun + provider.period).timestamp())
    assert (reading.monotonic, reading.wall) == (1000.0, NOW.timestamp())
    assert reading.age_seconds(clock.now) == 0.0


def test_a_provider_that_has_nothing_new_is_stale(provider, server, source, clock):
    server.answers.update(provider.answers(NOW - timedelta(hours=4), 321.5))
    error = failure(source)
    assert error.reason == "stale"
    assert "and the provider has no newer one" in str(error)


def test_a_page_that_does_not_end_is_cut_off(provider, server, source):
    server.answers[provider.path] = page("x" * 1_048_577, "application/json")
    assert failure(source).reason == "too_large"


def test_no_secret_is_shown_by_the_settings_or_the_source(provider, server, source):
    source.read()
    live = Live(url=server.url, **provider.settings)
    held = source._provider
    shown = f"{live!r} {live} {source!r} {held!r} {getattr(held, '_password', '')!r}"
    assert SECRET not in shown
