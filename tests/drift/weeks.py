"""Six simulated weeks of a server under daily traffic, through the product's own book, and what would have alerted.

The server is a fluid one. A step takes ``slope`` longer for every running request (its own work, its share of the
prompts that are computed meanwhile, the reading of its context) on top of ``FLOOR`` (the weights). With Little's law
the batch is ``rate x output tokens x step time``, which gives the batch at any rate, up to where it has no solution:
there the server is full, and the batch is at its limit. Nothing here is measured: it shows what a detector does, not
what a server does.
"""

import math
import random
from dataclasses import dataclass

from pentameter.drift.book import DriftBook
from pentameter.drift.tally import Tally

HOUR, DAY = 3600.0, 86_400.0
WEEKS = 6
CHANGE = 4 * 7 * DAY + 10 * HOUR
QUIET = 15 * DAY
"""From here to the change every detector knows enough: nearly two weeks."""
HOLIDAY = (CHANGE - 10 * DAY, CHANGE - 9 * DAY)
KINDS = ("none", "holiday", "price +20 %", "efficiency -15 %", "ramp -1 %/day", "traffic -30 %", "prompts x2")
START = 20_000 * DAY
"""Of the clock: midnight."""

PROMPT, OUTPUT = 512.0, 256.0
FLOOR = 7e-3
OWN, PER_PROMPT_TOKEN, PER_CONTEXT_TOKEN = 3e-5, 5e-5, 4e-8
"""Seconds of a step: a request's own, and per token computed or read."""
BATCH = 256.0
TPOT_SLO = 0.05
PEAK = 0.8
"""Of the rate at which a token takes as long as the SLO allows."""


@dataclass(frozen=True)
class Then:
    """What differs at one moment."""

    price: float = 4.0
    slower: float = 1.0
    traffic: float = 1.0
    prompts: float = 1.0


def at(kind, time):
    """Return what a kind of weeks has changed at a moment."""
    days = (time - CHANGE) / DAY
    if kind == "holiday" and HOLIDAY[0] <= time < HOLIDAY[1]:
        return Then(traffic=0.35)
    if days < 0:
        return Then()
    return {
        "price +20 %": Then(price=4.8),
        "efficiency -15 %": Then(slower=1 / 0.85),
        "ramp -1 %/day": Then(slower=0.99 ** -(1 + int(days))),
        "traffic -30 %": Then(traffic=0.7),
        "prompts x2": Then(prompts=2.0),
    }.get(kind, Then())


def slope(prompt, output):
    """Return how much longer a step takes for every running request."""
    return OWN + PER_PROMPT_TOKEN * prompt / output + PER_CONTEXT_TOKEN * (prompt + output / 2)


def batch_at(rate, prompt, output, slower):
    """Return the mean batch, and the requests per second that are really served."""
    step, more = FLOOR * slower, slope(prompt, output) * slower
    left = 1 - rate * output * more
    batch = rate * output * step / left if left > 0 else math.inf
    if batch <= BATCH:
        return batch, rate
    return BATCH, BATCH / (step + more * BATCH) / output


def knee(then=None):
    """Return the requests per second at which a token takes as long as the SLO allows."""
    then = then or Then()
    step, more = FLOOR * then.slower, slope(PROMPT * then.prompts, OUTPUT) * then.slower
    return (TPOT_SLO - step) / more / TPOT_SLO / OUTPUT


