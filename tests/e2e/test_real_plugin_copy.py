"""The preset that copies the plugin into vLLM, for real: a built wheel, its own command, a vLLM that runs the copy."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from e2e.rig.completions import complete
from e2e.rig.install import CHECKOUT, vllm_python
from e2e.rig.vllm import VllmServer
from e2e.rig.waiting import wait_until
from pentameter.sources import SourceAbsent
from pentameter.sources.plugin_feed import PluginFeed

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real

FIND = 'import importlib.metadata as m; print(*[e.value for e in m.entry_points(group="vllm.stat_logger_plugins")])'
OURS = "pentameter.vllm_plugin:PentameterStatLogger"


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """A folder into which a built wheel of this checkout is installed, as in the image."""
    folder = tmp_path_factory.mktemp("image")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    wheels = folder / "wheels"
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", wheels, CHECKOUT], check=True)
    subprocess.run([*pip, "install", "--no-deps", "--target", folder / "site", next(wheels.glob("*.whl"))], check=True)
    return folder / "site"


@pytest.fixture(scope="module")
def copied(image, tmp_path_factory):
    """The emptyDir after the init container of the preset has run, by its own command."""
    pod = yaml.safe_load((CHECKOUT / "deploy/gpu/plugin/pod.yaml").read_text())
    [container] = pod["spec"]["template"]["spec"]["initContainers"]
    program, *arguments, mounted = container["command"]
    assert (program, mounted) == ("python3", "/plugin")
    folder = tmp_path_factory.mktemp("emptydir")
    # -S hides this environment's own Pentameter, which the image's stands for.
    bare = [sys.executable, "-S", *arguments, folder]
    subprocess.run(bare, check=True, env={"PYTHONPATH": str(image)})
    return folder


def found_by_vllm(path: Path) -> str:
    """Return the plugins that an interpreter with nothing installed finds through PYTHONPATH."""
    bare = [str(vllm_python()), "-S", "-c", FIND]
    return subprocess.run(
        bare, check=True, capture_output=True, text=True, env={"PYTHONPATH": str(path)}
    ).stdout.strip()


def test_the_copied_plugin_is_found_by_its_entry_point_which_its_metadata_carry(rig, copied, tmp_path):
    assert found_by_vllm(copied) == OURS
    (tmp_path / "pentameter").symlink_to(copied / "pentameter")
    assert found_by_vllm(tmp_path) == ""


def test_an_image_without_the_package_does_not_keep_vllm_from_starting(tmp_path):
    pod = yaml.safe_load((CHECKOUT / "deploy/gpu/plugin/pod.yaml").read_text())
    script = pod["spec"]["template"]["spec"]["initContainers"][0]["command"][2]
    done = subprocess.run([sys.executable, "-S", "-c", script, tmp_path], check=True, capture_output=True, text=True)
    assert "no plugin" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_real_vllm_runs_the_copied_plugin_and_tells_of_a_request(rig, copied):
    address = f"@pentameter-e2e-deploy-{os.getpid()}"
    feed = PluginFeed(address)
    # What the interpreter compiles it writes beside the source: that is how it is known that it ran this one.
    assert not list(copied.rglob("*.pyc"))
    server = VllmServer(plugin=address, env={"PYTHONPATH": str(copied), "PYTHONDONTWRITEBYTECODE": ""})
    told = []

    def told_of_a_request() -> bool:
        try:
            told.extend(feed.read().requests)
        except SourceAbsent:
            return False
        return bool(told)

    try:
        server.start()
        complete(server, range(100, 116), 8)
        wait_until("the copied plugin has told of a request", told_of_a_request, 30.0)
    finally:
        server.stop()
        feed.close()
    assert list(copied.glob("pentameter/__pycache__/vllm_plugin.*.pyc"))
