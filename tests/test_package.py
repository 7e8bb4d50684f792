"""What is shipped, and whether the generated documents are up to date."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from pentameter.generate import DOCUMENTS

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(target)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = target.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        yield archive


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert len(tops) == 2
    assert "pentameter" in tops
    assert all(top == "pentameter" or top.endswith(".dist-info") for top in tops)


def test_the_wheel_holds_the_data_the_types_and_the_licences(wheel):
    names = wheel.namelist()
    page = tuple(f"pentameter/web/{name}" for name in ("index.html", "status.js", "status.css"))
    facts = ("pentameter/facts/gpu_specs.csv", "pentameter/facts/grid_intensity.csv")
    for wanted in ("pentameter/py.typed", *facts, *page):
        assert wanted in names
    for wanted in ("/licenses/LICENSE", "/licenses/NOTICE", "/entry_points.txt"):
        assert any(name.endswith(wanted) for name in names), wanted


@pytest.mark.parametrize("place", DOCUMENTS)
def test_a_generated_document_is_up_to_date(place):
    assert (ROOT / place).read_text(encoding="utf-8") == DOCUMENTS[place](), "run `make generate`"


def test_the_changelog_and_the_version_agree():
    from pentameter import __version__

    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in changelog or f"## [{__version__}]" in changelog
