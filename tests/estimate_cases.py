"""Cases of an estimate that several test modules start from."""

from dataclasses import replace

from model.specs import LLAMA_2_7B
from pentameter.estimate import Case
from pentameter.estimate_phases import Prices
from pentameter.model.parallel import Parallel
from pentameter.model.spec import Precision
from pentameter.world import GpuSpec

A100 = GpuSpec(
    "A100-SXM4-80GB",
    ("NVIDIA A100-SXM4-80GB",),
    312e12,
    2.039e12,
    ((Precision.BITS32, 19.5e12), (Precision.INT8, 624e12)),
    memory_bytes=80 * 2**30,
    tdp_watts=400,
)
LLAMA = Case(LLAMA_2_7B, A100, Parallel(), batch=1, prompt=1024, output=1024, kv_bits=16, memory_utilization=0.92)


def case(**changes):
    """Return LLaMA-2 7B on an A100, but for the changes; ``tensor`` and ``pipeline`` are sizes."""
    sizes = {size: changes.pop(size) for size in ("tensor", "pipeline") if size in changes}
    prices = {key: changes.pop(key) for key in Prices._fields if key in changes}
    return replace(LLAMA, parallel=Parallel(**sizes), prices=Prices(**prices), **changes)
