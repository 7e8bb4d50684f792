"""The chart's values.schema.json: strict, from the values themselves and what their defaults cannot tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chart.settings import settings_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chart.values import Path, Value

Schema = dict[str, Any]

DURATION = {"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d|w|y))+$"}
PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
SECONDS = {"type": "integer", "minimum": 1}
URL = {"type": "string", "pattern": "^https?://[^ ]+$"}
OPTIONAL_URL = {"type": "string", "pattern": "^(https?://[^ ]+)?$"}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
FREE = {"type": "object"}
FREE_LIST = {"type": "array", "items": {"type": "object"}}
QUANTITIES = {"type": "object", "additionalProperties": {"type": ["string", "number"]}}
NAME = {"type": "string", "pattern": "^([a-z]([-a-z0-9]*[a-z0-9])?)?$"}
ID = {"type": ["integer", "null"], "minimum": 0}


def one_of(*names: str) -> Schema:
    """Return the schema of a choice."""
    return {"type": "string", "enum": list(names)}


def names(pattern: str = "^[^ ]+$") -> Schema:
    """Return the schema of a list of texts."""
    return {"type": "array", "items": {"type": "string", "pattern": pattern}}


def strict(required: Sequence[str] = (), **keys: Schema) -> Schema:
    """Return the schema of a mapping with these keys only."""
    schema: Schema = {"type": "object", "additionalProperties": False, "properties": keys}
    return {**schema, "required": list(required)} if required else schema


SECRET_MOUNT = strict(
    ("name", "mountPath"),
    name={"type": "string", "minLength": 1},
    mountPath={"type": "string", "pattern": "^/"},
    optional={"type": "boolean"},
)

SHAPES: dict[str, Schema] = {
    "mode": one_of("monitoring", "injector", "standalone"),
    "nameOverride": NAME,
    "fullnameOverride": NAME,
    "commonLabels": TEXTS,
    "commonAnnotations": TEXTS,
    "secretMounts": {"type": "array", "items": SECRET_MOUNT},
    "port": PORT,
    "listenAddress": {"type": "string", "pattern": "^([0-9.]+|\\[[0-9a-fA-F:.]+\\])$"},
    "image.digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "image.pullPolicy": one_of("Always", "IfNotPresent", "Never"),
    "imagePullSecrets": names(),
    "extraArgs": {"type": "array", "items": {"type": "string"}},
    "extraEnv": FREE_LIST,
    "extraVolumes": FREE_LIST,
    "extraVolumeMounts": FREE_LIST,
    "extraManifests": {"type": "array", "items": {"type": ["object", "string"]}},
    "resources": strict(requests=QUANTITIES, limits=QUANTITIES, claims=FREE_LIST),
    "securityContext": FREE,
    "state.persistence.accessModes": {
        "type": "array",
        "items": one_of("ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"),
        "minItems": 1,
    },
    "injector.apiVersion": one_of("auto", "v1", "v1beta1"),
    "injector.podLabels": {**TEXTS, "minProperties": 1},
    "injector.namespaceSelector": FREE,
    "injector.excludeNamespaces": names(),
    "injector.vllmUrl": URL,
    "injector.dcgm.port": PORT,
    "standalone.podSecurityContext": FREE,
    "standalone.podLabels": TEXTS,
    "standalone.podAnnotations": TEXTS,
    "standalone.nodeSelector": TEXTS,
    "standalone.tolerations": FREE_LIST,
    "standalone.affinity": FREE,
    "standalone.extraContainers": FREE_LIST,
    "service.type": one_of("ClusterIP", "NodePort", "LoadBalancer"),
    "service.port": PORT,
    "service.annotations": TEXTS,
    "networkPolicy.ingressFrom": FREE_LIST,
    "networkPolicy.egressPorts": {"type": "array", "items": PORT},
    "networkPolicy.egressExtra": FREE_LIST,
    "monitor.kind": one_of("auto", "PodMonitor", "ServiceMonitor"),
    "monitor.labels": TEXTS,
    "monitor.annotations": TEXTS,
    "monitor.namespaceSelector.matchNames": {**names(), "type": ["array", "null"]},
    "monitor.selector": FREE,
    "monitor.interval": DURATION,
    "monitor.scrapeTimeout": DURATION,
    "monitor.podTargetLabels": names(),
    "monitor.relabelings": FREE_LIST,
    "monitor.metricRelabelings": FREE_LIST,
    "rules.labels": TEXTS,
    "rules.annotations": TEXTS,
    "rules.runbookUrl": URL,
    "rules.alertLabels": TEXTS,
    "rules.alertAnnotations": TEXTS,
    "rules.budgetDollarsPerHour": {"type": ["number", "null"], "minimum": 0},
    "rules.additionalGroups": FREE_LIST,
    "dashboards.configMap.labels": TEXTS,
    "dashboards.configMap.annotations": TEXTS,
    "dashboards.grafanaOperator.instanceSelector": FREE,
    "dashboards.grafanaOperator.resyncPeriod": {"type": "string", "pattern": "^([0-9]+(ms|s|m|h))+$"},
    "keda.labels": TEXTS,
    "keda.target": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    "keda.minReplicaCount": SECONDS,
    "keda.maxReplicaCount": SECONDS,
    "keda.pollingInterval": SECONDS,
    "keda.trigger": one_of("prometheus", "metrics-api"),
    "keda.window": DURATION,
    "keda.prometheus.serverAddress": URL,
    "keda.authenticationRef": strict(name={"type": "string"}, kind={"type": "string"}),
    "keda.behavior": FREE,
    "test.prometheusUrl": OPTIONAL_URL,
    "test.timeoutSeconds": SECONDS,
}
"""By path, what a default does not tell."""

FROM_A_PARENT: dict[str, Schema] = {
    "global": {"type": "object", "description": "Values of a parent chart: imageRegistry and imagePullSecrets count."},
    "enabled": {"type": "boolean", "description": "For the condition of a parent chart; means nothing here."},
}
"""What a chart gets that is part of another; `global` may hold anything."""

_OF_DEFAULT: dict[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}


def document(values: Iterable[Value], alerts: Sequence[str], boards: Sequence[str]) -> Schema:
    """Return the whole schema.

    Args:
        values: every key of the values.
        alerts: names of the alerts that can be set.
        boards: names of the dashboards that can be left out.
    """
    shapes = {
        **SHAPES,
        "config": settings_schema(),
        "rules.alerts": strict((), **{name: {"$ref": "#/definitions/alert"} for name in alerts}),
        "dashboards.exclude": {"type": "array", "items": one_of(*boards)},
    }
    root: Schema = strict((), **FROM_A_PARENT)
    places: dict[Path, Schema] = {(): root}
    for value in values:
        if value.path[:-1] not in places:
            continue  # below a shape, which knows its keys itself
        given = shapes.pop(".".join(value.path), None)
        schema: Schema = {"description": value.meaning, **(given if given is not None else _shape(value))}
        places[value.path[:-1]]["properties"][value.path[-1]] = schema
        if given is None and value.is_section:
            places[value.path] = schema
    if shapes:
        message = f"shapes of values that there are not: {', '.join(shapes)}"
        raise ValueError(message)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart pentameter",
        "definitions": {"alert": _alert()},
        **root,
    }


def _alert() -> Schema:
    keys = {
        "enabled": {"type": "boolean"},
        "severity": one_of("critical", "warning", "info", "none"),
        "for": DURATION,
        "keep_firing_for": DURATION,
        "labels": TEXTS,
        "annotations": TEXTS,
    }
    return strict((), **keys)


def _shape(value: Value) -> Schema:
    if value.is_section:
        return strict()
    kind = _OF_DEFAULT.get(type(value.default))
    if kind is None:
        message = f"{'.'.join(value.path)}: its default tells no type; add it to SHAPES"
        raise ValueError(message)
    minimum = {"minimum": 0} if kind in {"integer", "number"} else {}
    return {"type": kind, **minimum}
