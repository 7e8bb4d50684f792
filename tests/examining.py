"""The doctor's patients: a vLLM server of scripted answers, a source that a test speaks for, bare settings."""

from pathlib import Path

from fakes.http_server import ScriptedServer, page
from given_settings import settings
from pentameter.assembly import settings_to_feeds
from pentameter.daemon import Feed
from pentameter.doctor import examine
from pentameter.readings import GpuReading, GpusReading
from pentameter.sources.surroundings import Surroundings

CAPTURES = Path(__file__).parent / "captures"
LABELS = '{engine="0",model_name="m"}'
MODELS = page('{"data": [{"id": "llama"}, {"id": "adapter", "parent": "llama"}]}', "application/json")
NO_GPUS = {"nvml": {"enabled": False}, "host": {"enabled": False}}
PLAIN = Surroundings()
"""A machine, no container, wherever the tests run."""


def capture(name):
    return page((CAPTURES / f"vllm-0.32.0-{name}.txt").read_bytes())


def vllm(metrics, version="0.32.0", models=MODELS):
    """Return the answers of a vLLM server."""
    told = page("no", status="404 Not Found") if version is None else page(f'{{"version": "{version}"}}')
    return {"/metrics": metrics, "/version": told, "/v1/models": models}


def old_page(*names):
    """Return a page with these samples, and the start time that every Python front end writes."""
    lines = [f"vllm:{name}{LABELS} 5.0" for name in names]
    return page("\n".join(["process_start_time_seconds 100.0", *lines]) + "\n")


def findings_for(chosen, around=PLAIN, ports=()):
    feeds = settings_to_feeds(chosen)
    found = list(examine(chosen, feeds, around, ports))
    for feed in feeds:
        feed.source.close()
    return found


def about_vllm(answers, **keys):
    """Return what is found at a server called ``a``, but for its model, its tokenizer and what the settings lack."""
    with ScriptedServer(answers) as server:
        found = findings_for(settings({"vllm": {"servers": [{"url": server.url, "name": "a", **keys}]}, **NO_GPUS}))
        return [
            finding for finding in found if finding.subject not in ("settings", "model a", "tokenizer a")
        ], server.url


class Source:
    """A source that a test speaks for."""

    server = ""

    def __init__(self, name, read):
        self.name = name
        self.read = read

    def close(self):
        """Hold nothing."""


def about_source(name, read, patience=5.0, around=PLAIN, **sections):
    found = examine(settings({**NO_GPUS, **sections}), [Feed(Source(name, read), 1.0, patience)], around)
    return [finding for finding in found if finding.subject != "settings"]


def failing(error):
    def read():
        raise error

    return read


def about_gpus(*gpus, field_errors=None, **sections):
    reading = GpusReading(0.0, 0.0, gpus, "580", field_errors or {})
    return about_source("nvml", lambda: reading, **sections)


def about_settings(tree, gpus=None):
    feeds = [Feed(Source("nvml", lambda: GpusReading(0.0, 0.0, gpus)), 1.0, 5.0)] if gpus else []
    return [finding for finding in examine(settings(tree), feeds, PLAIN) if finding.subject == "settings"]


def h100(index=0, **fields):
    return GpuReading(f"GPU-{index}", index, "NVIDIA H100 80GB HBM3", **{"energy_joules": 1.0, **fields})


COMPLETE = {
    "vllm": {"servers": [{"url": "http://a:1", "gpu_type": "L4", "gpu_count": 1}]},
    "economics": {"gpu_dollars_per_hour": 1},
    "grid": {"region": "POL"},
}
