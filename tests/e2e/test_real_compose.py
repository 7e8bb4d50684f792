"""The compose demo's processes work together: an alert of the simulated overload gets from exporter to receiver.

There is no engine here: ``e2e/rig/compose_stack.py`` says how they are started by hand, and what differs.
"""

import shutil
import subprocess

import pytest
import yaml

from e2e.rig.compose_stack import ComposeStack, mounted
from e2e.rig.process import free_port
from e2e.rig.waiting import wait_until

pytestmark = pytest.mark.real

RULES = yaml.safe_load(mounted("prometheus")["/etc/prometheus/rules/pentameter.rules.yml"].read_text())
ALERT_SECONDS = 300.0
"""Some groups of rules are evaluated once a minute and ask others; Alertmanager gathers for 10 s."""


@pytest.fixture(scope="module")
def stack(rig):
    everything = ComposeStack()
    try:
        everything.start()
        yield everything
    finally:
        everything.stop()


@pytest.fixture(scope="module")
def scraped(stack):
    """Return the stack once every target was scraped."""
    wait_until(
        "every target is up", lambda: {target["health"] for target in stack.api("targets")["activeTargets"]} == {"up"}
    )
    return stack


def test_prometheus_scrapes_the_exporter_and_its_neighbours(scraped):
    jobs = {target["labels"]["job"] for target in scraped.api("targets")["activeTargets"]}

    assert jobs == {"pentameter", "prometheus", "alertmanager"}
    assert scraped.api("query?query=pentameter_build_info")["result"][0]["metric"]["job"] == "pentameter"


def test_the_shipped_rules_are_loaded_and_each_can_be_evaluated(scraped):
    names = [group["name"] for group in RULES["groups"]]

    wait_until(
        "every rule was evaluated",
        lambda: all(rule["health"] != "unknown" for group in scraped.api("rules")["groups"] for rule in group["rules"]),
        ALERT_SECONDS,
    )

    groups = scraped.api("rules")["groups"]
    assert sorted(group["name"] for group in groups) == sorted(names)
    assert [rule.get("lastError") for group in groups for rule in group["rules"] if rule["health"] != "ok"] == []


def test_prometheus_has_found_alertmanager(scraped):
    wait_until("it is there", lambda: scraped.api("alertmanagers")["activeAlertmanagers"] != [])

    (found,) = scraped.api("alertmanagers")["activeAlertmanagers"]
    assert found["url"] == f"http://{scraped.alertmanager}/api/v2/alerts"


def test_the_alert_of_the_simulated_overload_reaches_the_receiver_of_pages(scraped):
    wait_until(
        "somebody is paged",
        lambda: any(line.startswith("page firing PentameterGoodputBurnRateHigh: ") for line in scraped.told()),
        ALERT_SECONDS,
    )


@pytest.mark.parametrize("service", ["demo", "prometheus", "alertmanager"])
def test_the_health_check_tells_life_from_death(scraped, service):
    assert scraped.healthy(service)
    assert not scraped.healthy(service, f"127.0.0.1:{free_port()}")


@pytest.mark.parametrize(
    ("program", "words", "service", "path"),
    [
        ("promtool", ["check", "rules"], "prometheus", "/etc/prometheus/rules/pentameter.rules.yml"),
        ("promtool", ["check", "config", "--syntax-only"], "prometheus", "/etc/prometheus/prometheus.yml"),
        ("amtool", ["check-config"], "alertmanager", "/etc/alertmanager/alertmanager.yml"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_the_tools_approve_of_the_mounted_file(program, words, service, path):
    tool = shutil.which(program)
    if tool is None:
        pytest.skip(f"{program} is not installed")
    done = subprocess.run([tool, *words, str(mounted(service)[path])], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
