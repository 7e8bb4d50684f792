"""The chart, rendered and looked at with real tools."""

from __future__ import annotations

import copy
import json
import os
import subprocess
from typing import Any

import pytest
import yaml

from e2e.rig.install import CHECKOUT
from e2e.rig.kubernetes_tools import helm, tools_are_installed, tools_python

CHART = CHECKOUT / "helm/pentameter"
CI = sorted((CHART / "ci").glob("*-values.yaml"))
OURS = {"PodMonitor", "ServiceMonitor", "PrometheusRule", "GrafanaDashboard", "ScaledObject"}
"""Kinds of custom resources, which Kubernetes' own schemas do not know."""

Object = dict[str, Any]


def require_tools() -> None:
    """Skip where Helm is not installed; fail instead when ``PENTAMETER_E2E_REQUIRED=1`` says it must be."""
    if not tools_are_installed():
        say = pytest.fail if os.environ.get("PENTAMETER_E2E_REQUIRED") == "1" else pytest.skip
        say("the tools of Kubernetes are not installed (run: python tests/e2e/rig/install.py)")


def run_helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Helm; its exit status is the caller's business."""
    return subprocess.run([str(helm()), *arguments], capture_output=True, text=True, timeout=120, check=False)


def render(*arguments: str, version: str = "1.36.0") -> list[Object]:
    """Return the objects that Helm makes for a version of Kubernetes; fails with what Helm says."""
    done = run_helm("template", "rel", str(CHART), "--namespace", "here", "--kube-version", version, *arguments)
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.load_all(done.stdout, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if item]


def refusal(*arguments: str, version: str = "1.36.0") -> str:
    """Return what Helm says when it refuses to render."""
    done = run_helm("template", "rel", str(CHART), "--kube-version", version, *arguments)
    assert done.returncode != 0, "Helm renders it"
    return done.stderr


def one(objects: list[Object], kind: str) -> Object:
    """Return the only object of a kind."""
    (found,) = [item for item in objects if item["kind"] == kind]
    return found


def in_tools(task: str, given: Object) -> Any:
    """Let the tools' interpreter do a task."""
    script = CHECKOUT / "tests/e2e/rig/in_tools.py"
    done = subprocess.run(
        [str(tools_python()), str(script), task],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def inject(policy: Object, pod: Object, namespace: str = "llm") -> Object:
    """Return the pod as the API server would store it after the policy; the same where a condition does not hold."""
    variables = {"object": pod, "request": {"namespace": namespace}}
    for condition in policy["spec"]["matchConditions"]:
        if not in_tools("evaluate", {"expression": condition["expression"], "variables": variables}):
            return pod
    patched = copy.deepcopy(pod)
    for mutation in policy["spec"]["mutations"]:
        expression = mutation["jsonPatch"]["expression"]
        for operation in in_tools("evaluate", {"expression": expression, "variables": variables}):
            assert operation.pop("$type") == "JSONPatch"
            assert operation["op"] == "add"
            apply_add(patched, operation["path"], untyped(operation["value"]))
    return patched


def apply_add(target: Any, path: str, value: Any) -> None:
    """Do the operation ``add`` of RFC 6902; raises ``KeyError`` where there is nothing to add to."""
    *above, last = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    for part in above:
        target = target[part]
    if last == "-":
        target.append(value)
    else:
        target[last] = value


def untyped(value: Any, expected: str | None = None) -> Any:
    """Return a value without the names of its types; each must be the path of its field, as the server wants."""
    if isinstance(value, list):
        return [untyped(item, expected) for item in value]
    if not isinstance(value, dict):
        return value
    name = value.get("$type")
    if name is not None and expected is not None:
        assert name == expected, f"a {name} where the API server wants a {expected}"
    path = name or expected or ""
    return {key: untyped(item, f"{path}.{key}") for key, item in value.items() if key != "$type"}


def pod_specs(objects: list[Object]) -> list[Object]:
    """Return the specification of every pod in the objects."""
    pods = [item["spec"] for item in objects if item["kind"] == "Pod"]
    return pods + [item["spec"]["template"]["spec"] for item in objects if item["kind"] == "Deployment"]
