"""The doctor behind ``pentameter check``: what is there, what is missing, and the line that changes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pentameter.facts import find_gpu, gpu_specs
from pentameter.readings import GpusReading, HostReading, VllmReading
from pentameter.sources import SourceAbsent, SourceError
from pentameter.sources.vllm_metrics import VllmSource
from pentameter.sources.vllm_names import COUNTERS, GAUGES, HISTOGRAMS, Concept

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pentameter.config import Settings
    from pentameter.daemon import Feed
    from pentameter.readings import EngineReading

OLDEST, NEWEST = (0, 8, 5), (0, 33)
MFU_SINCE = (0, 17)

_FIXES = {
    "unreachable": "--vllm-url http://HOST:PORT    # where does vLLM listen, and is it up?",
    "timeout": "vllm: {timeout_seconds: 10}    # or look why /metrics is slow",
    "tls": "vllm: {servers: [{url: https://HOST:PORT, ca_file: /path/ca.pem}]}",
    "credentials": "vllm: {servers: [{url: URL, bearer_token_file: /path/token}]}",
    "http_status": "--vllm-url http://HOST:PORT    # the base URL of the server, without /v1",
    "not_http": "--vllm-url https://HOST:PORT    # does the server speak TLS?",
    "not_metrics": "--vllm-url http://HOST:PORT    # this answers, but it is not vLLM",
    "no_vllm_metrics": "vllm serve ...    # without --disable-log-stats",
    "too_large": "vllm: {max_page_bytes: 67108864}",
}

_ESSENTIAL = {
    "prompt_tokens": "token rates and cost",
    "generation_tokens": "token rates, energy and cost per token",
    "request_success": "request rates",
    "kv_cache_usage": "KV cache usage",
    "ttft": "time to first token",
    "tpot": "time per output token",
    "inter_token": "inter-token latency",
    "e2e": "end-to-end latency",
    "queue": "queue time",
    "prefill": "prefill time",
    "decode": "decode time",
    "flops_per_gpu": "MFU and MBU",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found."""

    level: str
    """ok, info, warning or error."""
    subject: str
    message: str
    fix: str = ""
    """The line to change, for the command line, vLLM's command line or the configuration file."""


def examine(settings: Settings, feeds: Iterable[Feed]) -> Iterator[Finding]:
    """Read every source once and yield what is found."""
    for feed in feeds:
        source = feed.source
        subject = f"{source.name} {source.server}".strip()
        try:
            reading = source.read()
        except SourceAbsent as absence:
            yield _absent(subject, absence)
            continue
        except SourceError as error:
            yield Finding("error", subject, f"{error.reason}: {error}", _FIXES.get(error.reason, ""))
            continue
        if isinstance(reading, VllmReading) and isinstance(source, VllmSource):
            yield from _server(subject, reading, source)
        elif isinstance(reading, GpusReading):
            yield from _gpus(subject, reading)
        elif isinstance(reading, HostReading):
            yield Finding("ok", subject, f"{reading.cpu_count} CPUs, {reading.memory_total_bytes / 1e9:.0f} GB")
    yield from _settings(settings)


def _absent(subject: str, absence: SourceAbsent) -> Finding:
    return Finding(
        "info",
        subject,
        f"{absence.reason}: {absence}; energy, carbon and GPU memory are left out",
        "NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=utility    # and runtimeClassName: nvidia",
    )


def _server(subject: str, reading: VllmReading, source: VllmSource) -> Iterator[Finding]:
    release = release_of(reading.version)
    yield _release(subject, reading.version, release)
    try:
        models = ", ".join(model.name for model in source.read_models())
        yield Finding("ok", subject, f"serves {models or 'no model'}")
    except SourceError as error:
        fix = _FIXES["credentials"] if error.reason == "http_status" else ""
        yield Finding("info", subject, f"/v1/models cannot be read: {error}", fix)
    if reading.start_time is None:
        yield Finding(
            "info",
            subject,
            "the page has no process_start_time_seconds (several API servers, Rust front end or Ray); restarts are "
            "recognised by falling counters",
        )
    for engine in reading.engines:
        label = f"{subject} engine {engine.engine}"
        yield Finding(
            "ok",
            label,
            f"{engine.model_name}: {len(engine.counters)} counters, {len(engine.gauges)} gauges, "
            f"{len(engine.histograms)} histograms understood",
        )
        yield from _missing(label, engine, release)
        yield from _flops(label, engine, release)


def _release(subject: str, version: str | None, release: tuple[int, ...] | None) -> Finding:
    if version is None or release is None:
        return Finding("info", subject, f"answers /metrics, but /version says {version!r}")
    if release < OLDEST:
        return Finding("warning", subject, f"vLLM {version} is older than 0.8.5", "pip install 'vllm>=0.10.2'")
    if release[:2] > NEWEST:
        return Finding("info", subject, f"vLLM {version} is newer than the releases known here (up to 0.33)")
    return Finding("ok", subject, f"vLLM {version}")


