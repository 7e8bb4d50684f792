"""A tree of powercap files as the kernel lays it out, with the links of ``/sys/class/powercap`` beside it."""

XEON_RANGE = 262_143_328_850
"""As two-socket Xeon machines show it: 2^32 counts of 61 microjoules."""
EPYC_RANGE = 65_532_610_987
"""As EPYC machines show it: 2^32 counts of 15.3 microjoules."""


class Powercap:
    """Zones by name, such as ``0`` and ``0:1``, below ``folder``."""

    def __init__(self, folder):
        self.sys = folder
        self.devices = folder / "devices" / "virtual" / "powercap"
        self.classes = folder / "class" / "powercap"
        self.classes.mkdir(parents=True)
        (self.devices / "intel-rapl").mkdir(parents=True)
        self._link("intel-rapl", self.devices / "intel-rapl")
        (self.devices / "intel-rapl" / "enabled").write_text("1\n")

    def add(self, zone, name, microjoules=0, *, most=XEON_RANGE, control="intel-rapl"):
        folder = self.zone(zone, control)
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        (folder / "max_energy_range_uj").write_text(f"{most}\n")
        (folder / "energy_uj").write_text(f"{microjoules}\n")
        self._link(folder.name, folder)
        return folder

    def zone(self, zone, control="intel-rapl"):
        folder = self.devices / control
        parts = zone.split(":")
        for depth in range(1, len(parts) + 1):
            folder /= f"{control}:{':'.join(parts[:depth])}"
        return folder

    def show(self, zone, microjoules):
        (self.zone(zone) / "energy_uj").write_text(f"{microjoules}\n")

    def _link(self, name, target):
        relative = f"../../{target.relative_to(self.sys)}"
        (self.classes / name).symlink_to(relative)
