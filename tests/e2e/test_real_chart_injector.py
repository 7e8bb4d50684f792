"""What the injector's policy makes of pods, evaluated by a CEL interpreter that is not the API server's own.

The API server's rules that the interpreter does not know are kept by hand: types named after the path of their field,
one JSON patch, no apply configuration.
"""

import copy
import json
import re

import pytest
import yaml

from e2e.rig.chart import CHART, in_tools, inject, one, refusal, render, require_tools
from e2e.rig.install import CHECKOUT
from pentameter.config import load

pytestmark = pytest.mark.real

SAMPLES = sorted((CHECKOUT / "tests/deploy/samples").glob("*.yaml"))
VALUES = {path.stem: ("-f", str(path)) for path in sorted((CHART / "ci").glob("injector*-values.yaml"))}
EMPTY = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "labels": {"pentameter.io/inject": "true"}},
    "spec": {"containers": [{"name": "vllm", "image": "vllm/vllm-openai:v0.32.0"}]},
}


@pytest.fixture(scope="module", autouse=True)
def tools():
    require_tools()


@pytest.fixture(scope="module", params=VALUES.values(), ids=VALUES)
def policy(request):
    return one(render(*request.param), "MutatingAdmissionPolicy")


@pytest.fixture(scope="module")
def plain_policy():
    return one(render(*VALUES["injector-default-values"]), "MutatingAdmissionPolicy")


def templates(tree):
    """Yield every pod template in an object."""
    if isinstance(tree, dict):
        if "containers" in tree.get("spec", {}):
            yield tree
        else:
            for below in tree.values():
                yield from templates(below)


def pods():
    """Return the pods that the samples of other people's charts make, by name."""
    found = {"bare": EMPTY}
    for path in SAMPLES:
        for document in yaml.safe_load_all(path.read_text()):
            for index, template in enumerate(templates(document)):
                metadata = {**template.get("metadata", {}), "name": f"{path.stem}-{index}"}
                found[metadata["name"]] = {"apiVersion": "v1", "kind": "Pod", **template, "metadata": metadata}
    return found


PODS = pods()


def sidecar_of(pod):
    (found,) = [item for item in pod["spec"]["initContainers"] if item["name"] == "pentameter"]
    return found


def test_there_are_pods_of_other_peoples_charts_to_try():
    assert len(PODS) >= 5


@pytest.mark.parametrize("name", PODS)
def test_a_pod_gets_the_sidecar_and_keeps_all_that_it_had(policy, name):
    pod = PODS[name]
    patched = inject(policy, copy.deepcopy(pod))
    sidecar = sidecar_of(patched)
    assert sidecar["restartPolicy"] == "Always"
    assert patched["spec"]["initContainers"] == [*pod["spec"].get("initContainers", []), sidecar]
    volumes = pod["spec"].get("volumes", [])
    assert patched["spec"]["volumes"][: len(volumes)] == volumes
    added = {"initContainers", "volumes"}
    assert {key: value for key, value in patched["spec"].items() if key not in added} == {
        key: value for key, value in pod["spec"].items() if key not in added
    }
    assert {mount["name"] for mount in sidecar["volumeMounts"]} <= {
        volume["name"] for volume in patched["spec"]["volumes"]
    }
    for version in ("1.34", "1.36", "1.37"):
        assert in_tools("validate", {"objects": [patched], "version": version}) == []


