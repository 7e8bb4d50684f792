"""The doctor's look at the GPUs and at the settings that need them: what stays unknown, and the line that tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.cost_settings import settings_to_costs
from pentameter.facts import find_gpu, gpu_specs
from pentameter.findings import Finding
from pentameter.model.gpu_bandwidth import bandwidth_of
from pentameter.units import GIGA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.config import Server, Settings
    from pentameter.readings import GpuReading, GpusReading

_HARMLESS = {
    "energy_joules",
    "mig_enabled",
    "compute_capability",
    "memory_reserved_bytes",
    "memory_bus_width_bits",
    "memory_clock_max_hz",
    "tensor_active_ratio",
    "handle",
}
"""Fields whose absence is said elsewhere, or costs no figure."""


def look_at_gpus(subject: str, reading: GpusReading, settings: Settings) -> Iterator[Finding]:
    """Yield what is found about each GPU, and about those that are configured and not there."""
    for gpu in reading.gpus:
        yield _type(subject, gpu, _owner(gpu, settings))
        if gpu.energy_joules is None:
            instead = "no joules per token" if gpu.power_watts is None else "power times time stands in"
            message = f"GPU {gpu.index} has no energy counter (older than Volta, or virtual): {instead}"
            yield Finding("warning", subject, message)
        if gpu.mig_enabled:
            message = f"GPU {gpu.index} is split by MIG: power, energy and memory are those of the whole board"
            yield Finding("warning", subject, message)
    for place, reason in reading.field_errors.items():
        gpu_name, _, field = place.rpartition("/")
        if field == "dram_active_ratio":
            message = f"{gpu_name} does not tell how busy its memory is ({reason}): no measured MBU and tensor activity"
            yield Finding("info", subject, message)
        elif field not in _HARMLESS:
            yield Finding("info", subject, f"{place} cannot be read: {reason}")
    here = {name for gpu in reading.gpus for name in (gpu.uuid, str(gpu.index))}
    for server in settings.vllm.servers:
        for wanted in server.gpus:
            if wanted not in here:
                reason = reading.field_errors.get(f"{wanted}/handle", "not visible here")
                yield Finding(
                    "warning",
                    subject,
                    f"GPU {wanted} of {server.name} cannot be read ({reason}): no energy or carbon of that server",
                    f"vllm: {{servers: [{{url: {server.url}, gpus: [GPU-UUID]}}]}}    # nvidia-smi -L lists them",
                )


def _owner(gpu: GpuReading, settings: Settings) -> Server | None:
    """Return the server that a GPU is counted to."""
    servers = settings.vllm.servers
    owners = [
        s for s in servers if gpu.uuid in s.gpus or str(gpu.index) in s.gpus or (len(servers) == 1 and not s.gpus)
    ]
    return owners[0] if len(owners) == 1 else None


def names_by_server(settings: Settings, gpus: GpusReading | None) -> dict[str, tuple[str, ...]]:
    """Return the table's names of the GPUs of each server, configured or seen; empty where none is known."""
    specs = gpu_specs()
    names: dict[str, tuple[str, ...]] = {}
    for server in settings.vllm.servers:
        told = [server.gpu_type] if server.gpu_type else []
        seen = [gpu.name for gpu in gpus.gpus if _owner(gpu, settings) is server] if gpus else []
        found = [find_gpu(name, specs) for name in told or seen]
        names[server.name] = tuple(spec.gpu for spec in found if spec is not None)
    return names


