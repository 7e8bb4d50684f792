"""What a word for the KV cache's data type (vLLM's ``--kv-cache-dtype``) means in bits."""

from __future__ import annotations

from pentameter.model.spec import UnknownModelError

_BITS = {
    "float32": 32.0,
    "float16": 16.0,
    "half": 16.0,
    "bfloat16": 16.0,
    "fp8": 8.0,
    "fp8_e4m3": 8.0,
    "fp8_e5m2": 8.0,
    "fp8_inc": 8.0,
    # 512 latent elements in 8 bits with four 32-bit scales, and 64 of the rotary part in 16: 656 bytes for 576.
    "fp8_ds_mla": 656 * 8 / 576,
    # An 8-bit scale per 16 elements.
    "nvfp4": 4.5,
}


def kv_cache_bits(word: str) -> float | None:
    """Return the bits per cached element, or None for ``auto``: then the model's own configuration says it.

    Raises ``UnknownModelError`` for a type that is not known here: its size must not be guessed.

    >>> kv_cache_bits("fp8_e4m3"), kv_cache_bits("auto")
    (8.0, None)
    """
    if word in ("", "auto", "None"):
        return None
    try:
        return _BITS[word.removeprefix("torch.")]
    except KeyError:
        message = f"the cache type {word[:40]!r} is not known here"
        raise UnknownModelError(message) from None
