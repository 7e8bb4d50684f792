"""Reads the spans that vLLM writes per request out of an OTLP body (``ExportTraceServiceRequest``).

Only spans called ``llm_request`` become records; all others are counted and skipped. This is a decoder of its own
because Google's library builds every object of a body, hostile ones too, and takes more memory than the whole of the
exporter.

vLLM (``OutputProcessor.do_tracing``) writes one such span per finished sequence, with times in seconds:
``time_to_first_token`` and ``e2e`` count from arrival, on the clock of the API server, and so include the queue;
``time_in_queue``, ``time_in_model_prefill`` and ``time_in_model_decode`` (first to last token) are on the clock of the
engine. The start of the span is the arrival.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import unpack_from
from typing import TYPE_CHECKING, TypeVar

from pentameter.records import FinishedRequest
from pentameter.sources.otlp_wire import WireError, fields
from pentameter.vllm_plugin_wire import LONGEST_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_SPANS = 65_536
"""Spans in one body, of any name; SDKs send up to 512, collectors 8,192 at a time."""
MAX_TEXT = LONGEST_NAME
"""Of a name or id only so many characters are kept, as in the plugin's records: the same request has the same id."""
MAX_SECONDS = 30 * 86_400.0
"""A longer latency is an error of the sender, and would spoil every sum."""
MAX_TOKENS = 1_000_000_000

# Tags are field number * 8 + wire type: 2 has a length, 1 is eight bytes, 0 a number of variable length.
_RESOURCE_SPANS = 1 << 3 | 2
_RESOURCE, _SCOPE_SPANS = 1 << 3 | 2, 2 << 3 | 2
_RESOURCE_ATTRIBUTE = 1 << 3 | 2
_SPAN = 2 << 3 | 2
_SPAN_NAME, _SPAN_START, _SPAN_ATTRIBUTE = 5 << 3 | 2, 7 << 3 | 1, 9 << 3 | 2
_KEY, _VALUE = 1 << 3 | 2, 2 << 3 | 2
_STRING, _INT, _DOUBLE, _ARRAY = 1 << 3 | 2, 3 << 3 | 0, 4 << 3 | 1, 5 << 3 | 2
_ELEMENT = 1 << 3 | 2

_NAME = b"llm_request"
_WITHOUT_NAME = "unknown_service"
"""How the SDK calls a service that nobody has named; a colon and the program's name may follow."""

_SENDER = {b"service.name": "sender"}
_SPAN_KEYS = {
    b"gen_ai.latency.e2e": "e2e",
    b"gen_ai.latency.time_to_first_token": "ttft",
    b"gen_ai.latency.time_in_queue": "queue",
    b"gen_ai.latency.time_in_model_prefill": "prefill",
    b"gen_ai.latency.time_in_model_decode": "decode",
    b"gen_ai.usage.prompt_tokens": "prompt_tokens",
    b"gen_ai.usage.input_tokens": "prompt_tokens",
    b"gen_ai.usage.completion_tokens": "output_tokens",
    b"gen_ai.usage.output_tokens": "output_tokens",
    b"gen_ai.usage.cache_read.input_tokens": "cached_tokens",
    b"gen_ai.request.id": "request_id",
    b"gen_ai.request.model": "request_model",
    b"gen_ai.response.model": "response_model",
    b"gen_ai.response.finish_reasons": "finish_reason",
}
"""vLLM's own names, and those of the semantic conventions that are to replace them."""
_LONGEST_KEY = max(map(len, (*_SPAN_KEYS, *_SENDER)))

_Found = dict[str, str | int | float | None]
_ValueT = TypeVar("_ValueT")


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a body holds."""

    requests: tuple[FinishedRequest, ...] = ()
    ignored: int = 0
    """Spans of another name."""
    malformed: int = 0
    """Spans of the right name that lack, or garble, what a record needs."""
    complaint: str = ""
    """What is wrong with the first of them."""


def decode(body: bytes) -> Decoded:
    """Return the records of a body; raises ``WireError`` when it is not OTLP, and then none of it counts."""
    reader = _Reader(body)
    for tag, start, end in fields(body, 0, len(body)):
        if tag == _RESOURCE_SPANS:
            reader.resource_spans(start, end)
    return Decoded(tuple(reader.requests), reader.ignored, reader.malformed, reader.complaint)


class _UnfitError(Exception):
    """A span is no record; the message says why, and quotes nothing of it."""


class _Reader:
    """Walks one body."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.requests: list[FinishedRequest] = []
        self.ignored = 0
        self.malformed = 0
        self.complaint = ""

    def resource_spans(self, start: int, end: int) -> None:
        body = self._body
        sender = ""
        for tag, a, b in fields(body, start, end):  # first, because fields may come in any order
            if tag == _RESOURCE:
                sender = self._sender(a, b) or sender
        for tag, a, b in fields(body, start, end):
            if tag == _SCOPE_SPANS:
                for inner, c, d in fields(body, a, b):
                    if inner == _SPAN:
                        self._span(c, d, sender)

    def _sender(self, start: int, end: int) -> str:
        found: _Found = {}
        for tag, a, b in fields(self._body, start, end):
            if tag == _RESOURCE_ATTRIBUTE:
                _attribute(self._body, a, b, _SENDER, found)
        name = _text_of(found, "sender")
        return "" if name.partition(":")[0] == _WITHOUT_NAME else name

    def _span(self, start: int, end: int, sender: str) -> None:
        if len(self.requests) + self.ignored + self.malformed >= MAX_SPANS:
            message = f"the body holds more than {MAX_SPANS} spans"
            raise WireError(message)
        read = _read_span(self._body, start, end)
        if read is None:
            self.ignored += 1
            return
        try:
            self.requests.append(_request(*read, sender))
        except _UnfitError as error:
            self.malformed += 1
            self.complaint = self.complaint or str(error)


