"""A served model's configuration: pasted, from a path, from Hugging Face's cache, or from the shipped table."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from pentameter.readings import ModelReading
from pentameter.sources import SourceAbsent, SourceError
from pentameter.sources.huggingface_cache import cache_folders, is_name, name_of_place, snapshots, snapshots_in
from pentameter.sources.model_folder import Fingerprint, ModelFolder

Config = Mapping[str, object]
Names = Callable[[], str | None] | tuple[str, ...]
Table = Callable[[str], Config | None]

_WHAT_TO_DO = (
    "mount the model's folder or the Hugging Face cache where the exporter can read it, "
    "or give the server's model.path, model.config or model.parameters"
)


class ModelFiles:
    """Finds the configuration of one server's model; a source.

    What is pasted (``config``) goes before ``path``, which is a folder, a file or a Hugging Face name, and that before
    what ``names`` tells: the model as the server was given it, asked anew at every read. A name is looked up in the
    cache, then in the table. Files are read again only when one of them changes.

    ``read`` raises ``SourceAbsent("not_found")`` where nothing was configured and nothing is found, also with
    ``http_status`` where the server refuses to tell, and ``SourceError`` with the reason ``not_found`` (something was
    configured), ``unreadable``, ``too_large``, ``malformed`` or ``unsupported``, or with whatever ``names`` raises.
    """

    name = "model"

    def __init__(
        self,
        server: str,
        *,
        path: str | None = None,
        config: Config | None = None,
        names: Names = (),
        cache: str | None = None,
        table: Table | None = None,
    ) -> None:
        self.server = server
        self._path = path
        self._config = config
        self._names = names
        self._caches = cache_folders(cache)
        self._table = table
        self._kept: tuple[Path, Fingerprint, ModelReading] | None = None

    def read(self) -> ModelReading:
        """Find the configuration, blocking; raises ``SourceError`` with the reason."""
        if self._config is not None:
            found = ModelReading(self.server, "", self._config, "configured")
        elif self._path is not None:
            found = self._configured(self._path)
        else:
            found = self._told()
        return replace(found, monotonic=time.monotonic(), wall=time.time())

    def close(self) -> None:
        """Do nothing: no file stays open."""

    # ------------------------------------------------------------------ inside

    def _configured(self, path: str) -> ModelReading:
        place = Path(os.path.expanduser(path))  # noqa: PTH111 - pathlib's raises for an unknown user
        if _is_there(place):
            if not (folder := ModelFolder(place)).has_config():
                # The model's folder in the cache is easily taken for the model itself.
                place = next(snapshots_in(place), place)
                folder = ModelFolder(place)
            return self._from(folder, place, path, "file")
        if (found := self._by_name(path)) is not None:
            return found
        raise SourceError("not_found", f"model.path: there is no {path}, and {self._looked(path)}")

    def _told(self) -> ModelReading:
        if not (asked := self._asked()):
            raise SourceAbsent("not_found", f"the server does not say which one model it loaded; {_WHAT_TO_DO}")
        looked = []
        for told in asked:
            # A relative path is relative to a directory of the server's, whatever may lie in ours.
            place = Path(told)
            if place.is_absolute() and _is_seen(place):
                folder = ModelFolder(place)
                if folder.has_config() or folder.is_mistral():
                    return self._from(folder, place, told, "file")
            if (found := self._by_name(told)) is not None:
                return found
            looked.append(f"{told!r}: no such model folder here, and {self._looked(told)}")
        raise SourceAbsent("not_found", f"{'; '.join(looked)}; {_WHAT_TO_DO}")

    def _asked(self) -> tuple[str, ...]:
        if isinstance(self._names, tuple):
            return self._names
        try:
            told = self._names()
        except SourceError as error:
            if error.reason != "http_status":
                raise
            # Its page of metrics may be open and its API closed to us: a normal state.
            message = f"{error}; give the server's bearer_token, or {_WHAT_TO_DO}"
            raise SourceAbsent(error.reason, message) from error
        return (told,) if told else ()

    def _by_name(self, asked: str) -> ModelReading | None:
        """Look a name up, or the name in a path that leads into the cache of another machine."""
        name, commit = name_of_place(asked) or (asked, None)
        for cache in self._caches:
            for place in snapshots(cache, name, commit):
                if (folder := ModelFolder(place)).has_config():
                    return self._from(folder, place, asked, "cache")
        config = self._table(name) if self._table is not None and is_name(name) else None
        return None if config is None else ModelReading(self.server, asked, config, "table")

    def _looked(self, asked: str) -> str:
        if name_of_place(asked) is None and not is_name(asked):
            return "it is no Hugging Face name"
        caches = " or ".join(map(str, self._caches))
        return f"it is neither in the Hugging Face cache {caches} nor in the shipped table"

    def _from(self, folder: ModelFolder, place: Path, asked: str, origin: str) -> ModelReading:
        """Read a folder, or return what was read of it while no file changes."""
        fingerprint = folder.fingerprint()  # before the files: what changes meanwhile is read again next time
        if self._kept is not None and self._kept[:2] == (place, fingerprint):
            return replace(self._kept[2], model_name=asked)
        config, stored = folder.config(), folder.stored()
        reading = ModelReading(
            self.server,
            asked,
            config,
            origin,
            stored_bytes=stored.bytes if stored else None,
            parameters=stored.parameters if stored else None,
        )
        self._kept = (place, fingerprint, reading)
        return reading


def _is_there(place: Path) -> bool:
    """Say whether a path exists; raises ``SourceError`` where that may not be known."""
    try:
        place.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError as error:
        raise SourceError("unreadable", f"cannot read {place}: {error.strerror}") from error
    return True


def _is_seen(place: Path) -> bool:
    try:
        return _is_there(place)
    except SourceError:
        return False
