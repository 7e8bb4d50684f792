"""Simulated traffic with its energy known by phase: what the split of energy is judged against.

The simulator's board draws its idle watts always; a step adds (active - idle watts) x its duration, and joules by its
FLOPs and bytes. What belongs to a prompt's token or to a decoded token is that phase's: its share of the step's
duration, of the FLOPs and of the cache. What a step costs whatever is in it (its base duration, the weights) is shared
by tokens, as ``model.moved`` shares the weights of a step that has both.
"""

from collections import Counter, deque
from dataclasses import dataclass, replace
from random import Random

from pentameter.readings import Histogram
from pentameter.simulator.counters import EngineCounters
from pentameter.simulator.engine import Engine
from pentameter.simulator.power import PowerMeter
from pentameter.simulator.presets import DEFAULT
from pentameter.simulator.traffic import NO_PREFIX, Request
from pentameter.split_meter import SplitMeter
from pentameter.windows import Interval

INF = float("inf")

RAG = {"prompt": (3000.0, 0.5), "output": (150.0, 0.6)}
LONG = {"prompt": (150.0, 0.8), "output": (600.0, 0.5)}
# A model some five times as great, on a board that idles lower.
GREAT = replace(
    DEFAULT,
    costs=replace(DEFAULT.costs, per_step=0.030, per_decode=6e-5, per_prefill_token=1.2e-4, per_context_token=2e-7),
    board=replace(DEFAULT.board, joules_per_flop=5e-12, joules_per_byte=0.5e-9, idle_watts=60.0),
)


@dataclass(frozen=True)
class Stretch:
    """Requests at a rate for some seconds; lengths are log-normal (median, sigma)."""

    seconds: float
    rate: float
    prompt: tuple[float, float] = (500.0, 0.9)
    output: tuple[float, float] = (200.0, 0.8)
    shared: bool = False
    """Whether prompts begin with the system prompts of the preset, as often as there."""


class Watched(Engine):
    """An engine that books its energy by phase."""

    def __init__(self, preset, counters, meter):
        super().__init__(preset, counters, meter)
        self.truth = Counter()
        self._board = preset.board

    def _account(self):
        super()._account()
        board, costs, model, step = self._board, self._costs, self._model, self._step
        decoded, computed, context = self._batch.size, self._prefilled, self._batch.context_tokens
        extra = board.active_watts - board.idle_watts

        def joules(seconds, flops, read, written):
            moved = model.kv_bytes_per_token * (read + written)
            return extra * seconds + board.joules_per_flop * flops + board.joules_per_byte * moved

        own = {
            "prefill": joules(
                costs.per_prefill_token * computed,
                2.0 * model.layer_parameters * computed
                + 2.0 * model.head_parameters * len(self._completing)
                + model.attention_flops_per_pair * self._pairs,
                self._reread,
                computed,
            ),
            "decode": joules(
                costs.per_decode * decoded + costs.per_context_token * context,
                2.0 * (model.layer_parameters + model.head_parameters) * decoded
                + model.attention_flops_per_pair * context,
                context,
                decoded,
            ),
        }
        shared = extra * costs.per_step + board.joules_per_byte * model.weight_bytes_read_per_step
        part = computed / (computed + decoded)
        whole = own["prefill"] + own["decode"] + shared
        # At the power limit all give way alike.
        most = (board.power_limit_watts - board.idle_watts) * (step.end - step.start)
        factor = min(1.0, most / whole)
        self.truth["prefill"] += factor * (own["prefill"] + shared * part)
        self.truth["decode"] += factor * (own["decode"] + shared * (1 - part))
        self.truth["clipped"] += factor < 1
        self.truth["prefill tokens"] += computed
        self.truth["decode tokens"] += decoded


def arrivals(stretches, seed, prefixes):
    """Yield requests; the stretches follow each other."""
    random, begin, number = Random(seed), 0.0, 0
    for stretch in stretches:
        time, end = begin, begin + stretch.seconds
        while stretch.rate > 0 and (time := time + random.expovariate(stretch.rate)) < end:
            number += 1
            prompt, output = (
                max(1, round(m * random.lognormvariate(0, s))) for m, s in (stretch.prompt, stretch.output)
            )
            prefix, tokens = drawn(random.random(), prefixes if stretch.shared else ())
            prompt = max(min(prompt, 12_000), tokens + 16)
            yield Request(number, time, prompt, min(output, 2000), 4000, prefix, tokens)
        begin = end


