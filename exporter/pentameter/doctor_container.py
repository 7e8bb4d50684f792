"""What the doctor says of the container that it runs in: GPUs out of sight, a scrape that nobody sees missing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pentameter.findings import Finding

if TYPE_CHECKING:
    from pentameter.sources import SourceError
    from pentameter.sources.surroundings import Surroundings

_INVISIBLE = {"library_missing", "driver_missing", "no_device"}

_POD_FIX = (
    "components: [https://github.com/pentameter/pentameter//deploy/gpu/plugin]    # or gpu/dra, gpu/dcgm, "
    "gpu/runtime-class: see deploy/gpu/README.md; nothing is to change where vLLM's plugin or dcgm-exporter tells, or "
    "there is no GPU"
)
_RUN_FIX = "docker run --gpus all ...    # needs the NVIDIA Container Toolkit; without a GPU here nothing is wrong"
_UTILITY_FIX = "NVIDIA_DRIVER_CAPABILITIES=utility    # or all: the part of the driver that NVML is in"

_SELECTORS = (
    'kubectl get prometheus -A -o jsonpath=\'{range .items[*]}{.metadata.name}{": "}{.spec.podMonitorSelector}'
    '{.spec.serviceMonitorSelector}{.spec.ruleSelector}{"\\n"}{end}\''
)


def explain_invisible(finding: Finding, error: SourceError, around: Surroundings) -> Finding:
    """Return the finding about NVML with what a container lacks; unchanged where there is no container."""
    if error.reason not in _INVISIBLE or not around.container:
        return finding
    if around.gpu_devices:
        if error.reason != "library_missing":
            return finding
        message = f"{finding.message}; this container has the GPU's device and not the driver's library"
        return replace(finding, message=message, fix=_UTILITY_FIX)
    if around.kubernetes:
        message = f"{finding.message}; Kubernetes shows a GPU to no container but the one that asked for it"
        return replace(finding, message=message, fix=_POD_FIX)
    return replace(finding, message=f"{finding.message}; no GPU is given to this container", fix=_RUN_FIX)


def look_at_scraping() -> Finding:
    """Return the hint for a pod whose Prometheus stays empty: from inside, nobody sees which monitors it selects."""
    message = (
        "whether Prometheus scrapes this pod is not seen from inside: kube-prometheus-stack passes over monitors and "
        "rules without its label release, and says nothing"
    )
    set_label = "--set monitor.labels.release=NAME --set rules.labels.release=NAME"
    return Finding(
        "info", "kubernetes", message, f"{_SELECTORS}    # names a release? Then helm upgrade ... {set_label}"
    )
