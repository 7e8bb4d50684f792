"""What the chart says: which bad value it refuses, and how the failures are mended that say nothing."""

import pytest

from e2e.rig.chart import CHART, refusal, require_tools, run_helm

pytestmark = pytest.mark.real

STANDALONE = ("--set", "mode=standalone,config.vllm.servers={http://llm:8000}")


@pytest.fixture(scope="module", autouse=True)
def tools():
    require_tools()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("mode=sidecar", "/mode"),
        ("monitr.enabled=true", "monitr"),
        ("monitor.lables.release=kps", "lables"),
        ("port=70000", "/port"),
        ("image.digest=0.1.0", "/image/digest"),
        ("image.pullPolicy=Sometimes", "/image/pullPolicy"),
        ("monitor.interval=fast", "/monitor/interval"),
        ("rules.alerts.PentameterVlmDown.enabled=false", "PentameterVlmDown"),
        ("rules.alerts.PentameterVllmDown.severity=high", "/rules/alerts/PentameterVllmDown/severity"),
        ("dashboards.exclude={overview}", "/dashboards/exclude/0"),
        ("config.vlm.interval_seconds=2", "vlm"),
        ("config.vllm.intervall_seconds=2", "intervall_seconds"),
        ("config.slos[0].ttft=0.5", "/config/slos/0"),
        ("secretMounts[0].name=token", "mountPath"),
        ("secretMounts[0].name=token,secretMounts[0].mountPath=tokens", "/secretMounts/0/mountPath"),
        ("secretMounts[0].name=token,secretMounts[0].mountPath=/etc/pentameter/token", "secretMounts[0].mountPath"),
        ("secretMounts[0].name=token,secretMounts[0].mountPath=/var/lib/", "secretMounts[0].mountPath"),
        (
            "secretMounts[0].name=a,secretMounts[0].mountPath=/s,secretMounts[1].name=b,secretMounts[1].mountPath=/s/",
            "secretMounts[1].mountPath",
        ),
        ("listenAddress=::", "/listenAddress"),
        ("fullnameOverride=My_Name", "/fullnameOverride"),
        ("nameOverride=a.b", "/nameOverride"),
        ("monitor.interval=5s", "monitor.scrapeTimeout"),
        ("monitor.scrapeTimeout=1m1s,monitor.interval=60s500ms", "monitor.scrapeTimeout"),
        ("keda.target=80", "/keda/target"),
        ("injector.vllmUrl=127.0.0.1:8000", "/injector/vllmUrl"),
        ("injector.apiVersion=v1alpha1", "/injector/apiVersion"),
        ("injector.podLabels.pentameter\\.io/inject=null", "/injector/podLabels"),
        ("resources.limit.cpu=1", "limit"),
        ("keda.enabled=true", "keda.scaleTargetRef.name"),
        ("keda.enabled=true,keda.scaleTargetRef.name=llama", "keda.slo"),
        ("mode=standalone", "config.vllm.servers"),
        ("monitor.kind=ServiceMonitor", "monitor.kind"),
        ("config.listen=0.0.0.0:9000", "config.listen"),
        ("config.vllm.servers[0].url=http://a:8000,config.vllm.servers[0].bearer_token=x", "servers[0].bearer_token"),
        ("config.grid.live.provider=uk,config.grid.live.token=x", "config.grid.live.token"),
        ("dashboards.configMap.enabled=false,dashboards.grafanaOperator.enabled=true", "dashboards.configMap.enabled"),
    ],
)
def test_a_bad_value_is_refused_with_the_key_named(arguments, said):
    assert said in refusal("--set", arguments)


def test_settings_too_large_for_an_annotation_are_refused_because_every_pod_with_them_would_be(tmp_path):
    values = tmp_path / "values.yaml"
    values.write_text(f"config: {{vllm: {{servers: ['http://{'a' * 131072}:8000']}}}}\n")
    assert "annotation" in refusal("--set", "mode=injector", "-f", str(values))
    assert run_helm("template", "rel", str(CHART), "-f", str(values)).returncode == 0


@pytest.mark.parametrize("interval", ["10s", "0m10s", "10000ms", "1m"])
def test_a_scrape_may_last_as_long_as_the_time_between_two(interval):
    arguments = ("--set", f"monitor.scrapeTimeout=10s,monitor.interval={interval}")
    assert run_helm("template", "rel", str(CHART), *arguments).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--set monitor.labels.release=NAME --set rules.labels.release=NAME"),
        (["--set", "monitor.namespaceSelector.any=false"], "--set monitor.namespaceSelector.any=true"),
        ([], "searchNamespace: ALL"),
        ([*STANDALONE], "helm test rel -n here"),
        ([], 'up{job="here/rel-pentameter"}'),
        ([*STANDALONE], 'up{job="rel-pentameter"}'),
        (["--set", "mode=injector"], "pentameter.io/vllm-url"),
    ],
)
def test_the_notes_print_what_mends_the_failures_that_say_nothing(arguments, said):
    done = run_helm("install", "rel", str(CHART), "--namespace", "here", "--dry-run=client", *arguments)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout.partition("NOTES:")[2]
