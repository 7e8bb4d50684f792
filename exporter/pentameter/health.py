"""The exporter's own health: its sources, its build, and who is being measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pentameter.snapshot import SourceHealth
    from pentameter.world import World

_SOURCE = ("source", "server")

SOURCE_UP = Metric(
    "pentameter_source_up",
    "gauge",
    Unit.NONE,
    Dimension.HEALTH,
    "1 while the last read of the source succeeded, else 0 with the reason in the label: starting, unreachable, "
    "timeout, tls, credentials, http_status, not_http, not_metrics, no_vllm_metrics, truncated, too_large, malformed, "
    "duplicate_series, invalid, invalid_value, mixed_backends, not_found, unreadable, unsupported, rate_limited, hung, "
    "internal, or a GPU library's state. The source derive is the computation of the figures itself. Alert on max "
    "without (reason).",
    "",
    (*_SOURCE, "reason"),
)
SOURCE_ABSENT = Metric(
    "pentameter_source_absent",
    "gauge",
    Unit.NONE,
    Dimension.HEALTH,
    "1 for a source that does not exist here, such as NVML on a machine without a GPU, with the reason in the label: a "
    "normal state, so there is no pentameter_source_up of it.",
    "",
    (*_SOURCE, "reason"),
)
LAST_SUCCESS = Metric(
    "pentameter_source_last_success_timestamp_seconds",
    "gauge",
    Unit.TIMESTAMP,
    Dimension.HEALTH,
    "Unix time of the last successful read of the source.",
    "",
    _SOURCE,
)
FAILURES = Metric(
    "pentameter_source_failures_total",
    "counter",
    Unit.NONE,
    Dimension.HEALTH,
    "Failed reads of the source.",
    "",
    _SOURCE,
)
READS = Metric(
    "pentameter_source_reads_total",
    "counter",
    Unit.NONE,
    Dimension.HEALTH,
    "Reads of the source, failed ones included.",
    "",
    _SOURCE,
)
DURATION = Metric(
    "pentameter_source_read_duration_seconds",
    "gauge",
    Unit.SECONDS,
    Dimension.HEALTH,
    "Duration of the last successful read of the source.",
    "",
    _SOURCE,
)
RESETS = Metric(
    "pentameter_source_resets_total",
    "counter",
    Unit.NONE,
    Dimension.HEALTH,
    "Times a source's counters were found reset, by a restart of the server or a reload of the driver.",
    "",
    _SOURCE,
)
RECORDS = Metric(
    "pentameter_request_records_total",
    "counter",
    Unit.NONE,
    Dimension.HEALTH,
    "What became of what the sources of request records received. Of the records: accepted by the receiver, then "
    "counted, duplicate (the plugin or a span has reported the request already) or unattributed (nothing says which "
    "server it is of). The other outcomes are of the receiver: bodies or spans refused, dropped or forwarded.",
    "",
    ("source", "outcome"),
)
BUILD_INFO = Metric(
    "pentameter_build_info",
    "gauge",
    Unit.INFO,
    Dimension.HEALTH,
    "Version of Pentameter and of the Python that runs it; always 1.",
    "",
    ("version", "python_version"),
)
ENGINE_INFO = Metric(
    "pentameter_engine_info",
    "gauge",
    Unit.INFO,
    Dimension.HEALTH,
    "Identity of an engine: vLLM version, block size and type of its KV cache, its GPU in the specification table, "
    "whether vLLM counts FLOPs; always 1. A label is empty where the server does not say.",
    "",
    (
        *ENGINE,
        "vllm_version",
        "block_size",
        "cache_dtype",
        "gpu_type",
        "counts_flops",
    ),
)
GPU_INFO = Metric(
    "pentameter_gpu_info",
    "gauge",
    Unit.INFO,
    Dimension.HEALTH,
    "Identity of a GPU, the source that reads it and the server it is counted to (empty: none or unknown); always 1.",
    "",
    ("gpu", "index", "name", "gpu_type", "driver_version", "compute_capability", "source", "server"),
)
HOST_CPU = Metric(
    "pentameter_host_cpu_utilization_ratio",
    "gauge",
    Unit.RATIO,
    Dimension.HEALTH,
    "Share of the host's CPU time that was busy, rolling over the window in the label, measured; the basis of the "
    "host's share of energy and cost.",
    "increase of busy CPU seconds / seconds covered / cores",
    ("window",),
)
HOST_MEMORY = Metric(
    "pentameter_host_memory_used_bytes",
    "gauge",
    Unit.BYTES,
    Dimension.HEALTH,
    "Memory of the host in use, measured.",
    "total - available",
)

METRICS = (
    SOURCE_UP,
    SOURCE_ABSENT,
    LAST_SUCCESS,
    FAILURES,
    READS,
    DURATION,
    RESETS,
    RECORDS,
    BUILD_INFO,
    ENGINE_INFO,
    GPU_INFO,
    HOST_CPU,
    HOST_MEMORY,
)


def source_samples(sources: Iterable[SourceHealth], resets: Mapping[tuple[str, str], int]) -> Iterator[Sample]:
    """Yield the health of every source, in trouble or not."""
    for health in sources:
        place = (health.source, health.server)
        if health.absent:
            yield SOURCE_ABSENT(1, *place, health.reason)
            continue
        yield SOURCE_UP(1.0 if health.up else 0.0, *place, health.reason)
        yield FAILURES(health.failures, *place)
        yield READS(health.failures + health.successes, *place)
        yield RESETS(resets.get(place, 0), *place)
        if health.last_success is not None:
            yield LAST_SUCCESS(health.last_success, *place)
        if health.up and health.duration_seconds is not None:
            yield DURATION(health.duration_seconds, *place)


def record_samples(outcomes: Iterable[tuple[str, str, float]]) -> Iterator[Sample]:
    """Yield what became of request records."""
    for source, outcome, count in outcomes:
        yield RECORDS(count, source, outcome)


def samples(world: World) -> Iterator[Sample]:
    """Yield who is measured, and the host's state."""
    for engine in world.engines:
        config = engine.reading.cache_config
        yield ENGINE_INFO(
            1,
            *engine.labels,
            engine.version or "",
            config.get("block_size", ""),
            config.get("cache_dtype", ""),
            engine.peaks.gpu,
            _counts_flops(engine.reading.counters),
        )
    for gpu in world.gpus:
        reading = gpu.reading
        yield GPU_INFO(
            1,
            reading.uuid,
            str(reading.index),
            reading.name,
            gpu.spec.gpu if gpu.spec else "",
            world.driver_version or "",
            reading.compute_capability or "",
            gpu.source,
            gpu.server,
        )
    if world.host is not None:
        yield HOST_MEMORY(world.host.memory_used_bytes)
        for window, interval in world.host_rolled.windows.items():
            busy = interval.delta("cpu_busy_seconds")
            if busy is not None:
                yield HOST_CPU(min(1.0, busy / interval.seconds / world.host.cpu_count), window)


def _counts_flops(counters: Mapping[str, float]) -> str:
    """Say whether vLLM counts FLOPs: true, false, or nothing while no token can have shown it."""
    flops = counters.get("flops_per_gpu")
    if flops is None:
        return ""
    if flops > 0:
        return "true"
    return "false" if counters.get("prompt_tokens", 0.0) > 0 else ""
