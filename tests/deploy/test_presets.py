"""The presets of deploy/ say the same of one sidecar, and nothing that the exporter does not understand."""

from __future__ import annotations

import pytest
import yaml

from deploy.presets import DEPLOY, TRUTH, URL, documents, pod_of, pods, sidecar_of, variables
from pentameter import __version__
from pentameter.config import load

PRESETS = pods()
WITHOUT_VOLUMES = "vllm-chart/values.yaml"
TLS = "kserve/llminferenceserviceconfig-tls.yaml"
URLS = {
    "llm-d/values.yaml, decode": "http://127.0.0.1:8200",
    "kserve/inferenceservice.yaml": "http://127.0.0.1:8080",
    TLS: None,
}
"""Where vLLM does not listen on 8000 and http."""
COMPONENTS = sorted(path.parent for path in DEPLOY.rglob("kustomization.yaml"))


def but_env_and_mounts(container):
    return {key: value for key, value in container.items() if key not in {"env", "volumeMounts"}}


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_has_the_same_sidecar_but_for_what_its_owner_dictates(preset):
    truth, sidecar = sidecar_of(PRESETS[TRUTH]), sidecar_of(PRESETS[preset])
    assert but_env_and_mounts(sidecar) == but_env_and_mounts(truth)
    expected = variables(truth) | {URL: URLS.get(preset, "http://127.0.0.1:8000")}
    if preset == TLS:
        expected = variables(truth) | {"PENTAMETER_CONFIG": "/etc/pentameter/pentameter.yaml"}
        del expected[URL]
    if preset == WITHOUT_VOLUMES:
        expected = {URL: expected[URL]}
    assert variables(sidecar) == expected
    assert sidecar.get("volumeMounts") == (None if preset == WITHOUT_VOLUMES else truth["volumeMounts"])


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != WITHOUT_VOLUMES])
def test_every_preset_brings_the_volumes_that_its_sidecar_mounts(preset):
    pod = PRESETS[preset]
    mounted = {one["name"] for one in sidecar_of(pod)["volumeMounts"]}
    assert {one["name"] for one in pod["volumes"]} == mounted
    if preset != TLS:
        assert pod["volumes"] == PRESETS[TRUTH]["volumes"]


def test_the_sidecar_is_a_native_one_that_never_keeps_vllm_waiting_or_out_of_its_service():
    sidecar = sidecar_of(PRESETS[TRUTH])
    assert sidecar["restartPolicy"] == "Always"
    assert "startupProbe" not in sidecar
    assert "readinessProbe" not in sidecar
    assert sidecar["livenessProbe"]["httpGet"]["path"] == "/healthz"


def test_the_sidecar_keeps_a_guaranteed_pod_guaranteed_and_takes_no_gpu():
    resources = sidecar_of(PRESETS[TRUTH])["resources"]
    assert resources["requests"] == resources["limits"]
    assert set(resources["limits"]) == {"cpu", "memory"}


def test_the_image_is_of_the_released_version_everywhere():
    images = {
        line.split("image: ")[1].strip()
        for path in DEPLOY.rglob("*.yaml")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "image: ghcr.io/pentameter/" in line and "compose" not in path.parts
    }
    assert images == {f"ghcr.io/pentameter/pentameter:{__version__}"}


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != TLS])
def test_the_sidecar_starts_without_a_configmap(preset):
    settings = load(environment=variables(sidecar_of(PRESETS[preset])))
    assert [server.url for server in settings.vllm.servers] == [URLS.get(preset, "http://127.0.0.1:8000")]
    for volume in PRESETS[preset].get("volumes", []):
        assert volume.get("configMap", {"optional": True})["optional"] is True


