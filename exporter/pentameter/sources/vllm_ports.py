"""Who answers at other addresses of a host, asked once and in parallel: for a vLLM that is not where it was said to be.

No token is sent: who listens there is not known yet, and a token is for one server. Without a secret on the way an
unknown certificate does no harm either, so that a server with one is recognised, and said to have one.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pentameter.sources import SourceError
from pentameter.sources.http_get import Credentials, StatusError
from pentameter.sources.vllm_metrics import VllmSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TIMEOUT_SECONDS = 1.0

_SILENT = {"unreachable", "timeout", "tls", "not_http"}
_BAD_REQUEST = 400


@dataclass(frozen=True, slots=True)
class Answer:
    """What answers at an address."""

    url: str
    vllm: bool
    version: str | None = None
    """vLLM's release, where it tells."""
    trusted: bool = True
    """False for a certificate that the system's authorities do not vouch for."""
    why: str = ""
    """Why it is not taken for vLLM."""


def knock(places: Sequence[Sequence[str]], timeout: float = TIMEOUT_SECONDS) -> tuple[Answer, ...]:
    """Return what answers, in the order of the places; each is a list of URLs, of which the first that answers counts.

    Nothing is raised: a place where nobody speaks HTTP is left out.
    """
    if not places:
        return ()
    with ThreadPoolExecutor(len(places)) as pool:
        return tuple(answer for answer in pool.map(lambda urls: _ask(urls, timeout), places) if answer)


def _ask(urls: Sequence[str], timeout: float) -> Answer | None:
    heard = None
    for url, verify in _ways(urls):
        source = VllmSource("", url, timeout=timeout, credentials=Credentials(insecure_skip_verify=not verify))
        try:
            return Answer(url, vllm=True, version=source.read().version, trusted=verify)
        except SourceError as error:
            if error.reason == "timeout":
                return heard
            if error.reason not in _SILENT:
                heard = heard or Answer(url, vllm=False, trusted=verify, why=str(error))
                # Some servers answer plain HTTP at a port for TLS, with this status.
                if not (isinstance(error, StatusError) and error.status == _BAD_REQUEST):
                    return heard
        finally:
            source.close()
    return heard


def _ways(urls: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Yield each URL and whether its certificate is verified."""
    for url in urls:
        yield url, True
        if url.startswith("https:"):
            yield url, False
