"""Where Pentameter itself runs: on a machine, in a container, in a Kubernetes pod."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_MARKS = (".dockerenv", "run/.containerenv")
"""Files that Docker and Podman put into every container."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a process can see of the place it runs in."""

    kubernetes: bool = False
    container: bool = False
    """Also true in Kubernetes. A container of another runtime may not be recognised."""
    gpu_devices: bool = False
    """An NVIDIA device file is in /dev, whether or not the driver's library is."""


def look_around(root: Path = Path("/"), environ: Mapping[str, str] = os.environ) -> Surroundings:
    """Return the surroundings of this process; never raises."""
    kubernetes = bool(environ.get("KUBERNETES_SERVICE_HOST"))
    container = kubernetes or any((root / mark).exists() for mark in _MARKS)
    return Surroundings(kubernetes, container, any((root / "dev").glob("nvidia[0-9]*")))
