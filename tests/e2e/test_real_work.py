"""FLOPs, bytes and steps of four tiny models on a real vLLM: its counters, the rig's arithmetic and Pentameter's.

Requests go one by one, so that every step is known. vLLM's counters are explained to the last unit by the rig's own
derivation of its estimate, and Pentameter's account differs from that by named reasons and by nothing else.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import replace

import pytest

from e2e.rig.known_steps import CACHED, FLOPS, READ, SETUPS, STEP_TOKENS, STEPS, WRITTEN, Served, requests
from e2e.rig.vllm_perf import Term, step_terms, total
from e2e.rig.watched_work import exporter_beside, look_on, start_and_wait
from e2e.rig.work_terms import PHASES, our_term, ours, reasons, tensor_shapes, theirs
from pentameter.model.moved import step_weight_bytes
from pentameter.model.parallel import ONE_GPU
from pentameter.model.reader import read_model

pytestmark = pytest.mark.real

QUANTITIES = ("flops", "weights", "kv_read", "kv_written")
ROUNDING = 1e-12
"""Relative; the expected number of experts is no whole number."""

COUNTED = 1e-9
"""Relative, for differences of large counters."""

phases = pytest.mark.parametrize("phase", PHASES)


@pytest.fixture(scope="module", params=SETUPS)
def served(rig, request):
    found = Served(request.param)
    try:
        found.server.start()
        yield found
    finally:
        found.server.stop()


@pytest.fixture(scope="module")
def spec(served):
    return read_model(json.loads((served.folder / "config.json").read_text()))


@pytest.fixture(scope="module")
def exporter(served):
    process = exporter_beside(served)
    try:
        start_and_wait(process)
        yield process
    finally:
        process.stop()


@pytest.fixture(scope="module")
def first(served, exporter):
    """Return the first requests that the server ever got, each alone, with Pentameter looking on from before them."""
    return look_on(served, exporter, served.requests, lambda: served.ask(served.requests))


@pytest.fixture(scope="module")
def answered(first):
    return first.answers


def our_sum(spec, request):
    return sum((our_term(spec, request, phase) for phase in PHASES), Term())


def their_sum(served, request):
    return sum((total(theirs(served.model.sizes, request, phase)) for phase in PHASES), Term())


def idle_step(served):
    return total(step_terms(served.model.sizes, ()))


def all_reasons(served, request):
    return [reason for phase in PHASES for reason in reasons(served.model, request, phase)]


# vLLM's counters.


def test_vllms_counters_grow_by_the_rigs_arithmetic_to_the_last_unit(served, answered):
    for one in answered:
        expected = their_sum(served, one.request) + idle_step(served)
        grown = one.grown[FLOPS], one.grown[READ], one.grown[WRITTEN]
        assert grown == (expected.flops, expected.read, expected.written), one.request


def test_a_step_with_nothing_to_do_is_billed_all_weights_but_the_experts(served, answered):
    idle = idle_step(served)
    assert (idle.flops, idle.activations_read, idle.kv_read, idle.written) == (0, 0, 0, 0)
    for one in answered:
        assert one.grown[READ] - their_sum(served, one.request).read == idle.weights > 0


# Steps.


def test_vllm_counts_a_step_per_output_token_and_none_for_a_chunk_that_makes_no_output(answered):
    assert [one.grown[STEPS] for one in answered] == [one.request.output for one in answered]
    computed = [one.request.prompt - one.request.cached for one in answered]
    assert [one.grown[STEP_TOKENS] - one.grown[STEPS] for one in answered] == computed


def test_the_prefix_cache_holds_what_the_requests_were_taken_to_find_there(answered):
    assert [one.grown[CACHED] for one in answered] == [one.request.cached for one in answered]


# Pentameter's formulas.


def test_the_description_of_the_model_has_every_parameter_of_its_file(served, spec):
    described = spec.vectors + spec.embedding.parameters + (spec.unembedding.parameters if spec.unembedding else 0)
    for layer in spec.layers:
        experts = layer.experts.number * layer.experts.expert.parameters if layer.experts else 0
        described += layer.count * (sum(matrix.parameters for matrix in layer.dense) + layer.vectors + experts)
    assert described == sum(math.prod(shape) for shape in tensor_shapes(served.folder).values())


@phases
def test_part_by_part_the_accounts_differ_for_the_named_reasons_only(served, spec, phase):
    for request in served.requests:
        mine, vllms = ours(spec, request, phase), theirs(served.model.sizes, request, phase)
        explained = defaultdict(float)
        for reason in reasons(served.model, request, phase):
            explained[reason.part, reason.quantity] += reason.amount
        for part in mine.keys() | vllms.keys():
            for quantity in QUANTITIES:
                amount, its = (getattr(terms.get(part, Term()), quantity) for terms in (mine, vllms))
                expected = its + explained[part, quantity]
                assert amount == pytest.approx(expected, rel=ROUNDING, abs=1e-6), (request, part, quantity)


@phases
def test_the_parts_of_a_model_add_up_to_it(served, spec, phase):
    for request in served.requests:
        whole, summed = our_term(spec, request, phase), total(ours(spec, request, phase))
        for quantity in QUANTITIES:
            assert getattr(summed, quantity) == pytest.approx(getattr(whole, quantity), rel=ROUNDING)


def test_the_same_reasons_explain_the_difference_to_vllms_counters(served, spec, answered):
    for one in answered:
        mine, its, idle = our_sum(spec, one.request), their_sum(served, one.request), idle_step(served)
        amounts = defaultdict(float)
        for reason in all_reasons(served, one.request):
            amounts[reason.quantity] += reason.amount
        assert mine.flops - one.grown[FLOPS] == pytest.approx(amounts["flops"], rel=ROUNDING)
        explained = amounts["weights"] + amounts["kv_read"] - its.activations_read - idle.weights
        assert mine.read - one.grown[READ] == pytest.approx(explained, rel=1e-9)
        assert mine.written - one.grown[WRITTEN] == -its.activations_written


COMMON = {"no query sees", "norms", "embedding"}
REASONS = {
    "tiny-llama": {*COMMON, "its row"},
    "tiny-moe": {*COMMON, "its row", "router", "share experts", "dense layer"},
    "tiny-window": {*COMMON, "its row", "within the window", "reach back"},
    "tiny-mla": {*COMMON, "router", "share experts", "cache is compressed", "decodes on"},
}
"""Words of the reasons that a model is there for."""


def test_each_model_has_the_reasons_of_its_kind_and_no_others(served):
    found = {reason.why for request in served.requests for reason in all_reasons(served, request)}
    words = REASONS[served.name]
    assert {word for word in words if not any(word in why for why in found)} == set()
    assert {why for why in found if not any(word in why for word in words)} == set()


# Pentameter itself, as an exporter beside the server. Its plugin tells of each request, so that contexts are exact.

LATER = requests(256, [(11, 7), (150, 20), (80, 3)])
"""Sent one by one."""
AT_ONCE = requests(256, [(30 + n, 20 + 3 * n) for n in range(6)])
"""Sent together, so that one step serves several."""
kinds = pytest.mark.parametrize("kind", ["first", "later", "at once"])


@pytest.fixture(scope="module")
def watched(served, exporter, first):
    """Return what Pentameter made of each kind of traffic."""
    later, together = LATER, AT_ONCE
    return {
        "first": first,
        "later": look_on(served, exporter, later, lambda: served.ask(later, seed="later")),
        "at once": look_on(served, exporter, together, lambda: served.ask_at_once(together, seed="at once")),
    }


@kinds
def test_pentameters_steps_are_vllms(watched, kind):
    assert watched[kind].added("pentameter_engine_steps_total") == watched[kind].grown[STEPS] > 0


def assert_settled(watched, kind, said, expected):
    """The truth, or somewhat more where a page came before the records: a counter cannot take an estimate back.

    What was booked too much is made up for by later requests (tests/test_recorded_contexts.py), whose own part is then
    too small: so it is all traffic from the first on that is held against the truth.
    """
    until = [*watched][: [*watched].index(kind) + 1]
    assert sum(map(expected, until)) * (1 - COUNTED) <= sum(map(said, until)) <= 1.5 * sum(map(expected, until))


@kinds
@phases
def test_pentameters_flops_are_those_of_the_requests_however_they_were_batched(spec, watched, kind, phase):
    def expected(one):
        return sum(our_term(spec, request, phase).flops for request in watched[one].requests)

    assert_settled(watched, kind, lambda one: watched[one].flops(phase), expected)


@kinds
def test_pentameters_flops_of_all_are_those_of_prefill_and_decode(watched, kind):
    both = watched[kind].flops("prefill") + watched[kind].flops("decode")
    assert watched[kind].flops("all") == pytest.approx(both, rel=COUNTED)


@kinds
def test_vllms_flops_stand_beside_pentameters(watched, kind):
    assert watched[kind].flops("all", "vllm") == pytest.approx(watched[kind].grown[FLOPS], rel=COUNTED)


@kinds
@phases
def test_pentameters_reads_of_the_cache_are_those_of_the_requests(spec, watched, kind, phase):
    def expected(one):
        return sum(our_term(spec, request, phase).kv_read for request in watched[one].requests)

    assert_settled(watched, kind, lambda one: watched[one].read(phase, "kv"), expected)


@pytest.mark.parametrize("kind", ["later", "at once"])
def test_pentameter_reads_all_weights_but_the_experts_once_per_step(spec, watched, kind):
    """Where prompts are in one chunk: which steps held a prefill is inferred, and does not matter then."""
    steps = watched[kind].grown[STEPS]
    tokens = sum(request.prompt + request.output - 1 for request in watched[kind].requests)
    without = replace(spec, layers=tuple(replace(layer, experts=None) for layer in spec.layers))
    least = steps * step_weight_bytes(without, ONE_GPU, tokens / steps, 1)
    layers = [layer for layer in spec.layers if layer.experts]
    experts = steps * sum(layer.count * layer.experts.number * layer.experts.expert.stored_bytes for layer in layers)
    found = watched[kind].read("prefill", "weights") + watched[kind].read("decode", "weights")
    if layers:
        assert least < found <= least + experts
    else:
        assert found == pytest.approx(least, rel=COUNTED)
