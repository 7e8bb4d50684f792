"""Who gives up next: the deadlines of clients that wait for a first token."""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pentameter.simulator.traffic import Request


class Deadlines:
    """The requests whose clients have limited patience, the most urgent first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Request]] = []

    def add(self, request: Request) -> None:
        """Watch a request that arrives."""
        if request.patience < math.inf:
            heapq.heappush(self._heap, (request.arrival + request.patience, request.number, request))

    def pop_missed(self, time: float) -> Iterator[tuple[float, Request]]:
        """Yield deadline and request of those who had no first token by then; a token on the deadline is in time."""
        while self._heap and self._heap[0][0] < time:
            deadline, _, request = heapq.heappop(self._heap)
            if request.generated == 0:
                yield deadline, request
