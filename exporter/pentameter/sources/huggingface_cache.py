"""Where Hugging Face's cache keeps a model: ``models--ORG--NAME/snapshots/COMMIT``, and in ``refs/main`` the commit.

The layout and the variables are those of https://huggingface.co/docs/huggingface_hub/guides/manage-cache.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pentameter.sources import SourceError
from pentameter.sources.json_file import open_regular

if TYPE_CHECKING:
    from collections.abc import Iterator

_PART = re.compile(r"\w[\w.-]{0,95}", re.ASCII)
_COMMIT = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_PLACE = re.compile(r"(?:^|/)models--([^/]+)/snapshots/([^/]+)(?:/|$)")
_LONGEST_COMMIT = 200


def cache_folders(configured: str | None = None) -> tuple[Path, ...]:
    """Return the folders that may hold the cache, the likelier first.

    Configured may be the cache itself or the folder ``huggingface`` around it. Else the environment decides, as in
    huggingface_hub: HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub, XDG_CACHE_HOME/huggingface/hub,
    ~/.cache/huggingface/hub. An empty variable counts as none.
    """
    if configured:
        return (_expanded(configured), _expanded(configured) / "hub")
    variables = os.environ
    if given := variables.get("HF_HUB_CACHE") or variables.get("HUGGINGFACE_HUB_CACHE"):
        return (_expanded(given),)
    if home := variables.get("HF_HOME"):
        return (_expanded(home) / "hub",)
    return (_expanded(variables.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface" / "hub",)


def is_name(name: str) -> bool:
    """Say whether this may be the name of a model: NAME or ORG/NAME, which stays one plain folder of the cache."""
    parts = name.split("/")
    return len(parts) <= 2 and ".." not in name and "--" not in name and all(_PART.fullmatch(part) for part in parts)


def name_of_place(path: str) -> tuple[str, str] | None:
    """Return name and commit of a path into some cache, wherever that cache lies; None for any other path."""
    if (match := _PLACE.search(path)) is None:
        return None
    name, commit = match[1].replace("--", "/"), match[2]
    return (name, commit) if is_name(name) and _COMMIT.fullmatch(commit) else None


def snapshots(cache: Path, name: str, commit: str | None = None) -> Iterator[Path]:
    """Yield the snapshots of a model, the best first: of the commit, of ``refs/main``, then the newest.

    A name that is none yields nothing.
    """
    if is_name(name):
        yield from snapshots_in(cache / f"models--{name.replace('/', '--')}", commit)


def snapshots_in(repository: Path, commit: str | None = None) -> Iterator[Path]:
    """Yield the snapshots in one model's folder of the cache, the best first; nothing where it is none."""
    try:
        there = {path.name: path.stat().st_mtime_ns for path in (repository / "snapshots").iterdir() if path.is_dir()}
    except OSError:
        return
    best = [wanted for wanted in (commit, _main(repository)) if wanted in there]
    newest = sorted(there, key=lambda snapshot: (there[snapshot], snapshot), reverse=True)
    yield from (repository / "snapshots" / snapshot for snapshot in dict.fromkeys([*best, *newest]))


def _main(repository: Path) -> str | None:
    try:
        with open_regular(repository / "refs" / "main") as file:
            commit = file.read(_LONGEST_COMMIT).decode("ascii", "replace").strip()
    except SourceError:
        return None
    return commit


def _expanded(folder: str) -> Path:
    return Path(os.path.expanduser(os.path.expandvars(folder)))  # noqa: PTH111 - pathlib's raises for an unknown user
