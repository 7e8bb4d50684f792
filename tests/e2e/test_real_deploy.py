"""The presets of deploy/ with real tools: kustomize on what the owners of pods render, and Kubernetes' schemas."""

from __future__ import annotations

import shutil
import subprocess

import pytest
import yaml

from deploy.presets import DEPLOY, SAMPLES, TRUTH, URL, documents, pod_of, pods, sidecar_of, variables
from e2e.rig.chart import in_tools, inject, one, render, require_tools
from e2e.rig.kubernetes_tools import kubectl

pytestmark = pytest.mark.real

VERSIONS = [f"1.{minor}" for minor in range(30, 38)]
SIDECAR = "kustomize/components/sidecar"
CHOICES = {
    "vllm-chart": [SIDECAR],
    "llm-d": [SIDECAR],
    "statefulset": [SIDECAR],
    "production-stack": ["production-stack/engines"],
    "leaderworkerset": ["kustomize/components/sidecar-lws"],
}
"""Whose pods -> the component that adds the sidecar."""
FURTHER = [f"gpu/{name}" for name in ("plugin", "runtime-class", "dcgm", "dra")]
FURTHER += [f"kustomize/components/{name}" for name in ("openshift", "servers-from-file")]
WITH_FURTHER = [(sample, component) for sample in CHOICES if sample != "leaderworkerset" for component in FURTHER]
CHANGES_OF_VLLM = {
    "gpu/plugin": {"env", "volumeMounts"},
    "gpu/dra": {"resources"},
}
"""What a component may change in vLLM's own container; env and mounts only by adding."""


@pytest.fixture(scope="module", autouse=True)
def tools():
    require_tools()


@pytest.fixture
def kustomize(tmp_path):
    """Build a kustomization of one sample and components, in a copy of deploy/."""

    def build(sample, *components):
        shutil.copytree(DEPLOY, tmp_path / "deploy", dirs_exist_ok=True)
        folder = tmp_path / "overlay"
        folder.mkdir(exist_ok=True)
        shutil.copy(SAMPLES / f"{sample}.yaml", folder / "rendered.yaml")
        said = {"resources": ["rendered.yaml"], "components": [f"../deploy/{one}" for one in components]}
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(said))
        return subprocess.run(
            [str(kubectl()), "kustomize", str(folder)], capture_output=True, text=True, timeout=60, check=False
        )

    return build


def built(done):
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def by_name(objects):
    return {item["metadata"]["name"]: item for item in objects}


def containers(pod, kind):
    return {one["name"]: one for one in pod.get(kind, [])}


def watched(sample, objects):
    """Return the workloads of a sample that are vLLM's, as they were and as they are."""
    after = by_name(objects)
    return [
        (item, after[item["metadata"]["name"]])
        for item in documents(f"{sample}.yaml", SAMPLES)
        if "router" not in item["metadata"]["name"]
    ]


@pytest.mark.parametrize("sample", CHOICES)
def test_every_original_container_stays_as_it_was_and_the_sidecar_comes_once_and_first(sample, kustomize):
    for before, after in watched(sample, built(kustomize(sample, *CHOICES[sample]))):
        was, now = pod_of(before), pod_of(after)
        assert now["containers"] == was["containers"]
        first, *others = now["initContainers"]
        assert others == was.get("initContainers", [])
        assert first == sidecar_of(pod_of(documents(TRUTH)[0]))
        assert {
            name: one for name, one in containers(now, "volumes").items() if "pentameter" not in name
        } == containers(was, "volumes")
        rest = {"initContainers", "containers", "volumes"}
        assert {key: now[key] for key in now if key not in rest} == {key: was[key] for key in was if key not in rest}


@pytest.mark.parametrize(("sample", "component"), WITH_FURTHER)
def test_a_further_component_only_adds_to_vllm_and_leaves_every_other_container_alone(sample, component, kustomize):
    objects = built(kustomize(sample, *CHOICES[sample], component))
    for before, after in watched(sample, objects):
        was, now = pod_of(before), pod_of(after)
        assert set(containers(now, "containers")) == set(containers(was, "containers"))
        for name, container in containers(was, "containers").items():
            changed = containers(now, "containers")[name]
            may = CHANGES_OF_VLLM.get(component, set()) if name == "vllm" else set()
            kept = {key: value for key, value in container.items() if key not in may}
            assert {key: value for key, value in changed.items() if key not in may} == kept
            for key in may & {"env", "volumeMounts"}:
                assert [one for one in changed.get(key, []) if one in container.get(key, [])] == container.get(key, [])
        for name, container in containers(was, "initContainers").items():
            assert containers(now, "initContainers")[name] == container
        assert sidecar_of(now)["restartPolicy"] == "Always"


def test_the_router_of_production_stack_is_no_vllm(kustomize):
    objects = built(kustomize("production-stack", "production-stack/engines", *FURTHER[:1]))
    router = by_name(objects)["stack-deployment-router"]
    before = by_name(documents("production-stack.yaml", SAMPLES))["stack-deployment-router"]
    assert router["spec"] == before["spec"]