def test_the_file_for_https_is_understood_and_is_what_the_sidecar_reads(tmp_path):
    given = documents(TLS)[0]
    [volume] = [one for one in PRESETS[TLS]["volumes"] if one["name"] == "pentameter-config"]
    assert volume["configMap"] == {"name": given["metadata"]["name"]}
    file = tmp_path / "pentameter.yaml"
    file.write_text(given["data"]["pentameter.yaml"])
    [server] = load(environment=variables(sidecar_of(PRESETS[TLS])) | {"PENTAMETER_CONFIG": str(file)}).vllm.servers
    assert (server.url, server.insecure_skip_verify) == ("https://127.0.0.1:8000", True)


@pytest.mark.parametrize("name", ["dcgm", "runtime-class"])
def test_what_a_way_to_the_gpus_adds_is_understood_by_the_exporter(name):
    added = sidecar_of(pod_of(documents(f"gpu/{name}/pod.yaml")[0]))
    filled = {one["name"]: one.get("value", "filled-in") for one in added["env"]}
    settings = load(environment=variables(sidecar_of(PRESETS[TRUTH])) | filled)
    if name == "dcgm":
        assert (settings.dcgm.pod, settings.dcgm.namespace) == ("filled-in", "filled-in")
        assert filled["PENTAMETER_DCGM__URL"] == "http://$(HOST_IP):9400"
        # The kubelet fills in only what stands before.
        assert [one["name"] for one in added["env"]].index("HOST_IP") == 0


def test_the_plugin_s_init_container_runs_the_sidecar_s_image_with_its_rights():
    [copies] = pod_of(documents("gpu/plugin/pod.yaml")[0])["initContainers"]
    sidecar = sidecar_of(PRESETS[TRUTH])
    assert "restartPolicy" not in copies
    for key in ("image", "imagePullPolicy", "resources", "securityContext"):
        assert copies[key] == sidecar[key]


def test_the_openshift_component_takes_away_only_the_user():
    sidecar = sidecar_of(pod_of(documents("kustomize/components/openshift/pod.yaml")[0]))
    assert sidecar == {"name": "pentameter", "securityContext": {"runAsUser": None, "runAsGroup": None}}


@pytest.mark.parametrize("folder", COMPONENTS, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_the_readme_names_every_component_and_every_file_of_a_component_is_used(folder):
    said = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    used = {one["path"] for one in said["patches"] if "path" in one} if "patches" in said else set()
    used |= set(said.get("resources", []))
    there = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
    assert there <= used
    if said["kind"] == "Component" and folder.name != "engines":
        readmes = [(DEPLOY / place).read_text(encoding="utf-8") for place in ("README.md", "gpu/README.md")]
        assert any(f"`{folder.relative_to(DEPLOY)}`" in readme for readme in readmes)


KSERVE_SPEC = {"annotations", "baseRefs", "labels", "model", "parallelism", "prefill", "replicas", "router", "template"}
"""Fields of an LLMInferenceServiceConfig's spec by its published definition."""


@pytest.mark.parametrize("name", ["llminferenceserviceconfig", "llminferenceserviceconfig-tls"])
def test_a_config_for_kserve_fits_the_published_definition_and_says_nothing_of_vllm_s_own_container(name):
    config = documents(f"kserve/{name}.yaml")[-1]
    assert (config["apiVersion"], config["kind"]) == ("serving.kserve.io/v1alpha2", "LLMInferenceServiceConfig")
    assert set(config["spec"]) <= KSERVE_SPEC
    # The definition demands containers, and of each its name; KServe merges them by it.
    assert config["spec"]["template"]["containers"] == [{"name": "main"}]
    # KServe takes what stands in double braces for its own templates.
    assert "{{" not in str(config)


def test_the_inferenceservice_is_patched_in_its_predictor_alone():
    patch = documents("kserve/inferenceservice.yaml")[0]
    assert set(patch["spec"]) == {"predictor"}
    assert set(patch["spec"]["predictor"]) == {"initContainers", "volumes"}


def test_nothing_is_added_to_llm_d_s_list_of_containers_which_would_get_gpus():
    values = documents("llm-d/values.yaml")[0]
    assert {key for role in values.values() for key in role} == {"initContainers", "volumes"}
