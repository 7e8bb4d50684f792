"""Settings from a file, variables and the command line: who wins, and what is told of a mistyped key."""

import pytest

from given_settings import refusal, server, settings, written
from pentameter.config import ConfigError, Settings, load

GRID = "region, factor_type, odbl_zones, grams_per_kwh, market_grams_per_kwh, live"


def test_a_yaml_file_sets_every_kind_of_key(tmp_path):
    chosen = settings(
        file=written(
            tmp_path,
            """
listen: 127.0.0.1:9000
windows: [30s, 2h]
vllm:
  interval_seconds: 2
  servers:
    - http://10.0.0.1:8000
    - url: https://gpu.example/llm
      name: b
      gpus: [0, GPU-1]
      gpu_type: L40S
nvml: {enabled: false}
grid: {region: POL}
economics: {gpu_dollars_per_hour: 2.5}
""",
        )
    )
    assert chosen.listen == "127.0.0.1:9000"
    assert chosen.windows == ("30s", "2h")
    assert chosen.vllm.interval_seconds == 2.0
    assert [s.name for s in chosen.vllm.servers] == ["10.0.0.1:8000", "b"]
    assert chosen.vllm.servers[1].url == "https://gpu.example/llm"
    assert chosen.vllm.servers[1].gpus == ("0", "GPU-1")
    assert chosen.vllm.servers[1].gpu_type == "L40S"
    assert chosen.nvml.enabled is False
    assert (chosen.grid.region, chosen.economics.gpu_dollars_per_hour) == ("POL", 2.5)


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "vllm:\n", "vllm:\n  # servers: []\n  servers:\n"])
def test_a_key_without_a_value_means_its_default(tmp_path, text):
    assert settings(file=written(tmp_path, text)) == Settings()


def test_a_file_that_is_nested_without_end_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="nested too deeply"):
        load(written(tmp_path, "[" * 3000), {})


def test_variables_set_servers_numbers_booleans_and_lists():
    chosen = settings(
        environment={
            "PENTAMETER_VLLM_URL": "http://a:8000, http://b:8000",
            "PENTAMETER_VLLM__INTERVAL_SECONDS": "0.5",
            "PENTAMETER_NVML__ENABLED": "false",
            "PENTAMETER_HOST__ENABLED": "1",
            "PENTAMETER_WINDOWS": "10s,1m",
            "PENTAMETER_GRID__REGION": "POL",
            "PENTAMETER_ECONOMICS__GPU_DOLLARS_PER_HOUR": "1.99",
            "HOME": "/root",
        }
    )
    assert [s.url for s in chosen.vllm.servers] == ["http://a:8000", "http://b:8000"]
    assert chosen.vllm.interval_seconds == 0.5
    assert (chosen.nvml.enabled, chosen.host.enabled) == (False, True)
    assert chosen.windows == ("10s", "1m")
    assert (chosen.grid.region, chosen.economics.gpu_dollars_per_hour) == ("POL", 1.99)


def test_a_variable_names_the_file(tmp_path):
    assert settings(environment={"PENTAMETER_CONFIG": written(tmp_path, "listen: :1\n")}).listen == ":1"


def test_a_file_on_the_command_line_beats_the_file_in_the_variable(tmp_path):
    missing = str(tmp_path / "missing.yaml")
    assert settings(environment={"PENTAMETER_CONFIG": missing}, file=written(tmp_path, "listen: :2\n")).listen == ":2"


def test_the_command_line_beats_the_variables_and_these_beat_the_file(tmp_path):
    name = written(
        tmp_path,
        "listen: :1\nlog_level: debug\nvllm: {timeout_seconds: 7, interval_seconds: 3, servers: [http://file]}\n",
    )
    environment = {
        "PENTAMETER_LISTEN": ":2",
        "PENTAMETER_VLLM__INTERVAL_SECONDS": "2",
        "PENTAMETER_VLLM_URL": "http://variable",
    }
    chosen = settings({"listen": ":3", "vllm": {"servers": ["http://argument"]}}, environment, name)
    assert chosen.listen == ":3"
    assert [s.url for s in chosen.vllm.servers] == ["http://argument"]
    assert chosen.vllm.interval_seconds == 2.0
    assert (chosen.vllm.timeout_seconds, chosen.log_level) == (7.0, "debug")


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"listn": ":1"}, "listn: unknown key; did you mean 'listen'?"),
        ({"vllm": {"interval_secs": 1}}, "vllm.interval_secs: unknown key; did you mean 'interval_seconds'?"),
        (server(gpu=["0"]), "vllm.servers.0.gpu: unknown key; did you mean 'gpus'?"),
        ({"region": "POL"}, "region: unknown key; did you mean 'grid.region'?"),
        ({"energy": {"region": "POL"}}, "energy.region: unknown key; did you mean 'grid.region'?"),
        ({"grid": {"xyz": 1}}, f"grid.xyz: unknown key; known here are {GRID}"),
        ({"grid": {7: 1}}, f"grid.7: unknown key; known here are {GRID}"),
    ],
)
def test_an_unknown_key_names_the_nearest_valid_one(tree, message):
    assert refusal(tree) == message


