"""Alerts from their cause to the person: a real overload and a change of price, told of by a real Alertmanager.

A real vLLM is sent more than it can serve within its SLO. Beside it an exporter on a fast clock learns a new price in
the middle of its day. One Prometheus with the rules that are shipped watches both, and an Alertmanager with the
configuration that is shipped tells a receiver. The rules and the configuration differ in waiting times alone.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

import board_files
from e2e.rig.alarms import NEW_PRICE, OLD_PRICE, PATIENCE, SLO, STEADY_SERVER, Alarms, Crowded
from e2e.rig.alertmanager import (
    CONFIGURATION,
    RULES,
    TIMES_OF_A_ROUTE,
    amtool,
    hastened_configuration,
    hastened_rules,
    shipped,
)
from e2e.rig.install import CHECKOUT
from e2e.rig.model import MODEL_NAME
from e2e.rig.process import http_get
from e2e.rig.steady_vllm import MODEL
from e2e.rig.waiting import wait_until

pytestmark = pytest.mark.real

BURN, DRIFT = "PentameterGoodputBurnRateHigh", "PentameterCostPerTokenDrift"
RECEIVERS = {"critical": "page", "warning": "ticket", "info": "note"}
UNRENDERED = re.compile(r"<no value>|\{\{|\}\}|%!|<nil>|NaN|[Ee]rror (?:executing|expanding)")


@pytest.fixture(scope="module")
def alarms(rig):
    everything = Alarms()
    try:
        everything.start()
        yield everything
    finally:
        everything.stop()


@pytest.fixture(scope="module")
def told_before(alarms):
    """Return what had been told of the drift when the price was raised: its hours pass while vLLM is overloaded."""
    told = alarms.webhook.of(DRIFT)
    alarms.raise_the_price()
    return told


@pytest.fixture(scope="module")
def crowded(alarms, told_before):
    server = Crowded(alarms)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def told_of(alarms, name, status="firing"):
    """Wait for an alert and return it."""
    wait_until(f"{name} is told of as {status}", lambda: bool(alarms.webhook.of(name, status)), PATIENCE)
    return alarms.webhook.of(name, status)[0]


@pytest.fixture(scope="module")
def burning(alarms, crowded):
    assert alarms.webhook.of(BURN) == []
    crowded.overload()
    return told_of(alarms, BURN)


@pytest.fixture(scope="module")
def dearer(alarms, told_before):
    return told_of(alarms, DRIFT)


def dashboard(alert):
    """Return the board that an alert leads to, and its variables."""
    link = urlsplit(alert.annotations["dashboard_path"])
    known = {board["uid"] for board in map(board_files.load, board_files.paths())}
    uid = link.path.removeprefix("/d/")
    assert uid in known
    return uid, {name: values[0] for name, values in parse_qs(link.query).items()}


def test_an_overload_of_a_real_vllm_reaches_the_person_on_call(burning):
    assert burning.receiver == "page"
    assert burning.labels == {"alertname": BURN, "severity": "critical", "model_name": MODEL_NAME, "slo": SLO}
    text = burning.annotations["description"]
    assert f"the requests to {MODEL_NAME}" in text
    assert f"the SLO {SLO}" in text
    assert "Most misses: ttft." in text
    [percent] = re.findall(r"^([\d.]+)%", text)
    # Three times the budget of 10 %: the lower of the two limits.
    assert 30 < float(percent) <= 100
    assert dashboard(burning) == ("pentameter-time", {"var-model": MODEL_NAME, "var-slo": SLO})


def test_when_the_overload_is_over_the_person_is_told_so(alarms, crowded, burning):
    crowded.recover()
    over = told_of(alarms, BURN, "resolved")
    assert (over.receiver, over.labels) == (burning.receiver, burning.labels)


def test_no_drift_is_told_of_at_the_old_price(told_before):
    assert told_before == []


def test_a_price_raised_at_run_time_reaches_the_receiver_of_tickets_with_its_cause(dearer):
    assert dearer.receiver == "ticket"
    expected = {"alertname": DRIFT, "severity": "warning", "model_name": MODEL, "against": "rolling"}
    assert dearer.labels == expected
    text = dearer.annotations["description"]
    assert f"The cost per token of {MODEL} is " in text
    assert STEADY_SERVER in text
    assert re.search(r" came from: price \(x1\.\d\d\)", text), text
    assert dashboard(dearer) == ("pentameter-economics", {"var-model": MODEL})


def test_the_price_was_the_old_one_until_it_was_raised(alarms, dearer):
    paid = 'pentameter_cost_per_hour_dollars{component="total"}'
    [(_, first)], [(_, last)] = (
        alarms.prometheus.query(f"{over}({paid}[1h])") for over in ("min_over_time", "max_over_time")
    )
    assert (first, last) == (pytest.approx(OLD_PRICE), pytest.approx(NEW_PRICE))


def test_all_that_was_told_is_rendered_and_routed_by_its_severity(alarms, burning, dearer):
    for alert in list(alarms.webhook.told):
        assert set(alert.annotations) == {"summary", "description", "runbook_url", "dashboard_path"}
        texts = [*alert.annotations.values(), *alert.labels.values()]
        assert [text for text in texts if not text or UNRENDERED.search(text)] == []
        assert alert.receiver == RECEIVERS[alert.labels["severity"]]
        page = CHECKOUT / "docs/runbooks" / alert.annotations["runbook_url"].rpartition("/")[2]
        assert page.is_file()
        dashboard(alert)


def test_what_an_alert_makes_needless_is_held_back_but_not_for_another_server(alarms):
    place = {"namespace": "chat", "job": "rig", "instance": "inhibited"}
    down = {"alertname": "PentameterVllmDown", "severity": "critical", "server": "a", **place}
    stalled = {"alertname": "PentameterRequestsStalled", "severity": "critical", "model_name": "m", **place}
    alarms.alertmanager.post(down, stalled | {"server": "a"}, stalled | {"server": "b"})

    def states():
        found = alarms.alertmanager.states()
        return {
            labels["server"]: state
            for labels, state in found
            if labels["alertname"] == stalled["alertname"] and labels.get("instance") == "inhibited"
        }

    wait_until("one is held back", lambda: states() == {"a": "suppressed", "b": "active"})


# ------------------------------------------------------------------ what is used is what is shipped


def without(tree, keys):
    """Return a tree without what some keys hold, at any depth."""
    if isinstance(tree, dict):
        return {key: without(value, keys) for key, value in tree.items() if key not in keys}
    return [without(one, keys) for one in tree] if isinstance(tree, list) else tree


def test_the_rules_used_here_differ_from_the_shipped_ones_in_waiting_times_alone():
    rules = shipped(RULES)
    hastened = hastened_rules(rules)
    times = {"interval", "for", "keep_firing_for"}
    assert hastened != rules
    assert without(hastened, times) == without(rules, times)
    pairs = [
        (rule, other)
        for before, after in zip(rules["groups"], hastened["groups"], strict=True)
        for rule, other in zip([before, *before["rules"]], [after, *after["rules"]], strict=True)
    ]
    assert [rule for rule, other in pairs if rule.keys() != other.keys()] == []


def test_the_configuration_used_here_differs_from_the_shipped_one_in_waiting_times_and_urls_alone():
    configuration = shipped(CONFIGURATION)
    hastened = hastened_configuration(configuration, "http://127.0.0.1:1")
    changed = {*TIMES_OF_A_ROUTE, "url"}
    assert hastened != configuration
    assert without(hastened, changed) == without(configuration, changed)


def test_amtool_finds_both_configurations_valid(alarms):
    for path in (CONFIGURATION, alarms.alertmanager.config):
        status, said = amtool("check-config", str(path))
        assert (status, "SUCCESS" in said) == (0, True), said


def test_the_configuration_in_force_is_the_one_given(alarms):
    given = yaml.safe_load(alarms.alertmanager.config.read_text())
    in_force = yaml.safe_load(
        yaml.safe_load(http_get(f"{alarms.alertmanager.url}/api/v2/status"))["config"]["original"]
    )
    assert [route["receiver"] for route in in_force["route"]["routes"]] == [
        route["receiver"] for route in given["route"]["routes"]
    ]
    assert len(in_force["inhibit_rules"]) == len(given["inhibit_rules"])


@pytest.mark.parametrize("severity", RECEIVERS)
def test_every_severity_goes_to_its_receiver(rig, severity):
    status, said = amtool("config", "routes", "test", f"--config.file={CONFIGURATION}", f"severity={severity}")
    assert (status, said.split()[0]) == (0, RECEIVERS[severity])
