"""Bytes of the cache: keys and values of attention, and the states of recurrent layers.

A layer caches ``kv_elements`` per token, in ``kv_bits`` each: the server's own setting where given, else what the
model's configuration says. A layer with a window keeps and reads no more than its window; one that shares a cache reads
it but keeps none. Everything is of one engine, or of one of its GPUs where a ``Parallel`` is given.

Zero here means nothing kept. Where the layers are not known (``kv_known``) no figure of this module means anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.model.contexts import reach
from pentameter.model.parallel import ONE_GPU, Parallel, cache_share
from pentameter.model.spec import Basis

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pentameter.model.contexts import Reach
    from pentameter.model.spec import Attention, ModelSpec


def kv_known(spec: ModelSpec) -> bool:
    """Say whether the layers, and so the cache, are known at all: a count of parameters tells nothing of it."""
    return spec.basis is Basis.CONFIG


def uniform_cache(spec: ModelSpec) -> bool:
    """Say whether each token adds the same to every layer's cache for ever: no windows, no states, one kind of layer.

    Only then is a number of tokens the same as a number of bytes.
    """
    kinds = {(attention.kv_elements, reach(attention)) for _, attention in _keeping(spec)}
    unlimited = all(kind.window is None for _, kind in kinds)
    return len(kinds) == 1 and unlimited and all(layer.recurrent is None for layer in spec.layers)


def kv_bytes_per_token(spec: ModelSpec, kv_bits: float | None = None, parallel: Parallel = ONE_GPU) -> float:
    """Return what one more token adds to the cache while it is shorter than every window, in bytes.

    Sum over the layers that keep a cache of kv_elements x bits / 8: for plain attention 2 x layers x kv_heads x
    head_dim x bytes, for MLA layers x (kv_lora_rank + qk_rope_head_dim) x bytes. 0 only where every layer is recurrent.
    """
    return kv_written_bytes(spec, 1, kv_bits, parallel)


def kv_bytes_grown(spec: ModelSpec, tokens: float, kv_bits: float | None = None) -> float:
    """Return what so many tokens add to caches that are shorter than every window, in bytes: an upper bound else."""
    return tokens * kv_bytes_per_token(spec, kv_bits)


def sequence_bytes(spec: ModelSpec, tokens: float, kv_bits: float | None = None, parallel: Parallel = ONE_GPU) -> float:
    """Return what a sequence of that length keeps, in bytes: up to a window per layer, and its recurrent states.

    Without rounding up to blocks (``fit.blocks_bytes``).
    """
    kept = 0.0
    for count, attention in _keeping(spec):
        held = tokens if attention.window is None else min(tokens, attention.window)
        kept += count * held * _element_bytes(spec, attention, kv_bits, parallel)
    return kept + recurrent_bytes(spec, 1, parallel)


def kv_read_bytes(
    spec: ModelSpec, seen: Mapping[Reach, float], kv_bits: float | None = None, parallel: Parallel = ONE_GPU
) -> float:
    """Return the bytes of keys and values behind the positions seen: in decode each query reads all that it sees.

    ``seen`` must have every reach of the model (``contexts.reaches``); a missing one is a KeyError.
    """
    read = 0.0
    for layer in spec.layers:
        if layer.attention is not None:
            bytes_each = _element_bytes(spec, layer.attention, kv_bits, parallel)
            read += layer.count * seen[reach(layer.attention)] * bytes_each
    return read


def kv_written_bytes(
    spec: ModelSpec, tokens: float, kv_bits: float | None = None, parallel: Parallel = ONE_GPU
) -> float:
    """Return the bytes of keys and values that so many tokens write: into a window too, over what left it."""
    return sum(
        count * tokens * _element_bytes(spec, attention, kv_bits, parallel) for count, attention in _keeping(spec)
    )


def recurrent_bytes(spec: ModelSpec, tokens: float, parallel: Parallel = ONE_GPU) -> float:
    """Return the bytes of recurrent state that so many decoded tokens read; they write the same number again.

    Every decoded token reads the whole state of its sequence once and writes it once, in each recurrent layer. States
    are divided by heads, like the layers' matrices.
    """
    states = sum(layer.count * layer.recurrent.state_bytes for layer in spec.layers if layer.recurrent is not None)
    return tokens * states / parallel.gpus


def _keeping(spec: ModelSpec) -> Iterator[tuple[int, Attention]]:
    for layer in spec.layers:
        if layer.attention is not None and not layer.attention.shares_cache:
            yield layer.count, layer.attention


def _element_bytes(spec: ModelSpec, attention: Attention, kv_bits: float | None, parallel: Parallel) -> float:
    """Return the bytes per token of one layer's cache on one GPU."""
    bits = spec.kv_bits if kv_bits is None else kv_bits
    return attention.kv_elements * bits / 8 * cache_share(attention, parallel)
