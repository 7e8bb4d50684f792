"""A model of which only the number of parameters is known."""

from __future__ import annotations

from pentameter.model.spec import Basis, Layer, Matrices, ModelSpec, Precision, UnknownModelError

_BITS = {"float32": 32, "float": 32, "float16": 16, "half": 16, "bfloat16": 16, None: 16}


def of_parameters(
    parameters: int, active_parameters: int | None = None, dtype: str | None = None, quantization: str | None = None
) -> ModelSpec:
    """Return what plain numbers allow: 2 FLOPs per active parameter and token, and the size of the weights.

    Without ``active_parameters`` all are multiplied with every token. Weights are of the given type, 16 bits by
    default. Raises ``UnknownModelError`` for a quantised model, whose bytes the number does not tell.
    """
    if quantization:
        message = f"a number of parameters does not tell the bytes of {quantization} weights: give path or config"
        raise UnknownModelError(message)
    bits = _BITS.get(dtype)
    if bits is None:
        message = f"dtype {dtype!r} is not known"
        raise UnknownModelError(message)
    precision = Precision.BITS32 if bits == 32 else Precision.BITS16
    active = parameters if active_parameters is None else active_parameters
    rest = parameters - active
    return ModelSpec(
        architecture="unknown",
        layers=(Layer(1, dense=(Matrices("all", active, bits, precision),)),),
        embedding=None,
        unembedding=None,
        dtype_bits=bits,
        other=Matrices("all", rest, bits, precision) if rest else None,
        kv_bits=bits,
        basis=Basis.PARAMETERS,
    )
