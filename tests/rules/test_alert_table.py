"""The table of alerts against their tests: true to both, up to date, and without a gap."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WRITTEN = (ROOT / "docs/alerts.md").read_text(encoding="utf-8")
TABLE = runpy.run_path(str(ROOT / "deploy/rules/alert_table.py"))
RULES = {
    "groups": [
        {"name": "records", "rules": [{"record": "a:b:c", "expr": "1"}]},
        {
            "name": "pentameter-alerts-gpu",
            "rules": [
                {
                    "alert": "Hot",
                    "for": "5m",
                    "labels": {"severity": "info"},
                    "annotations": {"summary": "It is a|b hot."},
                }
            ],
        },
    ]
}


def suite(*courses):
    """Return the tests' file with one test for each course: whether Hot fires at each moment."""
    checks = [[{"alertname": "Hot", "exp_alerts": [{}] * fires} for fires in course] for course in courses]
    return {"tests": [{"name": f"test {i}", "alert_rule_test": course} for i, course in enumerate(checks)]}


@pytest.mark.parametrize(
    ("firing", "shown"),
    [
        ((False,), "silent"),
        ((True,), "fires"),
        ((False, True), "silent, fires"),
        ((True, False), "fires, recovers"),
        ((False, True, True, False), "silent, fires, recovers"),
        ((False, True, False, True), "silent, fires"),
    ],
)
def test_a_row_tells_what_each_test_shows(firing, shown):
    row = TABLE["document"](RULES, {"x.yml": suite(firing)}).splitlines()[-1]
    assert row == f"| [Hot](runbooks/Hot.md) | info | It is a\\|b hot. | 5m / 0 |  | x.yml: test 0 ({shown}) |"


def test_all_tests_of_an_alert_stand_in_its_row_and_tests_of_records_in_none():
    suites = {"x.yml": suite((False, True), (False,)), "y.yml": {"tests": [{"name": "of a record"}]}}
    text = TABLE["document"](RULES, suites)
    assert "x.yml: test 0 (silent, fires)<br>x.yml: test 1 (silent)" in text
    assert "of a record" not in text
    assert "records" not in text


def test_the_committed_table_is_up_to_date():
    assert TABLE["current"]() == WRITTEN


def test_the_alerts_that_are_said_to_be_received_are_those_of_the_end_to_end_test():
    text = (ROOT / "tests/e2e/test_real_alerts.py").read_text(encoding="utf-8")
    for name in TABLE["RECEIVED_END_TO_END"]:
        assert f'"{name}"' in text
        assert f"[{name}](runbooks/{name}.md)" in WRITTEN