def _type(subject: str, gpu: GpuReading, owner: Server | None) -> Finding:
    spec = find_gpu(gpu.name, gpu_specs())
    told = owner.gpu_type if owner else None
    url = owner.url if owner else "URL"
    what = f"GPU {gpu.index} {gpu.uuid} {gpu.name}"
    if told is not None and spec is not None and find_gpu(told, (spec,)) is None:
        return Finding(
            "warning",
            subject,
            f"{what} = {spec.gpu}, but gpu_type says {told}: MFU and MBU are measured against {told}",
            f"vllm: {{servers: [{{url: {url}}}]}}    # without gpu_type",
        )
    known = told or (spec.gpu if spec else None)
    if known is not None:
        return Finding("ok", subject, f"{what} = {known}")
    bandwidth = bandwidth_of(gpu)
    mbu = (
        "no MBU" if bandwidth is None else f"MBU against {bandwidth / GIGA:.0f} GB/s, by its memory clock and bus width"
    )
    return Finding(
        "warning",
        subject,
        f"{what} is not in the specification table: no MFU, {mbu}",
        f"vllm: {{servers: [{{url: {url}, gpu_type: NAME}}]}}    # a listed GPU of the same peaks, if there is one",
    )


def look_at_settings(settings: Settings, gpus: GpusReading | None) -> Iterator[Finding]:
    """Yield what the settings leave unknown; ``gpus`` is what NVML shows, None where it shows nothing."""
    servers = settings.vllm.servers
    if not servers:
        yield Finding("error", "settings", "no vLLM server is configured", "--vllm-url http://127.0.0.1:8000")
    yield from _mapping(settings, gpus)
    for server in servers:
        if not (gpus and any(_owner(gpu, settings) is server for gpu in gpus.gpus)):
            yield from _unseen(server)
    costs, economics = settings_to_costs(settings), settings.economics
    asks_book = economics.provider or economics.instance or economics.labels_file
    unpriced = [server.name for server in servers if costs[server.name].quote is None and not asks_book]
    if unpriced:
        yield Finding(
            "info",
            "settings",
            f"no GPU price for {', '.join(unpriced)}: cost is left out",
            "economics: {gpu_dollars_per_hour: 2.50}",
        )
    if settings.grid.region is None and settings.grid.grams_per_kwh is None:
        yield Finding(
            "info",
            "settings",
            "no grid region: carbon is left out",
            "grid: {region: POL}    # ISO 3166 alpha-3 of the country where the GPUs stand",
        )


def _unseen(server: Server) -> Iterator[Finding]:
    """Say what nobody tells about a server whose GPUs are not visible."""
    if server.gpu_type is None:
        yield Finding(
            "info",
            "settings",
            f"the GPU type of {server.name} is unknown: no peak for MFU and MBU",
            f"vllm: {{servers: [{{url: {server.url}, gpu_type: H100-SXM-80GB}}]}}",
        )
    if not server.gpus and server.gpu_count is None:
        yield Finding(
            "info",
            "settings",
            f"the number of GPUs of {server.name} is unknown: cost is left out",
            f"vllm: {{servers: [{{url: {server.url}, gpu_count: 1}}]}}",
        )


def _mapping(settings: Settings, gpus: GpusReading | None) -> Iterator[Finding]:
    """Say which GPUs are counted to no server, or to the only one for want of a better knowledge."""
    servers = settings.vllm.servers
    fix = "vllm: {servers: [{url: URL, gpus: [GPU-UUID]}]}    # nvidia-smi -L lists them"
    unmapped = [server.name for server in servers if not server.gpus]
    if len(servers) > 1 and unmapped:
        message = f"several servers, and the GPUs of {', '.join(unmapped)} are not named"
        yield Finding("warning", "settings", f"{message}: their energy and carbon are left out", fix)
    if len(servers) == 1 and unmapped and gpus is not None and len(gpus.gpus) > 1:
        message = (
            f"all {len(gpus.gpus)} GPUs that are visible are counted to {servers[0].name}; if it uses fewer, say so"
        )
        yield Finding("info", "settings", message, fix.replace("URL", servers[0].url))
    for index, server in enumerate(servers):
        for gpu in server.gpus:
            others = [other.name for other in servers[index + 1 :] if gpu in other.gpus]
            if others:
                message = f"GPU {gpu} is given to {server.name} and {', '.join(others)}: it is counted to neither"
                yield Finding("warning", "settings", message, fix)
