"""The file that keeps what was learnt: whole or not at all, and never fatal."""

import json
import os
import stat
import threading

import pytest

from pentameter.sources import SourceError
from pentameter.sources.state_file import KEPT_ASIDE, StateFile

NOW = 1_763_900_000.0


@pytest.fixture
def file(tmp_path):
    return StateFile(tmp_path / "state.json")


def others(file):
    return sorted(path.name for path in file.path.parent.iterdir() if path != file.path)


def test_what_is_saved_is_loaded(file):
    file.save({"books": [{"rate": 1.5, "name": "ż"}]})
    assert file.load(NOW) == {"books": [{"rate": 1.5, "name": "ż"}]}
    assert others(file) == []


def test_a_new_state_takes_the_place_of_the_old_one(file):
    file.save({"n": 1})
    file.save({"n": 2})
    assert file.load(NOW) == {"n": 2}


def test_nothing_saved_is_nothing_loaded(file):
    assert file.load(NOW) is None


def test_only_the_owner_may_read_it(file):
    previous = os.umask(0)
    try:
        file.save({})
    finally:
        os.umask(previous)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_the_file_says_its_version(file):
    file.save({"a": 1})
    assert json.loads(file.path.read_bytes()) == {"version": 1, "state": {"a": 1}}


GOOD = b'{"version":1,"state":{"a":1}}'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        GOOD[:-3],
        b"\x00\xff\xfe\x80" * 100,
        b"[1,2]",
        b'"text"',
        b"null",
        b'{"version":2,"state":{}}',
        b'{"version":"1","state":{}}',
        b'{"version":true,"state":{}}',
        b'{"state":{}}',
        b'{"version":1}',
        b'{"version":1,"state":[]}',
        b'{"version":1,"state":{"a":NaN}}',
        b'{"version":1,"state":{"a":-Infinity}}',
        b"[" * 200_000,
        GOOD + b" " * 1000,
        b'{"version":1,"state":{"a":' + b"9" * 5000 + b"}}",
    ],
    ids=lambda body: repr(body[:30]),
)
def test_what_is_not_a_state_is_set_aside_and_the_next_load_finds_nothing(tmp_path, body):
    file = StateFile(tmp_path / "state.json", most_bytes=200_000 if len(body) >= 200_000 else 900)
    if b"9" * 5000 in body:
        file = StateFile(tmp_path / "state.json")  # more digits than Python turns into an integer
    file.path.write_bytes(body)
    with pytest.raises(SourceError, match=r"state\.json.*set aside as state\.json\.corrupt-1763900000") as caught:
        file.load(NOW)
    assert caught.value.reason == "corrupt"
    assert (tmp_path / "state.json.corrupt-1763900000").read_bytes() == body
    assert file.load(NOW) is None


def test_only_the_newest_of_those_set_aside_are_kept(file):
    for i in range(KEPT_ASIDE + 2):
        file.path.write_bytes(b"%d" % i)
        os.utime(file.path, (1000 + i, 1000 + i))
        with pytest.raises(SourceError):
            file.load(NOW + i)
    assert others(file) == [f"state.json.corrupt-{int(NOW) + i}" for i in (2, 3, 4)]


def test_others_with_a_similar_name_are_left_alone(file):
    neighbours = ["other.json.corrupt-1", "state.json.bak"]
    for name in neighbours:
        (file.path.parent / name).write_bytes(b"")
        os.utime(file.path.parent / name, (1, 1))
    for i in range(KEPT_ASIDE + 1):
        file.path.write_bytes(b"")
        with pytest.raises(SourceError):
            file.load(NOW + i)
    assert set(neighbours) <= set(others(file))


def test_a_caller_who_finds_the_content_wrong_sets_it_aside_too(file):
    file.save({"a": 1})
    with pytest.raises(SourceError, match="a is no book") as caught:
        file.set_aside(NOW, "a is no book")
    assert caught.value.reason == "corrupt"
    assert others(file) == ["state.json.corrupt-1763900000"]


def test_a_file_that_cannot_be_set_aside_is_still_reported_as_corrupt(file, monkeypatch):
    file.path.write_bytes(b"?")

    def refuse(self, target):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("pathlib.Path.replace", refuse)
    with pytest.raises(SourceError, match="cannot be set aside: Operation not permitted") as caught:
        file.load(NOW)
    assert caught.value.reason == "corrupt"
    assert file.path.read_bytes() == b"?"


def test_a_missing_folder_cannot_be_written(tmp_path):
    file = StateFile(tmp_path / "no" / "state.json")
    assert file.load(NOW) is None
    with pytest.raises(SourceError, match=r"no/state\.json: No such file or directory") as caught:
        file.save({})
    assert caught.value.reason == "unwritable"


def test_a_folder_in_its_place_is_unreadable_and_unwritable(tmp_path):
    file = StateFile(tmp_path)
    with pytest.raises(SourceError, match="Is a directory") as caught:
        file.load(NOW)
    assert caught.value.reason == "unreadable"
    with pytest.raises(SourceError) as caught:
        file.save({})
    assert caught.value.reason == "unwritable"


def test_a_full_disk_leaves_the_old_state_and_no_rest(file, monkeypatch):
    file.save({"n": 1})

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SourceError, match="No space left on device") as caught:
        file.save({"n": 2})
    assert caught.value.reason == "unwritable"
    assert file.load(NOW) == {"n": 1}
    assert others(file) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_unwritable(file):
    file.path.parent.chmod(0o500)
    with pytest.raises(SourceError, match="Permission denied") as caught:
        file.save({})
    assert caught.value.reason == "unwritable"


def test_a_state_that_would_be_refused_when_loaded_is_not_written(tmp_path):
    file = StateFile(tmp_path / "state.json", most_bytes=100)
    file.save({"a": 1})
    with pytest.raises(SourceError, match="at most 100") as caught:
        file.save({"a": "x" * 100})
    assert caught.value.reason == "too_large"
    assert file.load(NOW) == {"a": 1}


def test_no_file_with_nan_is_written(file):
    with pytest.raises(ValueError, match="JSON"):
        file.save({"a": float("nan")})
    assert file.load(NOW) is None


def test_several_writers_at_once_leave_one_whole_state(file):
    states = [{"writer": i, "payload": [i] * 5000} for i in range(4)]

    def write(state):
        for _ in range(10):
            file.save(state)

    threads = [threading.Thread(target=write, args=(state,)) for state in states]
    for thread in threads:
        thread.start()
    seen = [file.load(NOW) for _ in range(50)]
    for thread in threads:
        thread.join()
    assert file.load(NOW) in states
    assert all(state is None or state in states for state in seen)
    assert others(file) == []
