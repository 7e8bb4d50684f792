"""The settings themselves: defaults, what is refused and in which words, and what is not shown."""

import pytest
from pydantic import ValidationError

from given_settings import URL, refusal, server, settings
from pentameter.config import ConfigError, Settings, seconds_of, split_listen


def test_without_anything_the_defaults_hold():
    plain = settings()
    assert plain == Settings()
    assert (plain.listen, plain.log_level, plain.windows) == ("0.0.0.0:10055", "info", ("1m", "5m", "1h"))
    assert (plain.vllm.servers, plain.vllm.interval_seconds, plain.vllm.timeout_seconds) == ((), 1.0, 5.0)
    assert (plain.nvml.enabled, plain.host.enabled) == (True, True)
    assert (plain.grid.region, plain.grid.grams_per_kwh, plain.economics.gpu_dollars_per_hour) == (None, None, None)


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000",
        "localhost",
        "ftp://h:8000",
        "http://",
        "http://:8000",
        "http://h:99999",
        "http://h:0",
        "http://h:x",
        "http://[::1",
        "http://a b",
    ],
)
def test_a_url_that_cannot_be_scraped_is_refused(url):
    expected = f"vllm.servers.0: url must be http://HOST:PORT or https://HOST:PORT, got {url!r}"
    assert refusal({"vllm": {"servers": [url]}}) == expected
    assert refusal(server(url=url, name="its own name")) == expected


def test_a_server_without_a_url_is_refused():
    assert refusal({"vllm": {"servers": [{"name": "a"}]}}) == "vllm.servers.0.url: is required"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (URL, "127.0.0.1:8000"),
        ("https://gpu.example/team/a", "gpu.example"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("http://vllm_1:8000", "vllm_1:8000"),
        (" http://h:1 ", "h:1"),
    ],
)
def test_a_server_is_called_after_host_and_port(url, name):
    [only] = settings({"vllm": {"servers": [url]}}).vllm.servers
    assert (only.name, only.url) == (name, url.strip())


def test_two_servers_of_one_name_are_refused():
    twins = {"vllm": {"servers": [URL, URL + "/b"]}}
    assert refusal(twins) == "vllm.servers: two servers are called '127.0.0.1:8000'; give each its own name"


def test_a_gpu_named_twice_is_refused():
    assert refusal(server(gpus=["GPU-1", "GPU-1"])) == "vllm.servers.0: gpus names GPU-1 twice"


def test_one_gpu_need_not_be_a_list():
    assert settings(server(gpus=0)).vllm.servers[0].gpus == ("0",)


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("0.0.0.0:10055", ("0.0.0.0", 10055)),
        (":10055", ("0.0.0.0", 10055)),
        ("localhost:0", ("localhost", 0)),
        ("[::]:10055", ("::", 10055)),
        ("[::1]:65535", ("::1", 65535)),
        ("[fe80::1%eth0]:80", ("fe80::1%eth0", 80)),
    ],
)
def test_an_address_to_listen_on_has_a_host_and_a_port(listen, expected):
    assert split_listen(listen) == expected
    assert settings({"listen": listen}).listen == listen


@pytest.mark.parametrize(
    "listen",
    [
        "",
        "10055",
        "localhost",
        "localhost:",
        "localhost:http",
        "h:65536",
        "::1",
        "::1:80",
        "[::1]",
        "http://h:80",
        "h:-1",
    ],
)
def test_any_other_address_to_listen_on_is_refused(listen):
    assert refusal({"listen": listen}) == f"listen: must be HOST:PORT, [IPv6]:PORT or :PORT, got {listen!r}"


@pytest.mark.parametrize(("window", "seconds"), [("30s", 30.0), ("5m", 300.0), ("1h", 3600.0), ("2d", 172_800.0)])
def test_a_window_is_a_number_and_a_unit(window, seconds):
    assert seconds_of(window) == seconds


@pytest.mark.parametrize("window", ["5", "m", "0m", "-1m", "1.5h", "1w", "5 m", "5M", "9999999d"])
def test_any_other_window_is_refused(window):
    expected = f"windows: a window is a whole number and one of s, m, h, d, such as 5m; got {window!r}"
    assert refusal({"windows": ["1m", window]}) == expected


def test_two_windows_of_one_length_are_refused():
    assert refusal({"windows": ["1m", "60s"]}) == "windows: two windows have the same length: 1m, 60s"


def test_no_window_at_all_is_refused():
    assert refusal({"windows": []}) == "windows: must not be empty"


