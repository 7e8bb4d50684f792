"""Encoders beside the text model whose size follows from their configuration: SigLIP before Gemma 3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.model.blueprint import MOST_LAYERS, divided

if TYPE_CHECKING:
    from pentameter.model.fields import Fields

CHANNELS = 3


def gemma3_vision(vision: Fields, text_hidden: int) -> int | None:
    """Return the parameters of Gemma 3's encoder and projection; None where its sizes are not all said.

    With hidden size h, inner size i, p pixels to a patch's side and n patches: 3 p^2 h + h for the patches, n h
    positions, per layer 4 (h^2 + h) + 2 h i + i + h + 4 h, a last norm of 2 h, and the projection's norm and matrix,
    h + h x the text's hidden size.
    """
    needed = ("hidden_size", "intermediate_size", "num_hidden_layers", "image_size", "patch_size")
    if vision.text("model_type", "") != "siglip_vision_model" or not all(key in vision for key in needed):
        return None
    if vision.boolean("vision_use_head", default=False):
        return None
    hidden, inner = vision.integer("hidden_size"), vision.integer("intermediate_size")
    patch = vision.integer("patch_size")
    patches = divided(vision.integer("image_size"), patch, "image_size by patch_size") ** 2
    layer = 4 * (hidden * hidden + hidden) + 2 * hidden * inner + inner + hidden + 4 * hidden
    layers = vision.integer("num_hidden_layers", most=MOST_LAYERS)
    embeddings = CHANNELS * patch * patch * hidden + hidden + patches * hidden
    return embeddings + layers * layer + 2 * hidden + hidden + hidden * text_hidden
