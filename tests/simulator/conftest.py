"""One overload, served and drained once for all tests."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pentameter.simulator.presets import DEFAULT
from pentameter.simulator.traffic import Arrivals
from simulator.small import LATER, engine_of


@pytest.fixture(scope="session")
def drained():
    """Serve 140 s of the default traffic, overload included, and then whatever is left."""
    engine = engine_of(DEFAULT)
    steps = []
    engine.observer = steps.append
    arrivals = Arrivals(DEFAULT, seed=7, start=0.0)
    requests = []
    while (request := arrivals.next_request()).arrival < 140.0:
        engine.advance_to(request.arrival)
        engine.submit(request)
        requests.append(request)
    engine.advance_to(LATER)
    return SimpleNamespace(
        engine=engine,
        counters=engine.counters,
        requests={request.number: request for request in requests},
        steps=steps,
        finished=[finished for step in steps for finished in step.finished],
        abandoned=[abandoned for step in steps for abandoned in step.abandoned],
    )
