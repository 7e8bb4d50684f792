"""One file or one page: read again when it changed or when its time has come, its last good content held."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from pentameter.sources import SourceError
from pentameter.sources.http_get import StatusError
from pentameter.sources.json_file import open_regular
from pentameter.sources.price_files import MOST_BYTES
from pentameter.units import SECONDS_PER_HOUR

if TYPE_CHECKING:
    from pentameter.sources.http_get import HttpClient

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

FIRST_BACKOFF_SECONDS = 30.0
LONGEST_BACKOFF_SECONDS = float(SECONDS_PER_HOUR)
_DOUBLINGS = 7
"""30 s x 2^7 is more than an hour."""

_REASONS = {401: "credentials", 403: "credentials", 404: "not_found", 429: "rate_limited"}


class Parse(Protocol[T_co]):
    """Makes something of a body; ``place`` is for its errors."""

    def __call__(self, body: bytes, place: str) -> T_co:
        """Return what the body holds; raise ``SourceError``."""


class Layer(Generic[T]):
    """What a place last held, and what is wrong with it now."""

    def __init__(self) -> None:
        self.value: T | None = None
        self.error: SourceError | None = None

    def look(self, now: float, *, anew: bool) -> bool:
        """Look at the place if that is due, or in any case; say whether the value is a new one."""
        raise NotImplementedError

    def close(self) -> None:
        """Release what it holds."""


class FileLayer(Layer[T]):
    """A file on disk. Kubernetes replaces one by turning a symbolic link to another, which changes the inode."""

    def __init__(self, path: str, parse: Parse[T]) -> None:
        super().__init__()
        self._path = Path(path)
        self._parse = parse
        self._seen: tuple[int, ...] | None = None

    def look(self, now: float, *, anew: bool) -> bool:  # noqa: ARG002 - a file has no pace of its own
        """Read the file if it changed since it was last read well."""
        try:
            before = self._stamp()
            if before == self._seen and not anew:
                return False
            value = self._parse(self._body(), str(self._path))
            if self._stamp() != before:
                raise SourceError("unreadable", f"{self._path} changes while it is read")
        except SourceError as error:
            self._seen, self.error = None, error
            return False
        self._seen, self.error = before, None
        changed = value != self.value
        self.value = value
        return changed

    def _stamp(self) -> tuple[int, ...]:
        try:
            found = self._path.stat()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise SourceError("not_found", f"there is no {self._path}") from error
        except (OSError, ValueError) as error:
            raise SourceError("unreadable", f"cannot read {self._path}: {error}") from error
        return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)

    def _body(self) -> bytes:
        with open_regular(self._path) as file:
            body = file.read(MOST_BYTES + 1)
        if len(body) > MOST_BYTES:
            raise SourceError("too_large", f"{self._path} is larger than {MOST_BYTES} bytes")
        return body


class PageLayer(Layer[T]):
    """A page that is fetched at its own pace; after failures it is left alone for longer and longer, up to an hour."""

    def __init__(self, client: HttpClient, url: str, parse: Parse[T], interval: float) -> None:
        super().__init__()
        self._client = client
        self._url = url
        self._parse = parse
        self._interval = interval
        self._due = float("-inf")
        self._failures = 0

    def look(self, now: float, *, anew: bool) -> bool:
        """Fetch the page if it is time."""
        if now < self._due and not anew:
            return False
        try:
            value = self._parse(self._client.get("").body, self._url)
        except SourceError as error:
            backoff = min(FIRST_BACKOFF_SECONDS * 2 ** min(self._failures, _DOUBLINGS), LONGEST_BACKOFF_SECONDS)
            self._failures += 1
            self._due = now + min(backoff, self._interval)
            status = error.status if isinstance(error, StatusError) else 0
            message = str(error) if self._url in str(error) else f"{self._url}: {error}"
            self.error = SourceError(_REASONS.get(status, error.reason), message)
            return False
        self._failures, self._due, self.error = 0, now + self._interval, None
        changed = value != self.value
        self.value = value
        return changed

    def close(self) -> None:
        """Drop the connection."""
        self._client.close()
