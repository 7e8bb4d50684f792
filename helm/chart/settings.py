"""The exporter's own settings as a JSON schema: their keys by name, at every depth.

Types are left to the exporter, which takes more than one form of many: a text for a list, a number in quotes.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from pentameter.config import Server, Settings
from pentameter.config_requests import SloSettings

Schema = dict[str, Any]

ITEMS: dict[tuple[str, ...], type[BaseModel]] = {("vllm", "servers"): Server, ("slos",): SloSettings}
"""Lists of sections."""


def settings_schema() -> Schema:
    """Return the schema of the whole tree."""
    return {**_section(Settings, ()), "type": "object"}


def _section(model: type[BaseModel], above: tuple[str, ...]) -> Schema:
    keys = {}
    for name, field in model.model_fields.items():
        path = (*above, name)
        default = field.get_default()
        if isinstance(default, BaseModel):
            # A text stands for a section in places, and an empty one is a section left out.
            keys[name] = {**_section(type(default), path), "type": ["object", "string", "null"]}
        elif path in ITEMS:
            item = {**_section(ITEMS[path], ()), "type": ["object", "string"]}
            keys[name] = {"type": ["array", "string", "null"], "items": item}
        else:
            keys[name] = {}
        if field.description:
            keys[name]["description"] = field.description
    return {"additionalProperties": False, "properties": keys}
