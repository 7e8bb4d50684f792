"""How many tokens the served model makes of one text in several languages, by asking vLLM's own ``/tokenize``.

A server at work must not feel it: at most ten short texts are sent per read, one after another, so that all of some 450
take three quarters of a minute. Then the counts are kept. Once a minute the server is asked what it serves and to count
one mixed line of all languages; where either differs, which it does with another tokenizer, all is counted anew.
"""

from __future__ import annotations

import json
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pentameter.readings import LanguageReading
from pentameter.sources import SourceAbsent, SourceError
from pentameter.sources.http_get import Credentials, HttpClient, StatusError
from pentameter.sources.json_file import parse_object
from pentameter.sources.model_names import NamedModel, base_model, named_models

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

READ_EVERY_SECONDS = 1.0
"""How often the daemon should read; most reads ask nothing."""

TEXTS_PER_READ = 10

BUSY_SECONDS = 1.0
"""A read sends no further text after so long: a server that takes its time is left it."""

CHECK_EVERY_SECONDS = 60.0

FORGET_SECONDS = 300.0
"""For so long the counts are believed while the server cannot be asked."""

_PAGE = "/tokenize"
_MOST_BYTES = 1024 * 1024
_NO_SUCH_PAGE = frozenset({404, 405, 501})
_REFUSED_TEXT = frozenset({400, 413, 422})
_NO_ACCESS = frozenset({401, 403})
_ANOTHER_ANSWER = _NO_SUCH_PAGE | _REFUSED_TEXT | _NO_ACCESS


@dataclass(frozen=True, slots=True)
class _Seen:
    """By what a tokenizer is known again."""

    model: NamedModel
    mixed_tokens: int


class TokenizerSource:
    """Counts the tokens of a parallel text with one server's tokenizer; a source.

    ``texts`` holds the articles by language. ``read`` returns what is counted so far. It raises ``SourceAbsent``,
    because nobody asked for it: ``not_found`` where the server has no such page or does not name one model,
    ``credentials`` where a key is asked for, ``unsupported`` where it takes none of the texts, or with whatever reason
    else the server cannot be asked.
    """

    name = "tokenizer"

    def __init__(
        self,
        server: str,
        url: str,
        texts: Mapping[str, tuple[str, ...]],
        *,
        english_words: int,
        credentials: Credentials | None = None,
        timeout: float = 5.0,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.server = server
        self._url = url.rstrip("/").removesuffix("/metrics")
        self._texts = texts
        self._english_words = english_words
        self._credentials = credentials or Credentials()
        self._timeout = timeout
        self._http = HttpClient(self._url, timeout=timeout, max_bytes=_MOST_BYTES, credentials=credentials)
        self._monotonic = monotonic
        self._wall = wall
        self._seen: _Seen | None = None
        self._checked: tuple[float, float] | None = None
        """When ``_seen`` was last found true, by both clocks."""
        self._due = float("-inf")
        self._queue: deque[tuple[str, str]] = deque()
        self._counted: dict[str, int] = {}

    def read(self) -> LanguageReading:
        """Ask a little, if there is anything to ask; blocking."""
        try:
            self._check_when_due()
            self._count_some()
        except SourceError as error:
            raise _absent(error) from error
        return self._reading()

    def close(self) -> None:
        """Drop the connection."""
        self._http.close()

    # ------------------------------------------------------------------ inside

    def _check_when_due(self) -> None:
        now, wall = self._monotonic(), self._wall()
        if now < self._due:
            return
        try:
            seen = self._look()
        except SourceError as error:
            if not self._may_keep(error, now):
                self._forget()
                raise
        else:
            if seen != self._seen:
                self._forget()
                self._seen = seen
                self._queue.extend((language, text) for language, texts in self._texts.items() for text in texts)
            self._checked = (now, wall)
        self._due = now + CHECK_EVERY_SECONDS

    def _look(self) -> _Seen:
        model = base_model(named_models(self._url, credentials=self._credentials, timeout=self._timeout))
        if model is None:
            raise SourceAbsent("not_found", "the server does not say which one model it loaded")
        try:
            mixed = self._count(model.name, "\n".join(texts[0] for texts in self._texts.values()))
        except StatusError as error:
            if error.status not in _REFUSED_TEXT:
                raise
            mixed = 0
        return _Seen(model, mixed)

    def _may_keep(self, error: SourceError, now: float) -> bool:
        """Say whether the counts hold although nothing was confirmed: not if it answers otherwise, nor for long."""
        status = _status(error)
        answered = error.reason in {"not_found", "malformed"} if status is None else status in _ANOTHER_ANSWER
        return not answered and self._checked is not None and now - self._checked[0] < FORGET_SECONDS

    def _forget(self) -> None:
        self._seen = self._checked = None
        self._queue.clear()
        self._counted.clear()

    def _count_some(self) -> None:
        """Count the next texts; a language of which the server refuses a text is left out."""
        begun = self._monotonic()
        for _ in range(min(TEXTS_PER_READ, len(self._queue))):
            if not self._queue or self._seen is None or self._monotonic() - begun >= BUSY_SECONDS:
                return
            language, text = self._queue[0]
            try:
                tokens = self._count(self._seen.model.name, text)
            except StatusError as error:
                if error.status not in _REFUSED_TEXT:
                    raise
                self._counted.pop(language, None)
                self._queue = deque(entry for entry in self._queue if entry[0] != language)
                continue
            self._counted[language] = self._counted.get(language, 0) + tokens
            self._queue.popleft()

    def _count(self, model: str, text: str) -> int:
        """Ask for the tokens of one text, without those that begin or end a request."""
        question = {"model": model, "prompt": text, "add_special_tokens": False}
        answer = self._http.post_json(_PAGE, json.dumps(question).encode())
        count = parse_object(answer.body, _PAGE).get("count")
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise SourceError("malformed", f"{_PAGE} has no count of tokens")
        return count

    def _reading(self) -> LanguageReading:
        waiting = {language for language, _ in self._queue}
        whole = {language: tokens for language, tokens in self._counted.items() if language not in waiting}
        if self._seen is None or self._checked is None or not (whole or waiting):
            raise SourceAbsent("unsupported", f"{_PAGE} takes none of the texts")
        monotonic, wall = self._checked
        return LanguageReading(self.server, self._seen.model.name, whole, self._english_words, monotonic, wall)


def _status(error: SourceError) -> int | None:
    """Return the status that the server answered with, if it did."""
    return next((e.status for e in (error, error.__cause__) if isinstance(e, StatusError)), None)


def _absent(error: SourceError) -> SourceAbsent:
    """Nobody asked for it: a server that does not answer here is measured without its languages."""
    status = _status(error)
    if status in _NO_ACCESS:
        return SourceAbsent("credentials", f"{error}; give the server's bearer_token to measure tokens by language")
    if status in _NO_SUCH_PAGE:
        return SourceAbsent("not_found", f"{error}; tokens by language cannot be measured on this server")
    return SourceAbsent(error.reason, str(error))