def test_the_sidecar_cannot_hold_vllm_back_and_is_restricted(policy):
    patched = inject(policy, EMPTY)
    sidecar = sidecar_of(patched)
    assert "readinessProbe" not in sidecar
    assert "startupProbe" not in sidecar
    assert sidecar["livenessProbe"]["httpGet"]["path"] == "/healthz"
    context = sidecar["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert "/var/run/secrets/kubernetes.io/serviceaccount" in {mount["mountPath"] for mount in sidecar["volumeMounts"]}
    for volume in patched["spec"]["volumes"]:
        for source in ("configMap", "secret"):
            assert volume.get(source, {"optional": True})["optional"] is True
    for source in sidecar.get("envFrom", []):
        assert source["configMapRef"]["optional"] is True


def test_a_pod_that_has_the_sidecar_is_left_alone(policy):
    once = inject(policy, EMPTY)
    assert inject(policy, once) is once
    own = copy.deepcopy(EMPTY)
    own["spec"]["containers"].append({"name": "pentameter", "image": "mine"})
    assert inject(policy, own) is own


def test_pods_of_the_cluster_itself_are_left_alone(policy):
    assert inject(policy, EMPTY, namespace="kube-system") is EMPTY


def test_the_settings_travel_in_an_annotation_that_the_pod_mounts(tmp_path):
    objects = render(*VALUES["injector-values"])
    patched = inject(one(objects, "MutatingAdmissionPolicy"), EMPTY)
    text = patched["metadata"]["annotations"]["pentameter.io/config"]
    assert yaml.safe_load(text) == yaml.safe_load((CHART / "ci/injector-values.yaml").read_text())["config"]
    (volume,) = [item for item in patched["spec"]["volumes"] if item["name"] == "pentameter-config"]
    items = {item["path"]: item["fieldRef"]["fieldPath"] for item in volume["downwardAPI"]["items"]}
    assert items == {"config.yaml": "metadata.annotations['pentameter.io/config']", "labels": "metadata.labels"}
    environment = {
        variable["name"]: variable["value"].replace("$(HOST_IP)", "10.0.0.1")
        for variable in sidecar_of(patched)["env"]
        if "value" in variable
    }
    (tmp_path / "config.yaml").write_text(text)
    settings = load(str(tmp_path / "config.yaml"), environment)
    assert settings.vllm.max_page_bytes == 16777216
    assert settings.dcgm.url == "http://10.0.0.1:9400"
    assert [server.url for server in settings.vllm.servers] == ["http://127.0.0.1:8000"]


def test_a_text_with_quotes_and_line_breaks_reaches_the_container_as_it_was(policy):
    texts = ['a"b', "c\\d", "é\n<&>"]
    objects = render(*VALUES["injector-default-values"], "--set-json", f"extraArgs={json.dumps(texts)}")
    assert sidecar_of(inject(one(objects, "MutatingAdmissionPolicy"), EMPTY))["args"] == ["serve", *texts]


def test_a_pod_may_name_its_own_server_and_settings(plain_policy):
    own = copy.deepcopy(EMPTY)
    own["metadata"]["annotations"] = {
        "pentameter.io/vllm-url": "http://127.0.0.1:8200",
        "pentameter.io/config": "log_level: debug\n",
    }
    patched = inject(plain_policy, own)
    assert patched["metadata"]["annotations"] == own["metadata"]["annotations"]
    env = {item["name"]: item.get("value") for item in sidecar_of(patched)["env"]}
    assert env["PENTAMETER_VLLM_URL"] == "http://127.0.0.1:8200"


def test_servers_in_the_settings_are_not_overruled_by_a_variable():
    arguments = ("--set", "config.vllm.servers[0].url=http://127.0.0.1:8080")
    objects = render(*VALUES["injector-default-values"], *arguments)
    names = {item["name"] for item in sidecar_of(inject(one(objects, "MutatingAdmissionPolicy"), EMPTY))["env"]}
    assert "PENTAMETER_VLLM_URL" not in names


def test_the_policy_is_one_json_patch_that_never_stops_a_pod(policy):
    """An apply configuration may not hold args, drop or fieldRef; and between two patches an empty list is lost."""
    spec = policy["spec"]
    assert [mutation["patchType"] for mutation in spec["mutations"]] == ["JSONPatch"]
    assert spec["failurePolicy"] == "Ignore"
    expression = spec["mutations"][0]["jsonPatch"]["expression"]
    mixed = re.compile(r'(?<![\w}])\{"[^"]+": (?!")')  # a mapping whose values are no texts: Kubernetes' CEL has none
    assert mixed.search(expression) is None


@pytest.mark.parametrize(("version", "api"), [("1.34.0", "v1beta1"), ("1.35.0", "v1beta1"), ("1.36.0", "v1")])
def test_the_version_of_the_api_is_the_one_that_the_cluster_has(version, api):
    objects = render(*VALUES["injector-default-values"], version=version)
    found = {item["apiVersion"] for item in objects if item["kind"].startswith("MutatingAdmissionPolicy")}
    assert found == {f"admissionregistration.k8s.io/{api}"}


def test_an_older_cluster_is_told_so():
    assert "has no MutatingAdmissionPolicy" in refusal(*VALUES["injector-default-values"], version="1.33.0")


def test_the_binding_names_the_policy():
    objects = render(*VALUES["injector-default-values"])
    policy = one(objects, "MutatingAdmissionPolicy")
    assert one(objects, "MutatingAdmissionPolicyBinding")["spec"] == {"policyName": policy["metadata"]["name"]}
