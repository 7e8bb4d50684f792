"""The pace of the live source, what it keeps and for how long; no provider is asked, the clock stands still."""

import time
from datetime import UTC, datetime

import pytest

from fakes.grid_providers import Clock
from pentameter.readings import GridReading
from pentameter.sources import SourceError
from pentameter.sources.grid_live import LiveGrid
from pentameter.sources.http_get import StatusError


class Scripted:
    """A provider that says what the test tells it to, of the hour that has begun."""

    name = "scripted"

    def __init__(self):
        self.says = 500.0
        self.begins = None
        self.asked = []
        self.closed = False

    def fetch(self, monotonic, wall):
        self.asked.append(monotonic - 1000.0)
        if isinstance(self.says, Exception):
            raise self.says
        begins = self.begins if self.begins is not None else wall - wall % 3600
        return GridReading(
            "PL", self.says, self.name, "lifecycle", "average", None, begins, begins + 3600, monotonic, wall
        )

    def close(self):
        self.closed = True


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def provider():
    return Scripted()


@pytest.fixture
def source(provider, clock):
    return LiveGrid(provider, interval=300, max_age=7200, monotonic=clock.monotonic, wall=clock.wall)


def down(reason="unreachable", message="cannot connect"):
    return SourceError(reason, message)


def read_for(source, clock, seconds, every=30.0):
    """Read as the daemon does; return what came out, errors as their reasons."""
    found = []
    end = clock.now + seconds
    while clock.now < end:
        try:
            found.append(source.read())
        except SourceError as error:
            found.append(error.reason)
        clock.now += every
    return found


def failure(source):
    with pytest.raises(SourceError) as caught:
        source.read()
    return caught.value


def test_it_is_the_source_grid_of_no_server(source):
    assert (source.name, source.server) == ("grid", "")


def test_it_asks_once_an_interval_and_hands_out_the_value_kept_in_between(source, provider, clock):
    found = read_for(source, clock, 900)
    assert provider.asked == [0, 300, 600]
    assert [reading.grams_per_kwh for reading in found] == [500.0] * 30
    assert {reading.trouble for reading in found} == {""}


def test_the_pace_after_failures_doubles_from_30_seconds_to_an_hour(source, provider, clock):
    provider.says = down()
    read_for(source, clock, 14_000)
    gaps = [after - before for before, after in zip(provider.asked, provider.asked[1:], strict=False)]
    assert gaps == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_a_success_ends_the_back_off(source, provider, clock):
    provider.says = down()
    read_for(source, clock, 210)
    assert provider.asked == [0, 30, 90]
    provider.says = 400.0
    read_for(source, clock, 300)
    provider.says = down()
    read_for(source, clock, 150)
    assert provider.asked == [0, 30, 90, 210, 510, 540, 600]


