"""The account of work against a simulated engine, of which every step is known: how far inference is off.

The simulator is vLLM's scheduler with batches, chunked prefills and prefix hits. Here each of its steps is booked by
itself, with its own tokens and contexts; the meter sees the pages alone, or pages and records.
"""

from collections import Counter
from dataclasses import replace

import pytest

from pentameter.attribution import Place
from pentameter.model.contexts import Reach
from pentameter.model.flops import attention_flops, sample_flops, token_flops
from pentameter.model.kv import kv_read_bytes, kv_written_bytes
from pentameter.model.moved import step_weight_bytes
from pentameter.model.parallel import ONE_GPU
from pentameter.model.reader import read_model
from pentameter.readings import ModelReading
from pentameter.served_models import ModelPlan
from pentameter.simulator.demand import Clients, Lengths, Overload, SharedPrefix, Traffic
from pentameter.simulator.engine import Engine
from pentameter.simulator.offline import OfflineVllm
from pentameter.simulator.presets import DEFAULT
from pentameter.windows import Continuity, Track, Window
from pentameter.work_meter import WorkMeter

PLACE = Place("simulator", "m", "0")
CONFIG = DEFAULT.model.config_json()
SPEC = read_model(CONFIG)
FULL = Reach()
WINDOWS = (Window("1h", 3600.0),)
SECONDS, EVERY, BEGIN = 150.0, 5.0, 60.0


class Truth(Counter):
    """What every step did, each for itself."""

    def book(self, engine):
        decoded, computed = engine._batch.size, engine._prefilled
        context, pairs, reread = engine._batch.context_tokens, engine._pairs, engine._reread
        token, sample = sum(token_flops(SPEC).values()), sum(sample_flops(SPEC).values())
        weights = step_weight_bytes(SPEC, ONE_GPU, decoded + computed, 1)
        attended = {
            phase: attention_flops(SPEC, {FULL: seen}, decode=False)
            for phase, seen in (("prefill", pairs), ("decode", context))
        }
        self["steps/mixed" if decoded and computed else "steps/decode" if decoded else "steps/prefill"] += 1
        self["flops/prefill"] += token * computed + sample * len(engine._completing) + attended["prefill"]
        self["flops/decode"] += (token + sample) * decoded + attended["decode"]
        self["weights/prefill"] += weights * computed / (computed + decoded)
        self["weights/decode"] += weights * decoded / (computed + decoded)
        self["kv/prefill"] += kv_read_bytes(SPEC, {FULL: reread + computed})
        self["kv/decode"] += kv_read_bytes(SPEC, {FULL: context})
        self["written/prefill"] += kv_written_bytes(SPEC, computed)
        self["written/decode"] += kv_written_bytes(SPEC, decoded)


def traffic(rate, prompt=(500.0, 0.9), output=(200.0, 0.8), prefixes=()):
    return Traffic(
        low_rate=rate,
        high_rate=rate,
        day_seconds=600.0,
        low_at=400.0,
        overload=Overload(1e9, 1.0, rate),
        prompt=Lengths(*prompt),
        output=Lengths(*output),
        prefixes=prefixes,
        clients=Clients(),
    )


SHARED = (SharedPrefix(tokens=256, share=0.30), SharedPrefix(tokens=384, share=0.25))
CASES = {
    "quiet": traffic(1.0),
    "busy": traffic(12.0),
    "short prompts": traffic(20.0, (60.0, 0.9), (100.0, 0.8)),
    "shared prefixes": traffic(8.0, prefixes=SHARED),
    "long prompts in chunks": traffic(3.0, (3000.0, 0.5)),
}


@pytest.fixture(scope="module")
def runs():
    """Return (truth, by page, by records) of each case."""
    account, truth = Engine._account, Truth()

    def watched(engine):
        account(engine)
        truth.book(engine)

    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "_account", watched)
        for name, demand in CASES.items():
            preset = replace(DEFAULT, warm_up_seconds=0.0, traffic=demand)
            if "chunks" in name:
                preset = replace(preset, scheduling=replace(preset.scheduling, max_num_batched_tokens=2048))
            vllm = OfflineVllm(preset, seed=1, begin=BEGIN)
            truth.clear()
            meters = _followed(vllm, preset.scheduling)
            found[name] = Counter(truth), *(_totals(meter) for meter in meters)
    return found


