"""The chart with a real Helm: everything renders, fits the schemas of Kubernetes, and says what the files say."""

import base64
import gzip
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from e2e.rig.chart import CHART, CI, OURS, in_tools, one, pod_specs, render, require_tools, run_helm
from e2e.rig.custom_resources import complaints
from e2e.rig.install import CHECKOUT
from pentameter.config import Settings, load

pytestmark = pytest.mark.real

VERSIONS = [f"1.{minor}" for minor in range(30, 38)]
RULES = CHECKOUT / "deploy/rules/pentameter.rules.yml"
BOARDS = sorted((CHECKOUT / "dashboards/json").glob("*.json"))
STANDALONE = ("--set", "mode=standalone,config.vllm.servers={http://llm:8000}")
BARE = ("--set", "dashboards.enabled=false,rules.enabled=false")
"""Leaves out what is large."""


@pytest.fixture(scope="module", autouse=True)
def tools():
    require_tools()


def can_render(path, version):
    """Tell whether a version of Kubernetes has what these values ask for: injector takes 1.34."""
    return not path.name.startswith("injector") or int(version.split(".")[1]) >= 34


@pytest.mark.parametrize("path", CI, ids=lambda path: path.stem)
def test_helm_lints_every_set_of_values_strictly(path):
    done = run_helm("lint", "--strict", str(CHART), "-f", str(path), "--kube-version", "1.36.0")
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_fits_the_schemas_of_kubernetes_and_the_custom_resources(version):
    for path in CI:
        if can_render(path, version):
            objects = render("-f", str(path), version=f"{version}.0")
            kept = [item for item in objects if item["kind"] not in OURS]
            assert in_tools("validate", {"objects": kept, "version": version}) == [], path.name
            wrong = [line for item in objects if item["kind"] in OURS for line in complaints(item)]
            assert wrong == [], path.name


def test_an_unknown_field_would_not_pass_either_validation():
    objects = render(*STANDALONE, *BARE)
    deployment, monitor = one(objects, "Deployment"), one(objects, "ServiceMonitor")
    deployment["spec"]["template"]["spec"]["restartPolice"] = "Always"
    monitor["spec"]["endpoints"][0]["portname"] = "pentameter"
    (wrong,) = in_tools("validate", {"objects": [deployment], "version": "1.36"})
    assert "restartPolice" in wrong
    assert complaints(monitor) == ["spec.endpoints[0].portname: unknown"]


def test_the_rules_of_the_chart_are_those_of_the_file():
    rule = one(render(), "PrometheusRule")
    assert rule["spec"] == yaml.safe_load(RULES.read_text())


