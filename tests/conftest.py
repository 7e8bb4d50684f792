"""Options and fixtures that tests of several rooms share."""

import os
import shutil
import subprocess

import hypothesis
import pytest

# A slow machine is no failure, and CI must not fail on a random example that nobody can see again: there the
# examples are always the same. At a desk every run tries new ones.
hypothesis.settings.register_profile("pentameter", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("pentameter")


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden with what comes out now")


@pytest.fixture(scope="session")
def promtool():
    """Return what ``promtool check metrics`` has to say about a page: nothing, if it is good."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")

    def complaints(page):
        done = subprocess.run([program, "check", "metrics"], input=page, capture_output=True, timeout=60, check=False)
        said = (done.stdout + done.stderr).decode()
        return said or (f"exit status {done.returncode}" if done.returncode else "")

    return complaints
