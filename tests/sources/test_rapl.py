"""RAPL, read from real files laid out as the kernel lays them out."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from fakes.powercap import EPYC_RANGE, XEON_RANGE, Powercap
from pentameter.sources import SourceAbsent, SourceError
from pentameter.sources.rapl import Rapl, RaplEnergy


@pytest.fixture
def powercap(tmp_path):
    return Powercap(tmp_path)


@pytest.fixture
def xeon(powercap):
    """Two processors with their parts and their memory, the board around them, and a second view of the first."""
    for package, start in (("0", 1_000_000), ("1", 5_000_000)):
        powercap.add(package, f"package-{package}", start)
        powercap.add(f"{package}:0", "core", 0)
        powercap.add(f"{package}:1", "uncore", 0)
        powercap.add(f"{package}:2", "dram", start, most=65_712_999_613)
    powercap.add("2", "psys", 9_000_000)
    powercap.add("0", "package-0", 1_000_000, control="intel-rapl-mmio")
    return powercap


def rapl_of(powercap):
    return Rapl(str(powercap.classes))


def refused(rapl, monotonic=0.0):
    with pytest.raises(SourceError) as caught:
        rapl.read(monotonic)
    return caught.value


def test_before_the_first_reading_nothing_is_known_and_with_it_counting_begins_at_zero(xeon):
    rapl = rapl_of(xeon)
    assert rapl.energy is None
    rapl.read(100.0)
    assert rapl.energy == RaplEnergy(0.0, 0.0, 0)


def test_packages_and_memory_add_up_and_parts_views_and_the_board_do_not(xeon):
    rapl = rapl_of(xeon)
    rapl.read(100.0)
    for zone, step in (("0", 400), ("1", 300), ("0:2", 40), ("1:2", 30)):
        xeon.show(zone, {"0": 1_000_000, "1": 5_000_000}[zone[0]] + step * 1_000_000)
    for zone in ("0:0", "0:1", "1:0", "1:1", "2"):
        xeon.show(zone, 900_000_000)
    (xeon.zone("0", "intel-rapl-mmio") / "energy_uj").write_text("401000000\n")
    rapl.read(102.0)
    assert rapl.energy == RaplEnergy(770.0, 2.0, 0)  # 400 + 300 + 40 + 30


def test_readings_add_up_to_the_whole_and_an_exact_microjoule_is_kept(powercap):
    powercap.add("0", "package-0", 0)
    rapl = rapl_of(powercap)
    for second in range(101):
        powercap.show("0", 123_456_789 * second)
        rapl.read(float(second))
    assert rapl.energy == RaplEnergy(12_345.6789, 100.0, 0)


def test_the_dies_of_one_processor_are_all_counted(powercap):
    powercap.add("0", "package-0-die-0", 0)
    powercap.add("1", "package-0-die-1", 0)
    rapl = rapl_of(powercap)
    rapl.read(0.0)
    powercap.show("0", 10_000_000)
    powercap.show("1", 20_000_000)
    rapl.read(1.0)
    assert rapl.energy.joules == 30.0


def test_an_amd_processor_without_a_memory_zone_is_counted_alone(powercap):
    powercap.add("0", "package-0", 5, most=EPYC_RANGE)
    powercap.add("0:0", "core", 5, most=EPYC_RANGE)
    rapl = rapl_of(powercap)
    rapl.read(0.0)
    powercap.show("0", 280_000_005)
    powercap.show("0:0", 100_000_005)
    rapl.read(1.0)
    assert rapl.energy == RaplEnergy(280.0, 1.0, 0)


@pytest.mark.parametrize("where", ["class/powercap", "devices/virtual/powercap", "devices/virtual/powercap/intel-rapl"])
def test_each_folder_that_may_be_mounted_shows_the_same(xeon, where):
    rapl = Rapl(str(xeon.sys / where))
    rapl.read(0.0)
    xeon.show("0", 3_000_000)
    xeon.show("1:2", 6_000_000)
    rapl.read(1.0)
    assert rapl.energy.joules == 3.0


def test_links_that_lead_out_of_a_mount_are_told_with_what_to_mount(xeon, tmp_path):
    mounted = tmp_path / "mounted"
    shutil.copytree(xeon.classes, mounted, symlinks=True)
    error = refused(Rapl(str(mounted)))
    assert error.reason == "unreadable"
    assert not isinstance(error, SourceAbsent)
    assert "mount the host's /sys/devices/virtual/powercap" in str(error)


# ------------------------------------------------------------------ a counter that falls


def test_a_counter_that_wraps_once_goes_on(powercap):
    powercap.add("0", "package-0", XEON_RANGE - 100_000_000)
    rapl = rapl_of(powercap)
    rapl.read(0.0)
    powercap.show("0", 150_000_000)
    rapl.read(1.0)
    assert rapl.energy == RaplEnergy(250.0, 1.0, 0)


@pytest.mark.parametrize(("seconds", "counted"), [(65.0, True), (66.0, False)])
def test_a_gap_in_which_the_counter_may_have_wrapped_twice_is_not_counted(powercap, seconds, counted):
    powercap.add("0", "package-0", 0, most=EPYC_RANGE)  # 65,533 J: 65.5 s at 1,000 W
    rapl = rapl_of(powercap)
    rapl.read(0.0)
    powercap.show("0", 20_000_000_000)
    rapl.read(seconds)
    assert rapl.energy == (RaplEnergy(20_000.0, 65.0, 0) if counted else RaplEnergy(0.0, 0.0, 1))


def test_one_memory_that_may_have_wrapped_twice_leaves_the_whole_reading_out(xeon):
    rapl = rapl_of(xeon)
    rapl.read(0.0)
    xeon.show("0", 2_000_000)
    rapl.read(100.0)  # package: 262 s at 1,000 W; memory: 65.7 s
    assert rapl.energy == RaplEnergy(0.0, 0.0, 1)


def test_a_counter_that_was_set_back_is_no_wrap(powercap):
    powercap.add("0", "package-0", 200_000_000_000)
    rapl = rapl_of(powercap)
    rapl.read(0.0)
    powercap.show("0", 5_000_000)  # as a wrap it would be 62,148 J in one second
    rapl.read(1.0)
    assert rapl.energy == RaplEnergy(0.0, 0.0, 1)
    powercap.show("0", 105_000_000)
    rapl.read(2.0)
    assert rapl.energy == RaplEnergy(100.0, 1.0, 1)


@pytest.mark.parametrize(("joules", "counted"), [(1000, True), (1001, False)])
def test_no_zone_draws_more_than_a_kilowatt(powercap, joules, counted):
    powercap.add("0", "package-0", 0)
    rapl = rapl_of(powercap)
    rapl.read(0.0)
    powercap.show("0", joules * 1_000_000)
    rapl.read(1.0)
    assert rapl.energy == (RaplEnergy(1000.0, 1.0, 0) if counted else RaplEnergy(0.0, 0.0, 1))


def test_a_counter_beyond_its_range_that_falls_earns_nothing(powercap):
    powercap.add("0", "package-0", 2 * XEON_RANGE)
    rapl = rapl_of(powercap)
    rapl.read(0.0)
    powercap.show("0", 0)
    rapl.read(1.0)
    assert rapl.energy == RaplEnergy(0.0, 0.0, 1)


# ------------------------------------------------------------------ what cannot be read


def test_a_machine_without_powercap_has_no_rapl(tmp_path):
    error = refused(Rapl(str(tmp_path / "nothing")))
    assert isinstance(error, SourceAbsent)
    assert error.reason == "not_found"


def test_a_masked_folder_has_no_rapl(tmp_path):
    assert isinstance(refused(Rapl(str(tmp_path))), SourceAbsent)


def test_a_board_alone_is_no_processor(powercap):
    powercap.add("0", "psys", 0)
    assert isinstance(refused(rapl_of(powercap)), SourceAbsent)


def test_a_counter_for_root_alone_is_told_as_such():
    folder = Path(tempfile.mkdtemp())  # not tmp_path, which another user cannot enter at all
    folder.chmod(0o755)
    try:
        powercap = Powercap(folder)
        (powercap.add("0", "package-0", 0) / "energy_uj").chmod(0o400 if os.geteuid() == 0 else 0)
        me = os.geteuid()
        if me == 0:
            os.seteuid(65_534)
        try:
            error = refused(rapl_of(powercap))
        finally:
            os.seteuid(me)
    finally:
        shutil.rmtree(folder)
    assert error.reason == "unreadable"
    assert str(error).endswith("energy_uj: Permission denied; it takes root")


def test_one_unreadable_zone_of_several_leaves_no_half_sum(xeon):
    rapl = rapl_of(xeon)
    rapl.read(0.0)
    (xeon.zone("1:2") / "energy_uj").unlink()
    (xeon.zone("1:2") / "energy_uj").mkdir()
    error = refused(rapl, 1.0)
    assert error.reason == "unreadable"
    assert "Is a directory" in str(error)
    assert rapl.energy == RaplEnergy(0.0, 0.0, 1)


@pytest.mark.parametrize("text", ["", "-5\n", "12.5\n", "many\n", "\xb2\n", "9" * 21])
def test_what_is_no_count_is_malformed(powercap, text):
    (powercap.add("0", "package-0") / "energy_uj").write_text(text, encoding="utf-8")
    error = refused(rapl_of(powercap))
    assert error.reason == "malformed"
    assert "is not a count of microjoules" in str(error)


def test_a_missing_range_is_an_error_not_a_guess(powercap):
    (powercap.add("0", "package-0") / "max_energy_range_uj").unlink()
    assert refused(rapl_of(powercap)).reason == "unreadable"


def test_what_was_counted_across_a_failed_reading_is_left_out_and_flagged_once(powercap):
    powercap.add("0", "package-0", 0)
    rapl = rapl_of(powercap)
    rapl.read(0.0)
    powercap.show("0", 100_000_000)
    rapl.read(1.0)
    powercap.show("0", "gone")
    refused(rapl, 2.0)
    refused(rapl, 3.0)
    powercap.show("0", 400_000_000)
    rapl.read(4.0)
    powercap.show("0", 500_000_000)
    rapl.read(5.0)
    assert rapl.energy == RaplEnergy(200.0, 2.0, 1)


def test_a_zone_that_vanishes_or_appears_begins_the_account_anew(powercap):
    powercap.add("0", "package-0", 0)
    second = powercap.add("1", "package-1", 0)
    rapl = rapl_of(powercap)
    rapl.read(0.0)
    shutil.rmtree(second)
    powercap.show("0", 100_000_000)
    rapl.read(1.0)
    assert rapl.energy == RaplEnergy(0.0, 0.0, 1)
    powercap.show("0", 150_000_000)
    rapl.read(2.0)
    assert rapl.energy == RaplEnergy(50.0, 1.0, 1)


def test_rapl_that_becomes_readable_later_begins_then(tmp_path):
    rapl = Rapl(str(tmp_path / "class" / "powercap"))
    refused(rapl, 0.0)
    assert rapl.energy is None
    powercap = Powercap(tmp_path)
    powercap.add("0", "package-0", 7_000_000_000)
    rapl.read(10.0)
    assert rapl.energy == RaplEnergy(0.0, 0.0, 0)