def test_an_unknown_key_without_a_value_is_refused_as_well(tmp_path):
    assert refusal(file=written(tmp_path, "wndows:\n")) == "wndows: unknown key; did you mean 'windows'?"


def test_every_unknown_key_is_told_at_once():
    assert refusal({"listn": ":1", "gird": {}}).splitlines() == [
        "listn: unknown key; did you mean 'listen'?",
        "gird: unknown key; did you mean 'grid'?",
    ]


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("PENTAMETER_LISTN", "PENTAMETER_LISTEN"),
        ("PENTAMETER_VLLM_INTERVAL_SECONDS", "PENTAMETER_VLLM__INTERVAL_SECONDS"),
        ("PENTAMETER_VLLM_URLS", "PENTAMETER_VLLM_URL"),
        ("PENTAMETER_vllm_url", "PENTAMETER_VLLM_URL"),
        ("PENTAMETER_VLLM", "PENTAMETER_VLLM_URL"),
        ("PENTAMETER_GPU_DOLLARS_PER_HOUR", "PENTAMETER_ECONOMICS__GPU_DOLLARS_PER_HOUR"),
        ("PENTAMETER_LISTEN_PORT", "PENTAMETER_LISTEN"),
    ],
)
def test_an_unknown_variable_names_the_nearest_valid_one(variable, nearest):
    message = refusal(environment={variable: "1"})
    assert message == f"{variable}: unknown environment variable; did you mean {nearest}?"


def test_a_variable_that_resembles_none_is_answered_with_all_of_them():
    message = refusal(environment={"PENTAMETER_ZZZ": "1"})
    assert message.startswith("PENTAMETER_ZZZ: unknown environment variable; known are PENTAMETER_LISTEN, ")
    assert "PENTAMETER_GRID__REGION" in message
    assert "PENTAMETER_VLLM_URL, PENTAMETER_CONFIG" in message


def test_the_variables_that_kubernetes_sets_for_services_are_ignored():
    address = "tcp://10.96.3.4:10055"
    links = {
        "PENTAMETER_PORT": address,
        "PENTAMETER_SERVICE_HOST": "10.96.3.4",
        "PENTAMETER_SERVICE_PORT": "10055",
        "PENTAMETER_SERVICE_PORT_METRICS": "10055",
        "PENTAMETER_PORT_10055_TCP": address,
        "PENTAMETER_PORT_10055_TCP_ADDR": "10.96.3.4",
        "PENTAMETER_PORT_10055_TCP_PORT": "10055",
        "PENTAMETER_PORT_10055_TCP_PROTO": "tcp",
        "PENTAMETER_METRICS_PORT": address,
        "PENTAMETER_METRICS_SERVICE_HOST": "10.96.3.5",
        "PENTAMETER_METRICS_SERVICE_PORT_HTTP": "10055",
        "PENTAMETER_DCGM_2_PORT_53_UDP": "udp://10.96.3.6:53",
    }
    assert settings(environment=links) == Settings()


def test_a_port_that_is_no_service_link_is_a_mistake_and_told_so():
    assert refusal(environment={"PENTAMETER_PORT": "9000"}).startswith("PENTAMETER_PORT: unknown environment variable;")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("vllm: {servers: [\n", "line 2, column 1: expected the node content, but found '<stream end>'"),
        ("a: b: c\n", "line 1, column 5: mapping values are not allowed here"),
        ("\tlisten: x\n", "line 1, column 1: found character '\\t' that cannot start any token"),
        ("listen: \x00\n", "not valid YAML"),
    ],
)
def test_broken_yaml_is_refused_with_the_place(tmp_path, text, problem):
    name = written(tmp_path, text)
    assert refusal(file=name) == f"cannot read the configuration {name}: {problem}"


@pytest.mark.parametrize("text", ["- a\n- b\n", "just text\n", "5\n"])
def test_a_file_that_holds_no_mapping_is_refused(tmp_path, text):
    name = written(tmp_path, text)
    assert refusal(file=name) == f"the configuration {name} must be a mapping of keys"


def test_a_file_that_is_not_there_is_refused(tmp_path):
    name = str(tmp_path / "none.yaml")
    expected = f"cannot read the configuration {name}: [Errno 2] No such file or directory: '{name}'"
    assert refusal(file=name) == expected
    assert refusal(environment={"PENTAMETER_CONFIG": name}) == expected


@pytest.mark.parametrize(
    "text",
    ['bearer_token: "s3cret\n', "bearer_token: *s3cret\n", "bearer_token: !s3cret x\n", "bearer_token: s3cret: x\n"],
)
def test_broken_yaml_tells_no_secret(tmp_path, text):
    assert "s3cret" not in refusal(file=written(tmp_path, text))
