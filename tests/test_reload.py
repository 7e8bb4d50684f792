"""New prices at run time."""

import logging

import pytest

from pentameter.config import load
from pentameter.reload import Reloader

SERVER = "vllm: {servers: [{url: 'http://a:1', name: a}, {url: 'http://b:1', name: b}]}\n"
CHEAP = SERVER + "economics: {gpu_dollars_per_hour: 2}\n"
DEAR = SERVER + "economics: {gpu_dollars_per_hour: 3, overhead_ratio: 0.1}\n"


class Shown:
    """Stands for the meter: shows the last health."""

    def take_health(self, health):
        self.health = health


@pytest.fixture
def rig(tmp_path):
    file = tmp_path / "pentameter.yaml"
    file.write_text(CHEAP)
    shown, applied = Shown(), []

    def read():
        return load(str(file), {})

    reloader = Reloader(read(), read, applied.append, shown, str(file))
    return file, reloader, applied, shown


def test_a_changed_price_comes_into_force(rig):
    file, reloader, applied, shown = rig
    file.write_text(DEAR)
    reloader.reload()
    assert applied[-1].economics.gpu_dollars_per_hour == 3
    assert applied[-1].economics.overhead_ratio == 0.1
    assert shown.health.up


def test_a_changed_file_is_seen_and_an_unchanged_one_is_not_read(rig):
    file, reloader, applied, _ = rig
    reloader.look()
    assert applied == []
    file.write_text(DEAR)
    reloader.look()
    assert applied == [], "it may still be being written"
    reloader.look()
    assert [settings.economics.gpu_dollars_per_hour for settings in applied] == [3]
    reloader.look()
    assert len(applied) == 1


def test_a_link_that_points_elsewhere_is_a_change(rig, tmp_path):
    file, reloader, applied, _ = rig
    other = tmp_path / "other.yaml"
    other.write_text(DEAR)
    file.unlink()
    file.symlink_to(other)
    reloader.look()
    reloader.look()
    assert applied[-1].economics.gpu_dollars_per_hour == 3


def test_wrong_settings_change_nothing_and_are_shown_until_they_are_right(rig, caplog):
    file, reloader, applied, shown = rig
    file.write_text(SERVER + "economics: {gpu_dollar_per_hour: 3}\n")
    reloader.look()
    reloader.look()
    assert applied == []
    assert (shown.health.up, shown.health.reason, shown.health.failures) == (False, "invalid", 1)
    assert "gpu_dollars_per_hour" in shown.health.message, "the nearest key is named"
    assert "the old ones stay in force" in caplog.text
    file.write_text(DEAR)
    reloader.look()
    reloader.look()
    assert shown.health.up
    assert applied[-1].economics.gpu_dollars_per_hour == 3


def test_prices_that_cannot_be_taken_over_leave_the_old_ones_in_force(tmp_path):
    shown = Shown()
    settings = load(None, {}, {"economics": {"gpu_dollars_per_hour": 2}})

    def refuse(_settings):
        raise ValueError("no API model of the price book")

    Reloader(settings, lambda: settings, refuse, shown).reload()
    assert (shown.health.up, shown.health.message) == (False, "no API model of the price book")


def test_a_file_that_is_gone_is_not_a_change(rig):
    file, reloader, applied, shown = rig
    file.unlink()
    reloader.look()
    assert applied == []
    assert shown.health.up
    reloader.reload()
    assert not shown.health.up, "asked for by a signal, it is missed"


def test_what_takes_a_restart_is_said_and_not_taken_over(rig, caplog):
    file, reloader, applied, _ = rig
    file.write_text(DEAR + "log_level: debug\nwindows: [2m]\n")
    with caplog.at_level(logging.WARNING):
        reloader.reload()
    assert "log_level has changed, which takes a restart" in caplog.text
    assert "windows has changed, which takes a restart" in caplog.text
    assert applied[-1].windows == ("1m", "5m", "1h")


def test_a_price_of_a_single_server_is_taken_over_and_a_new_server_is_not(rig, caplog):
    file, reloader, applied, _ = rig
    file.write_text("vllm: {servers: [{url: 'http://a:1', name: a, gpu_dollars_per_hour: 5}, 'http://c:1']}\n")
    reloader.reload()
    assert {one.name: one.gpu_dollars_per_hour for one in applied[-1].vllm.servers} == {"a": 5, "b": None}
    assert "vllm has changed, which takes a restart" in caplog.text


def test_sources_of_prices_take_a_restart(rig, caplog):
    file, reloader, applied, _ = rig
    file.write_text(SERVER + "economics: {gpu_dollars_per_hour: 3, languages: {enabled: false}}\n")
    reloader.reload()
    assert "economics.languages has changed, which takes a restart" in caplog.text
    assert applied[-1].economics.languages.enabled
    assert applied[-1].economics.gpu_dollars_per_hour == 3


def test_a_file_that_is_emptied_before_it_is_written_is_never_read_empty(rig):
    file, reloader, applied, _ = rig
    file.write_text("")
    reloader.look()
    file.write_text(DEAR)
    reloader.look()
    reloader.look()
    assert [settings.economics.gpu_dollars_per_hour for settings in applied] == [3]