def _missing(subject: str, engine: EngineReading, release: tuple[int, ...] | None) -> Iterator[Finding]:
    present = {key.partition("/")[0] for key in (*engine.counters, *engine.gauges, *engine.histograms)}
    for concept in (*COUNTERS, *GAUGES, *HISTOGRAMS):
        if concept.key not in present and concept.key in _ESSENTIAL:
            yield _explain(subject, concept, release)


def _explain(subject: str, concept: Concept, release: tuple[int, ...] | None) -> Finding:
    lost = f"no {concept.names[0]}: {_ESSENTIAL[concept.key]} left out"
    since = release_of(concept.since)
    if release is not None and since is not None and release < since:
        return Finding(
            "info",
            subject,
            f"{lost}; vLLM has it from {concept.since}",
            f"pip install 'vllm>={concept.since}'",
        )
    hidden = _hidden_in(concept, release)
    if hidden:
        return Finding(
            "warning",
            subject,
            f"{lost}; this release hides it",
            f"--show-hidden-metrics-for-version {hidden}",
        )
    return Finding("warning", subject, lost)


def _hidden_in(concept: Concept, release: tuple[int, ...] | None) -> str | None:
    """Return the value for vLLM's flag, which is exactly the minor release before its own."""
    if concept.hidden is None or release is None:
        return None
    first, last = (release_of(bound) or () for bound in concept.hidden)
    return f"{release[0]}.{release[1] - 1}" if first[:2] <= release[:2] <= last[:2] else None


def _flops(subject: str, engine: EngineReading, release: tuple[int, ...] | None) -> Iterator[Finding]:
    flops = engine.counters.get("flops_per_gpu")
    if flops is None:
        return
    if flops > 0:
        yield Finding("ok", subject, "counts FLOPs and bytes: MFU and MBU with basis=vllm")
    elif engine.counters.get("generation_tokens", 0) > 0 and (release is None or release >= MFU_SINCE):
        yield Finding(
            "warning",
            subject,
            "MFU metrics are off: FLOPs stay at 0 while tokens flow",
            "--enable-mfu-metrics",
        )
    else:
        yield Finding("info", subject, "no tokens yet: cannot tell whether MFU metrics are on", "--enable-mfu-metrics")


def _gpus(subject: str, reading: GpusReading) -> Iterator[Finding]:
    specs = gpu_specs()
    for gpu in reading.gpus:
        spec = find_gpu(gpu.name, specs)
        if spec is None:
            yield Finding(
                "warning",
                subject,
                f"GPU {gpu.index} {gpu.name!r} is not in the specification table: no MFU, no MBU",
                "vllm: {servers: [{url: URL, gpu_type: NAME}]}    # if a listed GPU has the same peaks",
            )
        else:
            yield Finding("ok", subject, f"GPU {gpu.index} {gpu.uuid} {gpu.name} = {spec.gpu}")
        if gpu.energy_joules is None:
            yield Finding("warning", subject, f"GPU {gpu.index} has no energy counter: no joules per token")
    for place, reason in reading.field_errors.items():
        yield Finding("info", subject, f"{place}: {reason}")


def _settings(settings: Settings) -> Iterator[Finding]:
    servers = settings.vllm.servers
    if not servers:
        yield Finding("error", "settings", "no vLLM server is configured", "--vllm-url http://127.0.0.1:8000")
    if len(servers) > 1 and not all(server.gpus for server in servers):
        yield Finding(
            "warning",
            "settings",
            "several servers, and it is not said which GPUs are whose: no energy or carbon per token",
            "vllm: {servers: [{url: URL, gpus: [GPU-UUID]}]}",
        )
    priced = settings.economics.gpu_dollars_per_hour is not None or all(
        server.gpu_dollars_per_hour is not None for server in servers
    )
    if not priced:
        yield Finding("info", "settings", "no GPU price: cost is left out", "economics: {gpu_dollars_per_hour: 2.50}")
    if settings.grid.region is None and settings.grid.grams_per_kwh is None:
        yield Finding("info", "settings", "no grid region: carbon is left out", "grid: {region: POL}")


def release_of(version: str | None) -> tuple[int, ...] | None:
    """Return the release numbers of a version, or None where it has none.

    >>> release_of("0.10.2rc1"), release_of("dev")
    ((0, 10, 2), None)
    """
    match = re.match(r"v?(\d+(?:\.\d+)+)", version or "")
    return tuple(int(part) for part in match[1].split(".")) if match else None
