"""What was learnt outlives a restart; trouble with the file is shown and ends nothing."""

import json

import pytest

from given_settings import settings_for
from pentameter.assembly import settings_to_meter
from pentameter.keeper import Keeper


def meter():
    return settings_to_meter(settings_for("http://a:1", slos=[{"name": "chat", "ttft_seconds": 0.5}]))


def health(of):
    return next(health for health in of.health() if health.source == "state_file")


def learnt(server="a:1"):
    book = {"fingerprint": "x", "target": 0.9, "columns": _columns(), "windows": []}
    return {
        "capacities": [
            {
                "server": server,
                "model": "m",
                "slo": "chat 0.9 ttft=0.5 late,bad,bad,judge,judge",
                "config": "",
                "book": book,
            }
        ]
    }


def _columns():
    from pentameter.capacity.estimate import Limits
    from pentameter.capacity.memory import CapacityBook

    return CapacityBook(Limits()).to_state()["columns"]


def test_what_one_run_saves_the_next_restores(tmp_path):
    file = str(tmp_path / "state.json")
    first, second = meter(), meter()
    first.requests.capacity.restore(learnt())
    Keeper(file, first).save()
    Keeper(file, second).restore()
    assert second.requests.capacity.to_state() == learnt()
    assert (health(second).up, health(second).successes) == (True, 1)


def test_a_first_start_without_a_file_is_no_trouble(tmp_path):
    fresh = meter()
    Keeper(str(tmp_path / "state.json"), fresh).restore()
    assert health(fresh).up
    assert fresh.requests.capacity.to_state() == {"capacities": []}


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        json.dumps({"version": 1, "state": {"capacities": [{"server": 1}]}}),
        json.dumps({"version": 1, "state": {"capacities": [{**learnt()["capacities"][0], "book": {"windows": 3}}]}}),
    ],
)
def test_a_file_that_is_none_of_ours_is_set_aside_and_all_is_learnt_anew(tmp_path, content):
    file = tmp_path / "state.json"
    file.write_text(content)
    fresh = meter()
    keeper = Keeper(str(file), fresh)
    keeper.restore()
    assert (health(fresh).up, health(fresh).reason, health(fresh).failures) == (False, "corrupt", 1)
    assert not file.exists()
    assert [path.read_text() for path in tmp_path.glob("state.json.corrupt-*")] == [content]
    keeper.save()
    assert health(fresh).up
    assert file.exists()


def test_a_folder_that_is_not_there_is_said_and_ends_nothing(tmp_path):
    fresh = meter()
    Keeper(str(tmp_path / "nowhere" / "state.json"), fresh).save()
    assert (health(fresh).up, health(fresh).reason) == (False, "unwritable")


def test_what_no_file_can_hold_is_said_and_ends_nothing(tmp_path):
    fresh = meter()
    fresh.requests.capacity.to_state = lambda: {"dollars": float("inf")}
    Keeper(str(tmp_path / "state.json"), fresh).save()
    assert (health(fresh).up, health(fresh).reason) == (False, "internal")


def test_a_server_that_has_no_traffic_yet_keeps_what_was_learnt_of_it(tmp_path):
    """A restart just before another restart must not lose the days before."""
    file = str(tmp_path / "state.json")
    fresh = meter()
    fresh.requests.capacity.restore(learnt())
    Keeper(file, fresh).save()
    assert json.loads((tmp_path / "state.json").read_text())["state"] == learnt()
