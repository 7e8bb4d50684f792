"""What an engine did between two pages: tokens, contexts and steps by phase, against counting one by one."""

import math
import random
from itertools import pairwise

import pytest

from builders import finished
from pentameter.model.contexts import Reach
from pentameter.readings import Histogram
from pentameter.windows import Interval
from pentameter.work import (
    Contexts,
    Counted,
    Steps,
    contexts_by_page,
    contexts_of,
    counted,
    kinds_of_steps,
    spread,
    traffic,
)

FULL, WINDOW, CHUNKS = Reach(), Reach(100), Reach(100, chunked=True)
REACHES = (FULL, WINDOW, CHUNKS)


def number(count):
    return Histogram((math.inf,), (float(count),), 0.0)


def page(*, prompts=4, prompted=1000, generated=404, steps=120, **more):
    """Return what a page's counters grew by."""
    return Interval(
        10.0,
        {"prompt_tokens": float(prompted), "generation_tokens": float(generated)} | more,
        {"ttft": number(prompts), "iteration_tokens": number(steps)},
    )


# ---------------------------------------------------------------------------- what was counted


def test_decoded_tokens_are_the_generated_ones_less_the_first_of_every_prefill():
    assert counted(page(), computed=700.0) == Counted(
        prompts=4, computed=700, cached=300, decoded=400, sampled=404, steps=120
    )


def test_drafts_are_verified_whether_they_are_accepted_or_not():
    # 100 drafted, 60 of them accepted and generated: 40 more went through the model.
    done = counted(page(spec_decode_draft_tokens=100.0, spec_decode_accepted_tokens=60.0), computed=1000.0)
    assert (done.decoded, done.sampled) == (440, 444)


def test_what_is_counted_is_never_below_zero_nor_above_the_prompts():
    # Hits are counted on admission, prompts when they are complete: over a short time either may run ahead.
    ahead = counted(page(prompted=0, generated=0, prompts=3), computed=50.0)
    assert (ahead.computed, ahead.cached, ahead.decoded) == (0, 0, 0)


@pytest.mark.parametrize("missing", ["prompt_tokens", "generation_tokens", "ttft", "iteration_tokens"])
def test_without_one_of_the_counters_nothing_is_known(missing):
    whole = page()
    deltas = {key: value for key, value in whole.deltas.items() if key != missing}
    histograms = {key: value for key, value in whole.histograms.items() if key != missing}
    assert counted(Interval(10.0, deltas, histograms), computed=1000.0) is None
    assert counted(whole, computed=None) is None


# ---------------------------------------------------------------------------- contexts of one request