def test_promtool_accepts_the_rendered_rules_and_their_tests_pass_on_them(tmp_path):
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    changed = one(render("-f", str(CHART / "ci/monitoring-values.yaml")), "PrometheusRule")["spec"]
    rendered = {"pentameter.rules.yml": one(render(), "PrometheusRule")["spec"], "changed.yml": changed}
    for name, spec in rendered.items():
        (tmp_path / name).write_text(yaml.safe_dump(spec))
        done = subprocess.run([program, "check", "rules", str(tmp_path / name)], capture_output=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    for path in sorted((RULES.parent / "tests").glob("*.yml")):
        text = path.read_text()
        assert "../pentameter.rules.yml" in text
        (tmp_path / path.name).write_text(text.replace("../pentameter.rules.yml", "pentameter.rules.yml"))
        done = subprocess.run([program, "test", "rules", str(tmp_path / path.name)], capture_output=True, check=False)
        assert done.returncode == 0, (done.stdout + done.stderr).decode()


def test_an_alert_can_be_switched_off_and_set_otherwise_and_the_others_stay_as_they_are():
    values = yaml.safe_load((CHART / "ci/monitoring-values.yaml").read_text())["rules"]
    groups = one(render("-f", str(CHART / "ci/monitoring-values.yaml")), "PrometheusRule")["spec"]["groups"]
    alerts = {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}
    shipped = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    expected = {rule["alert"]: rule for rule in shipped if "alert" in rule}
    assert expected.keys() - alerts.keys() == {"PentameterGpuHot"}
    for name, alert in alerts.items():
        own = values["alerts"].get(name, {})
        was = expected[name]
        severity = own.get("severity", was["labels"]["severity"])
        assert alert["labels"] == {**was["labels"], "team": "inference", **own.get("labels", {}), "severity": severity}
        assert alert["annotations"] == {
            **was["annotations"],
            "runbook_url": f"https://wiki.example/runbooks/{name}.md",
        }
        assert alert.get("for") == own.get("for", was.get("for"))
        assert alert.get("keep_firing_for") == own.get("keep_firing_for", was.get("keep_firing_for"))
        assert alert["expr"] == was["expr"]
    assert alerts["PentameterVllmDown"]["labels"]["severity"] == "warning"
    (budget,) = [rule for group in groups for rule in group["rules"] if "budget_dollars" in rule.get("record", "")]
    assert budget == {"record": "namespace:pentameter_budget_dollars_per_hour:limit", "expr": "vector(40.5)"}


def test_every_board_is_a_config_map_of_its_own_byte_for_byte_and_small_enough():
    maps = [item for item in render() if "grafana_dashboard" in item["metadata"]["labels"]]
    boards = {name: text for item in maps for name, text in item["data"].items()}
    assert boards == {path.name: path.read_text() for path in BOARDS}
    assert [len(item["data"]) for item in maps] == [1] * len(BOARDS)
    assert {item["metadata"]["annotations"]["grafana_folder"] for item in maps} == {"Pentameter"}
    assert max(len(json.dumps(item).encode()) for item in maps) < 256 * 1024


def test_a_release_fits_the_secret_that_helm_keeps_it_in():
    files = [path for path in CHART.rglob("*") if path.is_file() and path.parent.name != "ci"]
    chart = {path.name: base64.b64encode(path.read_bytes()).decode() for path in files}
    release = json.dumps({"chart": chart, "manifest": run_helm("template", "rel", str(CHART)).stdout})
    assert len(base64.b64encode(gzip.compress(release.encode()))) < 700_000  # of 1 MiB


def test_the_grafana_operator_gets_resources_that_refer_to_the_config_maps():
    objects = render("-f", str(CHART / "ci/monitoring-values.yaml"))
    maps = {item["metadata"]["name"]: list(item["data"]) for item in objects if item["kind"] == "ConfigMap"}
    boards = [item for item in objects if item["kind"] == "GrafanaDashboard"]
    assert len(boards) == len(BOARDS) - 1  # one is left out there
    for board in boards:
        assert maps[board["spec"]["configMapRef"]["name"]] == [board["spec"]["configMapRef"]["key"]]
        assert board["metadata"]["namespace"] == "grafana"


def test_every_pod_keeps_the_restricted_standard_and_gets_no_token():
    for path in CI:
        for spec in pod_specs(render("-f", str(path))):
            assert spec["automountServiceAccountToken"] is False
            assert spec["securityContext"]["runAsNonRoot"] is True
            for container in spec["containers"]:
                context = container["securityContext"]
                assert context["capabilities"] == {"drop": ["ALL"]}
                assert context["allowPrivilegeEscalation"] is False
                assert context["readOnlyRootFilesystem"] is True
                assert context["seccompProfile"] == {"type": "RuntimeDefault"}
                assert "readinessProbe" not in container


def test_the_exporter_of_standalone_reads_the_settings_as_they_were_given(tmp_path):
    given = yaml.safe_load((CHART / "ci/standalone-values.yaml").read_text())["config"]
    objects = render("-f", str(CHART / "ci/standalone-values.yaml"))
    text = next(item for item in objects if item["metadata"]["name"].endswith("-config"))["data"]["config.yaml"]
    assert yaml.safe_load(text) == given
    (container,) = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    (tmp_path / "config.yaml").write_text(text)
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    environment["PENTAMETER_CONFIG"] = str(tmp_path / "config.yaml")
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    settings = load(environment=environment)
    assert [server.name for server in settings.vllm.servers] == ["chat", "10.0.0.7:8000"]
    assert settings.listen == "0.0.0.0:10055"
    assert str(Path(settings.state_file).parent) in mounts
    assert str(Path(settings.vllm.servers[0].bearer_token_file).parent) in mounts


def test_a_large_number_reaches_the_exporter_as_the_number_it_was():
    objects = render("--set", "config.vllm.max_page_bytes=16777216", *STANDALONE)
    text = next(item for item in objects if item["metadata"]["name"].endswith("-config"))["data"]["config.yaml"]
    assert Settings.model_validate(yaml.safe_load(text)).vllm.max_page_bytes == 16777216


def test_a_change_of_the_settings_replaces_the_pod_of_standalone():
    def checksum(*arguments):
        template = one(render(*STANDALONE, *BARE, *arguments), "Deployment")["spec"]["template"]
        return template["metadata"]["annotations"]["checksum/config"]

    assert checksum() == checksum("--set", "service.port=80")
    assert checksum() != checksum("--set", "config.log_level=debug")


def test_a_sidecar_gets_a_pod_monitor_for_all_namespaces_and_standalone_a_service_monitor_for_its_own():
    pods = one(render(*BARE), "PodMonitor")["spec"]
    assert pods["namespaceSelector"] == {"any": True}
    assert pods["podMetricsEndpoints"][0]["port"] == "pentameter"
    objects = render(*STANDALONE, *BARE)
    service, monitor = one(objects, "Service"), one(objects, "ServiceMonitor")["spec"]
    assert monitor["namespaceSelector"] == {"matchNames": ["here"]}
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    template = one(objects, "Deployment")["spec"]["template"]
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    port = service["spec"]["ports"][0]["targetPort"]
    assert port == template["spec"]["containers"][0]["ports"][0]["containerPort"]


def test_keda_asks_prometheus_for_the_load_over_the_capacity(tmp_path):
    scaled = one(render("-f", str(CHART / "ci/keda-prometheus-values.yaml")), "ScaledObject")
    (trigger,) = scaled["spec"]["triggers"]
    assert trigger["metadata"]["query"] == (
        'avg(pentameter_goodput_load_ratio{bound="estimate",window="5m",slo="chat",model_name="llama",namespace="llm"})'
    )
    # Unknown is not zero: no figure must be an error, which keeps the replicas.
    assert trigger["metadata"]["ignoreNullValues"] == "false"
    assert trigger["metricType"] == "Value"
    rules = {"groups": [{"name": "g", "rules": [{"record": "r", "expr": trigger["metadata"]["query"]}]}]}
    (tmp_path / "query.yml").write_text(yaml.safe_dump(rules))
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    done = subprocess.run([program, "check", "rules", str(tmp_path / "query.yml")], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_keda_asks_every_exporter_behind_a_service_where_there_is_no_prometheus():
    (trigger,) = one(render("-f", str(CHART / "ci/keda-metrics-api-values.yaml")), "ScaledObject")["spec"]["triggers"]
    url = "http://llama-pentameter.here.svc:10055/api/v1/autoscaling?slo=chat&window=5m"
    assert trigger["metadata"]["url"] == url
    assert trigger["metadata"]["valueLocation"] == "targets.0.load_ratio"
    assert trigger["metadata"]["aggregateFromKubeServiceEndpoints"] == "true"


def test_helm_tests_what_there_is_to_test():
    assert [item for item in render(*BARE) if item["kind"] == "Pod"] == []
    (container,) = one(render(*STANDALONE, *BARE), "Pod")["spec"]["containers"]
    env = {item["name"]: item["value"] for item in container["env"]}
    assert env == {"SECONDS": "120", "METRICS_URL": "http://rel-pentameter.here.svc:10055/metrics"}
    arguments = ("--set", "test.prometheusUrl=http://prometheus:9090", *BARE)
    (container,) = one(render(*arguments), "Pod")["spec"]["containers"]
    env = {item["name"]: item["value"] for item in container["env"]}
    assert env["QUERY"] == 'sum(up{job="here/rel-pentameter"})'
    assert container["args"][0].rstrip("\n") == (CHART / "files/test.py").read_text().rstrip("\n")
