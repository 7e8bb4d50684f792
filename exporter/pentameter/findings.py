"""What the doctor says: findings, and the line to change for each way in which a source can fail."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pentameter.sources import SourceAbsent, SourceError


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found."""

    level: str
    """ok, info, warning or error."""
    subject: str
    message: str
    fix: str = ""
    """The line to change, for a command line or the configuration file; after ``#`` what to think of."""


TOKEN_FIX = "vllm: {servers: [{url: URL, bearer_token_file: /path/to/token}]}"  # noqa: S105 - a path, no token
_OF_VLLM_ITSELF = "--vllm-url http://HOST:PORT    # of vLLM itself:"

_VLLM_FIXES = {
    "unreachable": "--vllm-url http://HOST:PORT    # is vLLM up, where does it listen, does a firewall stand between?",
    "timeout": "vllm: {timeout_seconds: 15}    # or find out why URL/metrics is slow",
    "tls": "vllm: {servers: [{url: URL, ca_file: /path/to/ca.pem}]}    # or http:// where vLLM speaks no TLS",
    "credentials": f"{TOKEN_FIX}    # it must be readable",
    "not_http": "--vllm-url https://HOST:PORT    # does vLLM speak TLS?",
    "not_metrics": f"{_OF_VLLM_ITSELF} what answers at URL/metrics shows no metrics",
    "no_vllm_metrics": "vllm serve ...    # without --disable-log-stats; or is URL another program's exporter?",
    "too_large": "vllm: {max_page_bytes: 67108864}",
    "truncated": f"{_OF_VLLM_ITSELF} something on the way cuts the page short",
    "malformed": f"{_OF_VLLM_ITSELF} something on the way changes the page",
    "duplicate_series": f"{_OF_VLLM_ITSELF} this page mixes several servers",
    "invalid_value": f"{_OF_VLLM_ITSELF} something on the way changes the page",
}

_STATUS_FIXES = {
    "401": TOKEN_FIX,
    "403": TOKEN_FIX,
    "404": "--vllm-url http://HOST:PORT    # vLLM's base URL: /metrics is at its root, not below /v1",
}

_SEE_LOG = "curl -i URL/metrics    # the log of vLLM, or of the proxy before it, says more"

_NO_GPU_FIX = (
    "NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=utility    "
    "# for a container, in Kubernetes with runtimeClassName: nvidia; without a GPU here nothing is wrong"
)

_NVML_FIXES = {
    "library_missing": _NO_GPU_FIX,
    "driver_missing": _NO_GPU_FIX,
    "no_device": _NO_GPU_FIX,
    "pynvml_missing": "pip install nvidia-ml-py",
    "unofficial_pynvml": "pip uninstall pynvml && pip install --force-reinstall nvidia-ml-py",
    "driver_mismatch": "kubectl delete pod POD    # or restart Pentameter in another way",
    "unknown": "kubectl delete pod POD    # or create the container anew in another way: it has lost its devices",
    "gpu_lost": "nvidia-smi    # the GPU has left the bus: see Xid in dmesg, drain the node",
    "reset_required": "nvidia-smi --gpu-reset    # when nothing runs on the GPU",
    "hung": "nvidia-smi    # does it hang as well? Then the driver is stuck: drain and restart the node",
}

_GPU_LOSS = "; energy, carbon and GPU memory are left out"


def failure(subject: str, source: str, url: str, error: SourceError) -> Finding:
    """Return the finding for a source that cannot be read."""
    level = "info" if isinstance(error, SourceAbsent) else "error"
    message = f"{error.reason}: {error}"
    if source == "nvml":
        return Finding(level, subject, message + _GPU_LOSS, _NVML_FIXES.get(error.reason, ""))
    if source != "vllm":
        return Finding(level, subject, message)
    if error.reason == "http_status":
        fix = _STATUS_FIXES.get(status_of(error), _SEE_LOG)
    else:
        fix = _VLLM_FIXES.get(error.reason, "")
    return Finding(level, subject, message, fix.replace("URL", url))


def status_of(error: SourceError) -> str:
    """Return the HTTP status in an error's message, or the empty string."""
    match = re.search(r"\b[1-5]\d\d\b", str(error)) if error.reason == "http_status" else None
    return match[0] if match else ""
