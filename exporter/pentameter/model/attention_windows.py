"""Which layers see all positions and which only a window, from the keys by which configurations say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pentameter.model.spec import Attention

if TYPE_CHECKING:
    from pentameter.model.blueprint import Sizes
    from pentameter.model.fields import Fields


class Window(NamedTuple):
    """What one layer sees; a size of None: everything."""

    size: int | None = None
    chunked: bool = False


FULL = Window()


def windows(fields: Fields, layers: int, *, default: int | None = None, pattern: int | None = None) -> list[Window]:
    """Return each layer's window.

    ``layer_types`` decides where it is given. ``pattern`` is the family's: every pattern-th layer is full; where it
    is None, a sliding window is that of all layers. ``default`` is the window of a configuration that names none; a
    null window means none. ``use_sliding_window`` (Qwen) switches it off, and then ``max_window_layers`` says how
    many layers at the beginning stay full.
    """
    if "layer_types" in fields:
        return _typed(fields, layers, default)
    size = _size(fields, default)
    if size is None:
        return [FULL] * layers
    if fields.states("use_sliding_window"):
        full = fields.integer("max_window_layers", default=0, least=0)
        return [FULL if index < full else Window(size) for index in range(layers)]
    step = fields.integer("sliding_window_pattern", "_sliding_window_pattern", default=pattern or 0)
    if pattern is None:
        return [Window(size)] * layers
    return [Window(size) if (index + 1) % step else FULL for index in range(layers)]


def seen(sizes: Sizes, window: Window) -> Attention:
    """Return a layer's ordinary attention, with as many dimensions to values as to keys."""
    return Attention(
        heads=sizes.heads,
        kv_heads=sizes.kv_heads,
        qk_dim=sizes.head_dim,
        v_dim=sizes.head_dim,
        kv_elements=2 * sizes.key,
        window=window.size,
        chunked=window.chunked,
    )


def _size(fields: Fields, default: int | None) -> int | None:
    if not fields.boolean("use_sliding_window", default=True):
        return None
    if not fields.states("sliding_window"):
        return default
    # Some configurations switch it off by 0 instead of null.
    return fields.integer("sliding_window", default=0, least=0) or None


def _typed(fields: Fields, layers: int, default: int | None) -> list[Window]:
    kinds = fields.texts("layer_types")
    if len(kinds) < layers:
        raise fields.odd("layer_types", f"fewer than {layers} layers")
    known: dict[str, Window] = {}
    for kind in set(kinds[:layers]):
        if kind == "full_attention":
            known[kind] = FULL
        elif kind == "sliding_attention":
            known[kind] = Window(fields.integer("sliding_window", default=default))
        elif kind == "chunked_attention":
            known[kind] = Window(fields.integer("attention_chunk_size"), chunked=True)
        else:
            raise fields.odd("layer_types", f"{kind[:30]} is not known here")
    return [known[kind] for kind in kinds[:layers]]
