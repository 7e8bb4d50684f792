"""Whose request was it? Spans and plugins say less than the page of metrics: the rest is inferred, or left unsaid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Place(NamedTuple):
    """The labels of an engine; ``engine`` is empty where a server has several and the sender does not say which."""

    server: str
    model_name: str
    engine: str


class UnattributedError(Exception):
    """Nothing says which server a record is of."""


class NotYetError(Exception):
    """The server's page, which would say the model, has not been read yet."""


@dataclass(frozen=True, slots=True)
class Servers:
    """The configured servers and the engines that their pages showed last."""

    engines: Mapping[str, tuple[tuple[str, str], ...]]
    """Server -> (model_name, engine) of each engine; empty before its first page."""

    def place(self, sender: str, model_name: str, engine: str) -> Place:
        """Return the place of a record.

        The server is the only one configured, or the one that bears the sender's name, or the only one that serves
        the model. Raises ``UnattributedError`` where none of these holds, and ``NotYetError`` where the model or the
        engine is unknown because no page has been read.
        """
        server = self._server(sender, model_name)
        here = self.engines[server]
        if not here and not (model_name and engine):
            raise NotYetError(server)
        models = {model for model, _ in here}
        if not model_name:
            if len(models) > 1:
                message = f"{server} serves {len(models)} models, and the record does not say which"
                raise UnattributedError(message)
            model_name = next(iter(models))
        if not engine:
            engines = [name for model, name in here if model == model_name]
            engine = engines[0] if len(engines) == 1 else ""
        return Place(server, model_name, engine)

    def _server(self, sender: str, model_name: str) -> str:
        if len(self.engines) == 1:
            return next(iter(self.engines))
        if sender in self.engines:
            return sender
        serving = [server for server, here in self.engines.items() if any(model == model_name for model, _ in here)]
        if model_name and len(serving) == 1:
            return serving[0]
        if model_name and not all(self.engines.values()):
            raise NotYetError(sender)
        message = f"no server is called {sender!r} and not exactly one serves {model_name!r}"
        raise UnattributedError(message)