def _followed(vllm, scheduling):
    plan = ModelPlan(overrides={"max_num_batched_tokens": scheduling.max_num_batched_tokens})
    meters = [WorkMeter(WINDOWS, {PLACE.server: plan}) for _ in range(2)]
    for meter in meters:
        meter.take_model(ModelReading(PLACE.server, "m", CONFIG, "file"))
    track = Track(WINDOWS)
    for step in range(round(SECONDS / EVERY) + 1):
        now = BEGIN + step * EVERY
        requests = vllm.advance_to(now).requests
        [engine] = vllm.read_page().engines
        track.observe(now, engine.counters, engine.histograms, Continuity.SAME, gauges=engine.gauges)
        interval = track.drain()
        for meter, recorded in zip(meters, (False, True), strict=True):
            for request in requests:
                meter.take_request(PLACE, request)
            meter.take_page(PLACE, engine, interval, now, told=None, gpus_per_engine=None, recorded=recorded)
    return meters


def _totals(meter):
    deltas = meter.rolled(PLACE).windows["1h"].deltas
    totals = Counter()
    for key, value in deltas.items():
        totals["/".join(key.split("/")[:2])] += value
    return totals


each_case = pytest.mark.parametrize("case", CASES)


@each_case
def test_tokens_and_the_flops_of_both_phases_are_within_two_per_cent(runs, case):
    truth, *meters = runs[case]
    for found in meters:
        for key in ("flops/prefill", "flops/decode", "written/prefill", "written/decode"):
            assert found[key] == pytest.approx(truth[key], rel=0.02), key


@each_case
def test_weights_of_both_phases_together_are_within_one_per_cent(runs, case):
    truth, *meters = runs[case]
    for found in meters:
        both = found["weights/prefill"] + found["weights/decode"]
        assert both == pytest.approx(truth["weights/prefill"] + truth["weights/decode"], rel=0.01)


@each_case
def test_weights_of_decode_are_within_four_per_cent_and_those_of_prefill_within_a_fourth(runs, case):
    # A mixed step is booked as if all mixed steps held as many prompt tokens: prefill's share comes out too great.
    truth, *meters = runs[case]
    for found in meters:
        assert found["weights/decode"] == pytest.approx(truth["weights/decode"], rel=0.04)
        assert found["weights/prefill"] == pytest.approx(truth["weights/prefill"], rel=0.25)


@each_case
def test_by_records_the_cache_that_decode_read_is_within_three_per_cent(runs, case):
    # They enter when a request ends: what runs at either end of the time is in the one and not in the other.
    truth, _, found = runs[case]
    assert found["kv/decode"] == pytest.approx(truth["kv/decode"], rel=0.03)
    assert found["kv/prefill"] == pytest.approx(truth["kv/prefill"], rel=0.03)


@each_case
def test_by_the_page_the_cache_that_decode_read_is_within_a_tenth_but_for_shared_prefixes(runs, case):
    # Of prefixes that many requests share the cache holds one copy, and every request reads it.
    truth, found, _ = runs[case]
    error = found["kv/decode"] / truth["kv/decode"] - 1
    assert (-0.3 if "prefixes" in case else -0.1) < error < 0.1
    assert found["kv/prefill"] == pytest.approx(truth["kv/prefill"], rel=0.2)


@each_case
def test_kinds_of_steps_are_told_apart(runs, case):
    truth, *meters = runs[case]
    total = sum(truth[f"steps/{kind}"] for kind in ("decode", "prefill", "mixed"))
    for found in meters:
        for kind in ("decode", "prefill", "mixed"):
            assert found[f"steps/{kind}"] == pytest.approx(truth[f"steps/{kind}"], abs=0.01 * total), kind
        prefills = found["steps/prefill"] + found["steps/mixed"]
        assert prefills == pytest.approx(truth["steps/prefill"] + truth["steps/mixed"], rel=0.1)
