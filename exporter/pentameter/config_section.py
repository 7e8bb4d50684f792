"""What every part of the settings has in common."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, model_validator

_HOST = re.compile(r"[\w.:%-]+")
_LISTEN = re.compile(r"(\[[0-9A-Fa-f:.%\w]+\]|[\w.-]*):([0-9]{1,5})", re.ASCII)


class Section(BaseModel):
    """A part of the tree."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _without_empty_keys(cls, data: Any) -> Any:  # noqa: ANN401 - raw input
        """Let a YAML key without a value mean its default: people comment out what is below it."""
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None or key not in cls.model_fields}


def items_of(value: object) -> object:
    """Let one value, or values separated by commas, stand for a list; YAML reads an index as a number."""
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        value = [item.strip() for item in str(value).split(",") if item.strip()]
    if isinstance(value, (list, tuple)):
        return [str(item) if type(item) is int else item for item in value]
    return value


def split_listen(listen: str) -> tuple[str, int]:
    """Return host and port of HOST:PORT, [IPv6]:PORT or :PORT; raises ``ValueError``."""
    match = _LISTEN.fullmatch(listen)
    if match is None or int(match[2]) > 65_535:
        message = f"must be HOST:PORT, [IPv6]:PORT or :PORT, got {listen!r}"
        raise ValueError(message)
    return match[1].strip("[]") or "0.0.0.0", int(match[2])  # noqa: S104 - ":PORT" means every address


def address_of(url: str) -> str:
    """Return host:port of a URL; raises ``ValueError`` for what cannot be scraped, and tells no password."""
    if "@" in url or "?" in url or "#" in url:
        message = "url must hold no user, password, query or fragment; a token goes into bearer_token_file"
        raise ValueError(message)
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and _HOST.fullmatch(parts.hostname or "") and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        message = f"url must be http://HOST:PORT or https://HOST:PORT, got {url!r}"
        raise ValueError(message)
    return parts.netloc
