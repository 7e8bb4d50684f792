"""One vLLM server over HTTP: ``/metrics`` at every period, its version once per process."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pentameter.sources import SourceError
from pentameter.sources.http_get import Credentials, HttpClient
from pentameter.sources.vllm_page import PageReader

if TYPE_CHECKING:
    from pentameter.readings import VllmReading

# OpenMetrics second: vLLM's Python server ignores the header, the Rust front end may not.
_ACCEPT = {"Accept": "text/plain;version=1.0.0;q=0.9,text/plain;version=0.0.4;q=0.8,*/*;q=0.1"}


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One entry of ``/v1/models``."""

    name: str
    max_model_len: int | None
    parent: str | None
    """The base model, for a LoRA adapter."""


class VllmSource:
    """Reads one server; blocking."""

    name = "vllm"

    def __init__(
        self,
        server: str,
        url: str,
        *,
        timeout: float = 5.0,
        max_bytes: int = 16 * 1024 * 1024,
        credentials: Credentials | None = None,
    ) -> None:
        self.server = server
        # Users paste the metrics URL as often as the base URL.
        self.url = url.rstrip("/").removesuffix("/metrics")
        self._client = HttpClient(self.url, timeout=timeout, max_bytes=max_bytes, credentials=credentials)
        self._page = PageReader(server)
        self._version: str | None = None
        self._asked_version = False
        self._start_time: float | None = None

    def read(self) -> VllmReading:
        """Scrape once; raise ``SourceError`` with the reason."""
        try:
            answer = self._client.get("/metrics", _ACCEPT)
            reading = self._page.read(answer.body, answer.content_type, monotonic=answer.monotonic, wall=answer.wall)
        except SourceError:
            # Whatever comes back after a failure may be another release.
            self._asked_version = False
            raise
        if not self._asked_version or reading.start_time != self._start_time:
            self._version = self.read_version()
            self._asked_version = True
            self._start_time = reading.start_time
        return replace(reading, version=self._version)

    def read_version(self) -> str | None:
        """Return what ``/version`` says, or None when the server does not say."""
        try:
            value = self._json("/version").get("version")
        except SourceError:
            return None
        return value if isinstance(value, str) else None

    def read_models(self) -> tuple[ServedModel, ...]:
        """Return what ``/v1/models`` lists; raises ``SourceError``."""
        entries = self._json("/v1/models").get("data")
        if not isinstance(entries, list):
            raise SourceError("malformed", "/v1/models has no list of models")
        return tuple(
            ServedModel(str(entry.get("id", "")), entry.get("max_model_len"), entry.get("parent"))
            for entry in entries
            if isinstance(entry, dict)
        )

    def close(self) -> None:
        """Drop the connection."""
        self._client.close()

    def _json(self, path: str) -> dict[str, Any]:
        answer = self._client.get(path)
        try:
            document = json.loads(answer.body)
        except ValueError as error:
            raise SourceError("malformed", f"{path} is not JSON") from error
        if not isinstance(document, dict):
            raise SourceError("malformed", f"{path} is not a JSON object")
        return document
