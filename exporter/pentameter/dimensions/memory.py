"""GPU memory: what the weights take, what the cache may, and what is neither (lecture: "Memory Efficiency")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.dimensions.computation import basis_of
from pentameter.dimensions.kv_cache import kv_capacity_tokens
from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit
from pentameter.model.kv import kv_bytes_per_token, kv_known, uniform_cache
from pentameter.model.parallel import kv_share, weights_per_gpu
from pentameter.model.parameters import weight_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.world import Deployment, World

WEIGHTS = Metric(
    "pentameter_weights_bytes",
    "gauge",
    Unit.BYTES,
    Dimension.MEMORY,
    "Weights of the engine's model as they are stored, scales included, once over all its GPUs. basis=model: from its "
    "configuration; basis=index: from the index of its files; basis=parameters: from their configured number.",
    "sum over matrices of parameters x bits / 8",
    (*ENGINE, "basis"),
)
WEIGHTS_PER_GPU = Metric(
    "pentameter_weights_per_gpu_bytes",
    "gauge",
    Unit.BYTES,
    Dimension.MEMORY,
    "Weights on one GPU of the engine, the mean over the stages of a pipeline. basis=model.",
    "weights / (tensor x pipeline parallel); experts are spread over the data-parallel ranks too",
    (*ENGINE, "basis"),
)
OVERHEAD = Metric(
    "pentameter_gpu_memory_overhead_bytes",
    "gauge",
    Unit.BYTES,
    Dimension.MEMORY,
    "Memory in use on the server's GPUs that is neither weights nor KV cache: activations, CUDA graphs, the driver's "
    "context, and whatever else runs there. Absent unless memory, model and cache are known on all of them. "
    "basis=model.",
    "NVML used memory of all GPUs - weights per GPU x GPUs - KV cache capacity with copies of heads",
    (*ENGINE, "basis"),
)
GPU_MEMORY_USED = Metric(
    "pentameter_gpu_memory_used_bytes",
    "gauge",
    Unit.BYTES,
    Dimension.MEMORY,
    "Memory of the GPU in use by all processes, measured.",
    "NVML memory info: used",
    ("gpu",),
)
GPU_MEMORY_TOTAL = Metric(
    "pentameter_gpu_memory_total_bytes",
    "gauge",
    Unit.BYTES,
    Dimension.MEMORY,
    "Memory of the GPU, measured.",
    "NVML memory info: total",
    ("gpu",),
)
METRICS = (WEIGHTS, WEIGHTS_PER_GPU, OVERHEAD, GPU_MEMORY_USED, GPU_MEMORY_TOTAL)


def samples(world: World) -> Iterator[Sample]:
    """Yield this dimension's samples; what cannot be known is not yielded."""
    for engine in world.engines:
        if engine.model is not None:
            basis = basis_of(engine.model)
            yield WEIGHTS(weight_bytes(engine.model.spec), *engine.labels, basis)
            yield WEIGHTS_PER_GPU(weights_per_gpu(engine.model.spec, engine.model.parallel), *engine.labels, basis)
    for deployment in world.deployments:
        overhead = overhead_bytes(deployment)
        if overhead is not None:
            yield OVERHEAD(overhead, *deployment.labels, "model")
    for gpu in world.gpus:
        if gpu.reading.memory_used_bytes is not None:
            yield GPU_MEMORY_USED(gpu.reading.memory_used_bytes, gpu.reading.uuid)
        if gpu.reading.memory_total_bytes is not None:
            yield GPU_MEMORY_TOTAL(gpu.reading.memory_total_bytes, gpu.reading.uuid)


def overhead_bytes(deployment: Deployment) -> float | None:
    """Return the memory in use on a server's GPUs beyond weights and KV cache; None where any part is unknown.

    None too where the GPUs that are seen are not as many as its engines take, or where the result would be negative:
    then weights or cache are not on these GPUs alone.
    """
    used = [gpu.reading.memory_used_bytes for gpu in deployment.gpus]
    known = [value for value in used if value is not None]
    needed, taken = 0, 0.0
    for engine in deployment.engines:
        model, capacity = engine.model, kv_capacity_tokens(engine.reading.cache_config)
        if model is None or capacity is None or not kv_known(model.spec) or not uniform_cache(model.spec):
            return None
        gpus = model.parallel.gpus
        needed += gpus
        cache = capacity * kv_bytes_per_token(model.spec, model.kv_bits) * kv_share(model.spec, model.parallel)
        taken += gpus * (weights_per_gpu(model.spec, model.parallel) + cache)
    if not known or len(known) != len(used) or needed != len(used):
        return None
    rest = sum(known) - taken
    return rest if rest >= 0 else None
