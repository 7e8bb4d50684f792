"""The doctor behind ``pentameter check``: what is there, what is missing, and the line that changes it."""

from __future__ import annotations

import queue
import re
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pentameter.assembly import settings_to_slos
from pentameter.doctor_container import explain_invisible, look_at_scraping
from pentameter.doctor_gpus import look_at_gpus, look_at_settings, names_by_server
from pentameter.doctor_model import look_at_model
from pentameter.doctor_places import USUAL_PORTS, certificate_fix, is_lost, look_elsewhere, places
from pentameter.doctor_prices import look_at_feed, look_at_prices
from pentameter.doctor_slos import look_at_slos
from pentameter.findings import TOKEN_FIX, Finding, failure, status_of
from pentameter.readings import GpusReading, HostReading, LanguageReading, ModelReading, PricesReading, VllmReading
from pentameter.sources import SourceError
from pentameter.sources.surroundings import Surroundings, look_around
from pentameter.sources.vllm_metrics import VllmSource
from pentameter.sources.vllm_names import COUNTERS, GAUGES, HISTOGRAMS, Concept
from pentameter.sources.vllm_ports import knock
from pentameter.units import GIGA

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from pentameter.config import Settings
    from pentameter.daemon import Feed
    from pentameter.readings import EngineReading

_Reading = VllmReading | GpusReading | HostReading | LanguageReading | ModelReading | PricesReading

OLDEST, NEWEST = (0, 8, 5), (0, 33)

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
    "flops_per_gpu": "MFU and MBU with basis=vllm",
}


def examine(
    settings: Settings,
    feeds: Sequence[Feed],
    around: Surroundings | None = None,
    ports: Collection[int] = tuple(USUAL_PORTS),
) -> Iterator[Finding]:
    """Read every source once and yield what is found.

    ``around`` is where this process runs, by default what it sees; a server that is not where it should be is looked
    for at ``ports`` of its host, and not at all without any.
    """
    around = around or look_around()
    gpus: GpusReading | None = None
    prices: PricesReading | None = None
    for feed in feeds:
        source = feed.source
        if feed.receives:
            # Who sends is seen only by waiting, and the address may be that of the daemon that runs beside us.
            continue
        subject = f"{source.name} {source.server}".strip()
        try:
            reading = _read(feed)
        except SourceError as error:
            yield from _failed(subject, feed, error, settings, around, ports)
            continue
        if isinstance(reading, VllmReading) and isinstance(source, VllmSource):
            yield from _server(subject, reading, source)
            yield from look_at_slos(subject, reading, settings_to_slos(settings), release_of(reading.version))
        elif isinstance(reading, GpusReading):
            gpus = reading
            yield from look_at_gpus(subject, reading, settings)
        elif isinstance(reading, ModelReading):
            yield look_at_model(subject, reading)
        elif isinstance(reading, LanguageReading):
            yield Finding("ok", subject, f"counts the tokens of {reading.model_name}")
        elif isinstance(reading, PricesReading):
            prices = reading
            yield from look_at_feed(subject, reading)
        elif isinstance(reading, HostReading):
            yield Finding("ok", subject, f"{reading.cpu_count} CPUs, {reading.memory_total_bytes / GIGA:.0f} GB")
    if around.kubernetes:
        yield look_at_scraping()
    yield from look_at_settings(settings, gpus)
    if prices is not None or not any(feed.source.name == "prices" for feed in feeds):
        yield from look_at_prices(settings, prices, names_by_server(settings, gpus))


def _failed(
    subject: str,
    feed: Feed,
    error: SourceError,
    settings: Settings,
    around: Surroundings,
    ports: Collection[int],
) -> Iterator[Finding]:
    """Yield what is found about a source that cannot be read."""
    source = feed.source
    finding = failure(subject, source.name, getattr(source, "url", ""), error)
    if not isinstance(source, VllmSource):
        yield explain_invisible(finding, error, around) if source.name == "nvml" else finding
    elif ports and is_lost(error):
        others = [server.url for server in settings.vllm.servers if server.name != source.server]
        asked = places(source.url, others, ports)
        option = "PENTAMETER_VLLM_URL=%s" if around.kubernetes else "--vllm-url %s"
        yield from look_elsewhere(finding, asked, knock(asked), "vllm: {servers: [{url: %s}]}" if others else option)
    else:
        yield replace(finding, fix=certificate_fix(source.url, error) or finding.fix)


