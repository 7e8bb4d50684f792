"""One small JSON file that keeps what was learnt over a restart.

It is written whole beside the old one and then put in its place, so that a crash leaves the old or the new one, never
half of one. What cannot be read is set aside, not deleted and not fatal: what is in it can be learnt again.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pentameter.sources import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1
MOST_BYTES = 32 * 1024 * 1024
KEPT_ASIDE = 3
"""Files set aside that are kept, the newest ones."""
MARK = ".corrupt-"


class StateFile:
    """Loads and saves one JSON object; building it does no I/O. Raises ``SourceError`` with these reasons:

    ``unreadable`` (it is there, but may not be read), ``unwritable`` (folder or disk), ``too_large`` (nothing is
    written), ``corrupt`` (not our JSON: set aside under the name in the message, or left where it is if that fails).
    """

    def __init__(self, path: str | Path, *, most_bytes: int = MOST_BYTES) -> None:
        self.path = Path(path)
        self._most_bytes = most_bytes

    def load(self, wall: float) -> dict[str, Any] | None:
        """Return what was saved last, or None where nothing was; ``wall`` names a file that is set aside.

        After ``corrupt`` a second call returns None.
        """
        try:
            with self.path.open("rb") as file:
                body = file.read(self._most_bytes + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SourceError("unreadable", f"state file {self.path}: {error.strerror}") from error
        try:
            return self._content(body)
        except (ValueError, RecursionError) as error:
            self.set_aside(wall, str(error))

    def set_aside(self, wall: float, why: str) -> NoReturn:
        """Rename the file, so that the next save does not destroy it, and raise ``corrupt``.

        Also for whoever finds that the content, though JSON, is not what it should be.
        """
        aside = self.path.with_name(f"{self.path.name}{MARK}{int(wall)}")
        try:
            self.path.replace(aside)
        except OSError as error:
            message = f"state file {self.path} ({why}) cannot be set aside: {error.strerror}"
            raise SourceError("corrupt", message) from error
        self._forget_older()
        raise SourceError("corrupt", f"state file {self.path} ({why}) is set aside as {aside.name}")

    def save(self, state: Mapping[str, object]) -> None:
        """Put a state in the place of the old one, readable by the owner only; on an error the old one stays."""
        body = json.dumps({"version": VERSION, "state": state}, separators=(",", ":"), allow_nan=False).encode()
        if len(body) > self._most_bytes:
            raise SourceError("too_large", f"state of {len(body)} bytes for {self.path}; at most {self._most_bytes}")
        try:
            self._write(body)
        except OSError as error:
            raise SourceError("unwritable", f"state file {self.path}: {error.strerror}") from error

    # ------------------------------------------------------------------ inside

    def _content(self, body: bytes) -> dict[str, Any]:
        if len(body) > self._most_bytes:
            raise ValueError(f"larger than {self._most_bytes} bytes")
        content = json.loads(body.decode(), parse_constant=_refuse_constant)
        if not isinstance(content, dict) or not isinstance(content.get("state"), dict):
            raise ValueError("not a state")
        if content.get("version") != VERSION or isinstance(content["version"], bool):
            raise ValueError(f"version {content.get('version')!r:.20}, not {VERSION}")
        state: dict[str, Any] = content["state"]
        return state

    def _write(self, body: bytes) -> None:
        # mkstemp makes a file of its own, mode 0600, whoever else writes at the same time.
        handle, name = tempfile.mkstemp(prefix=f".{self.path.name}.", suffix=".new", dir=self.path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
        self._sync_folder()

    def _sync_folder(self) -> None:
        """Make the renaming itself outlive a loss of power, where the file system can."""
        with contextlib.suppress(OSError):
            handle = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def _forget_older(self) -> None:
        prefix = self.path.name + MARK
        with contextlib.suppress(OSError):
            aside = [path for path in self.path.parent.iterdir() if path.name.startswith(prefix)]
            for path in sorted(aside, key=lambda path: path.stat().st_mtime)[:-KEPT_ASIDE]:
                path.unlink()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
