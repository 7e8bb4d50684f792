"""The compose demo hangs together: see also ``tests/e2e/test_real_compose.py``, which starts it."""

import json
import re
from pathlib import Path

import pytest
import yaml

from pentameter import __version__
from pentameter.config import load

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/compose"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
OURS = {"demo", "plugin", "sidecar"}
BOARDS = sorted((ROOT / "dashboards/json").glob("*.json"))


def content(name):
    return yaml.safe_load((FOLDER / name).read_text())


def mounts(service):
    """Return source and options of each volume by its place in the container."""
    parts = [volume.split(":") for volume in SERVICES[service].get("volumes", [])]
    return {target: (source, *options) for source, target, *options in parts}


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_has_a_full_version_and_is_not_the_latest(name):
    tag = SERVICES[name]["image"].rpartition(":")[2]

    assert re.match(r"v?\d+\.\d+\.\d+(-slim-[a-z]+)?$", tag)


def test_our_image_is_of_this_version_and_built_from_the_dockerfile():
    for name in OURS:
        service = SERVICES[name]
        assert service["image"] == f"ghcr.io/pentameter/pentameter:{__version__}"
        assert (FOLDER / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize("name", SERVICES)
def test_a_port_is_open_to_this_machine_alone(name):
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port)


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_is_there_and_read_only_or_a_volume(name):
    for source, *options in mounts(name).values():
        if source.startswith("."):
            assert (FOLDER / source).exists(), source
            assert options == ["ro"]
        else:
            assert source in COMPOSE["volumes"]


def test_no_volume_is_declared_that_nobody_uses():
    used = {source for name in SERVICES for source, *_ in mounts(name).values()}

    assert set(COMPOSE["volumes"]) <= used


@pytest.mark.parametrize("name", sorted(OURS))
def test_ours_runs_without_privileges_on_a_read_only_root(name):
    assert SERVICES[name]["read_only"] is True
    assert SERVICES[name]["cap_drop"] == ["ALL"]
    assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]


def test_who_waits_for_a_service_to_be_healthy_waits_for_one_that_tells():
    for service in SERVICES.values():
        for name, wait in service.get("depends_on", {}).items():
            told = {"service_healthy": "healthcheck", "service_completed_successfully": "entrypoint"}
            assert told[wait["condition"]] in SERVICES[name]


def test_a_service_that_is_always_there_needs_none_of_a_profile():
    for service in SERVICES.values():
        if "profiles" not in service:
            needed = [*service.get("depends_on", {}), service.get("network_mode", "").removeprefix("service:")]
            assert [name for name in needed if name and "profiles" in SERVICES[name]] == []


def test_the_demo_starts_when_nothing_is_said():
    assert "COMPOSE_PROFILES=demo" in (FOLDER / ".env").read_text().splitlines()
    assert {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service} == {
        "demo": ["demo"],
        "vllm": ["gpu"],
        "plugin": ["gpu"],
        "sidecar": ["gpu"],
    }


def test_prometheus_finds_the_exporter_in_both_profiles_under_one_name_and_never_both():
    (scrape,) = [job for job in content("prometheus.yml")["scrape_configs"] if job["job_name"] == "pentameter"]

    assert scrape["static_configs"] == [{"targets": ["pentameter:10055"]}]
    for name in ("demo", "vllm"):
        assert SERVICES[name]["networks"] == {"default": {"aliases": ["pentameter"]}}
        assert "127.0.0.1:10055:10055" in SERVICES[name]["ports"]  # which two cannot have at once


def test_the_sidecar_shares_the_network_of_vllm_and_its_gpu_for_looking_at_alone():
    def device(name):
        (one,) = SERVICES[name]["deploy"]["resources"]["reservations"]["devices"]
        return one

    assert SERVICES["sidecar"]["network_mode"] == "service:vllm"
    assert device("sidecar")["device_ids"] == device("vllm")["device_ids"]
    assert device("sidecar")["capabilities"] == ["gpu", "utility"]
    assert mounts("plugin")["/plugin"][0] == mounts("vllm")[SERVICES["vllm"]["environment"]["PYTHONPATH"]][0]