def _read(feed: Feed) -> _Reading:
    """Read a source once, in a thread that is left behind where a driver's call does not return."""
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put(feed.source.read())
        except SourceError as error:
            answers.put(error)
        except Exception as error:  # noqa: BLE001 - a source's defect is a finding like any other
            answers.put(SourceError("internal", repr(error)))

    threading.Thread(target=work, daemon=True).start()
    try:
        answer = answers.get(timeout=feed.patience)
    except queue.Empty:
        raise SourceError("hung", f"the read has not returned within {feed.patience:g} s") from None
    if isinstance(answer, SourceError):
        raise answer
    reading: _Reading = answer
    return reading


def _server(subject: str, reading: VllmReading, source: VllmSource) -> Iterator[Finding]:
    release = release_of(reading.version)
    yield _release(subject, reading.version, release)
    try:
        models = ", ".join(model.name for model in source.read_models())
        yield Finding("ok", subject, f"serves {models or 'no model'}")
    except SourceError as error:
        fix = TOKEN_FIX.replace("URL", source.url) if status_of(error) in {"401", "403"} else ""
        yield Finding("info", subject, f"/v1/models cannot be read: {error}; nothing else needs it", fix)
    if reading.start_time is None:
        yield Finding(
            "info",
            subject,
            "the page has no process_start_time_seconds (several API servers, Rust front end or Ray): restarts are "
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
        yield from _flops(label, engine)


def _release(subject: str, version: str | None, release: tuple[int, ...] | None) -> Finding:
    if version is None:
        return Finding("info", subject, "/version does not tell the release; what is missing cannot be explained by it")
    if release is None:
        return Finding("info", subject, f"vLLM {version} is a build without a release number")
    if release < OLDEST:
        message = f"vLLM {version} is older than 0.8.5, the oldest release whose metrics are known here"
        return Finding("warning", subject, message, "pip install 'vllm>=0.8.5'")
    if release[:2] > NEWEST:
        message = f"vLLM {version} is newer than 0.33, the newest release known here: watch out for what is missing"
        return Finding("info", subject, message)
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
        and_then = "    # and then --enable-mfu-metrics" if concept.key == "flops_per_gpu" else ""
        message = f"{lost}; vLLM has it from {concept.since}"
        return Finding("info", subject, message, f"pip install 'vllm>={concept.since}'{and_then}")
    hidden = _hidden_in(concept, release)
    if hidden:
        message = f"{lost}; this release hides it"
        return Finding("warning", subject, message, f"--show-hidden-metrics-for-version {hidden}")
    doubt = "" if release is None else ": lost on the way?"
    return Finding("warning", subject, f"{lost}; vLLM has it from {concept.since}{doubt}")


def _hidden_in(concept: Concept, release: tuple[int, ...] | None) -> str | None:
    """Return the value for vLLM's flag, which is exactly the minor release before its own."""
    if concept.hidden is None or release is None:
        return None
    first, last = (release_of(bound) or () for bound in concept.hidden)
    return f"{release[0]}.{release[1] - 1}" if first[:2] <= release[:2] <= last[:2] else None


def _flops(subject: str, engine: EngineReading) -> Iterator[Finding]:
    flops = engine.counters.get("flops_per_gpu")
    if flops is None:
        return
    if flops > 0:
        yield Finding("ok", subject, "counts FLOPs and bytes: MFU and MBU with basis=vllm")
    elif engine.counters.get("generation_tokens", 0) > 0:
        message = "MFU metrics are off, FLOPs stay at 0 while tokens flow: MFU and MBU with basis=vllm left out"
        yield Finding("warning", subject, message, "vllm serve ... --enable-mfu-metrics")
    else:
        message = "no token yet: cannot tell whether MFU metrics are on"
        yield Finding("info", subject, message, "vllm serve ... --enable-mfu-metrics    # unless it is there")


def release_of(version: str | None) -> tuple[int, ...] | None:
    """Return the release numbers of a version, or None where it has none.

    A build from a checkout without tags calls itself 0.1.dev: that is no release.

    >>> release_of("0.10.2rc1"), release_of("dev"), release_of("0.1.dev1+g3b2a")
    ((0, 10, 2), None, None)
    """
    match = re.match(r"v?(\d+(?:\.\d+)+)(\.dev)?", version or "")
    if match is None or (match[2] and match[1] == "0.1"):
        return None
    return tuple(int(part) for part in match[1].split("."))
