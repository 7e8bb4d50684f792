"""The chart with names, labels and values that are allowed and unusual."""

import re

import pytest
import yaml

from e2e.rig.chart import CHART, OURS, in_tools, one, render, require_tools, run_helm
from e2e.rig.custom_resources import complaints
from pentameter.config import split_listen

pytestmark = pytest.mark.real

STANDALONE = ("--set", "mode=standalone,config.vllm.servers={http://llm:8000}")
BARE = ("--set", "dashboards.enabled=false,rules.enabled=false")
"""Leaves out what is large."""


@pytest.fixture(scope="module", autouse=True)
def tools():
    require_tools()


def rendered_as(release, namespace, *arguments):
    done = run_helm("template", release, str(CHART), "--namespace", namespace, "--kube-version", "1.36.0", *arguments)
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def test_a_release_and_a_namespace_that_look_like_numbers_stay_texts():
    network = ("--set", "networkPolicy.enabled=true", "--set-json", 'networkPolicy.ingressFrom=[{"podSelector":{}}]')
    objects = rendered_as("123", "456", *STANDALONE, *BARE, *network, "--set", "fullnameOverride=p")
    kept = [item for item in objects if item["kind"] not in OURS]
    assert in_tools("validate", {"objects": kept, "version": "1.36"}) == []
    assert [line for item in objects if item["kind"] in OURS for line in complaints(item)] == []
    for item in objects:
        assert item["metadata"]["namespace"] == "456"
        assert item["metadata"]["labels"]["app.kubernetes.io/instance"] == "123"
    assert one(objects, "ServiceMonitor")["spec"]["namespaceSelector"] == {"matchNames": ["456"]}


@pytest.mark.parametrize("release", ["a.b", "a." * 26 + "b", "a" * 53, "a" * 51 + "-b"])
def test_the_name_of_any_release_gives_a_name_that_a_service_may_have(release):
    objects = rendered_as(release, "here", *STANDALONE, *BARE)
    for item in objects:
        name = item["metadata"]["name"]
        assert re.fullmatch("[a-z]([-a-z0-9]{,61}[a-z0-9])?", name), name


def test_the_policies_of_two_releases_never_share_a_name_even_where_names_are_long():
    namespace = "n" * 63
    names = {
        one(rendered_as(release, namespace, "--set", "mode=injector", *BARE), "MutatingAdmissionPolicy")["metadata"][
            "name"
        ]
        for release in ("one", "two")
    }
    assert names == {f"{namespace}.one-pentameter", f"{namespace}.two-pentameter"}
    objects = rendered_as("one", namespace, "--set", "mode=injector", *BARE)
    assert one(objects, "MutatingAdmissionPolicyBinding")["spec"]["policyName"] in names


def test_common_labels_do_not_part_a_monitor_from_its_service():
    labels = ("--set", r"commonLabels.app\.kubernetes\.io/name=mine,commonLabels.app\.kubernetes\.io/part-of=ours")
    objects = render(*STANDALONE, *BARE, *labels)
    service, monitor = one(objects, "Service"), one(objects, "ServiceMonitor")["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert service["metadata"]["labels"]["app.kubernetes.io/part-of"] == "ours"


def test_a_folder_and_matchers_with_characters_of_yaml_arrive_as_they_were_given(tmp_path):
    values = tmp_path / "values.yaml"
    matchers = "model_name='a: b #c',namespace=\"x\""
    keda = {
        "enabled": True,
        "scaleTargetRef": {"name": "llama"},
        "slo": "chat: 1",
        "prometheus": {"matchers": matchers},
    }
    boards = {"grafanaOperator": {"enabled": True, "folder": "2024"}}
    values.write_text(yaml.safe_dump({"keda": keda, "dashboards": boards}))
    objects = render("-f", str(values))
    (trigger,) = one(objects, "ScaledObject")["spec"]["triggers"]
    said = f'avg(pentameter_goodput_load_ratio{{bound="estimate",window="5m",slo="chat: 1",{matchers}}})'
    assert trigger["metadata"]["query"] == said
    assert {item["spec"]["folder"] for item in objects if item["kind"] == "GrafanaDashboard"} == {"2024"}


def selects(selector, labels):
    """Say whether a selector of matchExpressions with NotIn fits; in Kubernetes a label that is not there does."""
    assert set(selector) == {"matchExpressions"}
    for expression in selector["matchExpressions"]:
        assert expression["operator"] == "NotIn"
        if labels.get(expression["key"]) in expression["values"]:
            return False
    return True


@pytest.mark.parametrize(
    ("arguments", "found"),
    [((), False), (("--set", "monitor.kind=PodMonitor"), True), (("--set", "monitor.enabled=false"), True)],
)
def test_the_pod_monitor_of_the_sidecars_leaves_out_the_pod_that_a_service_monitor_has(arguments, found):
    selector = one(render(*BARE), "PodMonitor")["spec"]["selector"]
    pod = one(render(*STANDALONE, *BARE, *arguments), "Deployment")["spec"]["template"]["metadata"]
    assert selects(selector, pod["labels"]) == found
    assert selects(selector, {"app": "vllm"})


def test_in_a_cluster_with_ipv6_alone_the_exporter_can_listen_there():
    (container,) = one(render(*STANDALONE, *BARE, "--set", "listenAddress=[::]"), "Deployment")["spec"]["template"][
        "spec"
    ]["containers"]
    env = {item["name"]: item.get("value") for item in container["env"]}
    assert split_listen(env["PENTAMETER_LISTEN"]) == ("::", 10055)
