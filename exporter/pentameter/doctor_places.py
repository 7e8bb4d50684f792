"""The doctor's look for a vLLM that is not where the settings say: another usual port, http in place of https."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from pentameter.findings import Finding, status_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pentameter.sources import SourceError
    from pentameter.sources.vllm_ports import Answer

USUAL_PORTS = {
    8000: "vLLM's own port",
    8200: "where vLLM listens behind llm-d's routing proxy",
    8080: "where KServe's InferenceService has vLLM listen",
    8001: "where vLLM listens behind KServe's routing sidecar",
}

_LOST = {"unreachable", "timeout", "tls", "not_http", "not_metrics", "no_vllm_metrics"}
_LOST_STATUSES = {"400", "404", "502", "503"}
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def is_lost(error: SourceError) -> bool:
    """Return whether vLLM may be elsewhere on that host, or speak the other protocol.

    Not so for a name that no address is known for, for a certificate that is refused (who speaks TLS there is no
    matter of ports), and for a server that asks for a token.
    """
    if isinstance(error.__cause__, socket.gaierror) or _is_about_trust(error):
        return False
    return error.reason in _LOST or status_of(error) in _LOST_STATUSES


def certificate_fix(url: str, error: SourceError) -> str:
    """Return the line for a certificate that is refused, and the empty string for another error."""
    return _trust(url) if "CERTIFICATE_VERIFY_FAILED" in str(error) and _is_about_trust(error) else ""


def places(url: str, others: Iterable[str], ports: Iterable[int] = tuple(USUAL_PORTS)) -> tuple[tuple[str, ...], ...]:
    """Return where to look in place of ``url``: the same port with the other protocol, then the other usual ports.

    Only its own host is asked, and no port at which another server of the settings (``others``) is.

    >>> places("http://a:8000", ["http://a:8001"], (8000, 8001, 8080))
    (('https://a:8000',), ('http://a:8080', 'https://a:8080'))
    """
    parts = urlsplit(url)
    taken = {_where(urlsplit(other)) for other in (url, *others)}
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    swapped = parts._replace(scheme="http" if parts.scheme == "https" else "https").geturl()
    free = (port for port in ports if (_where(parts)[0], port) not in taken)
    return ((swapped,), *((f"http://{host}:{port}", f"https://{host}:{port}") for port in free))


def look_elsewhere(
    failed: Finding, asked: Sequence[Sequence[str]], answers: Sequence[Answer], option: str
) -> Iterator[Finding]:
    """Yield the failure, with the line to change where a vLLM was found, and who else answers.

    ``option`` is how the settings name a server, such as ``--vllm-url %s``.
    """
    found = [answer for answer in answers if answer.vllm]
    if found:
        yield _moved(failed, asked[0][0], found, option)
    else:
        yield failed
    for answer in answers:
        if not answer.vllm:
            message = f"{answer.url} answers, and is no vLLM by its /metrics: {answer.why}"
            yield Finding("info", failed.subject, message)
    if not answers and asked[1:]:
        ports = ", ".join(str(urlsplit(urls[0]).port) for urls in asked[1:])
        message = (
            f"nothing answers at the other usual ports of that host ({ports}); vLLM listens once its model is loaded"
        )
        yield Finding("info", failed.subject, message)


def _moved(failed: Finding, asked: str, found: Sequence[Answer], option: str) -> Finding:
    first = found[0]
    port = urlsplit(first.url).port or 0
    about = "" if port == urlsplit(asked).port else USUAL_PORTS.get(port, "")
    name = f"vLLM {first.version}" if first.version else "a vLLM"
    message = f"{failed.message}; {name} answers at {first.url}{about and ', '}{about}"
    more = " or ".join(answer.url for answer in found[1:])
    if first.trusted:
        fix = option.replace("%s", first.url)
        return replace(failed, message=message, fix=f"{fix}    # or {more}, which is vLLM too" if more else fix)
    return replace(failed, message=f"{message}, with a certificate that is not trusted here", fix=_trust(first.url))


def _trust(url: str) -> str:
    return (
        f"vllm: {{servers: [{{url: {url}, ca_file: /path/to/ca.pem}}]}}    # or insecure_skip_verify: true, where the "
        "connection stays inside the pod; PENTAMETER_VLLM_URL unset, as it goes before the file"
    )


def _is_about_trust(error: SourceError) -> bool:
    return error.reason == "tls" and ("CERTIFICATE_VERIFY_FAILED" in str(error) or "CA file" in str(error))


def _where(parts: SplitResult) -> tuple[str, int]:
    host = parts.hostname or ""
    return "loopback" if host in _LOOPBACK else host, parts.port or _DEFAULT_PORTS[parts.scheme]
