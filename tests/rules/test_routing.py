"""The example of Alertmanager's configuration is about the alerts that the rules have."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RULES = yaml.safe_load((ROOT / "deploy/rules/pentameter.rules.yml").read_text())
ROUTING = yaml.safe_load((ROOT / "deploy/alertmanager/alertmanager.yml").read_text())
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"] if "alert" in rule}
RECEIVERS = {"critical": "page", "warning": "ticket", "info": "note"}


def receiver_of(severity):
    """Return who is told: every route here asks for one severity, and what fits none goes to the first receiver."""
    routes = {tuple(route["matchers"]): route["receiver"] for route in ROUTING["route"]["routes"]}
    return routes.get((f'severity="{severity}"',), ROUTING["route"]["receiver"])


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_goes_to_the_receiver_of_its_severity(name):
    severity = ALERTS[name]["labels"]["severity"]
    assert receiver_of(severity) == RECEIVERS[severity]


def test_every_receiver_is_defined_and_told_of_some_severity():
    assert {one["name"] for one in ROUTING["receivers"]} == set(map(receiver_of, RECEIVERS))


@pytest.mark.parametrize("side", ["source_matchers", "target_matchers"])
def test_what_holds_back_and_what_is_held_back_are_alerts_of_the_rules(side):
    for rule in ROUTING["inhibit_rules"]:
        named = {name for matcher in rule[side] for name in re.findall(r"Pentameter\w+", matcher)}
        assert named
        assert named - ALERTS.keys() == set()


def test_no_alert_holds_back_itself():
    for rule in ROUTING["inhibit_rules"]:
        sources, targets = (
            {name for matcher in rule[side] for name in re.findall(r"Pentameter\w+", matcher)}
            for side in ("source_matchers", "target_matchers")
        )
        assert sources & targets == set()
