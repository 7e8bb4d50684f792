"""A Unix datagram socket that is listened on."""

import os
import socket
import stat
import threading

import pytest

from fakes.unix_sockets import fresh_address, listening, send
from pentameter.sources import SourceError
from pentameter.sources.unix_datagrams import LARGEST, REASONS, UnixDatagrams

PLENTY = 1 << 20


@pytest.fixture(params=["abstract", "path"])
def address(request, tmp_path):
    return fresh_address() if request.param == "abstract" else str(tmp_path / "feed")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "feed"


@pytest.fixture
def listen():
    """Make listeners and close them."""
    made = []

    def listen(address):
        made.append(UnixDatagrams(str(address)))
        assert take(made[-1]) == []
        return made[-1]

    yield listen
    for datagrams in made:
        datagrams.close()


def take(datagrams, patience=0.0, seconds=0.0, most_bytes=PLENTY):
    return list(datagrams.receive(patience, seconds, most_bytes))


def reason_of(address):
    with pytest.raises(SourceError) as caught:
        take(UnixDatagrams(str(address)))
    assert caught.value.reason in REASONS
    assert str(address) in str(caught.value)
    return caught.value.reason


def test_what_was_sent_is_received_in_order(listen, address):
    datagrams = listen(address)
    send(address, b"one", b"", b"two")
    assert take(datagrams) == [b"one", b"", b"two"]
    assert take(datagrams) == []


def test_it_waits_for_the_first_datagram(listen, address):
    datagrams = listen(address)
    later = threading.Timer(0.05, send, (address, b"late"))
    later.start()
    assert take(datagrams, patience=20.0) == [b"late"]
    later.join()


def test_it_goes_on_for_a_while_after_the_first(listen, address):
    datagrams = listen(address)
    send(address, b"first")
    receiving = datagrams.receive(0.0, 20.0, 12)
    assert next(receiving) == b"first"
    send(address, b"second")
    assert list(receiving) == [b"second"]  # and ends, for these were 12 bytes and a count each


def test_a_flood_ends_a_read_early_even_one_of_empty_datagrams(listen, address):
    datagrams = listen(address)
    send(address, b"12345", b"12345", b"12345", b"", b"", b"")
    assert take(datagrams, most_bytes=10) == [b"12345", b"12345"]
    assert take(datagrams, most_bytes=8) == [b"12345", b"", b""]
    assert take(datagrams) == [b""]


def test_a_datagram_that_is_too_large_shows_it(listen, address):
    datagrams = listen(address)
    send(address, bytes(LARGEST), bytes(LARGEST + 100))
    assert [len(datagram) for datagram in take(datagrams)] == [LARGEST, LARGEST + 1]


def test_closing_wakes_up_who_waits(listen, address):
    datagrams = listen(address)
    received = []
    waiting = threading.Thread(target=lambda: received.append(take(datagrams, patience=60.0)))
    waiting.start()
    closing = threading.Timer(0.05, datagrams.close)
    closing.start()
    waiting.join(20.0)
    assert received == [[]]
    closing.join()


def test_what_is_closed_stays_closed(listen, address):
    datagrams = listen(address)
    datagrams.close()
    datagrams.close()
    with pytest.raises(SourceError) as caught:
        take(datagrams)
    assert caught.value.reason == "closed"
    with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
        send(address, b"nobody there")


def test_closing_before_the_first_read_is_fine(address):
    UnixDatagrams(address).close()


def test_an_address_with_a_living_owner_is_left_to_it(listen, address):
    owner = listen(address)
    assert reason_of(address) == "address_in_use"
    send(address, b"still here")
    assert take(owner) == [b"still here"]


def test_an_address_that_was_in_use_is_taken_when_it_is_free(listen, address):
    with listening(address):
        datagrams = UnixDatagrams(address)
        with pytest.raises(SourceError):
            take(datagrams)
    assert take(datagrams) == []
    datagrams.close()


def test_a_file_that_a_dead_process_left_is_replaced(listen, path):
    with listening(str(path)):
        pass
    assert path.exists()
    datagrams = listen(path)
    send(str(path), b"hello")
    assert take(datagrams) == [b"hello"]


def test_a_file_of_another_kind_is_not_touched(path):
    path.write_text("precious")
    assert reason_of(path) == "address_in_use"
    assert path.read_text() == "precious"


def test_a_stream_socket_with_a_living_owner_is_not_touched(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(path))
        other.listen()
        assert reason_of(path) == "address_in_use"
        assert path.exists()


def test_everybody_may_write_to_the_file_whatever_the_umask(listen, path):
    before = os.umask(0o077)
    try:
        listen(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666


def test_a_file_that_is_deleted_while_listening_is_made_again(listen, path):
    datagrams = listen(path)
    path.unlink()
    assert take(datagrams) == []
    assert take(datagrams) == []
    send(str(path), b"found again")
    assert take(datagrams) == [b"found again"]


def test_closing_removes_the_file_unless_it_is_another_s(listen, path):
    listen(path).close()
    assert not path.exists()
    datagrams = listen(path)
    path.unlink()
    with listening(str(path)):
        datagrams.close()
        assert path.exists()


def test_a_folder_that_is_missing_is_said(tmp_path):
    assert reason_of(tmp_path / "missing" / "feed") == "no_folder"


def test_an_address_that_is_too_long_is_said(tmp_path):
    assert reason_of(tmp_path / ("x" * 200)) == "bad_address"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_said(tmp_path):
    tmp_path.chmod(0o500)
    assert reason_of(tmp_path / "feed") == "permission"
