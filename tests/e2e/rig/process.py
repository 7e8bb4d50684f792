"""Processes of the rig: a free port, an HTTP GET, and a server to start, await, kill or stop."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import psutil

from e2e.rig.install import cache_folder

if TYPE_CHECKING:
    from pathlib import Path

TAIL_LINES = 60


class ServerFailedError(Exception):
    """A server ended or did not become ready; the message holds the end of its log."""


def free_port() -> int:
    """Return a loopback port that nobody listens on now.

    Below the ephemeral range: a server that starts later must not find its port lent to somebody's
    outgoing connection meanwhile.
    """
    ports = random.sample(range(20_000, 32_000), 100)
    for port in ports:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    message = "no free port among 100"
    raise OSError(message)


def http_get(url: str, timeout: float = 5.0) -> str:
    """Return the body of a page; raise ``OSError`` (``urllib.error.URLError``) when there is none."""
    # No proxy, whatever the environment says: the rig never leaves loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=timeout) as response:
        body: bytes = response.read()
        return body.decode()


def end_tidily_when_terminated() -> None:
    """Make SIGTERM unwind a script as an error does: the servers that it started would outlive it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def new_log(name: str) -> Path:
    """Return an empty log file in the rig's cache, where it can be read after the tests."""
    folder = cache_folder() / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}.log"
    log.write_bytes(b"")
    return log


class ServerProcess:
    """One server in a process group of its own, with its output in a log file.

    Args:
        name: for messages and the log's file name.
        command: the program and its arguments.
        environment: the whole environment, or None for this process's own.
    """

    def __init__(self, name: str, command: list[str], environment: dict[str, str] | None = None) -> None:
        self.name = name
        self.command = command
        self.log = new_log(name)
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Return the process id of the running server, which is also its process group."""
        if self._process is None:
            message = f"{self.name} is not running"
            raise ServerFailedError(message)
        return self._process.pid

    def start(self) -> None:
        """Start the process; the log file keeps what an earlier run wrote."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )

    def wait_until_answers(self, url: str, seconds: float) -> None:
        """Wait until a GET of the URL succeeds.

        Raises:
            ServerFailedError: the process ended, or did not answer in time; it is killed then.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                self._fail(f"ended with {self._process.returncode if self._process else 'no process'}")
            try:
                http_get(url, timeout=2.0)
            except (OSError, urllib.error.URLError):
                time.sleep(0.2)
            else:
                return
        self._fail(f"did not answer {url} in {seconds:.0f} s")

    def stop(self, seconds: float = 20.0) -> None:
        """Ask the server to end, and kill its whole group when it does not in time."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self.kill()

    def kill(self) -> None:
        """Kill the process group that was started, children too, and wait until all are gone."""
        if self._process is None:
            return
        family = self._family()
        # The group outlives its first process while any of its members lives.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        psutil.wait_procs(family, timeout=10.0)
        self._process = None

    def tail(self) -> str:
        """Return the end of the log."""
        if not self.log.is_file():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:])

    def _family(self) -> list[psutil.Process]:
        try:
            return list(psutil.Process(self.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            return []

    def _fail(self, what: str) -> None:
        self.kill()
        message = f"{self.name} {what}; the end of {self.log}:\n{self.tail()}"
        raise ServerFailedError(message)
