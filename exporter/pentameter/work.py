"""What an engine did between two pages, as the model's formulas need it: tokens, contexts and steps by phase.

vLLM's page counts tokens and steps; it says nothing of contexts, nor which steps held a prefill. Contexts are inferred
from how full the cache is, or known from request records; the kinds of steps are inferred from their numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pentameter.model.contexts import decode_seen, prefill_read, prefill_seen, seen
from pentameter.model.moved import Traffic

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pentameter.model.contexts import Reach
    from pentameter.readings import Histogram
    from pentameter.records import FinishedRequest
    from pentameter.windows import Interval


@dataclass(frozen=True, slots=True)
class Contexts:
    """Positions that the queries of some requests saw, by how far each layer sees."""

    prefill: Mapping[Reach, float] = field(default_factory=dict)
    decode: Mapping[Reach, float] = field(default_factory=dict)
    prefill_cache: Mapping[Reach, float] = field(default_factory=dict)
    """Positions of the cache that prefill read, each chunk its own and those before it."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What a page's counters grew by, in tokens, requests and steps."""

    prompts: float
    """Requests that had their first token: prefills that were completed."""
    computed: float
    """Prompt tokens that went through the model."""
    cached: float
    """Prompt tokens that the cache or a transfer supplied."""
    decoded: float
    """Tokens that went through the model one by one, or as drafts to be verified."""
    sampled: float
    """Positions whose next token was computed."""
    steps: float


def counted(interval: Interval, *, computed: float | None) -> Counted | None:
    """Return what happened in an interval; None where the page lacks a counter that this needs.

    Every completed prefill makes a request's first output token, which no decode step makes: decode tokens are the
    generated ones less the prefills. With speculative decoding every draft is verified whether it is accepted or not:
    the rejected ones are work too.
    """
    first = interval.histograms.get("ttft")
    steps = interval.histograms.get("iteration_tokens")
    prompted, generated = interval.delta("prompt_tokens"), interval.delta("generation_tokens")
    if first is None or steps is None or prompted is None or generated is None or computed is None:
        return None
    drafted = interval.delta("spec_decode_draft_tokens") or 0.0
    accepted = interval.delta("spec_decode_accepted_tokens") or 0.0
    decoded = max(0.0, generated - first.count) + max(0.0, drafted - accepted)
    return Counted(
        prompts=first.count,
        computed=max(0.0, min(computed, prompted)),
        cached=max(0.0, prompted - computed),
        decoded=decoded,
        sampled=first.count + decoded,
        steps=steps.count,
    )


def contexts_of(request: FinishedRequest, reaches: Iterable[Reach], budget: float | None) -> Contexts:
    """Return what the queries of one finished request saw, exactly, if it was neither preempted nor cut off."""
    prompt, output = request.prompt_tokens, request.output_tokens
    # vLLM always computes at least the last position of a prompt, whatever is cached.
    cached = min(request.cached_tokens or 0, max(prompt - 1, 0))
    reaches = tuple(reaches)
    return Contexts(
        prefill={reach: prefill_seen(reach, prompt, cached) for reach in reaches},
        decode={reach: decode_seen(reach, prompt, output) for reach in reaches},
        prefill_cache={reach: prefill_read(reach, prompt, cached, budget or math.inf) for reach in reaches},
    )


def spread(lengths: Histogram | None) -> float:
    """Return E[x^2] / E[x]^2 of lengths in buckets, at least 1: how much more attention uneven prompts need than even.

    Every observation counts as the geometric middle of its bucket, one above the last finite bound as that bound.
    """
    if lengths is None or lengths.count <= 0:
        return 1.0
    total = first = second = below = lower = 0.0
    for bound, cumulative in zip(lengths.bounds, lengths.counts, strict=True):
        number, below = cumulative - below, cumulative
        middle = lower if math.isinf(bound) else math.sqrt(max(lower, 1.0) * bound)
        lower = bound
        total += number
        first += number * middle
        second += number * middle**2
    return max(1.0, second * total / first**2) if first > 0 else 1.0


def contexts_by_page(
    done: Counted, reaches: Iterable[Reach], context: float | None, unevenness: float, budget: float | None
) -> Contexts:
    """Return what queries saw as far as a page tells: prompts of the mean length, sequences of the mean context.

    ``context`` is the mean length of the running sequences, ``unevenness`` E[x^2] / E[x]^2 of the prompts' lengths.
    A context that nobody knows counts as the mean prompt.
    """
    prompts = max(done.prompts, 1e-9)
    prompt, cached = (done.computed + done.cached) / prompts, done.cached / prompts
    if context is None:
        context = prompt if done.prompts else 0.0
    prefill, decode, cache = {}, {}, {}
    for reach in reaches:
        # With a window the sum grows evenly with the length, and unevenness matters the less the shorter the window.
        factor = unevenness if reach.window is None or prompt <= reach.window else 1.0
        prefill[reach] = factor * done.prompts * seen(reach, cached, prompt) if done.prompts else 0.0
        length = min(max(context, 1.0), reach.window or math.inf)
        if reach.chunked and reach.window is not None and context > reach.window:
            length = (reach.window + 1) / 2  # somewhere in its chunk
        decode[reach] = done.decoded * length
        cache[reach] = done.prompts * prefill_read(reach, prompt, cached, budget or math.inf) if done.prompts else 0.0
    return Contexts(prefill, decode, cache)


@dataclass(frozen=True, slots=True)
class Steps:
    """How many steps held what."""

    decode: float
    """Decodes alone."""
    prefill: float
    """Prefills alone."""
    mixed: float


def kinds_of_steps(done: Counted, decoding: float, budget: float | None) -> Steps:
    """Return how many steps held decodes, prefills or both, as far as numbers tell.

    ``decoding`` is the mean number of requests that decoded over the time, idle time included, ``budget`` the most
    tokens of a step. A prefill meets nobody who decodes with probability exp(-decoding), as if requests came and went
    at random. At least the steps beyond the decoded tokens held no decode, because every step with decodes makes one
    token or more: that makes requests one after the other exact. The n chunks of the other prefills fall into the S
    steps with decodes as if at random, so that S (1 - (1 - 1/S)^n) of these hold one. A step that holds but a part of
    a prompt and no decode makes no output, and vLLM does not count it: it is added.
    """
    if done.steps <= 0:
        return Steps(0.0, 0.0, 0.0)
    if done.prompts <= 0:
        return Steps(done.steps, 0.0, 0.0)
    parts = max(1, math.ceil(done.computed / done.prompts / budget)) if budget else 1
    lonely = max(done.steps - done.decoded, done.prompts * math.exp(-decoding))
    lonely = min(lonely, done.prompts, done.steps)
    share = min(1.0, lonely / done.prompts)
    met = (done.prompts * parts) * (1.0 - share)
    rest = done.steps - lonely
    mixed = min(met, rest * (1.0 - (1.0 - 1.0 / max(rest, 1.0)) ** met))
    return Steps(rest - mixed, lonely + done.prompts * (parts - 1) * share, mixed)


def traffic(done: Counted, steps: Steps, contexts: Contexts) -> Traffic:
    """Return what the formulas of bytes need."""
    return Traffic(
        prefill_tokens=done.computed,
        decode_tokens=done.decoded,
        prefill_samples=done.prompts,
        decode_steps=steps.decode,
        prefill_steps=steps.prefill,
        mixed_steps=steps.mixed,
        prefill_seen=contexts.prefill,
        decode_seen=contexts.decode,
        prefill_cached_read=contexts.prefill_cache,
    )
