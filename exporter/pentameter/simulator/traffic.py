"""Arrivals: a Poisson process with a time-varying rate, and what each request asks for."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pentameter.simulator.demand import Lengths
    from pentameter.simulator.presets import Preset

NO_PREFIX = -1
MIN_OWN_TOKENS = 8
"""What a user adds to a system prompt at the least."""


class Request:
    """One request on its way; times are simulated seconds, the rest are tokens and blocks.

    While a request decodes, ``generated``, ``computed`` and ``private_blocks`` are those of the tick at
    which it joined the batch; the engine derives the present ones from its tick counter.
    """

    __slots__ = (
        "arrival",
        "cached_tokens",
        "computed",
        "evictable_from",
        "first_token_at",
        "generated",
        "joined_at_tick",
        "last_token_at",
        "left_blocks",
        "max_tokens",
        "number",
        "output_tokens",
        "patience",
        "preemptions",
        "prefix",
        "prefix_tokens",
        "private_blocks",
        "prompt_tokens",
        "scheduled_at",
        "stays_for",
        "target",
        "unreported_preemptions",
    )

    def __init__(
        self,
        number: int,
        arrival: float,
        prompt_tokens: int,
        output_tokens: int,
        max_tokens: int,
        prefix: int = NO_PREFIX,
        prefix_tokens: int = 0,
        patience: float = math.inf,
        stays_for: int | None = None,
    ) -> None:
        self.number = number
        self.arrival = arrival
        self.prompt_tokens = prompt_tokens
        self.output_tokens = output_tokens
        self.max_tokens = max_tokens
        self.prefix = prefix
        self.prefix_tokens = prefix_tokens
        self.patience = patience
        """The client gives up when it has waited longer than this for the first token."""
        self.stays_for = output_tokens if stays_for is None else stays_for
        """The client leaves after so many tokens."""

        self.target = prompt_tokens
        """Tokens whose KV must be computed before the next token: more than the prompt after a preemption."""
        self.computed = 0
        self.cached_tokens = 0
        self.generated = 0
        self.private_blocks = 0
        self.joined_at_tick = 0
        self.evictable_from = 0
        self.left_blocks = 0
        self.preemptions = 0
        self.unreported_preemptions = 0
        self.scheduled_at: float | None = None
        self.first_token_at = 0.0
        self.last_token_at = 0.0

    @property
    def leaves_early(self) -> bool:
        """Say whether the client leaves in the middle of the answer."""
        return self.stays_for < self.output_tokens

    @property
    def finished_reason(self) -> str:
        """Return why the request ends: it runs into its limit, or the model stops."""
        return "length" if self.output_tokens >= self.max_tokens else "stop"


class Arrivals:
    """The requests of one preset, in order of arrival, without end.

    What clients do is drawn apart from who arrives with what: the same seed brings the same load to patient and to
    impatient clients.
    """

    def __init__(self, preset: Preset, seed: int, start: float) -> None:
        self._traffic = preset.traffic
        self._max_model_len = preset.model.max_model_len
        self._random = Random(seed)  # noqa: S311 - a reproducible load, nothing secret
        self._whims = Random(f"clients {seed}")  # noqa: S311 - as above
        self._time = start
        self._count = 0

    def next_request(self) -> Request:
        """Return the next request (thinning: candidates at the peak rate, kept in proportion)."""
        peak, traffic, random = self._traffic.peak_rate, self._traffic, self._random
        while True:
            self._time += random.expovariate(peak)
            if random.random() * peak < traffic.rate(self._time):
                return self._draw()

    def _draw(self) -> Request:
        self._count += 1
        prefix, prefix_tokens = self._draw_prefix()
        max_tokens = self._random.choice(self._traffic.max_tokens)
        prompt = max(self._draw_length(self._traffic.prompt), prefix_tokens + MIN_OWN_TOKENS)
        prompt = min(prompt, self._max_model_len - max_tokens)
        output = min(self._draw_length(self._traffic.output), max_tokens)
        whims, clients = self._whims, self._traffic.clients
        if whims.random() < clients.one_token:
            output = max_tokens = 1
        patience = whims.lognormvariate(math.log(clients.patience.median_seconds), clients.patience.sigma)
        if whims.random() >= clients.impatient:
            patience = math.inf
        stays_for = math.ceil(whims.random() * (output - 1))
        if whims.random() >= clients.leaving or stays_for == 0:
            stays_for = output
        return Request(self._count, self._time, prompt, output, max_tokens, prefix, prefix_tokens, patience, stays_for)

    def _draw_prefix(self) -> tuple[int, int]:
        point = self._random.random()
        for index, prefix in enumerate(self._traffic.prefixes):
            point -= prefix.share
            if point < 0:
                return index, prefix.tokens
        return NO_PREFIX, 0

    def _draw_length(self, lengths: Lengths) -> int:
        return max(1, round(self._random.lognormvariate(math.log(lengths.median), lengths.sigma)))
