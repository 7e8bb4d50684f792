"""The presets of deploy/ as tests read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
SAMPLES = Path(__file__).parent / "samples"
TRUTH = "kustomize/components/sidecar/pod.yaml"
URL = "PENTAMETER_VLLM_URL"

Container = dict[str, Any]
PodSpec = dict[str, Any]


def documents(place: str, root: Path = DEPLOY) -> list[dict[str, Any]]:
    """Return the documents of a file."""
    return [one for one in yaml.safe_load_all((root / place).read_text(encoding="utf-8")) if one]


def pod_of(workload: dict[str, Any]) -> PodSpec:
    """Return the specification of a workload's pods; of a LeaderWorkerSet, of its leader's."""
    spec = workload["spec"]
    pod: PodSpec = (
        spec["leaderWorkerTemplate"]["leaderTemplate"]["spec"]
        if workload["kind"] == "LeaderWorkerSet"
        else spec["template"]["spec"]
    )
    return pod


def pods() -> dict[str, PodSpec]:
    """Return what every preset adds to a pod: file -> init containers and volumes."""
    llm_d = documents("llm-d/values.yaml")[0]
    found = {place: pod_of(documents(place)[0]) for place in (TRUTH, "production-stack/engines/pod.yaml")}
    found |= {f"llm-d/values.yaml, {role}": llm_d[role] for role in ("decode", "prefill")}
    found["vllm-chart/values.yaml"] = documents("vllm-chart/values.yaml")[0]["extraInit"]
    found["kserve/inferenceservice.yaml"] = documents("kserve/inferenceservice.yaml")[0]["spec"]["predictor"]
    for name in ("llminferenceserviceconfig", "llminferenceserviceconfig-tls"):
        found[f"kserve/{name}.yaml"] = documents(f"kserve/{name}.yaml")[-1]["spec"]["template"]
    return found | {name: added_to_a_leader(name) for name in ("sidecar-lws", "sidecar-lws-init")}


def added_to_a_leader(name: str) -> PodSpec:
    """Return what the operations for a LeaderWorkerSet add."""
    added: PodSpec = {"initContainers": [], "volumes": []}
    operations: Any = yaml.safe_load((DEPLOY / f"kustomize/components/{name}/leader.yaml").read_text(encoding="utf-8"))
    for one in operations:
        if one["op"] == "add":
            value = one["value"]
            key = "volumes" if "/volumes/" in one["path"] else "initContainers"
            added[key] += value if isinstance(value, list) else [value]
    return added


def sidecar_of(pod: PodSpec) -> Container:
    """Return the one container called pentameter."""
    [sidecar] = [one for one in pod["initContainers"] if one["name"] == "pentameter"]
    found: Container = sidecar
    return found


def variables(container: Container) -> dict[str, str]:
    """Return the variables that have a value here and not from elsewhere."""
    return {one["name"]: one["value"] for one in container.get("env", []) if "value" in one}
