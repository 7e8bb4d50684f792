"""One model's folder: its ``config.json``, and what lies beside it about quantisation and size."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pentameter.sources import SourceError
from pentameter.sources.json_file import read_object
from pentameter.sources.safetensors_index import Stored, gguf_file, stored

if TYPE_CHECKING:
    from pathlib import Path

MOST_CONFIG_BYTES = 4 * 1024 * 1024
CONFIG = "config.json"
_MISTRAL = "params.json"
_MODELOPT = "hf_quant_config.json"
_OLD = ("quantize_config.json", "quant_config.json")
_RELEVANT = (".json", ".safetensors", ".gguf")
_GGUF = ".gguf"

Fingerprint = tuple[tuple[str, int, int, int], ...]


class ModelFolder:
    """The files of one model, given by its folder, its ``config.json``, another JSON file or a GGUF file."""

    def __init__(self, path: Path) -> None:
        self._gguf = path if path.suffix.lower() == _GGUF and not path.is_dir() else None
        self._folder = path if path.is_dir() else path.parent
        self._file = path if self._gguf is None and not path.is_dir() else self._folder / CONFIG

    def has_config(self) -> bool:
        """Say whether there is something to read, or to complain about; a broken link is nothing."""
        return _is_seen(self._file)

    def is_mistral(self) -> bool:
        """Say whether the folder has a configuration in Mistral's own format alone."""
        return not _is_seen(self._file) and _is_seen(self._folder / _MISTRAL)

    def fingerprint(self) -> Fingerprint:
        """Return what changes when a file does: name, time, size and inode of each, without opening any.

        Raises ``SourceError``.
        """
        try:
            names = [entry.name for entry in os.scandir(self._folder) if entry.name.endswith(_RELEVANT)]
        except OSError as error:
            raise SourceError("unreadable", f"cannot read {self._folder}: {error.strerror}") from error
        return tuple(self._mark(name) for name in sorted({*names, self._file.name}))

    def config(self) -> dict[str, Any]:
        """Return the configuration. Raises ``SourceError``, also for a wrong file beside it.

        Where ``config.json`` says nothing of a quantisation: the part ``quantization`` of ModelOpt's
        ``hf_quant_config.json`` is put in under that name, and what the older GPTQ and AWQ wrote into
        ``quantize_config.json`` or ``quant_config.json`` as ``quantization_config``, with the keys of today. A GGUF
        file is quantised as ``gguf``.
        """
        try:
            config = read_object(self._file, MOST_CONFIG_BYTES)
        except SourceError as error:
            raise self._better(error) from error
        if config.get("quantization_config") is None and self._file.name == CONFIG:
            config |= self._quantization()
        return config

    def stored(self) -> Stored | None:
        """Return what the files store, as far as they are here."""
        if self._gguf is not None:
            return gguf_file(self._gguf)
        return stored(self._folder) if self._file.name == CONFIG else None

    def _better(self, error: SourceError) -> SourceError:
        if error.reason != "not_found":
            return error
        if self.is_mistral():
            message = (
                f"{self._folder} has {_MISTRAL}, which is Mistral's own format, and no {CONFIG}; "
                "give the content of the model's config.json as model.config"
            )
            return SourceError("unsupported", message)
        return SourceError("not_found", f"there is no {self._file}")

    def _mark(self, name: str) -> tuple[str, int, int, int]:
        try:
            found = (self._folder / name).stat()
        except OSError:
            return (name, -1, -1, -1)
        return (name, found.st_mtime_ns, found.st_size, found.st_ino)

    def _quantization(self) -> dict[str, Any]:
        if self._gguf is not None:
            return {"quantization_config": {"quant_method": "gguf"}}
        if (found := self._beside(_MODELOPT)) is not None:
            return {"quantization": found.get("quantization", found)}
        for name in _OLD:
            if (found := self._beside(name)) is not None:
                return {"quantization_config": _todays(found)}
        return {}

    def _beside(self, name: str) -> dict[str, Any] | None:
        try:
            return read_object(self._folder / name, MOST_CONFIG_BYTES)
        except SourceError as error:
            if error.reason == "not_found":
                return None
            raise


def _is_seen(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # a loop of links, a missing permission: reading it will say which
        return True
    return True


def _todays(old: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of an old file under the names that ``quantization_config`` has for them.

    AWQ wrote w_bit and q_group_size; GPTQ wrote bits, group_size and desc_act, and neither wrote which it was.
    """
    renamed = {"w_bit": "bits", "q_group_size": "group_size"}
    new = {renamed.get(key, key): value for key, value in old.items()}
    if "quant_method" not in new:
        if "w_bit" in old or old.get("version") in ("GEMM", "GEMV"):
            new["quant_method"] = "awq"
        elif "desc_act" in old:
            new["quant_method"] = "gptq"
    return new
