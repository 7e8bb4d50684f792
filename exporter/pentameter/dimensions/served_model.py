"""What the exporter knows of the model that an engine serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit
from pentameter.model.parameters import active_parameters, total_parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.world import World

MODEL_INFO = Metric(
    "pentameter_model_info",
    "gauge",
    Unit.INFO,
    Dimension.COMPUTATION,
    "Identity of the model that an engine serves. spec: how much is known of it (config, index, parameters). origin: "
    "where from. contexts: whether the lengths of contexts come from request records or from the page.",
    "always 1",
    (
        *ENGINE,
        "architecture",
        "quantization",
        "kv_cache_dtype",
        "tensor_parallel_size",
        "pipeline_parallel_size",
        "data_parallel_size",
        "spec",
        "origin",
        "contexts",
    ),
)
MODEL_UNKNOWN = Metric(
    "pentameter_model_unknown",
    "gauge",
    Unit.NONE,
    Dimension.COMPUTATION,
    "1 where the served model is not known, so that all figures of basis=model are left out. reason: not_found (set "
    "vllm.servers[].model, or load the plugin into vLLM) or unsupported (its configuration is not understood).",
    "always 1; absent where the model is known",
    (*ENGINE, "reason"),
)
PARAMETERS = Metric(
    "pentameter_model_parameters",
    "gauge",
    Unit.NONE,
    Dimension.COMPUTATION,
    "Parameters of the model. kind=total: all that are in memory; kind=active: those that one token passes through, of "
    "experts only those it is sent to, without the table that its embedding is looked up in.",
    "active: total - embedding, unless tied - experts that a token is not sent to",
    (*ENGINE, "kind"),
)
METRICS = (MODEL_INFO, MODEL_UNKNOWN, PARAMETERS)


def samples(world: World) -> Iterator[Sample]:
    """Yield the samples; what cannot be known is not yielded."""
    for engine in world.engines:
        model = engine.model
        if model is not None:
            yield MODEL_INFO(
                1,
                *engine.labels,
                model.spec.architecture,
                model.spec.quantization,
                model.kv_cache_dtype,
                str(model.parallel.tensor),
                str(model.parallel.pipeline),
                str(model.parallel.data),
                model.spec.basis,
                model.origin,
                model.contexts,
            )
            yield PARAMETERS(total_parameters(model.spec), *engine.labels, "total")
            yield PARAMETERS(active_parameters(model.spec), *engine.labels, "active")
        elif engine.unknown_model is not None:
            yield MODEL_UNKNOWN(1, *engine.labels, engine.unknown_model.reason)
