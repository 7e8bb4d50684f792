"""Energy of the processors and their memory, from the RAPL counters that the kernel shows as powercap zones.

A zone is a folder ``intel-rapl:N`` (of AMD processors too, since Linux 5.8) with ``name``, ``energy_uj``, which counts
up and wraps, and ``max_energy_range_uj``, where it wraps. ``package-N`` and ``package-N-die-M`` are whole processors;
their sub-zones ``core`` and ``uncore`` are parts of them, ``dram`` is not. ``psys`` is the whole board and contains the
packages; the control type ``intel-rapl-mmio`` shows the same package a second time. So: every package and its ``dram``.

AMD shows no ``dram``: there memory is not in the sum. Fans, network cards, disks and power supplies are in no zone.

Since Linux 5.10 (5.4.77) only root may read ``energy_uj``, and container runtimes mask the folder: mount the host's
``/sys/devices/virtual/powercap`` at another path. The links of ``/sys/class/powercap`` lead out of such a mount.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from pentameter.sources import SourceAbsent, SourceError

DEFAULT_ROOT = "/sys/class/powercap"
CEILING_WATTS = 1000.0
"""More than any zone can draw (the largest processors are rated at 500 W): a faster counter was not counting energy,
and one that could have wrapped at this pace may have wrapped more than once. AMD's wrap every 65.5 kJ, so in 65 s."""

_CONTROL_TYPE = "intel-rapl"
_ZONE = re.compile(r"intel-rapl:[0-9]+")
_SUB_ZONE = re.compile(r"intel-rapl:[0-9]+:[0-9]+")
_MICROJOULES = 1_000_000


class RaplEnergy(NamedTuple):
    """What was counted between readings that follow each other, since the first."""

    joules: float
    seconds: float
    """The time that the joules are of."""
    gaps: int
    """Times that energy was left out: a failed reading, one that came too late, an impossible step, a changed zone."""


class _Zone(NamedTuple):
    microjoules: int
    range_microjoules: int


class Rapl:
    """Reads the zones below a folder; building it does no I/O.

    ``root`` is ``/sys/class/powercap``, ``/sys/devices/virtual/powercap`` or its ``intel-rapl``, or where one of them
    is mounted.
    """

    def __init__(self, root: str = DEFAULT_ROOT) -> None:
        self._root = Path(root)
        self._zones: dict[str, _Zone] | None = None
        self._time = 0.0
        self._microjoules = 0
        self._seconds = 0.0
        self._gaps = 0
        self._begun = False

    @property
    def energy(self) -> RaplEnergy | None:
        """Return what has been counted, or None where nothing could ever be read."""
        if not self._begun:
            return None
        return RaplEnergy(self._microjoules / _MICROJOULES, self._seconds, self._gaps)

    def read(self, monotonic: float) -> None:
        """Count on to this moment.

        Raises ``SourceAbsent`` (``not_found``) where there is no RAPL, and ``SourceError``: ``unreadable``,
        ``malformed``. What a zone counts across a failed reading is left out, so that an estimate may stand in for it.
        """
        before, self._zones = self._zones, None
        try:
            self._zones = self._read_zones()
        except SourceError:
            self._gaps += before is not None
            raise
        last, self._time, self._begun = self._time, monotonic, True
        if before is None:
            return
        counted = _counted(before, self._zones, monotonic - last)
        if counted is None:
            self._gaps += 1
        else:
            self._microjoules += counted
            self._seconds += monotonic - last

    def _read_zones(self) -> dict[str, _Zone]:
        try:
            zones = {folder.name: _read_zone(folder) for folder in self._folders()}
        except FileNotFoundError as error:
            message = (
                f"RAPL, {error.filename}: vanished, or a link that leads out of a mount; "
                "mount the host's /sys/devices/virtual/powercap"
            )
            raise SourceError("unreadable", message) from error
        except OSError as error:
            hint = "; it takes root" if isinstance(error, PermissionError) else ""
            raise SourceError("unreadable", f"RAPL, {error.filename}: {error.strerror}{hint}") from error
        if not zones:
            message = (
                f"no RAPL zone of a processor in {self._root}: a virtual machine, a container, or no such processor"
            )
            raise SourceAbsent("not_found", message)
        return zones

    def _folders(self) -> list[Path]:
        """Return the folders of the packages and of their memory."""
        control = self._root / _CONTROL_TYPE
        top = _matching(control if control.is_dir() else self._root, _ZONE)
        packages = [folder for folder in top if _name(folder).startswith("package")]
        memories = [
            inner for folder in packages for inner in _matching(folder, _SUB_ZONE) if _name(inner).startswith("dram")
        ]
        return packages + memories


def _matching(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    return [inner for inner in folder.iterdir() if pattern.fullmatch(inner.name)] if folder.is_dir() else []


def _name(folder: Path) -> str:
    return (folder / "name").read_text(encoding="ascii", errors="replace").strip()


def _read_zone(folder: Path) -> _Zone:
    return _Zone(_number(folder / "energy_uj"), _number(folder / "max_energy_range_uj"))


def _number(file: Path) -> int:
    text = file.read_text(encoding="ascii", errors="replace").strip()
    if not re.fullmatch("[0-9]{1,20}", text):
        raise SourceError("malformed", f"RAPL, {file}: {text[:40]!r} is not a count of microjoules")
    return int(text)


def _counted(before: dict[str, _Zone], now: dict[str, _Zone], seconds: float) -> int | None:
    """Return the microjoules of all zones between two readings, or None where those of one are not certain.

    A counter that fell has wrapped once: increase = range - before + now. (The kernel's range is one count short of the
    true period, 15 to 61 microjoules.)
    """
    if before.keys() != now.keys():
        return None
    most = seconds * CEILING_WATTS * _MICROJOULES
    total = 0
    for name, zone in now.items():
        step = zone.microjoules - before[name].microjoules
        if step < 0:
            step += zone.range_microjoules
        if most >= zone.range_microjoules or not 0 <= step <= most:
            return None
        total += step
    return total
