"""Write the pages of releases that no server here can show: ``PYTHONPATH=tests python -m captures.write_pages``.

The pages tell one story (``story.py``) as each release would (``releases.py``, ``families.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client.utils import floatToGoString

from captures import families, releases, story

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from captures.releases import Labels, Release

FOLDER = Path(__file__).parent

Sample = tuple[str, dict[str, str], float]
"""Suffix of the name, labels, value."""


@dataclass(frozen=True)
class Family:
    """One family of a page."""

    name: str
    kind: str
    help: str
    samples: list[Sample]


def vllm_families(release: Release) -> Iterator[Family]:
    """Yield the families of a release, in its order."""
    for name in release.names:
        if name in families.HISTOGRAMS:
            text, bounds = families.HISTOGRAMS[name]
            yield Family(name, "histogram", release.help.get(name, text), histogram(name, bounds, release.labels))
            continue
        counter = name in families.COUNTERS
        text = families.COUNTERS[name] if counter else families.GAUGES[name]
        samples = [
            ("_total" if counter else "", labels, value)
            for labels, value in single_values(name, release)
            if value or release.zero_counters or not counter
        ]
        if samples:
            yield Family(name, "counter" if counter else "gauge", release.help.get(name, text), samples)


def single_values(name: str, release: Release) -> Iterator[tuple[Labels, float]]:
    """Yield the series of a gauge or counter."""
    if name == "cache_config_info":
        yield {**release.cache_config, **release.config_labels}, 1
    elif name == "lora_requests_info":
        labels = {"max_lora": "0", "running_lora_adapters": "", "waiting_lora_adapters": ""}
        yield labels, story.STARTED + 600
    elif name in story.SPLIT:
        label, split = story.SPLIT[name]
        for key, value in split.items():
            if name != "request_success" or key in release.reasons:
                yield {**release.labels, label: key}, value
    else:
        yield release.labels, release.values.get(name, story.VALUES[name])


def histogram(name: str, bounds: Iterable[float], labels: Labels) -> list[Sample]:
    """Return buckets, count and sum of the story's observations."""
    scale = 1000 if name in story.MILLISECONDS else 1
    observed = story.MILLISECONDS.get(name) or story.COUNTS[name]
    samples: list[Sample] = []
    for bound in bounds:
        at_most = sum(value <= bound * scale for value in observed)
        samples.append(("_bucket", {**labels, "le": python_number(bound)}, at_most))
    samples.append(("_bucket", {**labels, "le": "+Inf"}, len(observed)))
    samples.append(("_count", labels, len(observed)))
    samples.append(("_sum", labels, sum(observed) / scale))
    return samples


def python_page(found: Iterable[Family], *, created: bool, prefix: str = "vllm:") -> str:
    """Write as Python's prometheus_client does; ``created`` is off where several processes share the page."""
    lines = []
    for family in found:
        name = prefix + family.name
        shown = name + ("_total" if family.kind == "counter" else "")
        lines += [f"# HELP {shown} {family.help}", f"# TYPE {shown} {family.kind}"]
        lines += [line(name, sample, python_number) for sample in family.samples]
        if created and family.kind in {"counter", "histogram"}:
            lines += [f"# HELP {name}_created {family.help}", f"# TYPE {name}_created gauge"]
            series = {str(labels): labels for suffix, labels, _ in family.samples if suffix in {"_total", "_sum"}}
            births = [("_created", labels, story.STARTED) for labels in series.values()]
            lines += [line(name, birth, python_number) for birth in births]
    return "\n".join(lines) + "\n"


def go_page(found: Iterable[Family]) -> str:
    """Write as Go's client does: families by name, buckets before sum before count, whole numbers bare."""
    order = {"_bucket": 0, "_sum": 1, "_count": 2}
    lines = []
    for family in sorted(found, key=lambda family: family.name):
        shown = "vllm:" + family.name + ("_total" if family.kind == "counter" else "")
        lines += [f"# HELP {shown} {family.help}", f"# TYPE {shown} {family.kind}"]
        for suffix, labels, value in sorted(family.samples, key=lambda sample: order.get(sample[0], 0)):
            if "le" in labels:
                labels = {**labels, "le": go_number(float(labels["le"]))}
            lines.append(line("vllm:" + family.name, (suffix, labels, value), go_number))
    return "\n".join(lines) + "\n"


