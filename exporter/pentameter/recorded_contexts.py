"""What queries saw, exact by request records and yet counted when the tokens flow, not when a request ends.

A record tells exactly what the queries of one request saw, and comes when the request ends; vLLM counts tokens as they
are made. So of ended requests the truth is known, and the tokens of the others, which are made and not ended yet, count
as estimates, which a record takes away again:

    positions = truth of the ended requests + estimate for open tokens

Once all have ended, this is the sum over the records. Tokens of requests that never end in a record (aborts, sampled
tracing) stay estimates. A record may also come before the page with its tokens: then the open tokens are negative.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from pentameter.work import Contexts, contexts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pentameter.model.contexts import Reach
    from pentameter.records import FinishedRequest
    from pentameter.work import Counted

MEMORY = 0.998
"""What a record leaves of the weight of those before it: the mean is of the last 500 requests or so."""

HORIZON_SECONDS = 300.0
"""Twice as many tokens as are made in it stay open: a request that has not ended in a record by then was aborted, or
nobody tells of it."""


class _Account:
    """One kind of positions: what was booked of them, and on what grounds."""

    def __init__(self) -> None:
        self._truth: defaultdict[Reach, float] = defaultdict(float)
        self._estimate: defaultdict[Reach, float] = defaultdict(float)
        self._booked: defaultdict[Reach, float] = defaultdict(float)
        self._open = 0.0
        """Tokens made less tokens of ended requests; the estimate is for these."""
        self._flow = 0.0
        """Tokens made lately."""
        self._recent: defaultdict[Reach, float] = defaultdict(float)
        self._recent_tokens = 0.0

    def end(self, seen: Mapping[Reach, float], tokens: float) -> None:
        """Take in the truth about a request that has ended."""
        if tokens <= 0:
            return
        self._recent_tokens = MEMORY * self._recent_tokens + tokens
        for reach, positions in seen.items():
            self._truth[reach] += positions
            self._recent[reach] = MEMORY * self._recent[reach] + positions
        # Of tokens that no page has shown yet the estimate is the truth itself, with the sign turned.
        self._shift(-tokens, {reach: positions / tokens for reach, positions in seen.items()})

    def make(
        self, tokens: float, by_page: Mapping[Reach, float], seconds: float, *, trusted: bool
    ) -> dict[Reach, float]:
        """Take in tokens that were made; return the positions to book. Where records are ``trusted``, by their mean."""
        if tokens > 0:
            prices = {reach: positions / tokens for reach, positions in by_page.items()}
            if trusted and self._recent_tokens > 0:
                prices = {reach: self._recent[reach] / self._recent_tokens for reach in prices}
            self._shift(tokens, prices)
        self._flow = self._flow * math.exp(-seconds / HORIZON_SECONDS) + tokens
        self._settle(2 * self._flow)
        booked = {}
        for reach in by_page:
            due = self._truth[reach] + self._estimate[reach] - self._booked[reach]
            # A counter never falls: what was booked too much is made up for by what comes.
            booked[reach] = max(0.0, due)
            self._booked[reach] += booked[reach]
        return booked

    def _shift(self, tokens: float, prices: Mapping[Reach, float]) -> None:
        """Open tokens, or close them: first those of the other sign, at what they stand for, then at the price."""
        if self._open * tokens < 0:
            closed = min(abs(tokens), abs(self._open))
            left = 1.0 - closed / abs(self._open)
            for reach in self._estimate:
                self._estimate[reach] *= left
            self._open += math.copysign(closed, tokens)
            tokens -= math.copysign(closed, tokens)
        self._open += tokens
        for reach, price in prices.items():
            self._estimate[reach] += price * tokens

    def _settle(self, most: float) -> None:
        """Let the estimate of tokens beyond so many stand for good."""
        if abs(self._open) <= most:
            return
        share = most / abs(self._open)
        for reach, positions in self._estimate.items():
            self._truth[reach] += (1.0 - share) * positions
            self._estimate[reach] = share * positions
        self._open *= share


class RecordedContexts:
    """The contexts of one engine."""

    def __init__(self) -> None:
        self._prefill, self._decode, self._prefill_cache = _Account(), _Account(), _Account()

    def end(self, request: FinishedRequest, reaches: Iterable[Reach], budget: float | None) -> None:
        """Take in a request that has ended."""
        contexts = contexts_of(request, reaches, budget)
        cached = min(request.cached_tokens or 0, max(request.prompt_tokens - 1, 0))
        computed = float(request.prompt_tokens - cached)
        self._prefill.end(contexts.prefill, computed)
        self._prefill_cache.end(contexts.prefill_cache, computed)
        self._decode.end(contexts.decode, float(request.output_tokens - 1))

    def make(self, done: Counted, by_page: Contexts, seconds: float, *, trusted: bool) -> Contexts:
        """Take in what a page's counters grew by and what the page alone says of it; return what to book."""
        return Contexts(
            self._prefill.make(done.computed, by_page.prefill, seconds, trusted=trusted),
            self._decode.make(done.decoded, by_page.decode, seconds, trusted=trusted),
            self._prefill_cache.make(done.computed, by_page.prefill_cache, seconds, trusted=trusted),
        )
