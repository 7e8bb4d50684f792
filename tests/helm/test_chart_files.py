"""The chart's files without Helm: what derives is up to date, what is said of values is said of all."""

import re
from pathlib import Path

import pytest
import yaml
from chart import generate
from chart.values import values_of

from pentameter import __version__
from pentameter.config import Settings

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm/pentameter"
METADATA = yaml.safe_load((CHART / "Chart.yaml").read_text())
VALUES = values_of((CHART / "values.yaml").read_text())
TEMPLATES = {path.name: path.read_text() for path in (CHART / "templates").rglob("*.*")}
CI = {path.name: yaml.safe_load(path.read_text()) for path in (CHART / "ci").glob("*.yaml")}
PASSED_WHOLE = (
    "injector.podLabels.",
    "securityContext.",
    "standalone.podSecurityContext.",
    "resources.",
    "livenessProbe.",
    "keda.behavior.",
    "keda.scaleTargetRef.",
)
"""Sections that a template passes on as they are, so that it does not name their keys."""


def test_what_derives_from_others_is_up_to_date():
    assert generate.stale_files() == [], "run make generate"


def test_the_boards_and_the_rules_in_the_chart_are_copies():
    for path in (ROOT / "dashboards/json").glob("*.json"):
        assert (CHART / "files/dashboards" / path.name).read_bytes() == path.read_bytes()
    rules = "pentameter.rules.yml"
    assert (CHART / "files/rules" / rules).read_bytes() == (ROOT / "deploy/rules" / rules).read_bytes()


def test_the_check_names_what_is_stale(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(generate, "stale_files", lambda: ["README.md"])
    assert generate.main(["--check"]) == 1
    assert "README.md" in capsys.readouterr().err


def test_the_version_of_the_chart_goes_with_that_of_the_application():
    assert METADATA["appVersion"] == __version__
    (image,) = yaml.safe_load(METADATA["annotations"]["artifacthub.io/images"])
    assert image["image"] == f"ghcr.io/pentameter/pentameter:{__version__}"
    assert METADATA["kubeVersion"] == ">=1.29.0-0"


def test_every_value_is_documented():
    assert [".".join(value.path) for value in VALUES if not value.meaning.endswith((".", ".)"))] == []


def test_every_value_is_used_by_a_template():
    text = "".join(TEMPLATES.values())
    leaves = [value.path for value in VALUES if not value.is_section]
    named = [path for path in leaves if not ".".join(path).startswith(PASSED_WHOLE)]
    assert len(named) > 100
    assert [path for path in named if not re.search(rf'[."]{path[-1]}\b', text)] == []


def test_the_link_to_runbooks_that_is_replaced_is_the_one_in_the_rules():
    (base,) = re.findall(r'\$base := "(\S+)"', TEMPLATES["rules.yaml"])
    rules = yaml.safe_load((ROOT / "deploy/rules/pentameter.rules.yml").read_text())["groups"]
    links = [rule["annotations"]["runbook_url"] for group in rules for rule in group["rules"] if "alert" in rule]
    assert all(link.startswith(f"{base}/Pentameter") for link in links)
    assert next(value.default for value in VALUES if value.path == ("rules", "runbookUrl")) == base


def test_every_mode_has_values_to_be_rendered_with():
    assert {values.get("mode", "monitoring") for values in CI.values()} == {"monitoring", "injector", "standalone"}


def test_every_command_of_the_readme_stands_on_a_line_of_its_own():
    text = (CHART / "README.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    commands = [line for block in blocks for line in block.replace("\\\n", "").splitlines() if line]
    assert len(commands) > 3
    for command in commands:
        assert re.findall(r"\b(?:helm (?:install|test)|kubectl)(?= )", command) == [
            " ".join(command.split()[: 2 if command.startswith("helm") else 1])
        ]


@pytest.mark.parametrize("name", CI)
def test_the_settings_in_the_values_of_tests_are_ones_that_the_exporter_takes(name):
    Settings.model_validate(CI[name].get("config", {}))


def test_a_comment_belongs_to_the_key_right_below_it():
    text = "# Lost.\n\n# Of fruit.\nfruit:\n  # How many.\n  # At most 9.\n  apples: 3\n  pears: {a: 1}\n"
    assert [(value.path, value.default, value.meaning) for value in values_of(text)] == [
        (("fruit",), {"apples": 3, "pears": {"a": 1}}, "Of fruit."),
        (("fruit", "apples"), 3, "How many. At most 9."),
        (("fruit", "pears"), {"a": 1}, ""),
    ]
