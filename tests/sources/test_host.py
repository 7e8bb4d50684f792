"""The host source, on a written /proc where values matter."""

from __future__ import annotations

import os

import psutil
import pytest

from pentameter.readings import HostReading
from pentameter.sources import SourceError
from pentameter.sources.host import HostSource

MEMINFO = """\
MemTotal:       16000000 kB
MemFree:         2000000 kB
MemAvailable:   12000000 kB
Buffers:          100000 kB
Cached:          9000000 kB
SReclaimable:     500000 kB
Shmem:             50000 kB
Active:          4000000 kB
Inactive:        6000000 kB
Slab:             700000 kB
"""


@pytest.fixture
def proc(tmp_path, monkeypatch):
    """A /proc with 100 s of user time, 30 s of it for guests; 900 s idle, 20 s waiting for disks."""
    hertz = os.sysconf("SC_CLK_TCK")
    seconds = {"user": 100, "nice": 10, "system": 40, "idle": 900, "iowait": 20, "irq": 2, "softirq": 3}
    rest = {"steal": 5, "guest": 30, "guest_nice": 4}
    ticks = " ".join(str(value * hertz) for value in (seconds | rest).values())
    (tmp_path / "stat").write_text(f"cpu  {ticks}\n")
    (tmp_path / "meminfo").write_text(MEMINFO)
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))
    monkeypatch.setattr(psutil, "cpu_count", lambda: 8)
    return tmp_path


def test_a_reading_counts_busy_time_once_and_what_is_not_available_as_used(proc):
    reading = HostSource(monotonic=lambda: 12.5, wall=lambda: 1_700_000_000.0).read()
    assert reading == HostReading(
        monotonic=12.5,
        wall=1_700_000_000.0,
        cpu_count=8,
        cpu_busy_seconds=160.0,  # 100 + 10 + 40 + 2 + 3 + 5: guests are in user and nice already
        memory_total_bytes=16_384_000_000.0,
        memory_used_bytes=4_096_000_000.0,
    )


def test_busy_time_of_the_real_machine_never_falls():
    source = HostSource()
    first, second = source.read(), source.read()
    assert 0 < first.cpu_busy_seconds <= second.cpu_busy_seconds
    assert first.cpu_count == os.cpu_count()
    assert 0 < first.memory_used_bytes < first.memory_total_bytes
    assert first.monotonic <= second.monotonic


def test_a_system_that_does_not_tell_is_an_error(proc):
    (proc / "stat").unlink()
    with pytest.raises(SourceError, match="reading processors and memory") as caught:
        HostSource().read()
    assert caught.value.reason == "unreadable"


def test_an_unknown_number_of_processors_is_an_error(proc, monkeypatch):
    monkeypatch.setattr(psutil, "cpu_count", lambda: None)
    with pytest.raises(SourceError, match="how many processors") as caught:
        HostSource().read()
    assert caught.value.reason == "unreadable"


def test_it_belongs_to_no_server_and_closing_does_nothing():
    source = HostSource()
    source.close()
    assert (source.name, source.server) == ("host", "")
    assert source.read().cpu_count >= 1