@pytest.mark.parametrize("section", ["vllm", "nvml"])
def test_an_interval_too_long_for_the_shortest_window_is_refused(section):
    message = f"{section}.interval_seconds 8 is too long for the window 30s: at least four readings must fit into it"
    assert refusal({"windows": ["1h", "30s"], section: {"interval_seconds": 8}}) == message
    assert settings({"windows": ["1h", "30s"], section: {"interval_seconds": 7.5}})


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"vllm": {"interval_seconds": 0}}, "vllm.interval_seconds: Input should be greater than or equal to 0.1"),
        ({"vllm": {"interval_seconds": "soon"}},
         "vllm.interval_seconds: Input should be a valid number, unable to parse string as a number"),
        ({"economics": {"gpu_dollars_per_hour": -1}},
         "economics.gpu_dollars_per_hour: Input should be greater than or equal to 0"),
        ({"economics": {"gpu_dollars_per_hour": float("inf")}},
         "economics.gpu_dollars_per_hour: Input should be a finite number"),
        ({"grid": {"grams_per_kwh": float("nan")}}, "grid.grams_per_kwh: Input should be a finite number"),
        ({"nvml": {"enabled": "perhaps"}},
         "nvml.enabled: Input should be a valid boolean, unable to interpret input"),
        ({"log_level": "loud"}, "log_level: Input should be 'debug', 'info', 'warning' or 'error'"),
        ({"vllm": 3}, "vllm: must be a mapping of keys"),
        ({"vllm": {"servers": {"url": URL}}}, "vllm.servers: must be a list"),
        (server(gpu_count=0), "vllm.servers.0.gpu_count: Input should be greater than or equal to 1"),
    ],
)  # fmt: skip
def test_a_value_out_of_range_names_its_key(tree, message):
    assert refusal(tree) == message


def test_a_token_does_not_show_in_the_settings():
    chosen = settings(server(bearer_token="s3cret"))
    assert chosen.vllm.servers[0].bearer_token == "s3cret"
    assert "s3cret" not in repr(chosen) + str(chosen)


def test_line_breaks_around_a_token_are_dropped():
    assert settings(server(bearer_token="s3cret\n")).vllm.servers[0].bearer_token == "s3cret"


@pytest.mark.parametrize(
    "tree",
    [
        server(bearer_token=["s3cret"]),
        server(bearer_token="s3\ncret s3cret"),
        server(bearer_token="s3cret\u00e9"),
        server(bearer_token="s3cret", bearer_token_file="/t"),
        server(bearer_token="s3cret", unknown=1),
        server(bearer_token="s3cret", url="nonsense"),
        {"vllm": {"servers": ["http://user:s3cret@h:8000"]}},
        {"vllm": {"servers": ["ftp://user:s3cret@h:8000"]}},
        {"vllm": {"servers": ["user:s3cret@h:8000"]}},
        {"vllm": {"servers": ["http://h:8000/?token=s3cret"]}},
        {"vllm": {"servers": [{"url": "http://user:s3cret@h:8000", "name": "a", "gpus": 1.5}]}},
        {"vllm": {"servers": ["http://user:s3cret@h:8000", 5]}},
    ],
)
def test_a_refusal_tells_no_secret(tree):
    with pytest.raises(ConfigError) as caught:
        settings(tree)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
    with pytest.raises(ValidationError) as raw:
        Settings.model_validate(tree)
    assert "s3cret" not in str(raw.value)


def test_a_password_in_a_url_is_refused_because_it_would_not_be_used():
    expected = "vllm.servers.0: url must hold no user, password, query or fragment; a token goes into bearer_token_file"
    assert refusal({"vllm": {"servers": ["http://user:s3cret@h:8000"]}}) == expected


def test_a_token_and_a_token_file_together_are_refused():
    expected = "vllm.servers.0: give bearer_token or bearer_token_file, not both"
    assert refusal(server(bearer_token="a", bearer_token_file="/b")) == expected


def one_slo(**keys):
    return {"slos": [{"name": "chat", **keys}]}


def test_an_slo_asks_for_one_threshold_and_the_rest_has_defaults():
    [slo] = settings(one_slo(ttft_seconds=0.5)).slos
    assert (slo.model, slo.target, slo.ttft_seconds) == ("*", 0.9, 0.5)
    assert (slo.tpot_seconds, slo.inter_token_seconds, slo.e2e_seconds) == (None, None, None)
    policy = (slo.aborted, slo.failed, slo.rejected, slo.one_token, slo.preempted)
    assert policy == ("late", "bad", "bad", "judge", "judge")


@pytest.mark.parametrize("key", ["ttft_seconds", "tpot_seconds", "inter_token_seconds", "e2e_seconds"])
def test_any_one_threshold_is_enough(key):
    assert getattr(settings(one_slo(**{key: 0.25})).slos[0], key) == 0.25


