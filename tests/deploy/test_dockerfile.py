"""The Dockerfile promises what the deployments rely on: see also ``tests/e2e/test_real_dockerfile.py``."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from e2e.rig.dockerfile import parse
from pentameter import __version__
from pentameter.config import DEFAULT_LISTEN

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/docker"
TEXT = (FOLDER / "Dockerfile").read_text()
BUILD, FINAL = parse(TEXT)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def pinned(name):
    """Return the version and the number of hashes of each requirement of a file."""
    found = re.findall(
        r"^([\w.-]+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)", (FOLDER / name).read_text(), re.MULTILINE
    )
    return {package: (Version(version), hashes.count("--hash")) for package, version, hashes in found}


def test_both_stages_are_of_one_base_image_with_a_full_version():
    assert BUILD.image == FINAL.image
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+\.\d+-slim-[a-z]+", FINAL.image)


def test_it_is_not_root_and_says_so_by_number():
    assert FINAL.last("USER").text == "65532:65532"


def test_it_serves_on_the_port_that_it_exposes():
    assert FINAL.last("ENTRYPOINT").items() == ["pentameter"]
    assert FINAL.last("CMD").items() == ["serve"]
    assert DEFAULT_LISTEN.rpartition(":")[2] == FINAL.last("EXPOSE").text == "10055"


def test_nothing_is_run_in_the_last_stage_so_no_tool_of_the_build_is_left():
    assert FINAL.all("RUN") == []


def test_no_gpu_is_asked_for():
    assert [key for key in BUILD.environment() | FINAL.environment() if "NVIDIA" in key] == []


def test_the_labels_are_those_of_open_containers_and_true():
    labels = {key: value for step in FINAL.all("LABEL") for key, value in step.pairs().items()}
    prefix = "org.opencontainers.image."

    assert all(key.startswith(prefix) for key in labels)
    assert labels[f"{prefix}version"] == __version__
    assert labels[f"{prefix}licenses"] == PROJECT["license"]
    assert labels[f"{prefix}description"] == PROJECT["description"]
    assert labels[f"{prefix}base.name"] == FINAL.image
    assert {"title", "revision", "created", "source", "documentation"} <= {key.removeprefix(prefix) for key in labels}


def test_the_image_is_called_by_the_version_in_its_own_comment():
    assert f"-t ghcr.io/pentameter/pentameter:{__version__} ." in TEXT


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        ("requirements.txt", [*PROJECT["dependencies"], *EXTRAS["grpc"], *EXTRAS["genai-prices"]]),
        ("build-requirements.txt", ["hatchling>=1.27"]),
    ],
)
def test_every_dependency_is_pinned_by_hash_within_the_range_of_the_project(file, wanted):
    versions = pinned(file)

    for requirement in map(Requirement, wanted):
        version, hashes = versions[requirement.name]
        assert requirement.specifier.contains(version), requirement.name
        assert hashes >= 1
    lines = [line for line in (FOLDER / file).read_text().splitlines() if "==" in line]
    assert len(lines) == len(versions)


def test_every_installation_checks_hashes_or_asks_no_index():
    installs = [
        part for step in BUILD.all("RUN") for part in step.text.split("&&") if " install " in part and "pip" in part
    ]

    assert len(installs) == 3
    for one in installs:
        assert ("--require-hashes" in one and "--only-binary :all:" in one) or (
            "--no-index" in one and "--no-deps" in one
        )


def test_the_builder_is_sent_what_is_copied_and_nothing_else():
    ignored, *lines = [
        line for line in (FOLDER / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] != "#"
    ]
    sent = {line[1:] for line in lines if line.startswith("!")}
    copied = {word for step in BUILD.all("COPY") for word in step.text.split()[:-1]}

    assert ignored == "*"
    assert sent == {"deploy/docker/*.txt", "exporter/pentameter", "pyproject.toml", "README.md", "LICENSE", "NOTICE"}
    assert {path for path in copied if not (ROOT / path).exists()} == set()
    assert copied == {
        "deploy/docker/requirements.txt",
        "deploy/docker/build-requirements.txt",
        "exporter",
        *("pyproject.toml", "README.md", "LICENSE", "NOTICE"),
    }


def test_an_instruction_that_the_parser_does_not_know_is_an_error():
    with pytest.raises(ValueError, match="HEALTHCHECK"):
        parse("FROM scratch\nHEALTHCHECK NONE\n")
