"""JSON objects from files of others: what is read, what is refused and for which reason."""

import os
import socket
from pathlib import Path

import pytest

from pentameter.sources import SourceError
from pentameter.sources.json_file import parse_object, read_object


def refusal(path, most_bytes=1000):
    with pytest.raises(SourceError) as caught:
        read_object(path, most_bytes)
    return caught.value.reason, str(caught.value)


def malformed(body):
    with pytest.raises(SourceError) as caught:
        parse_object(body, "it")
    assert caught.value.reason == "malformed"
    return str(caught.value)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "config.json"


def test_an_object_is_read(path):
    path.write_bytes(b'{"a": [1, {"b": "\xc5\xbc"}], "c": null}')
    assert read_object(path, 1000) == {"a": [1, {"b": "ż"}], "c": None}


def test_a_byte_order_mark_is_no_trouble(path):
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_object(path, 1000) == {"a": 1}


def test_a_link_is_followed(path, tmp_path):
    (tmp_path / "blob").write_bytes(b'{"a": 1}')
    path.symlink_to("blob")
    assert read_object(path, 1000) == {"a": 1}


def test_infinity_is_read_as_published_configurations_hold_it():
    assert parse_object(b'{"time_step_limit": [0.0, Infinity]}', "it") == {"time_step_limit": [0.0, float("inf")]}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "it is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b'{"a": 1', "it is not JSON: Expecting ',' delimiter: line 1 column 8 (char 7)"),
        (b'{"a": NaN}', "it is not JSON: NaN is no number"),
        (b'{"a": {"b": 1, "c": 2, "b": 1}}', "it is not JSON: the key 'b' stands twice"),
        (b"[1]", "it is JSON, but not an object"),
        (b'"text"', "it is JSON, but not an object"),
        (b"null", "it is JSON, but not an object"),
        (b'{"a":' * 200 + b"1" + b"}" * 200, "it is nested too deeply"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "it is nested too deeply"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_anything_else_is_malformed(body, why):
    assert malformed(body) == why


def test_bytes_that_are_no_text_are_malformed():
    assert malformed(b'{"a": "\xff"}').startswith("it is not JSON: 'utf-8' codec can't decode")


def test_a_number_too_long_to_be_one_is_malformed():
    assert malformed(b'{"a": ' + b"9" * 5000 + b"}").startswith("it is not JSON: Exceeds the limit")


def test_a_hundred_levels_are_still_read():
    assert parse_object(b'{"a":' * 100 + b"1" + b"}" * 100, "it")
    assert malformed(b'{"a":' * 101 + b"1" + b"}" * 101) == "it is nested too deeply"


def test_a_file_of_the_most_bytes_is_read_and_one_more_is_too_large(path):
    path.write_bytes(b'{"a": 1}  ')
    assert read_object(path, 10) == {"a": 1}
    assert refusal(path, 9) == ("too_large", f"{path} is larger than 9 bytes")


def test_what_is_not_there_is_not_found(path, tmp_path):
    assert refusal(path) == ("not_found", f"there is no {path}")
    path.symlink_to("nowhere")
    assert refusal(path)[0] == "not_found"
    (tmp_path / "file").write_bytes(b"")
    assert refusal(tmp_path / "file" / "config.json")[0] == "not_found"


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b"])
def test_a_name_that_no_file_can_have_is_not_found(tmp_path, name):
    reason, message = refusal(tmp_path / name)
    assert reason == "not_found"
    assert message.isprintable()


def test_a_named_pipe_is_refused_at_once(path):
    os.mkfifo(path)
    assert refusal(path) == ("unreadable", f"{path} is not a regular file")


def test_a_directory_and_a_device_are_refused(path):
    path.mkdir()
    assert refusal(path) == ("unreadable", f"{path} is not a regular file")
    path.rmdir()
    path.symlink_to("/dev/zero")
    assert refusal(path) == ("unreadable", f"{path} is not a regular file")


def test_a_socket_is_refused(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        assert refusal(path)[0] == "unreadable"


def test_a_loop_of_links_is_unreadable(path, tmp_path):
    path.symlink_to(tmp_path / "other")
    (tmp_path / "other").symlink_to(path)
    assert refusal(path) == ("unreadable", f"cannot read {path}: Too many levels of symbolic links")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_unreadable(path):
    path.write_bytes(b"{}")
    path.chmod(0)
    assert refusal(path) == ("unreadable", f"cannot read {path}: Permission denied")


def test_no_file_stays_open(path):
    path.write_bytes(b"{")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        refusal(path)
        refusal(path.parent)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
