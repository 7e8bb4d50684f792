"""One daemon thread that runs blocking calls for the event loop, in order.

``concurrent.futures`` joins its threads when the interpreter ends; a driver call that never returns would
then keep a dying exporter alive. A daemon thread is left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

ResultT = TypeVar("ResultT")


class Worker:
    """Runs calls; ``close`` lets the thread end after the call it is in."""

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def submit(self, call: Callable[[], ResultT]) -> asyncio.Future[ResultT]:
        """Run a call; the future belongs to the running event loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[ResultT] = loop.create_future()
        # Looked at here, so that asyncio does not complain when whoever waited has been cancelled.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())

        def settle(result: ResultT | None, error: BaseException | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]  # no error, so there is a result

        def run() -> None:
            result: ResultT | None = None
            error: Exception | None = None
            try:
                result = call()
            except StopIteration as caught:  # which no future takes: it would never be done
                error = RuntimeError(f"the call ended with {caught!r}")
            except Exception as caught:  # noqa: BLE001 - handed to whoever awaits the future
                error = caught
            with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
                loop.call_soon_threadsafe(settle, result, error)

        self._calls.put(run)
        return future

    def close(self) -> None:
        """Let the thread end."""
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