def test_several_slos_of_one_model_are_kept_in_order():
    names = ["strict", "loose", "other"]
    tree = {"slos": [{"name": name, "ttft_seconds": 1} for name in names]}
    assert [slo.name for slo in settings(tree).slos] == names


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"slos": [{"name": "chat"}]},
         "slos.0: give at least one of ttft_seconds, tpot_seconds, inter_token_seconds, e2e_seconds"),
        ({"slos": [{"ttft_seconds": 1}]}, "slos.0.name: is required"),
        (one_slo(ttft_seconds=0), "slos.0.ttft_seconds: Input should be greater than 0"),
        (one_slo(tpot_seconds=-1), "slos.0.tpot_seconds: Input should be greater than 0"),
        (one_slo(e2e_seconds=float("inf")), "slos.0.e2e_seconds: Input should be a finite number"),
        (one_slo(ttft_seconds=1, target=1), "slos.0.target: Input should be less than 1"),
        (one_slo(ttft_seconds=1, target=0), "slos.0.target: Input should be greater than 0"),
        (one_slo(ttft_seconds=1, target=90), "slos.0.target: Input should be less than 1"),
        (one_slo(ttft_seconds=1, aborted="good"), "slos.0.aborted: Input should be 'late', 'bad' or 'exclude'"),
        (one_slo(ttft_seconds=1, failed="judge"), "slos.0.failed: Input should be 'bad' or 'exclude'"),
        (one_slo(ttft_seconds=1, rejected="late"), "slos.0.rejected: Input should be 'bad' or 'exclude'"),
        (one_slo(ttft_seconds=1, one_token="skip"), "slos.0.one_token: Input should be 'judge', 'bad' or 'exclude'"),
        (one_slo(ttft_seconds=1, preempted="bad"), "slos.0.preempted: Input should be 'judge' or 'exclude'"),
        (one_slo(ttft_second=1), "slos.0.ttft_second: unknown key; did you mean 'ttft_seconds'?"),
        ({"slos": [{"name": "a", "e2e_seconds": 1}, {"name": "b", "e2e_seconds": 1}, {"name": "a", "e2e_seconds": 2}]},
         "slos: two SLOs are called 'a'; give each its own name"),
    ],
)  # fmt: skip
def test_an_slo_that_cannot_be_is_refused(tree, message):
    assert refusal(tree).splitlines()[0] == message


@pytest.mark.parametrize("name", ["", "a/b", "a b", "\u00e9", "a" * 65, "a\n"])
def test_the_name_of_an_slo_is_short_and_plain(name):
    assert refusal({"slos": [{"name": name, "ttft_seconds": 1}]}).startswith("slos.0.name: String should match pattern")


def test_a_usual_name_of_an_slo_is_taken():
    assert settings({"slos": [{"name": "Chat_v1.5-eu", "ttft_seconds": 1}]}).slos[0].name == "Chat_v1.5-eu"


def test_the_receivers_are_on_without_being_configured_and_take_spans_of_this_machine_only():
    plain = settings()
    assert (plain.plugin.enabled, plain.plugin.socket) == (True, "@pentameter")
    assert (plain.otlp.http, plain.otlp.grpc_listen, plain.otlp.forward_url) == ("loopback", None, None)
    assert plain.state_file is None


def test_a_receiver_on_an_address_that_is_none_is_refused():
    expected = "otlp.grpc_listen: must be HOST:PORT, [IPv6]:PORT or :PORT, got '4317'"
    assert refusal({"otlp": {"grpc_listen": "4317"}}) == expected
    assert settings({"otlp": {"grpc_listen": "127.0.0.1:4317"}}).otlp.grpc_listen == "127.0.0.1:4317"


@pytest.mark.parametrize("url", ["collector:4318", "ftp://collector", "http://"])
def test_a_collector_that_cannot_be_reached_by_http_is_refused(url):
    assert refusal({"otlp": {"forward_url": url}}).startswith("otlp.forward_url: url must be http://HOST:PORT")


def test_a_collector_has_a_url_with_its_path():
    url = "http://collector:4318/v1/traces"
    assert settings({"otlp": {"forward_url": url}}).otlp.forward_url == url


@pytest.mark.parametrize("socket", ["", "@", "/" + "a" * 107])
def test_a_socket_name_that_the_system_cannot_hold_is_refused(socket):
    assert refusal({"plugin": {"socket": socket}}).startswith("plugin.socket: String should have at")


def test_settings_cannot_be_changed():
    chosen = settings(server())
    with pytest.raises(ValidationError, match="frozen"):
        chosen.listen = ":1"
    with pytest.raises(ValidationError, match="frozen"):
        chosen.vllm.servers[0].url = "http://other"
