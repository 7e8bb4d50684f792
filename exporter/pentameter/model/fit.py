"""What fits into a GPU's memory beside the weights, and what blocks of the cache waste."""

from __future__ import annotations

import math


def free_for_cache(memory_bytes: float, utilisation: float, weights: float, overhead: float) -> float:
    """Return the bytes that are left for the cache: memory x utilisation - weights - overhead, of one GPU.

    ``utilisation`` is vLLM's ``gpu_memory_utilization`` (0.92 unless set, in 0.32), ``overhead`` what activations, CUDA
    graphs and the context take. Negative where the model does not fit: so much is missing.
    """
    return memory_bytes * utilisation - weights - overhead


def sequences_that_fit(free_bytes: float, sequence_bytes: float) -> float:
    """Return how many whole sequences of that size fit: floor(free / size), never negative.

    Raises ValueError where a sequence takes no bytes: then its size is not known, and not any number fits.
    """
    if sequence_bytes <= 0:
        raise ValueError(f"a sequence of {sequence_bytes} bytes says nothing of how many fit")
    return float(max(0, math.floor(free_bytes / sequence_bytes)))


def blocks_bytes(tokens: float, block_size: int, bytes_per_token: float) -> float:
    """Return the bytes of the blocks that a sequence of that many tokens occupies, its last one counted whole."""
    return math.ceil(tokens / block_size) * block_size * bytes_per_token


def waste_at(tokens: int, block_size: int) -> int:
    """Return the empty places in the last block of a sequence of that many tokens.

    >>> [waste_at(tokens, 16) for tokens in (15, 16, 17)]
    [1, 0, 15]
    """
    return -tokens % block_size


def expected_waste_tokens(sequences: float, block_size: int) -> float:
    """Return the empty places that so many sequences are expected to have in their last blocks, in tokens.

    (block_size - 1) / 2 each: a last block holds 1 to block_size tokens, each as often as the others where lengths
    spread over many blocks, which leaves 0 to block_size - 1 empty. It is the only waste that paging leaves (Kwon et
    al. 2023, arXiv 2309.06180, section 4.2: at most one block per sequence); blocks that sequences share are full.

    >>> expected_waste_tokens(100, 16)
    750.0
    """
    return sequences * (block_size - 1) / 2