@pytest.fixture
def far_from_greenwich(monkeypatch):
    """A machine whose local time is not UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC+10")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("900", 900),
        ("Tue, 03 Feb 2026 14:25:00 GMT", 900),
        ("Tue, 03 Feb 2026 14:25:00 -0000", 900),
        ("5", 30),
        ("Tue, 03 Feb 2026 14:00:00 GMT", 30),
        ("soon", 30),
        ("-900", 30),
        ("", 30),
        (None, 30),
        ("9" * 400, 86_400),
    ],
)
def test_a_provider_that_asks_to_be_left_alone_is_left_alone_for_a_day_at_most(
    source, provider, clock, far_from_greenwich, retry_after, seconds
):
    provider.says = StatusError(429, "Too Many Requests", retry_after)
    assert failure(source).reason == "rate_limited"
    clock.now += seconds - 1
    failure(source)
    assert len(provider.asked) == 1
    clock.now += 1
    failure(source)
    assert len(provider.asked) == 2


@pytest.mark.parametrize(
    ("status", "reason"), [(401, "credentials"), (403, "credentials"), (404, "http_status"), (503, "http_status")]
)
def test_a_refusal_of_the_key_has_its_own_reason(source, provider, status, reason):
    provider.says = StatusError(status, "Some Phrase")
    error = failure(source)
    assert error.reason == reason
    assert str(error) == f"scripted: answered {status} Some Phrase"


def test_without_any_value_the_failure_itself_is_told_at_every_read(source, provider, clock):
    provider.says = down()
    assert read_for(source, clock, 120) == ["unreachable"] * 4
    assert str(failure(source)) == "scripted: cannot connect"


def test_a_value_is_kept_over_failures_with_its_age_and_the_trouble(source, provider, clock):
    first = source.read()
    provider.says = down("timeout")
    clock.now += 6000
    kept = source.read()
    assert (kept.grams_per_kwh, kept.trouble) == (500.0, "timeout")
    assert (kept.monotonic, kept.wall) == (first.monotonic, first.wall)
    # Asked at 14:10 of the hour from 14 to 15 o'clock, and 100 minutes have passed.
    assert kept.age_seconds(clock.now) == 3000.0


def test_a_value_older_than_the_longest_age_is_stale_until_there_is_a_newer_one(source, provider, clock):
    source.read()
    provider.says = down("timeout", "no complete answer within 10 s")
    clock.now += 50 * 60 + 7200
    assert source.read().age_seconds(clock.now) == 7200.0
    clock.now += 1
    error = failure(source)
    assert error.reason == "stale"
    expected = "scripted: the latest value is 120 minutes old: timeout: scripted: no complete answer within 10 s"
    assert str(error) == expected
    provider.says = 300.0
    clock.now += 30
    assert (source.read().grams_per_kwh, source.read().trouble) == (300.0, "")


def test_a_provider_that_repeats_an_old_value_is_stale_and_asked_at_the_usual_pace(source, provider, clock):
    provider.begins = clock.wall() - 10_801
    error = failure(source)
    assert (error.reason, str(error)) == (
        "stale",
        "scripted: the latest value is 120 minutes old, and the provider has no newer one",
    )
    read_for(source, clock, 600)
    assert provider.asked == [0, 300]


def test_a_value_of_an_earlier_period_does_not_replace_a_later_one_and_a_revision_does(source, provider, clock):
    source.read()
    provider.begins, provider.says = clock.wall() - 7200, 700.0
    clock.now += 300
    assert source.read().grams_per_kwh == 500.0
    provider.begins, provider.says = None, 510.0
    clock.now += 300
    assert source.read().grams_per_kwh == 510.0


def test_a_value_of_a_period_to_come_is_refused(source, provider, clock):
    provider.begins = clock.wall() + 901
    error = failure(source)
    assert error.reason == "malformed"
    assert "is this machine's clock right?" in str(error)
    provider.begins = clock.wall() + 900
    clock.now += 30
    assert source.read().grams_per_kwh == 500.0


def test_a_step_of_the_wall_clock_changes_no_age(source, provider, clock):
    source.read()
    provider.says = down()
    clock.wall_offset += 86_400
    clock.now += 3600
    assert source.read().age_seconds(clock.now) == 600.0


def test_a_defect_of_a_provider_is_not_repeated_within_30_seconds(source, provider, clock):
    source.read()
    provider.says = KeyError("defect")
    clock.now += 300
    with pytest.raises(KeyError):
        source.read()
    clock.now += 29
    assert source.read().grams_per_kwh == 500.0
    assert provider.asked == [0, 300]


def test_closing_closes_the_provider(source, provider):
    source.close()
    assert provider.closed


def test_the_age_counts_from_the_end_of_the_period_and_is_0_within_it():
    noon = datetime(2026, 2, 3, 12, tzinfo=UTC).timestamp()
    reading = GridReading("PL", 1, "", "", "average", None, noon - 1800, noon, monotonic=50.0, wall=noon + 60)
    assert [reading.age_seconds(at) for at in (50.0, 110.0)] == [60.0, 120.0]
    within = GridReading("PL", 1, "", "", "average", None, noon, noon + 3600, monotonic=50.0, wall=noon + 60)
    assert [within.age_seconds(at) for at in (50.0, 50.0 + 3540, 50.0 + 3541)] == [0.0, 0.0, 1.0]
