"""What a vLLM server says that it loaded: ``/v1/models`` tells each served name's ``root``, a path or a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pentameter.sources import SourceError
from pentameter.sources.http_get import Credentials, HttpClient
from pentameter.sources.json_file import parse_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PAGE = "/v1/models"
_MOST_BYTES = 1024 * 1024
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class NamedModel:
    """One name that a server answers to."""

    name: str
    root: str | None
    """What was loaded, as vLLM was given it: a folder of that machine, or a Hugging Face name."""
    max_model_len: int | None
    is_adapter: bool
    """A LoRA adapter, whose root is that of the adapter."""


def named_models(url: str, *, credentials: Credentials | None = None, timeout: float = 5.0) -> tuple[NamedModel, ...]:
    """Ask a server once for its names; raises ``SourceError``. Entries that are not as vLLM writes them are left out.

    vLLM's page of metrics needs no key where its API does: ``http_status`` with 401 is the usual error.
    """
    client = HttpClient(
        url.rstrip("/").removesuffix("/metrics"), timeout=timeout, max_bytes=_MOST_BYTES, credentials=credentials
    )
    try:
        answer = client.get(_PAGE)
    except SourceError as error:
        raise SourceError(error.reason, f"{_PAGE}: {error}") from error
    finally:
        client.close()
    entries = parse_object(answer.body, _PAGE).get("data")
    if not isinstance(entries, list):
        raise SourceError("malformed", f"{_PAGE} has no list of models")
    return tuple(_named(entry) for entry in entries if isinstance(entry, dict) and _text(entry.get("id")))


def served_root(url: str, *, credentials: Credentials | None = None, timeout: float = 5.0) -> str | None:
    """Return the root of the one model that a server loaded; raises ``SourceError``.

    None where it says none, or where several servers with several models answer behind one address.
    """
    model = base_model(named_models(url, credentials=credentials, timeout=timeout))
    return None if model is None else model.root


def base_model(models: Iterable[NamedModel]) -> NamedModel | None:
    """Return the one model that a server loaded, by the first of its names; None where there are several, or none."""
    own = [model for model in models if not model.is_adapter]
    # Where no root is told, nothing says that two names are of one model.
    one = own and len({model.root for model in own}) == 1 and (own[0].root is not None or len(own) == 1)
    return own[0] if one else None


def _named(entry: Mapping[str, Any]) -> NamedModel:
    longest = entry.get("max_model_len")
    usable = isinstance(longest, int) and not isinstance(longest, bool) and longest > 0
    return NamedModel(
        name=str(entry["id"]),
        root=_text(entry.get("root")),
        max_model_len=longest if usable else None,
        is_adapter=entry.get("parent") is not None,
    )


def _text(value: object) -> str | None:
    """Return a text of reasonable length without control characters, which is what names and paths are."""
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable() else None
