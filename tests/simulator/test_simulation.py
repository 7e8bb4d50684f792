"""The server as a whole: deterministic, in motion from the start, and obedient to Little's law."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pentameter.simulator.counters import CountingHistogram
from pentameter.simulator.page import Page
from pentameter.simulator.presets import DEFAULT, preset_named
from pentameter.simulator.simulation import Simulation

RARE = {"preemptions", "waiting", "abandoned"}
"""What needs an overload, or patience."""


def figures(counters):
    """Return every figure that should move, with histograms by their count."""
    found = {}
    for name, value in vars(counters).items():
        if isinstance(value, CountingHistogram):
            found[name] = value.count
        elif isinstance(value, int | float) and name != "nothing":
            found[name] = value
    return found


def test_the_counters_have_begun_when_the_demo_begins():
    (engine,) = Simulation(DEFAULT).engines
    # half a minute of warm-up at some eleven requests a second
    assert engine.counters.finished == pytest.approx(330, abs=80)
    assert engine.counters.running > 0


def test_every_figure_moves_within_ten_seconds_of_the_start():
    simulation = Simulation(DEFAULT)
    (engine,) = simulation.engines
    before = figures(engine.counters)
    simulation.advance_to(10.0)
    after = figures(engine.counters)
    assert {name for name in before if before[name] == after[name]} <= RARE


def test_the_overload_fills_queue_and_cache_and_the_server_recovers():
    simulation = Simulation(DEFAULT)
    (engine,) = simulation.engines
    simulation.advance_to(70.0)
    assert (engine.counters.waiting < 10, engine.counters.kv_usage < 0.2) == (True, True)
    simulation.advance_to(105.0)
    assert engine.counters.waiting > 100
    assert engine.counters.kv_usage > 0.95
    assert engine.counters.preemptions > 0
    simulation.advance_to(200.0)
    assert (engine.counters.waiting < 10, engine.counters.kv_usage < 0.2) == (True, True)


def test_a_moderate_batch_decodes_at_about_ten_milliseconds_a_token():
    simulation = Simulation(DEFAULT)
    (engine,) = simulation.engines
    simulation.advance_to(240.0)
    before = (engine.counters.inter_token.sum, engine.counters.inter_token.count)
    simulation.advance_to(300.0)
    after = (engine.counters.inter_token.sum, engine.counters.inter_token.count)
    assert 0.007 < (after[0] - before[0]) / (after[1] - before[1]) < 0.012


def test_the_board_idles_in_the_night():
    simulation = Simulation(DEFAULT)
    powers = []
    for second in range(380, 421):
        simulation.advance_to(float(second))
        powers.append(simulation.read_gpus()[0].power_watts)
    assert min(powers) == pytest.approx(75.0)
    assert max(powers) > 300.0


def test_the_outcome_does_not_depend_on_how_often_someone_looks():
    often, once = Simulation(DEFAULT, seed=2), Simulation(DEFAULT, seed=2)
    for tenth in range(1, 301):
        often.advance_to(tenth / 10)
        often.read_gpus()
    once.advance_to(30.0)
    pages = [Page(DEFAULT, 0.0).render([each.engines[0].counters]) for each in (often, once)]
    assert pages[0] == pages[1]
    assert often.read_gpus() == once.read_gpus()


def test_time_that_goes_back_changes_nothing():
    simulation = Simulation(DEFAULT)
    simulation.advance_to(10.0)
    finished = simulation.engines[0].counters.finished
    simulation.advance_to(5.0)
    assert (simulation.time, simulation.engines[0].counters.finished) == (10.0, finished)


def test_littles_law_holds_over_ten_minutes_of_steady_traffic():
    # L = lambda x W. Tolerance 3 %: the edges (some 30 requests in flight of 6000) and the sampling of L.
    steady = replace(DEFAULT.traffic, low_rate=10.0, high_rate=10.0, overload=None)
    simulation = Simulation(replace(DEFAULT, traffic=steady), seed=1)
    (engine,) = simulation.engines
    arrived, finished, waited = engine.arrived, engine.counters.finished, engine.counters.e2e.sum
    inside = 0
    for tick in range(1, 6001):
        simulation.advance_to(tick / 10)
        inside += engine.waiting_count + engine.running_count
    rate = (engine.arrived - arrived) / 600.0
    mean_time = (engine.counters.e2e.sum - waited) / (engine.counters.finished - finished)
    assert inside / 6000 == pytest.approx(rate * mean_time, rel=0.03)


def test_two_engines_share_the_load_evenly():
    simulation = Simulation(preset_named("h100x2-8b"))
    simulation.advance_to(60.0)
    first, second = (engine.counters.finished for engine in simulation.engines)
    assert first == pytest.approx(second, rel=0.1)
    assert [gpu.index for gpu in simulation.read_gpus()] == [0, 1]
    assert len({gpu.uuid for gpu in simulation.read_gpus()}) == 2
