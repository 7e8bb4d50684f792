"""The KV cache in blocks: who holds how many, which prefixes are shared, what a preemption leaves behind.

Two simplifications. A system prompt, once computed, stays cached: it is the most recently used of all
blocks, and LRU would evict it last. And a prompt gets all its blocks on admission, not chunk by chunk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.simulator.traffic import NO_PREFIX

if TYPE_CHECKING:
    from pentameter.simulator.traffic import Request


class KvBlocks:
    """Block accounting of one engine."""

    def __init__(self, num_gpu_blocks: int, block_size: int, prefixes: int) -> None:
        self.total = num_gpu_blocks - 1  # vLLM keeps one null block
        self.free = self.total
        self.block_size = block_size
        self._taken_ever = 0
        self._holders = [0] * prefixes
        self._warm = [False] * prefixes

    @property
    def used(self) -> int:
        """Return the blocks that a request holds; cached blocks without a holder are free."""
        return self.total - self.free

    @property
    def usage(self) -> float:
        """Return the share of blocks in use, 0-1."""
        return self.used / self.total

    def blocks_for(self, tokens: int) -> int:
        """Return the number of blocks that hold so many tokens."""
        return -(-tokens // self.block_size)

    def take(self, blocks: int) -> None:
        """Take free blocks; the caller has checked that there are enough."""
        self.free -= blocks
        self._taken_ever += blocks

    def try_admit(self, request: Request) -> bool:
        """Give a waiting request the blocks of its whole target, or change nothing.

        On success ``computed`` is the number of tokens found in the cache.
        """
        blocks = self.blocks_for(request.target)
        prefix_blocks = request.prefix_tokens // self.block_size
        needed = blocks - prefix_blocks
        hit = 0
        if request.prefix != NO_PREFIX:
            if self._holders[request.prefix] == 0:
                needed += prefix_blocks
            if self._warm[request.prefix]:
                hit = request.prefix_tokens
        if needed > self.free:
            return False
        survivors = self._survivors(request)
        self.free -= needed
        self._taken_ever += needed - survivors
        if request.prefix != NO_PREFIX:
            self._holders[request.prefix] += 1
            self._warm[request.prefix] = True
        request.private_blocks = blocks - prefix_blocks
        # The last token is always computed: its logits are what the step is for.
        last_whole_block = (request.target - 1) // self.block_size * self.block_size
        request.computed = min(hit + survivors * self.block_size, last_whole_block)
        return True

    def release(self, request: Request) -> None:
        """Free the private blocks, and the shared ones with the last holder."""
        self.free += request.private_blocks
        if request.prefix != NO_PREFIX:
            self._holders[request.prefix] -= 1
            if self._holders[request.prefix] == 0:
                self.free += request.prefix_tokens // self.block_size

    def preempt(self, request: Request) -> None:
        """Free a running request's blocks; their content stays until someone takes them.

        The free list is a queue: the blocks that were free before are taken first. Only whole blocks
        can be found again.
        """
        request.evictable_from = self._taken_ever + self.free
        prefix_blocks = request.prefix_tokens // self.block_size
        request.left_blocks = max(0, request.computed // self.block_size - prefix_blocks)
        self.release(request)

    def _survivors(self, request: Request) -> int:
        """Return how many whole private blocks of a preempted request nobody has taken since."""
        lost = max(0, self._taken_ever - request.evictable_from)
        return max(0, request.left_blocks - lost)
