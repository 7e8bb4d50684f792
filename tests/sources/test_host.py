"""The host source, on a written /proc where values matter."""

from __future__ import annotations

import os

import psutil
import pytest

from fakes.powercap import Powercap
from pentameter.readings import HostReading
from pentameter.sources import SourceError
from pentameter.sources.host import HostSource
from pentameter.sources.rapl import Rapl

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


def test_energy_is_read_beside_processors_and_memory_at_the_same_moment(proc, tmp_path):
    powercap = Powercap(tmp_path / "sys")
    powercap.add("0", "package-0", 5_000_000)
    clock = iter([10.0, 12.0])
    source = HostSource(Rapl(str(powercap.classes)), monotonic=lambda: next(clock))
    first = source.read()
    powercap.show("0", 505_000_000)
    second = source.read()
    assert (first.rapl_joules, first.rapl_seconds, first.rapl_gaps, first.rapl_problem) == (0.0, 0.0, 0, "")
    assert (second.rapl_joules, second.rapl_seconds, second.rapl_gaps, second.rapl_problem) == (500.0, 2.0, 0, "")
    assert second.cpu_busy_seconds == 160.0


def test_without_rapl_the_host_is_read_all_the_same_and_says_why(proc, tmp_path):
    reading = HostSource(Rapl(str(tmp_path / "nothing"))).read()
    assert reading.cpu_count == 8
    assert reading.rapl_joules is None
    assert reading.rapl_problem.startswith("no RAPL zone of a processor in ")


def test_energy_stands_still_and_says_why_while_rapl_cannot_be_read(proc, tmp_path):
    powercap = Powercap(tmp_path / "sys")
    zone = powercap.add("0", "package-0", 0)
    clock = iter([0.0, 1.0, 2.0])
    source = HostSource(Rapl(str(powercap.classes)), monotonic=lambda: next(clock))
    source.read()
    powercap.show("0", 90_000_000)
    source.read()
    (zone / "energy_uj").unlink()
    broken = source.read()
    assert (broken.rapl_joules, broken.rapl_seconds, broken.rapl_gaps) == (90.0, 1.0, 1)
    assert "energy_uj: vanished" in broken.rapl_problem


def test_it_belongs_to_no_server_and_closing_does_nothing():
    source = HostSource()
    source.close()
    assert (source.name, source.server) == ("host", "")
    assert source.read().cpu_count >= 1
