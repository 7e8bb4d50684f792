"""Pentameter inside vLLM: a stat logger that reports finished requests, steps and the configuration to the exporter.

vLLM (from 0.12) loads it in every API-server process, by the entry point ``vllm.stat_logger_plugins``, once the package
is installed in its environment: ``pip install --no-deps pentameter``. It needs the standard library only. Where
``VLLM_PLUGINS`` is set, it must be named there: ``VLLM_PLUGINS=pentameter``.

Environment: ``PENTAMETER_PLUGIN__SOCKET`` (where the exporter listens, as in its own settings),
``PENTAMETER_PLUGIN__SERVER`` (what the exporter calls this server; needed only where several serve one model),
``PENTAMETER_PLUGIN__ENABLED`` (``false``: do nothing), ``PENTAMETER_PLUGIN__GPUS`` (``false``: do not read the GPUs of
this vLLM; ``visible``: all that are visible are its).

vLLM calls ``record`` in the event loop that hands tokens to clients: what is raised there ends all requests, and what
takes time there delays every token. So ``record`` appends a reference to a bounded queue and catches everything.
"""

from __future__ import annotations

import os
from abc import update_abstractmethods
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from pentameter.vllm_plugin_reporter import Reporter
from pentameter.vllm_plugin_wire import DEFAULT_ADDRESS, LONGEST_NAME, NO

if TYPE_CHECKING:
    from collections.abc import Sequence


def _base() -> Any:  # noqa: ANN401 - vLLM is not here when types are checked
    """Return the class that vLLM wants a logger for all engines to be derived from; any class where vLLM is not.

    Where vLLM is there without that class, the import fails, which vLLM survives; a logger of another make would end
    it.
    """
    if find_spec("vllm") is None:
        return object
    return import_module("vllm.v1.metrics.loggers").AggregateStatLoggerBase


if TYPE_CHECKING:
    _Base = object
else:
    _Base = _base()


class PentameterStatLogger(_Base):
    """Hands what vLLM records of all engines of one API server to a thread; none of its methods raises or waits."""

    def __init__(
        self, vllm_config: object = None, engine_indexes: Sequence[int] | None = None, **_further: object
    ) -> None:
        environment = os.environ.get
        self._vllm_config = vllm_config
        self._engines = tuple(engine_indexes or (0,))
        self._address = environment("PENTAMETER_PLUGIN__SOCKET") or DEFAULT_ADDRESS
        self._server = environment("PENTAMETER_PLUGIN__SERVER", "")[:LONGEST_NAME]
        self._off = environment("PENTAMETER_PLUGIN__ENABLED", "").strip().lower() in NO
        self._reporter: Reporter | None = None

    def log_engine_initialized(self) -> None:
        """Begin, before the first request: the exporter then knows the configuration of an idle server."""
        self._put("start")

    def record(
        self,
        scheduler_stats: object = None,
        iteration_stats: object = None,
        *_: object,
        engine_idx: int = 0,
        **__: object,
    ) -> None:
        """Queue what a step left behind; other arguments, of this release or a later one, are not needed."""
        self._put("step", engine_idx, scheduler_stats, iteration_stats)

    def record_sleep_state(self, sleep: int = 0, *_: object, **__: object) -> None:
        """Queue that vLLM was put to sleep (1) or woken (0)."""
        self._put("sleep", None, sleep)

    def record_admission_rejection(self, reason: str = "", *_: object, **__: object) -> None:
        """Queue that a request was turned away (from vLLM 0.32)."""
        self._put("rejection", None, reason)

    def log(self) -> None:
        """Do nothing: vLLM calls this every ten seconds for loggers that print."""

    def _put(self, what: str, engine: object = None, first: object = None, second: object = None) -> None:
        try:
            reporter = self._reporter
            if reporter is None or reporter.pid != os.getpid():  # threads do not survive a fork
                if self._off:
                    return
                reporter = self._begin()
            reporter.put(what, engine, first, second)
        except Exception:  # noqa: BLE001 - see above: nothing that happens here is worth a request
            if self._reporter is not None:
                self._reporter.stumbled += 1

    def _begin(self) -> Reporter:
        self._off = True  # should the next line fail, it would fail at every step
        reporter = Reporter(self._vllm_config, self._engines, self._address, self._server)
        self._off = False
        self._reporter = reporter
        return reporter


def _fill_gaps(cls: type) -> None:
    """Give methods to what later releases may demand: a logger that cannot be made would keep vLLM from starting."""
    for name in getattr(cls, "__abstractmethods__", ()):
        setattr(cls, name, lambda *_, **__: None)
    update_abstractmethods(cls)


_fill_gaps(PentameterStatLogger)