def test_a_deployment_that_says_no_gets_nothing(kustomize, tmp_path):
    kustomize("vllm-chart", SIDECAR)
    file = tmp_path / "overlay/rendered.yaml"
    [item] = yaml.safe_load_all(file.read_text())
    item["metadata"]["labels"]["pentameter.io/inject"] = "false"
    file.write_text(yaml.safe_dump(item))
    command = [str(kubectl()), "kustomize", str(tmp_path / "overlay")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert yaml.safe_load(done.stdout)["spec"] == item["spec"]


def test_under_dra_vllm_and_the_sidecar_share_one_claim_and_no_gpu_of_the_device_plugin_remains(kustomize):
    objects = built(kustomize("vllm-chart", SIDECAR, "gpu/dra"))
    pod = pod_of(one(objects, "Deployment"))
    [vllm] = pod["containers"]
    assert vllm["resources"]["claims"] == sidecar_of(pod)["resources"]["claims"] == [{"name": "gpu"}]
    assert vllm["resources"]["limits"] == {"cpu": 4, "memory": "16Gi"}
    assert (
        pod["resourceClaims"][0]["resourceClaimTemplateName"]
        == one(objects, "ResourceClaimTemplate")["metadata"]["name"]
    )


def test_servers_from_a_file_take_the_place_of_the_url(kustomize):
    objects = built(kustomize("llm-d", SIDECAR, "kustomize/components/servers-from-file"))
    told = variables(sidecar_of(pod_of(objects[0])))
    assert URL not in told
    assert told["PENTAMETER_CONFIG"] == "/etc/pentameter/pentameter.yaml"


def test_the_wrong_component_for_a_leaderworkerset_stops_the_build_and_takes_no_container_away(kustomize, tmp_path):
    assert kustomize("leaderworkerset", "kustomize/components/sidecar-lws-init").returncode != 0
    assert kustomize("leaderworkerset", "kustomize/components/sidecar-lws").returncode == 0
    file = tmp_path / "overlay/rendered.yaml"
    [item] = yaml.safe_load_all(file.read_text())
    theirs = {"name": "download", "image": "busybox:1.37"}
    pod_of(item)["initContainers"] = [theirs]
    file.write_text(yaml.safe_dump(item))
    overlay = tmp_path / "overlay/kustomization.yaml"
    command = [str(kubectl()), "kustomize", str(tmp_path / "overlay")]
    assert subprocess.run(command, capture_output=True, timeout=60, check=False).returncode != 0
    overlay.write_text(overlay.read_text().replace("sidecar-lws", "sidecar-lws-init"))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    [first, second] = pod_of(yaml.safe_load(done.stdout))["initContainers"]
    assert (first["name"], second) == ("pentameter", theirs)


def test_the_workers_of_a_leaderworkerset_which_serve_nothing_get_no_sidecar(kustomize):
    [after] = built(kustomize("leaderworkerset", *CHOICES["leaderworkerset"]))
    [before] = documents("leaderworkerset.yaml", SAMPLES)
    for key in ("workerTemplate", "size", "restartPolicy"):
        assert after["spec"]["leaderWorkerTemplate"][key] == before["spec"]["leaderWorkerTemplate"][key]


def test_the_injector_of_the_chart_adds_the_same_container():
    policy = one(render("--set", "mode=injector"), "MutatingAdmissionPolicy")
    labels = {"pentameter.io/inject": "true"}
    spec = pod_of(documents("vllm-chart.yaml", SAMPLES)[0])
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "vllm", "labels": labels}, "spec": spec}
    injected, ours = sidecar_of(inject(policy, pod)["spec"]), sidecar_of(pod_of(documents(TRUTH)[0]))
    for key in ("image", "imagePullPolicy", "args", "restartPolicy", "envFrom", "resources", "securityContext"):
        assert injected[key] == ours[key], key
    assert "startupProbe" not in injected
    assert "readinessProbe" not in injected
    shared = {key: injected["livenessProbe"][key] for key in ours["livenessProbe"] if key != "httpGet"}
    assert shared == {key: value for key, value in ours["livenessProbe"].items() if key != "httpGet"}
    assert [{key: port[key] for key in ("name", "containerPort")} for port in injected["ports"]] == ours["ports"]
    # The settings come by another way, but these are the same.
    for key in (URL, "PENTAMETER_STATE_FILE"):
        assert variables(injected)[key] == variables(ours)[key]


def as_pod(name, spec):
    vllm = {"name": "vllm", "image": "vllm/vllm-openai:v0.32.0"}
    inside = {"containers": [vllm]} | {key: spec[key] for key in ("initContainers", "volumes") if key in spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": inside}


@pytest.mark.parametrize("version", VERSIONS)
def test_everything_fits_the_schemas_of_kubernetes_with_no_unknown_field(version, kustomize):
    objects = [as_pod(name, spec) for name, spec in pods().items()]
    # A LeaderWorkerSet and KServe's kinds hold the specification of a pod: theirs are among the pods above.
    further = [one for one in FURTHER if one != "gpu/dra" or int(version.split(".")[1]) >= 34]
    for sample in ("vllm-chart", "llm-d", "statefulset", "production-stack"):
        objects += built(kustomize(sample, *CHOICES[sample], *further))
    objects += [item for item in documents("kserve/llminferenceserviceconfig-tls.yaml") if item["kind"] == "ConfigMap"]
    [leader] = built(kustomize("leaderworkerset", *CHOICES["leaderworkerset"]))
    objects.append({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "leader"}, "spec": pod_of(leader)})
    assert in_tools("validate", {"objects": objects, "version": version}) == []


def test_an_unknown_field_in_a_preset_would_be_found():
    pod = as_pod("wrong", pods()[TRUTH])
    pod["spec"]["initContainers"][0]["restartPolice"] = "Always"
    [wrong] = in_tools("validate", {"objects": [pod], "version": "1.36"})
    assert "restartPolice" in wrong
