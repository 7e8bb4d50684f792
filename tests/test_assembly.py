"""What the settings become: the meter and its sources."""

import pytest

from given_settings import settings_for
from pentameter.assembly import settings_to_feeds, settings_to_meter, settings_to_plans
from pentameter.served_models import ModelPlan
from pentameter.slo import Policy, Slo


def test_the_meter_of_the_settings_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match=r"grid\.region: no grid is known for 'XYZ'"):
        settings_to_meter(settings_for(grid={"region": "XYZ"}))
    with pytest.raises(ValueError, match="unknown gpu_type 'H1000'"):
        settings_to_meter(settings_for({"url": "http://a", "gpu_type": "H1000"}))


def test_the_feeds_follow_the_settings():
    settings = settings_for("http://a:1", "http://b:2", host={"enabled": False}, nvml={"enabled": True})
    feeds = settings_to_feeds(settings)
    assert [(feed.source.name, feed.source.server) for feed in feeds] == [
        ("vllm", "a:1"),
        ("vllm", "b:2"),
        ("model", "a:1"),
        ("model", "b:2"),
        ("tokenizer", "a:1"),
        ("tokenizer", "b:2"),
        ("nvml", ""),
        ("plugin", ""),
        ("otlp", ""),
    ]


def test_the_receivers_can_be_switched_off():
    settings = settings_for("http://a:1", host={"enabled": False}, plugin={"enabled": False}, otlp={"http": "off"})
    assert [feed.source.name for feed in settings_to_feeds(settings)] == ["vllm", "model", "tokenizer"]


def test_a_grpc_receiver_needs_the_inbox_as_well():
    otlp = {"http": "off", "grpc_listen": "127.0.0.1:4317"}
    settings = settings_for("http://a:1", host={"enabled": False}, plugin={"enabled": False}, otlp=otlp)
    assert [feed.source.name for feed in settings_to_feeds(settings)] == ["vllm", "model", "tokenizer", "otlp"]


def test_a_model_of_plain_numbers_is_looked_for_nowhere():
    settings = settings_for({"url": "http://a:1", "model": {"parameters": 8_000_000_000}}, host={"enabled": False})
    assert "model" not in [feed.source.name for feed in settings_to_feeds(settings)]


def test_a_dcgm_exporter_stands_beside_nvml():
    dcgm = {"url": "http://127.0.0.1:9400", "uuids": "GPU-1", "pod": "vllm-0", "interval_seconds": 15}
    feeds = settings_to_feeds(settings_for("http://a:1", nvml={"enabled": True}, dcgm=dcgm))
    found = [(feed.source.name, feed.interval) for feed in feeds if feed.source.name in ("dcgm", "nvml")]
    assert found == [("dcgm", 15), ("nvml", 1)]


def test_what_is_configured_of_a_model_reaches_the_meter():
    model = {"parameters": 7_000_000_000, "kv_cache_dtype": "fp8", "tensor_parallel_size": 2}
    server = {
        "url": "http://a:1",
        "model": model,
        "gpu_peak_flops_per_second": 1e14,
        "gpu_bandwidth_bytes_per_second": 1e12,
    }
    plan = settings_to_plans(settings_for(server))[0]
    assert plan.model == ModelPlan(7_000_000_000, None, {"cache_dtype": "fp8", "tensor_parallel_size": 2})
    assert (plan.gpu_peak_flops, plan.gpu_bandwidth) == (1e14, 1e12)


def test_the_slos_of_the_settings_are_those_of_the_meter():
    chat = {
        "name": "chat",
        "model": "llama-*",
        "ttft_seconds": 0.5,
        "e2e_seconds": 30,
        "target": 0.95,
        "failed": "exclude",
    }
    meter = settings_to_meter(settings_for("http://a:1", slos=[chat, {"name": "batch", "tpot_seconds": 0.1}]))
    assert meter.requests.slos == (
        Slo("chat", {"ttft": 0.5, "e2e": 30.0}, 0.95, "llama-*", Policy(failed="exclude")),
        Slo("batch", {"tpot": 0.1}, 0.9, "*", Policy()),
    )
