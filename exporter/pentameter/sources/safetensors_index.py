"""How much a model's files store: from the headers of its safetensors files, else from what their index claims.

A safetensors file begins with the length of its header (8 bytes, little-endian) and the header, a JSON object that
gives each tensor its type, its shape and its place in the data: https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pentameter.sources import SourceError
from pentameter.sources.json_file import open_regular, parse_object, read_object

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

INDEX = "model.safetensors.index.json"
MOST_INDEX_BYTES = 64 * 1024 * 1024
"""The index of DeepSeek-V3, with 91,991 tensors, has 9 MB."""
MOST_HEADER_BYTES = 100_000_000
"""The format's own limit."""
MOST_FILES = 2000

_LENGTH_BYTES = 8
_FLOATS = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ"})
_SCALES = "F8_E8M0"
"""Powers of two: nothing but scales is stored so."""
_SCALE = re.compile(r"(?<!layer)_scale(_inv|_2)?")
_NEGLIGIBLE = 0.01
"""Share of the bytes that integers may take beside weights: masks and positions."""
_NOT_OF_THE_MODEL = re.compile(r"adapter_model.*|consolidated.*|training_args.*|optimizer.*")
_PART_OF_GGUF = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.gguf")


@dataclass(frozen=True, slots=True)
class Stored:
    """What files store."""

    bytes: int
    """Of all tensors; of a GGUF file: its size."""
    parameters: int | None = None
    """Elements of all tensors, scales excepted; None where integers hold packed weights, or the files are not here."""


def stored(folder: Path) -> Stored | None:
    """Return what a model's folder stores, or None where that is not known.

    Formula: the sum over tensors of end - begin of ``data_offsets``, and the sum of the products of their shapes.
    The index' ``total_size`` counts only where the files themselves are not all here or not whole: published ones
    are off by a factor of two when the model was converted and the number was not.
    """
    index = _index(folder)
    try:
        headers = [read_header(folder / name) for name in _names(folder, index)]
    except (SourceError, OSError):
        headers = []
    if headers:
        counts = [header.parameters for header in headers if header.parameters is not None]
        whole = len(counts) == len(headers)
        return Stored(sum(header.bytes for header in headers), sum(counts) if whole else None)
    claimed = _claimed(index)
    return Stored(claimed) if claimed else _gguf(folder)


def read_header(path: Path) -> Stored:
    """Return what one safetensors file stores; raises ``SourceError``, also where the file is cut off."""
    with open_regular(path) as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if length > MOST_HEADER_BYTES:
            raise SourceError("malformed", f"{path} is not a safetensors file")
        header = parse_object(file.read(length), f"the header of {path}")
        size = file.seek(0, os.SEEK_END)
    tensors = [_tensor(name, entry, path) for name, entry in header.items() if name != "__metadata__"]
    if size < _LENGTH_BYTES + length + max((tensor.end for tensor in tensors), default=0):
        raise SourceError("malformed", f"{path} is cut off")
    return Stored(sum(tensor.size for tensor in tensors), _parameters(tensors))


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    dtype: str
    elements: int
    begin: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.begin

    @property
    def is_scale(self) -> bool:
        return self.dtype == _SCALES or _SCALE.search(self.name.rpartition(".")[2]) is not None


def _tensor(name: str, entry: Any, path: Path) -> _Tensor:  # noqa: ANN401 - whatever stands in the header
    try:
        begin, end = (_natural(offset) for offset in entry["data_offsets"])
        elements = math.prod(_natural(side) for side in entry["shape"])
        tensor = _Tensor(name, str(entry["dtype"]), elements, begin, end)
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError("malformed", f"{path} describes a tensor without type, shape and place") from error
    if tensor.size < 0:
        raise SourceError("malformed", f"{path} describes a tensor that ends before it begins")
    return tensor


def _natural(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    message = f"{value!r:.40} is no natural number"
    raise ValueError(message)


def _parameters(tensors: Sequence[_Tensor]) -> int | None:
    """Return the elements of all tensors of floating point, or None where weights may be packed into integers."""
    counted = [tensor for tensor in tensors if not tensor.is_scale]
    packed = sum(tensor.size for tensor in counted if tensor.dtype not in _FLOATS)
    if packed > _NEGLIGIBLE * sum(tensor.size for tensor in tensors):
        return None
    return sum(tensor.elements for tensor in counted if tensor.dtype in _FLOATS)


def _index(folder: Path) -> dict[str, Any] | None:
    try:
        return read_object(folder / INDEX, MOST_INDEX_BYTES)
    except SourceError:
        return None


def _names(folder: Path, index: dict[str, Any] | None) -> list[str]:
    """Return the names of the model's safetensors files: those of the index, the usual one, or all that look so.

    ``consolidated*.safetensors`` hold the same tensors once more, in Mistral's own format.
    """
    listed = index.get("weight_map") if index is not None else None
    if isinstance(listed, dict) and listed:
        kept = sorted({str(name) for name in listed.values()})
    else:
        found = sorted(path.name for path in folder.glob("*.safetensors"))
        kept = [name for name in found if name == "model.safetensors"]
        kept = kept or [name for name in found if not _NOT_OF_THE_MODEL.fullmatch(name)]
        kept = kept or [name for name in found if name.startswith("consolidated")]
    return [] if len(kept) > MOST_FILES or any("/" in name for name in kept) else kept


def _claimed(index: dict[str, Any] | None) -> int | None:
    metadata = index.get("metadata") if index is not None else None
    total = metadata.get("total_size") if isinstance(metadata, dict) else None
    if isinstance(total, bool) or not isinstance(total, (int, float)) or not 0 < total < math.inf:
        return None
    return int(total)


def _gguf(folder: Path) -> Stored | None:
    """Return the size of the folder's one GGUF model, which may be split; several are different models."""
    try:
        sizes = {path.name: path.stat().st_size for path in folder.glob("*.gguf")}
    except OSError:
        return None
    parts = [_PART_OF_GGUF.fullmatch(name) for name in sizes]
    models = {(part[1], int(part[3])) if part else (name, 1) for part, name in zip(parts, sizes, strict=True)}
    if len(models) != 1 or len(sizes) != next(iter(models))[1]:
        return None
    return Stored(sum(sizes.values()))


def gguf_file(path: Path) -> Stored | None:
    """Return the size of one GGUF file; its tables and its vocabulary are a small part of it."""
    try:
        return Stored(path.stat().st_size)
    except OSError:
        return None
