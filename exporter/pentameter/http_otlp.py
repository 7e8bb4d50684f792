"""OTLP over HTTP: ``POST /v1/traces`` on the exporter's own server.

Bodies are Protocol Buffers, plain or gzip. What is held of them is bounded: by ``max_bytes`` for one, packed and
unpacked, and by ``UNDER_WAY`` times that for all that arrive at a time. A body that is refused is read to its end (and
thrown away) before the answer: a client that is still sending would see a broken connection instead, and try again.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from pentameter.sources.otlp_answers import export_response, status
from pentameter.sources.otlp_forward import MARK_HEADER
from pentameter.sources.otlp_gzip import TooLargeError, unpack
from pentameter.sources.otlp_wire import WireError

if TYPE_CHECKING:
    from pentameter.sources.otlp import OtlpInbox

BODY_SECONDS = 10.0
"""A body that takes longer to arrive, as one that is sent byte by byte, is given up."""
UNDER_WAY = 4
"""Largest bodies whose bytes may be held while they arrive or wait to be decoded."""
DISCARDED = 16
"""Largest bodies that are read and thrown away of a client that does not stop sending; then it is cut off."""
DECODERS = 2
SMALL_BYTES = 16_384
"""A plain body up to this size (25 spans, less than a millisecond) is decoded at once, a larger one in a thread."""
RETRY_AFTER_SECONDS = 2

PROTOBUF, JSON = "application/x-protobuf", "application/json"


class _Refusal(Exception):  # noqa: N818 - says no, which is no error of ours
    """A body is not taken."""

    def __init__(self, code: int, outcome: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.outcome = outcome


def otlp_router(
    inbox: OtlpInbox, *, allow: Literal["loopback", "any"], max_bytes: int, body_seconds: float = BODY_SECONDS
) -> APIRouter:
    """Return the router with ``POST /v1/traces``.

    ``allow`` says whose spans are taken, ``max_bytes`` is the limit for a body, packed and unpacked.
    """
    receiver = _Receiver(inbox, max_bytes, body_seconds, anyone=allow == "any")
    router = APIRouter()
    router.add_api_route("/v1/traces", receiver.take, methods=["POST"], response_model=None)
    return router


@dataclass(slots=True)
class _Body:
    """What has arrived of a body."""

    data: bytearray
    refusal: _Refusal | None
    held: int = 0
    """Bytes of it that are taken from the room."""
    whole: bool = False
    """Read to its end, so that the connection can be used again."""


class _Receiver:
    """Answers requests; lives in one event loop."""

    def __init__(self, inbox: OtlpInbox, max_bytes: int, body_seconds: float, *, anyone: bool) -> None:
        self._inbox = inbox
        self._max_bytes = max_bytes
        self._body_seconds = body_seconds
        self._anyone = anyone
        self._room = UNDER_WAY * max_bytes
        self._decoders = asyncio.Semaphore(DECODERS)

    async def take(self, request: Request) -> Response:
        """Answer one request."""
        body = _Body(bytearray(), self._objection(request))
        try:
            await self._receive(request, body)
            if body.refusal is None:
                data = bytes(body.data)
                body.data.clear()
                return await self._decoded(data, packed=_is_gzip(request))
        except _Refusal as refusal:
            body.refusal = refusal
        finally:
            self._room += body.held
        self._inbox.count(body.refusal.outcome)
        return _refused(request, body.refusal, close=not body.whole)

    def _objection(self, request: Request) -> _Refusal | None:
        """Return why a body is refused before it is read."""
        if not self._anyone and not _from_this_machine(request):
            why = "spans are taken from this machine only; otlp.http: any lets others in"
            return _Refusal(403, "refused_address", why)
        if _content_type(request) != PROTOBUF:
            why = f"send {PROTOBUF}: with OpenTelemetry's SDKs, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf"
            return _Refusal(415, "unsupported_media_type", why)
        if _encoding(request) not in ("", "identity", "gzip"):
            return _Refusal(415, "unsupported_media_type", "send the body plain or with Content-Encoding: gzip")
        if self._inbox.is_own(request.headers.get(MARK_HEADER, "")):
            return _Refusal(508, "loop", "this body was forwarded by this very process: forward_url leads back to it")
        return None

    async def _receive(self, request: Request, body: _Body) -> None:
        """Read the body to its end, keeping it unless it is refused; raises ``_Refusal`` when it is cut off."""
        try:
            async with asyncio.timeout(self._body_seconds):
                seen = 0
                async for chunk in request.stream():
                    seen += len(chunk)
                    if seen > DISCARDED * self._max_bytes:
                        return
                    self._keep(body, chunk)
            body.whole = True
        except TimeoutError:
            message = f"the body did not arrive within {self._body_seconds:g} s"
            raise _Refusal(408, "slow", message) from None
        except ClientDisconnect:
            raise _Refusal(400, "incomplete", "the body ended early") from None

    def _keep(self, body: _Body, chunk: bytes) -> None:
        if body.refusal is None:
            if len(body.data) + len(chunk) > self._max_bytes:
                message = f"the body has more than {self._max_bytes} bytes"
                body.refusal = _Refusal(413, "too_large", message)
            elif len(chunk) > self._room:
                body.refusal = _Refusal(503, "overloaded", "too many bodies are under way")
        if body.refusal is None:
            body.data += chunk
            body.held += len(chunk)
            self._room -= len(chunk)
        else:
            body.data.clear()
            self._room += body.held
            body.held = 0

    async def _decoded(self, data: bytes, *, packed: bool) -> Response:
        if packed or len(data) > SMALL_BYTES:
            async with self._decoders:
                return await asyncio.to_thread(self._answer, data, packed=packed)
        return self._answer(data, packed=packed)

    def _answer(self, data: bytes, *, packed: bool) -> Response:
        try:
            body = unpack(data, self._max_bytes) if packed else data
        except TooLargeError as error:
            raise _Refusal(413, "too_large", str(error)) from None
        except WireError as error:
            raise _Refusal(400, "malformed_body", str(error)) from None
        receipt = self._inbox.offer(body)
        if receipt.outcome != "taken":
            return Response(status(receipt.message), 400, media_type=PROTOBUF)
        return Response(export_response(receipt.rejected, receipt.message), media_type=PROTOBUF)


def _refused(request: Request, refusal: _Refusal, *, close: bool) -> Response:
    """Return the answer to a refused body: a ``google.rpc.Status`` in the encoding of the request."""
    headers = {"Connection": "close"} if close else {}
    if refusal.code == 503:  # the one that may be sent again
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    message = str(refusal)
    if _content_type(request) == JSON:
        return Response(json.dumps({"message": message}), refusal.code, headers, JSON)
    return Response(status(message), refusal.code, headers, PROTOBUF)


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _encoding(request: Request) -> str:
    return request.headers.get("content-encoding", "").strip().lower()


def _is_gzip(request: Request) -> bool:
    return _encoding(request) == "gzip"


def _from_this_machine(request: Request) -> bool:
    """Say whether the peer is on this machine (or in this pod); a Unix socket has no address and is."""
    if request.client is None:
        return True
    try:
        address = ipaddress.ip_address(request.client.host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)  # IPv4 on a socket for both
    return (mapped or address).is_loopback
