"""Bytes that one GPU moves between its memory and its processors: weights, cache reads, cache writes.

What has to be moved, not what was. Activations are left out, and so is everything that a kernel reads twice: MBU from
these bytes is useful traffic over peak, as MFU is useful work over peak. In decode, activations are some 0.05 % of the
weights per token of the batch. In prefill they are not small: vLLM's estimate for Llama-3.1-8B, each operation reading
its input from memory and writing its output there, is 29 GB and 31 GB for a prompt of 8,192 tokens beside 15 GB of
weights. How much of that a kernel fuses away or finds in the chip's own cache no configuration tells, so the traffic of
prefill is a lower bound, and its arithmetic intensity an upper one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from pentameter.model.kv import kv_read_bytes, kv_written_bytes, recurrent_bytes
from pentameter.model.parallel import matrix_share

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pentameter.model.contexts import Reach
    from pentameter.model.parallel import Parallel
    from pentameter.model.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one engine worked on over some time."""

    prefill_tokens: float
    """Prompt tokens computed, without what the cache held."""
    decode_tokens: float
    prefill_samples: float
    """Prompts completed, each of which sampled a first token."""
    decode_steps: float
    """Steps with decode tokens only."""
    prefill_steps: float
    """Steps with prompt tokens only."""
    mixed_steps: float
    """Steps with both."""
    prefill_seen: Mapping[Reach, float]
    """Positions that the queries saw, summed (``contexts``)."""
    decode_seen: Mapping[Reach, float]
    prefill_cached_read: Mapping[Reach, float] = field(default_factory=dict)
    """Positions of the cache that the chunks of prompts read (``contexts.prefill_read``); empty: left out."""


class Moved(NamedTuple):
    """Bytes per GPU."""

    prefill_weights: float
    decode_weights: float
    prefill_kv: float
    decode_kv: float
    """Read, recurrent states included."""
    prefill_written: float
    decode_written: float


def experts_touched(number: int, per_token: int, tokens: float) -> float:
    """Return how many of a layer's experts a step of so many tokens is expected to need.

    E (1 - (1 - k / E)^tokens): each token takes k of E experts, all different, and tokens choose independently and
    evenly. One token misses a given expert with probability 1 - k / E, all of them miss it with that to the power of
    tokens, and expectations add up over the experts (the occupancy problem). Real routers prefer some experts, and
    tokens of one text resemble each other: then fewer are touched. It is concave in tokens, so the value at the mean
    number of tokens is at least the mean of the values.

    >>> experts_touched(8, 2, 1), experts_touched(8, 2, 2)
    (2.0, 3.5)
    """
    missed: float = (1 - per_token / number) ** tokens
    return number * (1 - missed)


def step_weight_bytes(spec: ModelSpec, parallel: Parallel, tokens: float, samples: float) -> float:
    """Return the bytes of weights that one GPU (of the mean pipeline stage) reads in a step of so many tokens.

    Dense matrices and norms once, however many tokens there are; the experts that the tokens touch (with data
    parallelism those of all ranks, taken to have as many); of the embedding one row per token; the unembedding if
    anything is sampled. 0 for a step without tokens.
    """
    if tokens <= 0:
        return 0.0
    read = spec.vectors * spec.dtype_bits / 8
    for layer in spec.layers:
        read += layer.count * sum(matrix.stored_bytes * matrix_share(matrix, parallel) for matrix in layer.dense)
        read += layer.count * layer.vectors * spec.dtype_bits / 8
        if layer.experts is not None:
            touched = experts_touched(layer.experts.number, layer.experts.per_token, tokens * parallel.data)
            read += layer.count * touched * layer.experts.expert.stored_bytes / parallel.expert_gpus
    if spec.embedding is not None:
        read += tokens * spec.hidden_size * spec.embedding.bits / 8 / parallel.tensor
    unembedding = spec.embedding if spec.tied else spec.unembedding
    if unembedding is not None and samples > 0:
        read += unembedding.stored_bytes / parallel.tensor
    return read / parallel.pipeline


def moved(spec: ModelSpec, parallel: Parallel, traffic: Traffic, kv_bits: float | None = None) -> Moved:
    """Return the bytes that one GPU moved for an engine's traffic.

    Weights: a step reads them once, for the mean number of tokens of its kind. A step with prompt and decode tokens
    reads them once for both, and each phase is booked its share by tokens, so that prefill and decode add up to all.
    Every step reads the unembedding: vLLM samples from incomplete prompts too and throws the result away (0.32,
    ``v1/worker/gpu_model_runner.py``, ``_prepare_inputs``). Steps that did not happen move nothing; those that a
    data-parallel rank runs empty to keep step with the others are not counted.

    Cache: a decode query reads all that it sees, a chunk of a prompt reads what its queries see once, every token
    writes its keys and values once; recurrent states are read and written by every decoded token.
    """
    prefill_each = _each(traffic.prefill_tokens, traffic.prefill_steps + traffic.mixed_steps)
    decode_each = _each(traffic.decode_tokens, traffic.decode_steps + traffic.mixed_steps)
    both = prefill_each + decode_each
    shared = traffic.mixed_steps * step_weight_bytes(spec, parallel, both, 1)
    prefill_part = prefill_each / both if both else 0.0
    prefill_alone = traffic.prefill_steps * step_weight_bytes(spec, parallel, prefill_each, 1)
    decode_alone = traffic.decode_steps * step_weight_bytes(spec, parallel, decode_each, 1)
    chunks = traffic.prefill_cached_read
    states = recurrent_bytes(spec, traffic.decode_tokens, parallel)
    return Moved(
        prefill_weights=prefill_alone + shared * prefill_part,
        decode_weights=decode_alone + shared * (1 - prefill_part),
        prefill_kv=kv_read_bytes(spec, chunks, kv_bits, parallel) if chunks else 0.0,
        decode_kv=kv_read_bytes(spec, traffic.decode_seen, kv_bits, parallel) + states,
        prefill_written=kv_written_bytes(spec, traffic.prefill_tokens, kv_bits, parallel),
        decode_written=kv_written_bytes(spec, traffic.decode_tokens, kv_bits, parallel) + states,
    )


def _each(tokens: float, steps: float) -> float:
    return tokens / steps if steps > 0 else 0.0
