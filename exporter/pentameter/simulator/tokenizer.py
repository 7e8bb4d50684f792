"""A tokenizer that is none: words cut into pieces of four bytes.

It makes languages differ as byte-level tokenizers trained mostly on English do, though more coarsely: what is written
with two or three bytes per letter has more pieces. The figures of the demo are thus in order, and of no model.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from zlib import crc32

PIECE_BYTES = 4
VOCABULARY = 32_000


def tokenize(text: str) -> list[int]:
    """Return the tokens of a text; each word begins with a new one.

    >>> len(tokenize("in dignity"))  # in, dign, ity
    3
    """
    words = (word.encode() for word in text.split())
    pieces = (word[i : i + PIECE_BYTES] for word in words for i in range(0, len(word), PIECE_BYTES))
    return [crc32(piece) % VOCABULARY for piece in pieces]


def answer(body: bytes, model: str, max_model_len: int) -> tuple[HTTPStatus, dict[str, object]]:
    """Return what vLLM's ``/tokenize`` says to a body: status and JSON."""
    try:
        question = json.loads(body)
    except ValueError:
        question = None
    prompt = question.get("prompt") if isinstance(question, dict) else None
    if not isinstance(prompt, str):
        return HTTPStatus.BAD_REQUEST, _error(HTTPStatus.BAD_REQUEST, "there is no prompt")
    asked = question.get("model") or model
    if asked != model:
        return HTTPStatus.NOT_FOUND, _error(HTTPStatus.NOT_FOUND, f"The model `{asked}` does not exist.")
    tokens = tokenize(prompt)
    return HTTPStatus.OK, {"count": len(tokens), "max_model_len": max_model_len, "tokens": tokens}


def _error(status: HTTPStatus, message: str) -> dict[str, object]:
    return {"error": {"message": message, "code": status.value}}
