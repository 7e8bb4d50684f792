"""The schema of the chart's values is strict, and knows all that there is."""

import json
from pathlib import Path

import pytest
import yaml
from chart.schema import document
from chart.settings import settings_schema
from chart.values import Value, values_of

from pentameter.generate import configuration_document

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm/pentameter"
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = values_of((CHART / "values.yaml").read_text())
FREE = {"global"}
"""Where a parent chart may put anything."""


def objects(schema, path=()):
    """Yield the path and schema of every mapping."""
    kinds = schema.get("type", [])
    if "properties" in schema or "object" in ([kinds] if isinstance(kinds, str) else kinds):
        yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from objects(below, (*path, name))
    if isinstance(schema.get("items"), dict):
        yield from objects(schema["items"], (*path, "[]"))


def place(path):
    """Return the schema of a value."""
    schema = SCHEMA
    for name in path:
        schema = schema["properties"][name]
    return schema


def test_every_mapping_with_keys_refuses_others():
    alert = ("an alert",), SCHEMA["definitions"]["alert"]
    named = [alert, *((path, schema) for path, schema in objects(SCHEMA) if "properties" in schema)]
    assert len(named) > 40
    assert [path for path, schema in named if schema.get("additionalProperties") is not False] == []


def test_a_mapping_without_keys_is_one_that_kubernetes_or_prometheus_defines():
    free = {
        ".".join(path) for path, schema in objects(SCHEMA) if "properties" not in schema and not schema.get("items")
    }
    texts = {".".join(path) for path, schema in objects(SCHEMA) if "additionalProperties" in schema}
    assert free - texts - FREE == {
        "dashboards.grafanaOperator.instanceSelector",
        "extraEnv.[]",
        "extraManifests.[]",
        "extraVolumeMounts.[]",
        "extraVolumes.[]",
        "injector.namespaceSelector",
        "keda.behavior",
        "monitor.metricRelabelings.[]",
        "monitor.relabelings.[]",
        "monitor.selector",
        "networkPolicy.egressExtra.[]",
        "networkPolicy.ingressFrom.[]",
        "resources.claims.[]",
        "rules.additionalGroups.[]",
        "securityContext",
        "standalone.affinity",
        "standalone.extraContainers.[]",
        "standalone.podSecurityContext",
        "standalone.tolerations.[]",
    }


def test_every_alert_can_be_set_by_its_name_and_every_board_left_out():
    groups = yaml.safe_load((ROOT / "deploy/rules/pentameter.rules.yml").read_text())["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
    assert place(("rules", "alerts"))["properties"].keys() == alerts
    boards = {path.stem for path in (ROOT / "dashboards/json").glob("*.json")}
    assert set(place(("dashboards", "exclude"))["items"]["enum"]) == boards


def test_every_setting_of_the_exporter_is_known():
    config = place(("config",))
    documented = {line.split("`")[1] for line in configuration_document().splitlines() if line.startswith("| `")}
    paths = [path.split(".") for path in documented]
    assert len(paths) > 100
    servers, slos = config["properties"]["vllm"]["properties"]["servers"], config["properties"]["slos"]
    for path in paths:
        assert any(knows(schema, path) for schema in (config, servers["items"], slos["items"])), path


def knows(schema, path):
    for name in path:
        schema = schema.get("properties", {}).get(name)
        if schema is None:
            return False
    return True


def test_a_text_may_stand_for_a_section_of_the_settings_where_the_exporter_takes_one():
    live = settings_schema()["properties"]["grid"]["properties"]["live"]
    assert "string" in live["type"]


def test_a_value_whose_default_tells_no_type_is_refused():
    with pytest.raises(ValueError, match="fruit: its default tells no type"):
        document([Value(("fruit",), [], "Any.")], [], [])


def test_a_shape_of_a_value_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="values that there are not: mode"):
        document([value for value in VALUES if value.path != ("mode",)], [], [])
