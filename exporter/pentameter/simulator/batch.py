"""The requests that decode: each step makes one token for every one of them, at a cost independent of their number.

A ``tick`` counts the decode steps. A request that joins at tick d with n tokens to go leaves at tick d + n, and takes
a new KV block whenever the tick has the right remainder of the block size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pentameter.simulator.traffic import Request


class DecodeBatch:
    """Who decodes, when each of them leaves, and what they hold together."""

    def __init__(self, block_size: int) -> None:
        self.size = 0
        self.context_tokens = 0
        """Of all requests together."""
        self.tick = 0
        self._block_size = block_size
        self._leaving: dict[int, list[Request]] = {}  # tick -> whose last token it makes
        self._block_wanted = [0] * block_size  # tick remainder -> who takes a block then

    @property
    def blocks_wanted(self) -> int:
        """Return the KV blocks that the next step will take."""
        return self._block_wanted[(self.tick + 1) % self._block_size]

    def step(self) -> None:
        """Begin a step: every context grows by a token."""
        self.tick += 1
        self.context_tokens += self.size

    def join(self, request: Request) -> None:
        """Add a request whose prefill has brought a token, and that stays for another."""
        request.joined_at_tick = self.tick
        self._leaving.setdefault(self._last_tick(request), []).append(request)
        self._block_wanted[self._block_phase(request)] += 1
        self.size += 1
        self.context_tokens += request.computed

    def pop_complete(self) -> list[Request]:
        """Take out the requests that have the last token for which they stay."""
        complete = self._leaving.pop(self.tick, [])
        for request in complete:
            self._take_out(request)
        return complete

    def remove(self, request: Request) -> None:
        """Take a request out before its time."""
        self._leaving[self._last_tick(request)].remove(request)
        self._take_out(request)

    def _take_out(self, request: Request) -> None:
        """Bring the request's own figures up to date."""
        self._block_wanted[self._block_phase(request)] -= 1
        ticks = self.tick - request.joined_at_tick
        request.generated += ticks
        request.computed += ticks
        request.private_blocks = -(-request.computed // self._block_size) - request.prefix_tokens // self._block_size
        self.size -= 1
        self.context_tokens -= request.computed

    def _last_tick(self, request: Request) -> int:
        return request.joined_at_tick + request.stays_for - request.generated

    def _block_phase(self, request: Request) -> int:
        """Return the tick remainder at which the request's next token falls into a new block."""
        return (request.joined_at_tick + 1 - request.computed) % self._block_size
