"""The whole exporter until it is told to end: the daemon, its HTTP server, the receivers, the state file."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from typing import TYPE_CHECKING, Any

import uvicorn

from pentameter.config import Settings, split_listen
from pentameter.daemon import Daemon, Feed, close
from pentameter.http import create_app
from pentameter.keeper import Keeper, pin_baseline
from pentameter.receivers import Receivers
from pentameter.sources.price_feed import PriceFeed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pentameter.meter import Meter
    from pentameter.reload import Reloader

log = logging.getLogger("pentameter")


async def serve(settings: Settings, meter: Meter, feeds: Sequence[Feed], reloader: Reloader) -> None:
    """Run the daemon and its HTTP server until SIGTERM or SIGINT; SIGHUP reads prices again."""
    daemon = Daemon(meter, feeds, settings.derive_interval_seconds)
    keeper = Keeper(settings.state_file, meter) if settings.state_file else None
    if keeper is not None:
        keeper.restore()
    if settings.economics.drift.baseline is not None:
        pin_baseline(settings.economics.drift.baseline, meter)
    app = create_app(daemon.latest, daemon.answered, meter.journal.entries, daemon.history)
    receivers = Receivers(settings, [feed.source for feed in feeds])
    receivers.mount(app)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, _read_again, reloader, feeds)
    host, port = split_listen(settings.listen)
    server = _QuietServer(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            lifespan="off",
            loop="asyncio",
            http="h11",
            ws="none",
            timeout_graceful_shutdown=2,
            proxy_headers=False,  # nobody may pass for this machine by a header
        )
    )
    listening = _listen(host, port)
    receivers.start()
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve(sockets=[listening]))
        work = group.create_task(daemon.run(stop))
        aside = [group.create_task(reloader.run())]
        if keeper is not None:
            aside.append(group.create_task(keeper.run()))
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn offers no event
            await asyncio.sleep(0.01)
        address, bound = listening.getsockname()[:2]
        log.info("listening on %s:%d", f"[{address}]" if ":" in address else address, bound)
        await asyncio.wait({serving, group.create_task(stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        server.should_exit = True
        await work
        for task in aside:
            task.cancel()
    receivers.stop()
    if keeper is not None:
        keeper.save()
    close(feeds)


def _read_again(reloader: Reloader, feeds: Sequence[Feed]) -> None:
    """Read the settings now, and let the price files be read at their next turn."""
    reloader.reload()
    for feed in feeds:
        if isinstance(feed.source, PriceFeed):
            feed.source.reread()


def _listen(host: str, port: int) -> socket.socket:
    """Take the address; raises ``OSError`` that names it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else error
        message = f"cannot listen on {host}:{port}: {why}; choose another address with --listen"
        raise OSError(message) from error


class _QuietServer(uvicorn.Server):
    """uvicorn without its own signal handlers (one place decides when to stop), and less restless."""

    async def main_loop(self) -> None:
        """Look twice a second whether to stop, instead of ten times: an idle exporter should be idle."""
        while not await self.on_tick(0):  # noqa: ASYNC110 - uvicorn sets a flag, no event
            await asyncio.sleep(0.5)

    @contextlib.contextmanager
    def capture_signals(self) -> Any:  # noqa: ANN401 - uvicorn's signature
        """Leave the signals to the daemon."""
        yield
