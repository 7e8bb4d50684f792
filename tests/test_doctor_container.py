"""The doctor in a container: GPUs that it is not shown, and what cannot be seen from inside."""

import pytest

from examining import NO_GPUS, about_source, failing, findings_for
from given_settings import settings
from pentameter.sources import SourceAbsent, SourceError
from pentameter.sources.surroundings import Surroundings

POD = Surroundings(kubernetes=True, container=True)
CONTAINER = Surroundings(container=True)
LEFT_OUT = "; energy, carbon and GPU memory are left out"


def about_nvml(around, reason="library_missing", kind=SourceAbsent):
    found = about_source("nvml", failing(kind(reason, "no")), around=around)
    [finding] = [one for one in found if one.subject == "nvml"]
    assert finding.message.startswith(f"{reason}: no{LEFT_OUT}")
    return finding.level, finding.message.partition(LEFT_OUT)[2], finding.fix


@pytest.mark.parametrize("reason", ["library_missing", "driver_missing", "no_device"])
def test_a_pod_without_a_gpu_in_sight_names_the_ways_to_one(reason):
    level, message, fix = about_nvml(POD, reason)
    assert level == "info"
    assert message == "; Kubernetes shows a GPU to no container but the one that asked for it"
    assert fix == (
        "components: [https://github.com/pentameter/pentameter//deploy/gpu/plugin]    # or gpu/dra, gpu/dcgm, "
        "gpu/runtime-class: see deploy/gpu/README.md; nothing is to change where vLLM's plugin or dcgm-exporter tells, "
        "or there is no GPU"
    )


def test_another_container_is_told_how_it_is_given_a_gpu():
    assert about_nvml(CONTAINER)[1:] == (
        "; no GPU is given to this container",
        "docker run --gpus all ...    # needs the NVIDIA Container Toolkit; without a GPU here nothing is wrong",
    )


@pytest.mark.parametrize("kubernetes", [False, True])
def test_a_device_without_the_library_lacks_a_capability(kubernetes):
    around = Surroundings(kubernetes=kubernetes, container=True, gpu_devices=True)
    assert about_nvml(around)[1:] == (
        "; this container has the GPU's device and not the driver's library",
        "NVIDIA_DRIVER_CAPABILITIES=utility    # or all: the part of the driver that NVML is in",
    )


def test_a_driver_that_was_replaced_is_no_matter_of_the_container():
    level, more, fix = about_nvml(POD, "driver_mismatch", SourceError)
    assert (level, more) == ("error", "")
    assert fix == "kubectl delete pod POD    # or restart Pentameter in another way"


def test_only_in_kubernetes_the_label_of_the_monitors_is_called_to_mind():
    chosen = settings(NO_GPUS)
    [hint] = [finding for finding in findings_for(chosen, POD) if finding.subject == "kubernetes"]
    assert hint.level == "info"
    assert "without its label release" in hint.message
    assert hint.fix.startswith("kubectl get prometheus -A -o jsonpath='{range .items[*]}")
    assert "{.spec.podMonitorSelector}" in hint.fix
    assert hint.fix.endswith("--set monitor.labels.release=NAME --set rules.labels.release=NAME")
    assert not any(finding.subject == "kubernetes" for finding in findings_for(chosen, CONTAINER))