def drawn(point, prefixes):
    """Return the number of a prefix and its tokens."""
    for index, prefix in enumerate(prefixes):
        point -= prefix.share
        if point < 0:
            return index, prefix.tokens
    return NO_PREFIX, 0


def served(stretches, seed, *, preset=DEFAULT, every=1.0):
    """Yield (time, cumulative joules, engine) every so many seconds."""
    counters, meter = EngineCounters(preset.model.max_model_len), PowerMeter(preset.board, 0.0)
    engine = Watched(preset, counters, meter)
    pending, total = arrivals(stretches, seed, preset.traffic.prefixes), sum(stretch.seconds for stretch in stretches)
    coming = next(pending, None)
    for count in range(round(total / every) + 1):
        now = count * every
        while coming is not None and coming.arrival <= now:
            engine.advance_to(coming.arrival)
            engine.submit(coming)
            coming = next(pending, None)
        engine.advance_to(now)
        yield now, meter.at(now).joules, engine


def interval(before, after, seconds):
    """Return what the exporter makes of two pages, as far as the split reads it; each is what ``seen`` returned."""
    (gauge, *old), (late, *new) = before, after
    first, computed, prompts, tokens, steps, gaps = (b - a for a, b in zip(old, new, strict=True))

    def counting(number, total=0.0):
        return Histogram((INF,), (float(number),), total)

    return Interval(
        seconds,
        {
            "prompt_tokens": float(prompts),
            "prompt_tokens_by_source/local_compute": float(computed),
            "generation_tokens": float(tokens),
        },
        {"ttft": counting(first), "iteration_tokens": counting(steps), "inter_token": counting(1, gaps)},
        {"kv_cache_usage": gauge},
        {"kv_cache_usage": late},
    )


def seen(counters):
    """Return the gauge and the totals of a page that the split reads."""
    return (
        counters.kv_usage,
        counters.ttft.count,
        counters.prompt_tokens_by_source["local_compute"],
        counters.prompt_tokens,
        counters.generation_tokens,
        counters.iteration_tokens.count,
        counters.inter_token.sum,
    )


def follow(stretches, seed, *, preset=DEFAULT, offset=0.0, lag=0.0, tell=60.0):
    """Yield (time, what the split says, truth, joules measured) every ``tell`` seconds; truth is a cumulative counter.

    Pages are read every second, the energy ``offset`` later (0, 0.25, 0.5 or 0.75 s). The board brings its counter up
    to date at a moment within the last ``lag`` seconds.
    """
    meter, random = SplitMeter(), Random(f"lag {seed}")
    page = energy = first = None
    before = 0.0
    for now, joules, engine in served(stretches, seed, preset=preset, every=0.25 if offset or lag else 1.0):
        if now % 1.0 == 0.0:
            sight = seen(engine.counters)
            meter.take_page("a", now, {"0": interval(page, sight, 1.0) if page else None})
            page = sight
        if now % 1.0 == offset:
            shown = joules - min(lag, 0.25) * random.random() * (joules - before) / 0.25 if lag else joules
            first = shown if first is None else first
            meter.take_energy("a", now, 1e-9 if energy is None else shown - energy)
            energy = shown
        before = joules
        if now % tell == 0.0 and now:
            yield now, meter.drain("a"), Counter(engine.truth), (energy or 0.0) - (first or 0.0)


def true_joules_per_token(truth, earlier, phase):
    """Return a phase's true joules per token between two moments."""
    return (truth[phase] - earlier[phase]) / (truth[f"{phase} tokens"] - earlier[f"{phase} tokens"])


def errors(stretches, seed, **more):
    """Return (errors of every claim as shares of the truth by phase and ``idle``, times silent by reason)."""
    told, silent, past = {"idle": [], "prefill": [], "decode": []}, Counter(), deque([(0.0, Counter())])
    idle = more.get("preset", DEFAULT).board.idle_watts
    for now, split, truth, _ in follow(stretches, seed, **more):
        past.append((now, truth))
        while past[0][0] < now - 3600.0:
            past.popleft()
        silent[split.silent] += 1
        if split.fit is None:
            continue
        if split.fit.idle_watts is not None:
            told["idle"].append(split.fit.idle_watts / idle - 1)
        for phase, (joules, _) in split.fit.joules_per_token.items():
            told[phase].append(joules / true_joules_per_token(truth, past[0][1], phase) - 1)
    return told, silent