def test_the_settings_of_the_sidecar_are_valid_and_guess_nothing():
    settings = load(str(FOLDER / "pentameter.yml"))

    assert [server.url for server in settings.vllm.servers] == ["http://127.0.0.1:8000"]
    assert settings.economics.gpu_dollars_per_hour is None
    assert settings.grid.region is None
    assert str(settings.state_file).startswith("/var/lib/pentameter/")
    assert "/var/lib/pentameter" in mounts("sidecar")


def test_the_commented_examples_of_the_settings_are_valid_too(tmp_path):
    text = (FOLDER / "pentameter.yml").read_text()
    file = tmp_path / "pentameter.yml"
    file.write_text(re.sub(r"^# (economics|  gpu_dollars|grid|  region)", r"\1", text, flags=re.MULTILINE))

    settings = load(str(file))

    assert settings.economics.gpu_dollars_per_hour == 2.5
    assert settings.grid.region == "POL"


def test_prometheus_reads_the_shipped_rules_where_they_are_mounted_and_tells_alertmanager():
    configuration = content("prometheus.yml")
    (path,) = configuration["rule_files"]

    assert (FOLDER / mounts("prometheus")[path][0]).resolve() == ROOT / "deploy/rules/pentameter.rules.yml"
    assert configuration["alerting"]["alertmanagers"] == [{"static_configs": [{"targets": ["alertmanager:9093"]}]}]


def test_the_configuration_that_a_command_names_is_mounted():
    for name in ("prometheus", "alertmanager"):
        (path,) = [flag.partition("=")[2] for flag in SERVICES[name]["command"] if flag.startswith("--config.file=")]
        assert path in mounts(name)


def test_the_receiver_listens_where_the_shipped_configuration_of_alertmanager_posts_to():
    (source, *_) = mounts("alertmanager")["/etc/alertmanager/alertmanager.yml"]
    receivers = yaml.safe_load((FOLDER / source).read_text())["receivers"]
    urls = [one["url"] for receiver in receivers for one in receiver["webhook_configs"]]

    assert SERVICES["receiver"]["network_mode"] == "service:alertmanager"
    assert 'ADDRESS = "127.0.0.1:9099"' in (FOLDER / "receiver.py").read_text()
    assert {url.rpartition("/")[0] for url in urls} == {"http://127.0.0.1:9099"}


def test_grafana_finds_every_board_and_opens_the_overview():
    (provider,) = content("grafana/dashboards.yml")["providers"]
    folder = (FOLDER / mounts("grafana")[provider["options"]["path"]][0]).resolve()
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]

    assert sorted(folder.glob("*.json")) == BOARDS != []
    assert home.startswith(f"{provider['options']['path']}/")
    assert json.loads((folder / Path(home).name).read_text())["uid"] == "pentameter-overview"


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.stem)
def test_the_data_source_is_one_that_the_variable_of_a_board_offers(board):
    (source,) = content("grafana/datasources.yml")["datasources"]
    (variable,) = [one for one in json.loads(board.read_text())["templating"]["list"] if one["name"] == "datasource"]

    assert (variable["type"], variable["query"]) == ("datasource", source["type"])
    assert source["isDefault"] is True  # the variable has no value of its own
    assert source["uid"]


def test_grafana_knows_how_often_prometheus_scrapes_and_where_it_is():
    (source,) = content("grafana/datasources.yml")["datasources"]

    assert source["jsonData"]["timeInterval"] == content("prometheus.yml")["global"]["scrape_interval"]
    assert source["url"] == "http://prometheus:9090"


def test_whoever_opens_grafana_may_look_and_nobody_has_a_password():
    environment = SERVICES["grafana"]["environment"]

    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "true"
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert [key for key in environment if "PASSWORD" in key] == []


def test_the_pages_that_the_readme_names_are_the_ports_that_are_open():
    named = set(re.findall(r"<http://127\.0\.0\.1:(\d+)>", (FOLDER / "README.md").read_text()))
    opened = {port.split(":")[1] for service in SERVICES.values() for port in service.get("ports", [])}

    assert named == opened
