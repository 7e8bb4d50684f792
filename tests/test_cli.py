"""The command line: what each command prints, and with which status it ends."""

import json
import os

import pytest

from fakes.http_server import ScriptedServer, page
from given_settings import settings, written
from pentameter import __version__, cli
from pentameter.simulator.server import SimulatedVllm

NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens there


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Take every setting away that the developer's shell may hold, and the machine's GPUs."""
    for variable in [name for name in os.environ if name.startswith("PENTAMETER_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PENTAMETER_NVML__ENABLED", "false")
    return monkeypatch


@pytest.fixture
def fast(environment):
    """Let a measurement of half a second have several readings."""
    environment.setenv("PENTAMETER_VLLM__INTERVAL_SECONDS", "0.1")
    environment.setenv("PENTAMETER_DERIVE_INTERVAL_SECONDS", "0.1")


@pytest.fixture(scope="module")
def vllm():
    with SimulatedVllm() as simulated:
        yield simulated.start()


def refused_at_once(*arguments):
    """Return the exit status of arguments that argparse itself answers."""
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    return caught.value.code


def test_the_version_is_told(capsys):
    assert refused_at_once("--version") == 0
    assert capsys.readouterr().out == f"pentameter {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["sing"],
        ["serve", "--listen"],
        ["serve", "--log-level", "loud"],
        ["once", "--format", "xml"],
        ["check", "--listen", ":1"],
    ],
)
def test_a_command_line_that_makes_no_sense_ends_with_2(arguments, capsys):
    assert refused_at_once(*arguments) == 2
    assert "usage: pentameter" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon"])
def test_once_measures_for_some_time(seconds, capsys):
    assert refused_at_once("once", "--seconds", seconds) == 2
    assert f"argument --seconds: must be a number above 0, got '{seconds}'" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["serve", "once"])
def test_without_a_server_there_is_nothing_to_measure(command, capsys):
    assert cli.main([command]) == 2
    assert capsys.readouterr() == (
        "",
        "pentameter: no vLLM server is configured: give --vllm-url http://127.0.0.1:8000, or try `pentameter demo`\n",
    )


@pytest.mark.parametrize("command", ["serve", "demo", "once", "check"])
def test_every_command_refuses_wrong_settings(command, environment, capsys):
    environment.setenv("PENTAMETER_LISTN", ":1")
    assert cli.main([command, "--vllm-url", NOWHERE]) == 2
    assert capsys.readouterr() == (
        "",
        "pentameter: PENTAMETER_LISTN: unknown environment variable; did you mean PENTAMETER_LISTEN?\n",
    )


@pytest.mark.parametrize("command", ["serve", "demo", "once", "check"])
def test_a_file_that_is_not_there_ends_with_2(command, capsys):
    assert cli.main([command, "--config", "/nowhere.yaml"]) == 2
    assert capsys.readouterr().err == (
        "pentameter: cannot read the configuration /nowhere.yaml: "
        "[Errno 2] No such file or directory: '/nowhere.yaml'\n"
    )


@pytest.mark.parametrize("command", ["serve", "once", "check"])
def test_an_unknown_grid_region_ends_with_2(command, environment, capsys):
    environment.setenv("PENTAMETER_GRID__REGION", "XYZ")
    assert cli.main([command, "--vllm-url", NOWHERE]) == 2
    assert capsys.readouterr().err == (
        "pentameter: grid.region: no grid is known for 'XYZ'; write a country such as POL, a state such as US-VA, "
        "a cloud's region such as aws:us-east-1, or WORLD\n"
    )


def test_the_demo_refuses_an_unknown_grid_region_as_well(environment, capsys):
    environment.setenv("PENTAMETER_GRID__REGION", "XYZ")
    assert cli.main(["demo"]) == 2
    assert "pentameter: grid.region: no grid is known for 'XYZ';" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["serve", "once", "check"])
def test_an_unknown_gpu_type_ends_with_2_and_names_the_known_ones(command, tmp_path, capsys):
    file = written(tmp_path, f"vllm: {{servers: [{{url: '{NOWHERE}', gpu_type: H100}}]}}")
    assert cli.main([command, "--config", file]) == 2
    message = capsys.readouterr().err
    assert message.startswith("pentameter: vllm.servers: unknown gpu_type 'H100'; known: T4, V100-SXM2-16GB, ")
    assert ", H100-SXM-80GB, " in message


def test_an_unknown_preset_ends_with_2_and_names_the_known_ones(capsys):
    assert cli.main(["demo", "--preset", "tpu"]) == 2
    assert capsys.readouterr().err == "pentameter: unknown preset 'tpu'; there are: h100-8b, h100x2-8b\n"


def test_the_command_line_beats_the_file_and_the_variables(tmp_path, environment):
    environment.setenv("PENTAMETER_LISTEN", ":1")
    file = written(tmp_path, "vllm: {servers: [http://file:1], interval_seconds: 2}\nlog_level: error\n")
    options = cli._parser().parse_args(
        ["serve", "--config", file, "--vllm-url", "http://a:1", "--vllm-url", "http://b:1", "--listen", ":2"]
    )
    chosen = cli._settings(options)
    assert [server.url for server in chosen.vllm.servers] == ["http://a:1", "http://b:1"]
    assert (chosen.listen, chosen.log_level, chosen.vllm.interval_seconds) == (":2", "error", 2.0)


def test_the_demo_invents_a_price_a_place_and_an_slo_only_where_none_is_set():
    price = {"economics": {"gpu_dollars_per_hour": 9}}
    slo = {
        "slos": [
            {"name": "interactive", "ttft_seconds": 0.5, "tpot_seconds": 0.025},
            {"name": "patient", "e2e_seconds": 20},
        ]
    }
    place = {
        "grid": {"region": "USA"},
        "energy": {"pue": 1.15, "host": {"idle_watts": 400, "max_watts": 1400, "gpus": 8}},
    }
    money = {"gpu_dollars_per_hour": 2.5, "split": {"output_to_input_ratio": 4, "cached_to_input_ratio": 0.1}}
    assert cli._examples(settings()) == {"economics": money, **place, **slo}
    assert cli._examples(settings(price)) == {**place, **slo}
    own = {"slos": [{"name": "own", "e2e_seconds": 9}], "energy": {"pue": 1.3}}
    assert cli._examples(settings({**price, **own, "grid": {"grams_per_kwh": 41}})) == {}


@pytest.fixture
def demo(monkeypatch):
    """Return a function that runs the demo up to where it would serve, and says with what it would have."""

    def run(*arguments):
        served = []
        monkeypatch.setattr(
            cli, "_run", lambda _options, chosen, _again, meter, feeds: served.append((chosen, feeds)) or 0
        )
        assert cli.main(["demo", *arguments]) == 0
        return served[0]

    return run


def test_the_demo_takes_the_simulators_messages_at_an_address_of_its_own(demo):
    chosen, feeds = demo()
    assert chosen.plugin.socket == f"@pentameter-demo-{os.getpid()}"
    assert {feed.source.name for feed in feeds} >= {"vllm", "simulator", "plugin"}
    assert [slo.name for slo in chosen.slos] == ["interactive", "patient"]


def test_the_demo_without_the_plugin_does_not_send(demo, environment, monkeypatch):
    environment.setenv("PENTAMETER_PLUGIN__ENABLED", "false")
    monkeypatch.delattr("pentameter.simulator.server.SimulatedPlugin")
    chosen, feeds = demo()
    assert not chosen.plugin.enabled
    assert "plugin" not in {feed.source.name for feed in feeds}


def test_the_demo_keeps_out_of_the_state_of_the_real_server(demo, tmp_path):
    chosen, _ = demo("--config", written(tmp_path, f"state_file: {tmp_path}/state.json"))
    assert chosen.state_file is None


@pytest.mark.usefixtures("fast")
def test_once_prints_a_page_as_prometheus_reads_it(vllm, capsys):
    assert cli.main(["once", "--vllm-url", vllm, "--seconds", "1.5"]) == 0
    page_text = capsys.readouterr().out
    server = vllm.removeprefix("http://")
    assert f'pentameter_source_up{{reason="",server="{server}",source="vllm"}} 1.0' in page_text
    assert "# TYPE pentameter_model_flops_total counter" in page_text
    assert 'pentameter_tokens_per_second{engine="0"' in page_text


@pytest.mark.usefixtures("fast")
def test_once_prints_the_same_as_json(vllm, capsys):
    assert cli.main(["once", "--vllm-url", vllm, "--seconds", "1.5", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"vllm", "host"} <= {source["source"] for source in document["sources"] if source["up"]}
    rates = [s for s in document["samples"] if s["name"] == "pentameter_tokens_per_second"]
    assert {s["labels"]["phase"] for s in rates} >= {"prompt", "generation"}
    assert all(s["value"] > 0 for s in rates if s["labels"]["phase"] == "generation")


def test_once_ends_with_1_when_no_server_answers(capsys):
    assert cli.main(["once", "--vllm-url", NOWHERE, "--seconds", "0.3"]) == 1
    assert (
        'pentameter_source_up{reason="unreachable",server="127.0.0.1:9",source="vllm"} 0.0' in capsys.readouterr().out
    )


def test_check_prints_a_line_for_each_finding_and_below_it_what_to_change(vllm, capsys):
    assert cli.main(["check", "--vllm-url", vllm]) == 0
    server = vllm.removeprefix("http://")
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        f"ok      vllm {server}: vLLM 0.32.0",
        f"ok      vllm {server}: serves meta-llama/Llama-3.1-8B-Instruct",
    ]
    assert f"ok      vllm {server} engine 0: counts FLOPs and bytes: MFU and MBU with basis=vllm" in lines
    assert lines[-2:] == [
        "info    settings: no grid region: carbon is left out",
        "          change: grid: {region: POL}    # ISO 3166 alpha-3 of the country where the GPUs stand",
    ]


def test_check_prints_the_same_as_json(vllm, capsys):
    assert cli.main(["check", "--vllm-url", vllm, "--format", "json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert findings[0] == {
        "level": "ok",
        "subject": f"vllm {vllm.removeprefix('http://')}",
        "message": "vLLM 0.32.0",
        "fix": "",
    }
    assert findings[-1]["fix"].startswith("grid: {region: POL}")


def test_check_ends_with_1_when_a_server_does_not_answer(capsys):
    assert cli.main(["check", "--vllm-url", NOWHERE]) == 1
    assert "error   vllm 127.0.0.1:9: unreachable: " in capsys.readouterr().out


def test_check_without_a_server_says_so_and_ends_with_1(capsys):
    assert cli.main(["check"]) == 1
    assert "error   settings: no vLLM server is configured\n" in capsys.readouterr().out


def test_a_token_shows_in_nothing_that_is_printed(tmp_path, capsys):
    with ScriptedServer({"/metrics": page("no", status="401 Unauthorized")}) as server:
        file = written(tmp_path, f"vllm: {{servers: [{{url: '{server.url}', bearer_token: s3cret}}]}}")
        assert cli.main(["check", "--config", file]) == 1
        assert cli.main(["once", "--config", file, "--seconds", "0.2", "--format", "json"]) == 1
        assert "Authorization: Bearer s3cret" in server.requests[0]
    shown = capsys.readouterr()
    assert "401 Unauthorized" in shown.out
    assert "s3cret" not in shown.out + shown.err