def seen_by(reach, position):
    """Return the positions that the query at a position (from 1) sees, counted one by one."""
    return [
        other
        for other in range(1, position + 1)
        if reach.window is None
        or (reach.chunked and (other - 1) // reach.window == (position - 1) // reach.window)
        or (not reach.chunked and position - other < reach.window)
    ]


def brute(reach, prompt, cached, output, budget):
    """Return (prefill, decode, cache read by the prefill) of a request, position by position and chunk by chunk."""
    prefill = sum(len(seen_by(reach, position)) for position in range(cached + 1, prompt + 1))
    decode = sum(len(seen_by(reach, position)) for position in range(prompt + 1, prompt + output))
    cuts = [*range(cached, prompt, budget), prompt]
    read = sum(
        len({other for position in range(start + 1, end + 1) for other in seen_by(reach, position)})
        for start, end in pairwise(cuts)
    )
    return prefill, decode, read


@pytest.mark.parametrize("reach", REACHES, ids=["full", "window", "chunks"])
@pytest.mark.parametrize(
    ("prompt", "cached", "output", "budget"),
    [
        pytest.param(7, 0, 1, 100, id="one token"),
        pytest.param(250, 0, 40, 1000, id="in one chunk"),
        pytest.param(250, 0, 40, 64, id="in chunks"),
        pytest.param(250, 160, 40, 64, id="after a hit"),
    ],
)
def test_contexts_of_a_request_are_those_counted_one_by_one(reach, prompt, cached, output, budget):
    request = finished(output, prompt_tokens=prompt, cached_tokens=cached)
    contexts = contexts_of(request, [reach], budget)
    prefill, decode, read = brute(reach, prompt, cached, output, budget)
    assert (contexts.prefill, contexts.decode) == ({reach: prefill}, {reach: decode})
    assert contexts.prefill_cache == {reach: read}


def test_a_prompt_that_was_cached_whole_still_computes_its_last_position():
    contexts = contexts_of(finished(2, prompt_tokens=10, cached_tokens=10), [FULL], None)
    # Its query sees ten positions and reads as many; the decode step sees eleven.
    assert contexts == Contexts({FULL: 10}, {FULL: 11}, {FULL: 10})


def test_a_request_of_which_the_cache_is_unknown_counts_as_computed_and_one_without_output_as_prefill():
    assert contexts_of(finished(0, prompt_tokens=4), [FULL], None) == Contexts({FULL: 10}, {FULL: 0}, {FULL: 4})
    assert contexts_of(finished(0, prompt_tokens=0), [FULL], None) == Contexts({FULL: 0}, {FULL: 0}, {FULL: 0})


# ---------------------------------------------------------------------------- contexts from a page


def test_alike_requests_have_the_contexts_that_they_have_by_records():
    # Five requests of 200 prompt tokens, 40 cached, and 21 output tokens: the mean context of 20 steps is 210.5.
    done = Counted(prompts=5, computed=800, cached=200, decoded=100, sampled=105, steps=100)
    one = finished(21, prompt_tokens=200, cached_tokens=40)
    for reach in (FULL, WINDOW):
        exact = contexts_of(one, [reach], 64)
        inferred = contexts_by_page(done, [reach], 210.5, 1.0, 64)
        assert inferred.prefill == {reach: 5 * exact.prefill[reach]}
        assert inferred.decode == {reach: pytest.approx(5 * exact.decode[reach])}
        assert inferred.prefill_cache == {reach: 5 * exact.prefill_cache[reach]}


def test_uneven_prompts_cost_more_by_their_unevenness_unless_a_window_is_shorter():
    done = Counted(prompts=2, computed=400, cached=0, decoded=0, sampled=2, steps=2)
    even = contexts_by_page(done, [FULL, WINDOW], None, 1.0, None)
    uneven = contexts_by_page(done, [FULL, WINDOW], None, 1.5, None)
    # 2 x 200 x 201 / 2
    assert even.prefill[FULL] == 40_200
    assert uneven.prefill[FULL] == 60_300
    assert uneven.prefill[WINDOW] == even.prefill[WINDOW]


def test_within_a_window_prompts_are_as_uneven_as_without():
    done = Counted(prompts=2, computed=160, cached=0, decoded=0, sampled=2, steps=2)
    assert contexts_by_page(done, [WINDOW], None, 2.0, None).prefill == {WINDOW: 2 * 2 * 80 * 81 / 2}


@pytest.mark.parametrize(
    ("reach", "context", "each"),
    [
        pytest.param(FULL, 250.0, 250, id="all of it"),
        pytest.param(WINDOW, 250.0, 100, id="at most the window"),
        pytest.param(WINDOW, 50.0, 50, id="shorter than the window"),
        pytest.param(CHUNKS, 250.0, 50.5, id="somewhere in its chunk"),
        pytest.param(CHUNKS, 50.0, 50, id="in the first chunk"),
        pytest.param(FULL, 0.2, 1, id="at least itself"),
        pytest.param(FULL, None, 200, id="unknown: the mean prompt"),
    ],
)
def test_a_decode_step_sees_the_mean_context(reach, context, each):
    done = Counted(prompts=2, computed=400, cached=0, decoded=30, sampled=32, steps=30)
    assert contexts_by_page(done, [reach], context, 1.0, None).decode == {reach: 30 * each}


def test_without_prompts_there_is_no_prefill_and_no_cache_is_read_for_it():
    done = Counted(prompts=0, computed=0, cached=0, decoded=30, sampled=30, steps=30)
    contexts = contexts_by_page(done, [FULL], 100.0, 1.0, None)
    assert contexts == Contexts({FULL: 0}, {FULL: 3000}, {FULL: 0})


# ---------------------------------------------------------------------------- unevenness


def lengths(*cumulative, bounds=(100.0, 400.0, math.inf)):
    return Histogram(bounds, tuple(float(one) for one in cumulative), 0.0)


def test_lengths_in_one_bucket_are_even():
    assert spread(lengths(0, 10, 10)) == pytest.approx(1.0)
    assert spread(lengths(10, 10, 10)) == pytest.approx(1.0)


def test_lengths_in_two_buckets_are_uneven_by_their_middles():
    # Middles 10 (of 1 to 100) and 200: (100 + 40,000) / 2 over 105 squared.
    assert spread(lengths(5, 10, 10)) == pytest.approx(20_050 / 11_025)


def test_lengths_above_the_last_bound_count_as_that_bound():
    # 200 and 400: (40,000 + 160,000) / 2 over 300 squared.
    assert spread(lengths(0, 5, 10)) == pytest.approx(100_000 / 90_000)


@pytest.mark.parametrize("unknown", [None, lengths(0, 0, 0)], ids=["no histogram", "no observation"])
def test_unknown_lengths_are_taken_as_even(unknown):
    assert spread(unknown) == 1.0


def test_log_normal_lengths_are_uneven_by_their_variance():
    rng = random.Random(5)
    sigma = 0.8
    bounds = (*(float(step * 10**power) for power in range(5) for step in (1, 2, 5)), math.inf)
    values = [rng.lognormvariate(math.log(300), sigma) for _ in range(20_000)]
    histogram = Histogram(bounds, tuple(float(sum(value <= bound for value in values)) for bound in bounds), 0.0)
    # E[x^2] / E[x]^2 of a log-normal is exp(sigma^2) = 1.896; buckets of 1, 2, 5 tell it within a tenth.
    assert spread(histogram) == pytest.approx(math.exp(sigma**2), rel=0.1)


# ---------------------------------------------------------------------------- kinds of steps


def kinds(done, decoding, budget):
    steps = kinds_of_steps(done, decoding, budget)
    return {"decode": steps.decode, "prefill": steps.prefill, "mixed": steps.mixed}


def about(decode, prefill, mixed):
    return pytest.approx({"decode": decode, "prefill": prefill, "mixed": mixed}, abs=1e-9)


def one_by_one(requests, prompt, output, budget=None):
    """Return what is counted of requests that run one after the other, and the steps that they take."""
    parts = math.ceil(prompt / budget) if budget else 1
    done = Counted(
        prompts=requests,
        computed=requests * prompt,
        cached=0,
        decoded=requests * (output - 1),
        sampled=requests * output,
        steps=requests * output,
    )
    return done, about(requests * (output - 1), requests * parts, 0)


@pytest.mark.parametrize("decoding", [0.0, 0.3, 1.0, 3.0], ids="decoding {}".format)
@pytest.mark.parametrize(
    ("requests", "prompt", "output", "budget"),
    [
        pytest.param(1, 50, 20, 8192, id="one"),
        pytest.param(10, 50, 20, 8192, id="ten"),
        pytest.param(10, 50, 1, 8192, id="of one token"),
        pytest.param(10, 5000, 20, 2048, id="in three chunks, of which vLLM counts the last"),
        pytest.param(10, 50, 20, None, id="of unknown budget"),
    ],
)
def test_requests_one_after_the_other_take_a_prefill_and_a_decode_step_per_further_token(
    decoding, requests, prompt, output, budget
):
    done, steps = one_by_one(requests, prompt, output, budget)
    assert kinds(done, decoding, budget) == steps


def test_decodes_alone():
    done = Counted(prompts=0, computed=0, cached=0, decoded=500, sampled=500, steps=50)
    assert kinds(done, 10.0, 8192) == about(50, 0, 0)


def test_without_steps_there_are_none():
    done = Counted(prompts=0, computed=0, cached=0, decoded=0, sampled=0, steps=0)
    assert kinds(done, 0.0, 8192) == about(0, 0, 0)


def test_prefills_alone_are_as_many_steps_as_made_output():
    # Ten prompts for one token each, in four steps.
    done = Counted(prompts=10, computed=1000, cached=0, decoded=0, sampled=10, steps=4)
    assert kinds(done, 0.0, 8192) == about(0, 4, 0)


def test_in_a_busy_engine_prefills_meet_decodes_and_sometimes_each_other():
    # Two prefills in 100 steps meet in one of them with probability 1 / 100.
    done = Counted(prompts=2, computed=200, cached=0, decoded=5000, sampled=5002, steps=100)
    assert kinds(done, 50.0, 8192) == about(98.01, 0, 1.99)


def test_chunks_of_long_prompts_meet_decodes_too():
    # 10,000 tokens in chunks of 2,048 are five steps that hold a prefill, as good as apart in 10,000.
    done = Counted(prompts=1, computed=10_000, cached=0, decoded=500_000, sampled=500_001, steps=10_000)
    found = kinds(done, 50.0, 2048)
    assert found["mixed"] == pytest.approx(5, rel=0.001)
    assert found["prefill"] == pytest.approx(0, abs=1e-9)


def test_with_as_many_prefills_as_steps_nearly_two_thirds_hold_one():
    # 1 - 1/e of many
    done = Counted(prompts=1000, computed=1000, cached=0, decoded=50_000, sampled=51_000, steps=1000)
    assert kinds_of_steps(done, 50.0, 8192).mixed == pytest.approx(632, abs=1)


def test_a_prefill_meets_nobody_with_the_probability_that_nobody_is_there():
    # One request decodes on average: 1/e of the prefills find nobody, the others somebody.
    done = Counted(prompts=10, computed=1000, cached=0, decoded=20_000, sampled=20_010, steps=10_000)
    steps = kinds_of_steps(done, 1.0, 8192)
    assert steps.prefill == pytest.approx(10 / math.e)
    assert steps.mixed == pytest.approx(10 - 10 / math.e, rel=0.001)


def test_kinds_of_steps_are_never_negative_and_those_with_output_never_more_than_were_counted():
    rng = random.Random(11)
    for _ in range(2000):
        prompts, steps = rng.randrange(30), rng.randrange(60)
        decoded = rng.choice([0, rng.randrange(300)])
        computed = prompts * rng.randrange(1, 9000)
        done = Counted(prompts, computed, 0, decoded, prompts + decoded, steps)
        found = kinds(done, rng.choice([0.0, rng.random() * 9]), rng.choice([None, 512, 8192]))
        assert min(found.values()) >= 0
        assert found["decode"] + found["mixed"] <= steps + 1e-9
        assert sum(found.values()) >= steps - 1e-9


def test_traffic_is_what_was_counted_and_seen():
    done = Counted(prompts=2, computed=10, cached=5, decoded=20, sampled=22, steps=9)
    one = traffic(done, Steps(6.0, 1.0, 2.0), Contexts({FULL: 1}, {FULL: 2}, {FULL: 3}))
    assert (one.prefill_tokens, one.decode_tokens, one.prefill_samples) == (10, 20, 2)
    assert (one.decode_steps, one.prefill_steps, one.mixed_steps) == (6, 1, 2)
    assert (one.prefill_seen, one.decode_seen, one.prefill_cached_read) == ({FULL: 1}, {FULL: 2}, {FULL: 3})
