"""What the published CRDs say of the fields that the chart uses: names, types, what is required.

Facts of prometheus-operator 0.91 (PodMonitor, ServiceMonitor), 0.82 (PrometheusRule), grafana-operator 5
(GrafanaDashboard) and KEDA 2.20 (ScaledObject). A field that is not written down here is taken for a mistake.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

DURATION = r"(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)"
GO_DURATION = r"([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+"
TEXTS = {"*": str}
SELECTOR = {"matchLabels": TEXTS, "matchExpressions": [{"key!": str, "operator!": str, "values": [str]}]}
RELABELING = {
    "sourceLabels": [str],
    "separator": str,
    "targetLabel": str,
    "regex": str,
    "modulus": int,
    "replacement": str,
    "action": str,
}
ENDPOINT = {
    "port": str,
    "path": str,
    "scheme": str,
    "interval": DURATION,
    "scrapeTimeout": DURATION,
    "honorLabels": bool,
    "relabelings": [RELABELING],
    "metricRelabelings": [RELABELING],
}
MONITOR = {
    "namespaceSelector": {"any": bool, "matchNames": [str]},
    "selector!": SELECTOR,
    "podTargetLabels": [str],
    "jobLabel": str,
}
RULE = {
    "alert": str,
    "record": str,
    "expr!": str,
    "for": DURATION,
    "keep_firing_for": DURATION,
    "labels": TEXTS,
    "annotations": TEXTS,
}
POLICY = {"type!": str, "value!": int, "periodSeconds!": int}
SCALING = {"stabilizationWindowSeconds": int, "selectPolicy": str, "policies": [POLICY]}
BEHAVIOR = {"scaleUp": SCALING, "scaleDown": SCALING}

SPECS: dict[tuple[str, str], Any] = {
    ("monitoring.coreos.com/v1", "PodMonitor"): {**MONITOR, "podMetricsEndpoints": [ENDPOINT]},
    ("monitoring.coreos.com/v1", "ServiceMonitor"): {**MONITOR, "endpoints!": [ENDPOINT]},
    ("monitoring.coreos.com/v1", "PrometheusRule"): {
        "groups": [{"name!": str, "interval": DURATION, "limit": int, "labels": TEXTS, "rules": [RULE]}]
    },
    ("grafana.integreatly.org/v1beta1", "GrafanaDashboard"): {
        "allowCrossNamespaceImport": bool,
        "configMapRef": {"name": str, "key!": str},
        "folder": str,
        "instanceSelector!": SELECTOR,
        "resyncPeriod": GO_DURATION,
    },
    ("keda.sh/v1alpha1", "ScaledObject"): {
        "scaleTargetRef!": {"apiVersion": str, "kind": str, "name!": str},
        "pollingInterval": int,
        "minReplicaCount": int,
        "maxReplicaCount": int,
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": BEHAVIOR}},
        "triggers!": [
            {
                "type!": str,
                "metricType": "AverageValue|Value|Utilization",
                "metadata!": TEXTS,
                "authenticationRef": {"name!": str, "kind": str},
            }
        ],
    },
}
"""A key with ! is required, * stands for any key, a text is a pattern for a text."""


def complaints(item: dict[str, Any]) -> list[str]:
    """Return what the CRD would object to."""
    schema = SPECS.get((item["apiVersion"], item["kind"]))
    if schema is None:
        return [f"unknown resource {item['apiVersion']} {item['kind']}"]
    return list(_complaints(item["spec"], schema, "spec"))


def _complaints(value: Any, schema: Any, place: str) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from _of_mapping(value, schema, place)
    elif isinstance(schema, list):
        if not isinstance(value, list):
            yield f"{place}: not a list"
            return
        for index, item in enumerate(value):
            yield from _complaints(item, schema[0], f"{place}[{index}]")
    elif isinstance(schema, str):
        if not isinstance(value, str) or re.fullmatch(schema, value) is None:
            yield f"{place}: {value!r} does not fit"
    elif type(value) is not schema:
        yield f"{place}: {value!r} is no {schema.__name__}"


def _of_mapping(value: Any, schema: dict[str, Any], place: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{place}: not a mapping"
        return
    known = {key.removesuffix("!"): below for key, below in schema.items()}
    for key in schema:
        if key.endswith("!") and key[:-1] not in value:
            yield f"{place}: {key[:-1]} is missing"
    for key, below in value.items():
        if key not in known and "*" not in known:
            yield f"{place}.{key}: unknown"
        else:
            yield from _complaints(below, known.get(key, known.get("*")), f"{place}.{key}")
