"""Health: the sources, who is measured, the host."""

from dataclasses import replace

import pytest

from builders import A100, deployment, engine, found, gpu, names, value, world
from pentameter import health
from pentameter.health import source_samples
from pentameter.readings import HostReading
from pentameter.snapshot import SourceHealth
from pentameter.windows import Interval
from pentameter.world import Rolled

UP = SourceHealth("vllm", "a", True, "", "", last_success=1700.5, duration_seconds=0.004, failures=2, successes=40)
DOWN = SourceHealth("vllm", "a", False, "timeout", "no answer", 1700.5, 0.004, failures=3, successes=40)


def reported(*sources, resets=None):
    return list(source_samples(sources, resets or {}))


def measured(*deployments, **more):
    return list(health.samples(world(*deployments, **more)))


def identity(samples, name):
    """Return the labels of the one info sample of this name; its value must be 1."""
    one = [sample for sample in samples if sample.metric.name == f"pentameter_{name}"]
    assert [sample.value for sample in one] == [1]
    return dict(zip(one[0].metric.labels, one[0].labels, strict=True))


def test_a_source_that_is_up_gives_no_reason():
    samples = reported(UP)
    assert value(samples, "source_up", source="vllm", server="a", reason="") == 1
    assert value(samples, "source_last_success_timestamp_seconds") == 1700.5
    assert value(samples, "source_read_duration_seconds") == 0.004


def test_a_source_that_is_down_says_why_and_when_it_last_worked():
    samples = reported(DOWN)
    assert value(samples, "source_up", reason="timeout") == 0
    assert value(samples, "source_last_success_timestamp_seconds") == 1700.5
    assert value(samples, "source_read_duration_seconds") is None


def test_a_thing_that_is_not_here_is_no_source_that_is_down():
    samples = reported(SourceHealth("nvml", reason="library_missing", absent=True))
    assert value(samples, "source_absent", source="nvml", server="", reason="library_missing") == 1
    assert names(samples) == {"source_absent"}


def test_reads_count_the_failed_ones_too():
    samples = reported(UP)
    assert value(samples, "source_reads_total") == 42
    assert value(samples, "source_failures_total") == 2


def test_a_source_that_never_worked_has_no_last_success():
    samples = reported(SourceHealth("nvml"))
    assert value(samples, "source_up", source="nvml", server="", reason="starting") == 0
    assert names(samples) == {
        "source_up",
        "source_failures_total",
        "source_reads_total",
        "source_resets_total",
    }


def test_resets_are_those_of_the_source_and_its_server():
    samples = reported(UP, SourceHealth("vllm", "b"), resets={("vllm", "a"): 2})
    assert value(samples, "source_resets_total", server="a") == 2
    assert value(samples, "source_resets_total", server="b") == 0


def test_an_engine_is_identified_by_what_its_server_says():
    one = engine(
        counters={"flops_per_gpu": 1.0},
        cache_config={"block_size": "16", "cache_dtype": "fp8", "sliding_window": "None"},
        spec=A100,
        version="0.32.0",
    )
    assert identity(measured(deployment(one)), "engine_info") == {
        "server": "a",
        "model_name": "m",
        "engine": "0",
        "vllm_version": "0.32.0",
        "block_size": "16",
        "cache_dtype": "fp8",
        "gpu_type": "A100-SXM4-80GB",
        "counts_flops": "true",
    }


def test_what_a_server_does_not_say_is_empty():
    labels = identity(measured(deployment(engine())), "engine_info")
    assert [labels[key] for key in ("vllm_version", "block_size", "cache_dtype", "gpu_type", "counts_flops")] == [
        ""
    ] * 5


@pytest.mark.parametrize(
    ("counters", "counts"),
    [
        pytest.param({"flops_per_gpu": 5.0, "prompt_tokens": 7.0}, "true", id="it does"),
        pytest.param({"flops_per_gpu": 0.0, "prompt_tokens": 7.0}, "false", id="tokens flow and it stands at zero"),
        pytest.param({"flops_per_gpu": 0.0, "prompt_tokens": 0.0}, "", id="no token has shown it yet"),
        pytest.param({"prompt_tokens": 7.0}, "", id="it is not published"),
    ],
)
def test_whether_vllm_counts_flops_is_said_as_soon_as_it_is_known(counters, counts):
    assert identity(measured(deployment(engine(counters=counters))), "engine_info")["counts_flops"] == counts


def test_a_gpu_is_identified_with_its_driver_and_its_server():
    one = replace(gpu(index=3, compute_capability="9.0"), source="nvml")
    assert identity(measured(gpus=(one,), driver_version="580.95"), "gpu_info") == {
        "gpu": "GPU-0",
        "index": "3",
        "name": "NVIDIA H100 80GB HBM3",
        "gpu_type": "H100-SXM-80GB",
        "driver_version": "580.95",
        "compute_capability": "9.0",
        "source": "nvml",
        "server": "a",
    }


def host(busy, *, cores=4):
    return {
        "host": HostReading(0, 0, cores, busy, 64e9, 12e9),
        "host_rolled": Rolled({"1m": Interval(10.0, {"cpu_busy_seconds": busy})}),
    }


@pytest.mark.parametrize(
    ("busy", "share"),
    [
        pytest.param(0.0, 0.0, id="idle"),
        pytest.param(20.0, 0.5, id="20 of 4 x 10 seconds"),
        pytest.param(40.4, 1.0, id="the kernel's ticks and our clock disagree"),
    ],
)
def test_the_hosts_busy_share_is_busy_seconds_per_second_and_core(busy, share):
    assert value(measured(**host(busy)), "host_cpu_utilization_ratio", window="1m") == share


def test_the_hosts_memory_is_what_is_in_use():
    assert value(measured(**host(0.0)), "host_memory_used_bytes") == 12e9


def test_without_a_host_reading_there_is_nothing_of_the_host():
    assert found(measured(), "host_memory_used_bytes") == []
    assert measured() == []