def usual(time):
    """Return the share of the highest load by the hour and the day of the week."""
    hour, weekend = time % DAY / HOUR, int(time // DAY) % 7 >= 5
    daily = 0.25 + 0.75 * ((1 + math.cos(2 * math.pi * (hour - 14) / 24)) / 2) ** 1.5
    return daily * (0.6 if weekend else 1.0)


class Wander:
    """A value that strays around 0, forgetting a tenth of itself in an hour."""

    def __init__(self, chance, spread, seconds):
        self._keep = 0.9 ** (seconds / HOUR)
        self._jump = spread * math.sqrt(1 - self._keep**2)
        self._chance, self.value = chance, 0.0

    def step(self):
        self.value = self._keep * self.value + self._chance.gauss(0, self._jump)
        return self.value


def spans(kind, seed, seconds=300.0, weeks=WEEKS):
    """Yield (time at its end, what the server did) of every span."""
    chance = random.Random(seed)
    traffic, prompts, outputs = (Wander(chance, spread, seconds) for spread in (0.115, 0.04, 0.04))
    peak = PEAK * knee()
    for i in range(round(weeks * 7 * DAY / seconds)):
        time = i * seconds
        then = at(kind, time)
        prompt = PROMPT * then.prompts * math.exp(prompts.step())
        output = OUTPUT * math.exp(outputs.step())
        rate = peak * usual(time) * then.traffic * math.exp(traffic.step())
        # Chance in the number of requests, and in the lengths of so many.
        rate = max(0.0, chance.gauss(rate, math.sqrt(2 * rate / seconds)))
        yield time + seconds, _span(seconds, rate, prompt, output, then, chance)


def _span(seconds, rate, prompt, output, then, chance):
    batch, served = batch_at(rate, prompt, output, then.slower)
    busy = 1 - math.exp(-batch)  # the chance that of a Poisson number of requests at least one runs
    tokens = served * output * seconds
    running = batch * seconds * chance.gauss(1, 0.01)
    decode = batch / served / output * tokens * chance.gauss(1, 0.02) if served else 0.0
    computed = served * (prompt + output) * PER_PROMPT_TOKEN * then.slower
    watts = (110 + 190 * busy + 300 * computed) * chance.gauss(1, 0.01)
    dollars = (then.price + watts / 1000 * 1.3 * 0.12) * seconds / HOUR
    amounts = {"active": busy * seconds, "running": running, "tokens": tokens, "dollars": dollars}
    amounts |= {"decode": decode, "decoded": tokens, "joules/gpu": watts * seconds, "joules/it": watts * seconds}
    return Tally(seconds, {key: (amount, seconds) for key, amount in amounts.items()})


def cost_at_capacity(time, kind):
    """Return dollars per million tokens at the true capacity; a live estimate has errors of its own."""
    then = at(kind, time)
    return then.price / (knee(then) * OUTPUT * HOUR) * 1e6


DETECTORS = {
    "raw, 1 h against the day before > 1.15": lambda drift: _raw(drift, "1h") > 1.15,
    "raw, 24 h against the week before > 1.15": lambda drift: _raw(drift, "1d") > 1.15,
    "$/token at the same load > 1.05": lambda drift: _matched(drift, "cost_per_token") > 1.05,
    "J/token at the same load > 1.05": lambda drift: _matched(drift, "energy_per_token") > 1.05,
    "TPOT at the same batch > 1.05": lambda drift: _matched(drift, "tpot") > 1.05,
    "$/token at capacity > 1.05": lambda drift: _matched(drift, "at_capacity/chat") > 1.05,
    "TPOT at the same batch, pinned > 1.05": lambda drift: _matched(drift, "tpot", "pinned") > 1.05,
}


def _raw(drift, window):
    ratios = [c.ratio for c in drift.causes if (c.figure, c.window, c.cause) == ("cost", window, "all")]
    return ratios[0] if ratios else 1.0


def _matched(drift, quantity, against="rolling"):
    found = [m.comparison.ratio for m in drift.matched if (m.quantity, m.against) == (quantity, against)]
    return found[0] if found and found[0] is not None else 1.0


def alerts(kind, seed, seconds=300.0, weeks=WEEKS, pin_after=14 * DAY):
    """Return for every detector the hours at which it alerts; the baseline is the first two weeks."""
    book, said = DriftBook(), {name: [] for name in DETECTORS}
    pinned = False
    for time, span in spans(kind, seed, seconds, weeks):
        book.add(START + time, span, {"chat": cost_at_capacity(time, kind)})
        if not pinned and time >= pin_after:
            book.pin(DriftBook.from_state(book.to_state()))
            pinned = True
        if time % HOUR == 0:
            drift = book.drift(START + time)
            for name, detector in DETECTORS.items():
                if detector(drift):
                    said[name].append(time)
    return said


def episodes(times, first, end, gap=12 * HOUR):
    """Return how many alerts begin within a span; a pause of up to half a day does not end one."""
    inside = [time for time in times if first <= time < end]
    return sum(1 for i, time in enumerate(inside) if i == 0 or time - inside[i - 1] > gap)


def delay(times):
    """Return the hours from the change to the first alert after it, or None."""
    return next(((time - CHANGE) / HOUR for time in times if time > CHANGE), None)