def _read_span(body: bytes, start: int, end: int) -> tuple[int, _Found] | None:
    """Return start time (nanoseconds) and attributes of a span, or None as soon as it is seen to be another's."""
    named, nanoseconds = False, 0
    found: _Found = {}
    for tag, a, b in fields(body, start, end):
        if tag == _SPAN_ATTRIBUTE:
            _attribute(body, a, b, _SPAN_KEYS, found)
        elif tag == _SPAN_NAME:
            if b - a != len(_NAME) or body[a:b] != _NAME:
                return None
            named = True
        elif tag == _SPAN_START:
            nanoseconds = int.from_bytes(body[a:b], "little")
    return (nanoseconds, found) if named else None


def _attribute(body: bytes, start: int, end: int, keys: Mapping[bytes, str], found: _Found) -> None:
    """Put the value of an attribute with one of these keys into ``found``."""
    name: str | None = None
    value: tuple[int, int] | None = None
    for tag, a, b in fields(body, start, end):
        if tag == _KEY:
            name = keys.get(body[a:b]) if b - a <= _LONGEST_KEY else None
        elif tag == _VALUE:
            value = a, b
    if name is not None and value is not None:
        found[name] = _value(body, *value)


def _value(body: bytes, start: int, end: int, *, in_array: bool = False) -> str | int | float | None:
    """Return a text, a number or the first of an array of them; None for what has no use here."""
    value: str | int | float | None = None
    for tag, a, b in fields(body, start, end):
        if tag == _STRING:
            value = _text(body, a, b)
        elif tag == _INT:
            value = a  # below 0 it looks as if it were above 2**63, which nothing here can be either
        elif tag == _DOUBLE:
            value = unpack_from("<d", body, a)[0]
        elif tag == _ARRAY and not in_array:  # an array of arrays, as deep as a sender likes, is not followed
            value = _first(body, a, b)
    return value


def _first(body: bytes, start: int, end: int) -> str | int | float | None:
    for tag, a, b in fields(body, start, end):
        if tag == _ELEMENT:
            return _value(body, a, b, in_array=True)
    return None


def _text(body: bytes, start: int, end: int) -> str:
    enough = start + 4 * MAX_TEXT
    try:
        if end > enough:
            return body[start:enough].decode(errors="ignore")[:MAX_TEXT]  # the cut may split a character
        return body[start:end].decode()[:MAX_TEXT]
    except UnicodeDecodeError as error:
        raise WireError("a text is not UTF-8") from error


def _request(nanoseconds: int, found: _Found, sender: str) -> FinishedRequest:
    """Return the record of a span; raises ``_UnfitError``.

    Without a token there is no first one either: vLLM then writes differences of clocks that were never set.
    """
    if not nanoseconds:
        raise _UnfitError("an llm_request span has no start time")
    output_tokens = _needed(_tokens(found, "output_tokens"), "output tokens")
    e2e = _needed(_seconds(found, "e2e"), "end-to-end latency")
    ttft = decode_time = queue = prefill = None
    if output_tokens:
        ttft = _needed(_seconds(found, "ttft"), "time to first token")
        decode_time = _decode_time(found, output_tokens)
        queue, prefill = _seconds(found, "queue"), _seconds(found, "prefill")
        if ttft > e2e:
            raise _UnfitError("the first token of an llm_request span came after its end")
    return FinishedRequest(
        origin="otlp",
        arrival_wall=nanoseconds / 1_000_000_000,
        e2e=e2e,
        output_tokens=output_tokens,
        prompt_tokens=_needed(_tokens(found, "prompt_tokens"), "prompt tokens"),
        ttft=ttft,
        decode=decode_time,
        queue=queue,
        prefill=prefill,
        cached_tokens=_tokens(found, "cached_tokens"),
        finish_reason=_text_of(found, "finish_reason"),
        request_id=_text_of(found, "request_id"),
        sender=sender,
        model_name=_text_of(found, "response_model") or _text_of(found, "request_model"),
    )


def _decode_time(found: _Found, output_tokens: int) -> float | None:
    """Return the time from first to last token; None where the sender, vLLM's old engine, does not tell."""
    if found.get("decode") is not None:
        return _needed(_seconds(found, "decode"), "decode time")
    return 0.0 if output_tokens == 1 else None


def _needed(value: _ValueT | None, what: str) -> _ValueT:
    if value is None:
        message = f"an llm_request span has no {what}, or one that cannot be"
        raise _UnfitError(message)
    return value


def _seconds(found: _Found, name: str) -> float | None:
    value = found.get(name)
    usable = isinstance(value, (int, float)) and 0 <= value <= MAX_SECONDS  # which NaN is not
    return float(value) if usable else None  # type: ignore[arg-type]


def _tokens(found: _Found, name: str) -> int | None:
    value = found.get(name)
    return value if isinstance(value, int) and 0 <= value <= MAX_TOKENS else None


def _text_of(found: _Found, name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""
