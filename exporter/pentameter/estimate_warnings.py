"""What to know of an estimate before its figures are believed. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.estimate_fit import tensor_sizes
from pentameter.model.flops import sample_flops, token_flops
from pentameter.model.kv import kv_known
from pentameter.model.spec import Precision

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.estimate import Case, Estimate


def warnings(case: Case, found: Estimate) -> Iterator[str]:
    """Yield what does not fit, what vLLM would refuse, and what the figures leave out, in full sentences."""
    yield from _of_model(case)
    yield from _of_parallelism(case)
    yield from _of_precision(case)
    yield from _of_fit(case, found)


def _of_model(case: Case) -> Iterator[str]:
    spec = case.spec
    if not kv_known(spec):
        yield "The layers of this model are not known, only its size: attention and KV cache are left out."
    if spec.unmodelled:
        yield f"Left out of weights and work: {', '.join(spec.unmodelled)}."
    if spec.max_context is not None and case.context > spec.max_context:
        yield (
            f"The context of {case.context:,} tokens is beyond the model's own {spec.max_context:,} "
            "(max_position_embeddings): vLLM refuses it unless told otherwise."
        )


def _of_parallelism(case: Case) -> Iterator[str]:
    layers = sum(layer.count for layer in case.spec.layers)
    tensor, pipeline = case.parallel.tensor, case.parallel.pipeline
    if kv_known(case.spec) and pipeline > layers:
        yield f"{pipeline} pipeline stages are more than the {layers} layers."
    if tensor not in tensor_sizes(case.spec):
        yield f"Tensor parallelism of {tensor} does not divide the attention heads: vLLM refuses it."
    if pipeline > 1:
        yield (
            f"Times are of one batch that passes {pipeline} stages alone; a full pipeline has {pipeline} such batches "
            f"under way, with {pipeline} times the tokens per second and the KV cache."
        )
    if case.parallel.gpus > 1:
        yield "The communication between GPUs is left out of the times."


def _of_precision(case: Case) -> Iterator[str]:
    used = {*token_flops(case.spec), *sample_flops(case.spec)}
    for precision in sorted(used - set(case.gpu.peaks)):
        if precision is Precision.BITS32:
            yield f"The 32-bit peak of {case.gpu.gpu} is not known: the floors are those of the traffic alone."
        else:
            yield f"{case.gpu.gpu} has no {precision} peak in the table: such products count at its 16-bit peak."


def _of_fit(case: Case, found: Estimate) -> Iterator[str]:
    fit, gpus = found.fit, case.parallel.gpus
    on = f"{gpus} x {case.gpu.gpu}"
    if fit.weights_fit is False:
        batch = f" ({fit.gpus_for_batch} with the batch)" if fit.gpus_for_batch else ""
        yield f"The weights do not fit on {on}: {_takes(fit.gpus_for_weights)}{batch}."
    elif fit.batch_fits is False:
        yield (
            f"The batch of {case.batch} sequences of {case.context:,} tokens does not fit on {on}, "
            f"{fit.sequences} do: {_takes(fit.gpus_for_batch)}."
        )


def _takes(gpus: int | None) -> str:
    return "no tensor-parallel size is enough" if gpus is None else f"it would take {gpus} of them"
