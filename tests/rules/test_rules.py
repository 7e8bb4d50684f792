"""The rules that are shipped: complete, of metrics that exist, each alert tested and explained."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from pentameter.catalogue import CATALOGUE

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/rules/pentameter.rules.yml"
TESTS = sorted((ROOT / "deploy/rules/tests").glob("*.yml"))
RUNBOOKS = ROOT / "docs/runbooks"

GROUPS = yaml.safe_load(RULES.read_text())["groups"]
ALL = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in ALL if "alert" in rule}
RECORDED = {rule["record"] for rule in ALL if "record" in rule}
BOARDS = {
    board["uid"]: {variable["name"] for variable in board["templating"]["list"]}
    for board in (json.loads(path.read_text()) for path in (ROOT / "dashboards/json").glob("*.json"))
}
CASES = [case for path in TESTS for case in yaml.safe_load(path.read_text())["tests"]]

# Set by the user in a rule of their own; see the head of the file of rules.
OF_THE_USER = {"namespace:pentameter_budget_dollars_per_hour:limit"}
# What Prometheus itself adds to a series, or the person who runs it.
OF_THE_TARGET = {"cluster", "namespace", "pod", "job", "instance"}
OF_THE_PROCESS = {"process_cpu_seconds_total", "process_start_time_seconds"}

EXPORTED = {
    name: set(metric.labels) | ({"le"} if suffix == "_bucket" else set())
    for metric in CATALOGUE
    for suffix in (("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",))
    for name in (metric.name + suffix,)
}
SELECTOR = re.compile(r"((?:\w+:)?(?:pentameter|process)_\w+(?::\w+)?)(?:\{([^}]*)\})?")
MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
LABEL_LISTS = re.compile(r"\b(?:by|without|on|ignoring|group_left)\s*\(([^)]*)\)")


def texts_of(rule):
    """Yield every piece of PromQL in a rule: its expression, and what its description asks."""
    yield rule["expr"]
    yield from re.findall(r"`([^`]*pentameter[^`]*)`", rule.get("annotations", {}).get("description", ""))


def promql_of(page):
    """Return the queries of a runbook, one per line."""
    blocks = re.findall(r"```promql\n(.*?)```", page.read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def unknown_in(promql):
    """Return the metrics and labels in a piece of PromQL that nobody exports or records."""
    unknown, known_labels = set(), set(OF_THE_TARGET)
    for name, matchers in SELECTOR.findall(promql):
        if name in EXPORTED:
            known_labels |= EXPORTED[name]
            unknown |= {
                f"{name}{{{label}}}"
                for label in MATCHER.findall(matchers)
                if label not in EXPORTED[name] | OF_THE_TARGET
            }
        elif name not in RECORDED | OF_THE_USER | OF_THE_PROCESS:
            unknown.add(name)
        else:
            known_labels |= {"model_name", "slo", "objective", "server"}
    for listed in LABEL_LISTS.findall(promql):
        unknown |= {label for label in map(str.strip, listed.split(",")) if label and label not in known_labels}
    return unknown


@pytest.fixture(scope="module")
def promtool_run():
    """Return what promtool says with these arguments, and its exit status."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")

    def run(*arguments):
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


def test_promtool_finds_nothing_to_blame_in_the_rules(promtool_run):
    status, said = promtool_run("check", "rules", "--lint=all", "--lint-fatal", str(RULES))
    assert status == 0, said


@pytest.mark.parametrize("name", ["fleet.yml", "minutes.yml"])
def test_the_quick_unit_tests_of_the_rules_pass(promtool_run, name):
    status, said = promtool_run("test", "rules", str(ROOT / "deploy/rules/tests" / name))
    assert status == 0, said


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_asks_only_for_what_is_exported_or_recorded(rule):
    assert {unknown for promql in texts_of(rule) for unknown in unknown_in(promql)} == set()


@pytest.mark.parametrize(
    ("promql", "unknown"),
    [
        ("sum by (server) (pentameter_requests_waiting)", set()),
        ("pentameter_no_such_thing > 1", {"pentameter_no_such_thing"}),
        ('pentameter_requests_waiting{windov="1h"}', {"pentameter_requests_waiting{windov}"}),
        ("sum by (sever) (pentameter_requests_waiting)", {"sever"}),
        ("model:pentameter_no_such_thing:rate1h", {"model:pentameter_no_such_thing:rate1h"}),
    ],
)
def test_an_unknown_metric_or_label_is_noticed(promql, unknown):
    assert unknown_in(promql) == unknown


def test_a_name_is_recorded_once():
    records = [rule["record"] for rule in ALL if "record" in rule]
    assert len(records) == len(RECORDED)
    assert all(re.fullmatch(r"[a-z_]+:[a-z_]+:[a-z0-9_]+", name) for name in records)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_bad_it_is_and_where_to_read_on(name):
    rule = ALERTS[name]
    notes = rule["annotations"]
    assert re.fullmatch(r"Pentameter[A-Z][A-Za-z]+", name)
    assert rule["labels"] == {"severity": rule["labels"]["severity"]}
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(notes) == {"summary", "description", "runbook_url", "dashboard_path"}
    assert "{{" not in notes["summary"]
    assert notes["runbook_url"].endswith(f"/docs/runbooks/{name}.md")


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_leads_to_a_board_that_exists_with_variables_that_it_has(name):
    path = ALERTS[name]["annotations"]["dashboard_path"]
    uid, _, query = path.removeprefix("/d/").partition("?")
    variables = set(re.findall(r"var-(\w+)=", query))
    assert uid in BOARDS
    assert variables <= BOARDS[uid]
    if "{{ $labels.model_name" in query:
        assert {"model", "namespace", "cluster"} <= variables


@pytest.mark.parametrize("name", ALERTS)
def test_what_a_description_asks_for_is_asked_of_the_alert_s_own_cluster_and_namespace(name):
    asked = re.findall(r"printf `([^`]*)`", ALERTS[name]["annotations"]["description"])
    assert [promql for promql in asked if not re.search(r"cluster=~?%q,namespace=~?%q|instance=%q", promql)] == []


def test_all_runbooks_are_under_one_base():
    assert len({rule["annotations"]["runbook_url"].rpartition("/")[0] for rule in ALERTS.values()}) == 1


@pytest.mark.parametrize("name", ALERTS)
def test_a_runbook_has_its_four_sections_and_queries_what_exists(name):
    page = RUNBOOKS / f"{name}.md"
    text = page.read_text()
    sections = re.findall(r"(?m)^## (.+)$", text)
    assert text.startswith(f"# {name}\n")
    assert sections == ["Meaning", "Impact", "Diagnosis", "Mitigation"]
    assert f"Severity: {ALERTS[name]['labels']['severity']}." in text
    assert all(part.strip() for part in re.split(r"(?m)^## .+$", text))
    assert promql_of(page)
    assert {unknown for promql in promql_of(page) for unknown in unknown_in(promql)} == set()


def test_no_runbook_is_left_of_an_alert_that_is_gone():
    assert {page.stem for page in RUNBOOKS.glob("Pentameter*.md")} == set(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_tested_before_while_and_after(name):
    courses = [
        [bool(check["exp_alerts"]) for check in case["alert_rule_test"] if check["alertname"] == name]
        for case in CASES
        if "alert_rule_test" in case
    ]
    assert any(course[:1] == [False] and True in course and course[-1] is False for course in courses), courses


def test_the_tests_evaluate_every_group_in_the_order_of_the_file():
    names = [group["name"] for group in GROUPS]
    assert [yaml.safe_load(path.read_text())["group_eval_order"] for path in TESTS] == [names] * len(TESTS)
