"""The scenario of the golden pages: a vLLM page, the same page doubled ten seconds later, two GPUs, one host.

Because every counter doubles, what the page says in all is what happened in the ten seconds.
"""

import re

from builders import H100, POLAND
from pentameter.health import BUILD_INFO
from pentameter.meter import Meter, ServerPlan
from pentameter.readings import GpuReading, GpusReading, HostReading
from pentameter.snapshot import Snapshot, SourceHealth
from pentameter.sources.vllm_page import PageReader
from pentameter.windows import Window

SERVER = "vllm:8000"
SECONDS = 10.0
START_WALL = 1_800_000_000.0
BEGINNING = 5000.0
END = BEGINNING + SECONDS
WINDOWS = (Window("1m", 60.0),)
DOLLARS_PER_GPU_HOUR = 1.8

# Joules in the ten seconds, and watts at their end.
GPUS = {"GPU-0": (5000.0, 510.0), "GPU-1": (3000.0, 290.0)}

_SAMPLE = re.compile(r"(?P<name>(?:ray_)?vllm[:_]\w+)(?P<labels>\{.*\})? (?P<value>\S+)")
_TYPE = re.compile(r"# TYPE (?P<family>\S+) (?:counter|histogram)")
_SUFFIX = re.compile(r"_(total|bucket|sum|count)$")


def doubled(page: str) -> str:
    """Return a page on which every counter and histogram of vLLM stands twice as high; all else is the same."""
    families = {found["family"] for line in page.splitlines() if (found := _TYPE.fullmatch(line))}

    def twice(line):
        sample = _SAMPLE.fullmatch(line)
        if not sample or not {sample["name"], _SUFFIX.sub("", sample["name"])} & families:
            return line
        return f"{sample['name']}{sample['labels'] or ''} {float(sample['value']) * 2}"

    return "".join(twice(line) + "\n" for line in page.splitlines())


def _gpus(monotonic, share):
    """Return the GPUs after a share of the ten seconds."""
    return GpusReading(
        monotonic,
        START_WALL + monotonic - BEGINNING,
        tuple(
            GpuReading(
                uuid=uuid,
                index=index,
                name=H100.nvml_names[0],
                energy_joules=1e6 + share * joules,
                power_watts=watts,
                power_limit_watts=700.0,
                memory_total_bytes=85.5e9,
                memory_used_bytes=77e9,
                utilization_ratio=0.9,
                temperature_celsius=60.0 + index,
                compute_capability="9.0",
            )
            for index, (uuid, (joules, watts)) in enumerate(GPUS.items())
        ),
        driver_version="580.95.05",
    )


def _up(source, server=""):
    return SourceHealth(
        source, server, up=True, reason="", last_success=START_WALL + SECONDS, duration_seconds=0.01, successes=2
    )


def metered(page: str) -> Meter:
    """Return the meter after the ten seconds: a snapshot was made of their beginning, none yet of their end."""
    meter = Meter(
        WINDOWS,
        [ServerPlan(SERVER, gpu_dollars_per_hour=DOLLARS_PER_GPU_HOUR)],
        find_spec={H100.nvml_names[0]: H100}.get,
        grid=POLAND,
    )
    reader = PageReader(SERVER)
    for share, text in ((0.0, page), (1.0, doubled(page))):
        now = BEGINNING + share * SECONDS
        if share:
            meter.measure(BEGINNING, START_WALL)
        meter.take_vllm(reader.read(text.encode(), "text/plain", monotonic=now, wall=START_WALL + now - BEGINNING))
        meter.take_gpus(_gpus(now, share), "nvml")
        # 20 of 4 x 10 seconds busy.
        meter.take_host(HostReading(now, START_WALL + now - BEGINNING, 4, 1000.0 + 20.0 * share, 64e9, 12e9))
        for health in (_up("vllm", SERVER), _up("nvml"), _up("host")):
            meter.take_health(health)
    return meter


def played(page: str) -> Snapshot:
    """Return the snapshot at the end of the ten seconds."""
    snapshot = metered(page).measure(END, START_WALL + SECONDS)
    # The daemon adds its build.
    return Snapshot(
        (*snapshot.samples, BUILD_INFO(1, "0.0.0", "3.11.0")), snapshot.sources, snapshot.wall, snapshot.monotonic, 1
    )