def python_number(value: float) -> str:
    """Return a number as Python's client prints it: with Go's exponent, but never a bare whole number."""
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]


def go_number(value: float) -> str:
    """Return a number as Go prints it."""
    return python_number(value).removesuffix(".0")


def line(name: str, sample: Sample, number: Callable[[float], str]) -> str:
    """Return one sample's line, labels in alphabetical order."""
    suffix, labels, value = sample
    inside = ",".join(f'{key}="{labels[key]}"' for key in sorted(labels))
    return f"{name}{suffix}{{{inside}}} {number(value)}" if inside else f"{name}{suffix} {number(value)}"


PROCESS = f"""\
# HELP process_resident_memory_bytes Resident memory size in bytes.
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 1.073741824e+09
# HELP process_start_time_seconds Start time of the process since unix epoch in seconds.
# TYPE process_start_time_seconds gauge
process_start_time_seconds {python_number(story.STARTED - 30)}
# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 42.5
"""


def ray_page() -> str:
    """Write the page of a Ray node with two replicas of one model: Ray's names, prefix and labels."""
    together: dict[str, Family] = {}
    for replica, worker in (("replica-a", "worker-a"), ("replica-b", "worker-b")):
        for family in vllm_families(releases.RAY):
            samples = [
                (suffix, labels | ray_labels(replica, worker), value) for suffix, labels, value in family.samples
            ]
            before = together.get(family.name)
            together[family.name] = Family(
                family.name, family.kind, family.help, [*(before.samples if before else []), *samples]
            )
    return python_page(together.values(), created=False, prefix="ray_vllm_")


def ray_labels(replica: str, worker: str) -> Labels:
    """Return what Ray adds to every series."""
    return {
        "Component": "core_worker",
        "NodeAddress": "10.0.0.5",
        "ReplicaId": replica,
        "SessionName": "session_2026-11-01_00-00-00_000000_1",
        "Version": "2.48.0",
        "WorkerId": worker,
    }


def router_page() -> str:
    """Write an engine's page into which production-stack's router has put what it knows of two backends."""
    router: dict[str, tuple[str, float]] = {
        "num_requests_running": ("Number of running requests", 2),
        "num_requests_waiting": ("Number of waiting requests", 1),
        "gpu_prefix_cache_hit_rate": ("GPU Prefix Cache Hit Rate", 0),
        "current_qps": ("Current Queries Per Second", 1.5),
        "avg_latency": ("Average end-to-end request latency", 0.45),
        "avg_itl": ("Average Inter-Token Latency", 0.014),
        "num_requests_swapped": ("Number of swapped requests", 0),
        "healthy_pods_total": ("Number of healthy vLLM pods", 1),
    }
    servers = ("http://10.0.0.6:8000", "http://10.0.0.7:8000")
    merged = list(vllm_families(releases.V0_24_0))
    for name, (text, value) in router.items():
        samples = [("", {"server": server}, value) for server in servers]
        engine = next((family for family in merged if family.name == name), None)
        if engine:
            engine.samples.extend(samples)
        else:
            merged.append(Family(name, "gauge", text, samples))
    return PROCESS + python_page(merged, created=False)


def pages() -> dict[str, str]:
    """Return file name -> page."""
    written = {
        name: PROCESS + python_page(vllm_families(found), created=True)
        for name, found in releases.SINGLE_PROCESS.items()
    }
    written |= {
        "vllm-0.8.5-v0": python_page(vllm_families(releases.V0_8_5_V0), created=False),
        "vllm-0.24.0-ray-serve": ray_page(),
        "vllm-0.24.0-behind-router": router_page(),
        "llm-d-inference-sim-0.9.2": go_page(vllm_families(releases.INFERENCE_SIM)),
    }
    return {f"{name}.written.txt": page for name, page in written.items()}


if __name__ == "__main__":
    for file, content in pages().items():
        (FOLDER / file).write_text(content)
        print(f"{file}: {len(content)} bytes")
