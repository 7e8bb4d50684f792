"""Windows of a made-up server whose capacity is known.

The quantile at 90 % of value / threshold is S = 1 / (c0 - (c0 - 1) * rate / knee): 1 / S falls on a straight line and
is 1 at the knee. A value exceeds the threshold with probability 0.1 ** (1 / S) ** 4, which is 10 % at the knee too.
"""

import math
import random

from pentameter.capacity.load import LoadWindow

HOUR, DAY = 3600.0, 86_400.0


def severity_at(rate, knee, start=2.0):
    return 1 / max(0.1, start - (start - 1) * rate / knee)


def attainment_at(severity):
    return 1 - 0.1 ** ((1 / severity) ** 4)


def window(rate, *, good=None, seconds=300.0, at=0.0, severity=0.5, objective="tpot", **others):
    """Return a window of a rate, all of it good unless a share is given."""
    count = round(rate * seconds)
    kept = count if good is None else round(good * count)
    margins = {objective: severity} if objective else {}
    return LoadWindow(
        at, seconds, count, count, kept, severity=severity, margins=margins, output_tokens=200.0, **others
    )


def on_the_line(rate, knee, *, start=2.0, **others):
    """Return a window of the made-up server without any chance in it."""
    severity = severity_at(rate, knee, start)
    return window(rate, good=attainment_at(severity), severity=severity, **others)


def day(highest, knee, *, start=2.0, count=288, **others):
    """Return a day without chance: rates evenly spread from a quarter of the highest one up to it."""
    step = DAY / count
    rates = [highest * (0.25 + 0.75 * i / (count - 1)) for i in range(count)]
    return [on_the_line(rate, knee, start=start, at=step * i, **others) for i, rate in enumerate(rates)]


def noisy_day(seed, highest, knee, start, seconds=300.0):
    """Return a day with all the chance that counting brings, and some more in the severity."""
    source = random.Random(seed)
    windows = []
    for i in range(int(DAY / seconds)):
        rate = highest * (0.25 + 0.75 * (0.5 + 0.5 * math.cos(2 * math.pi * i * seconds / DAY)))
        rate *= math.exp(source.gauss(0, 0.1))
        expected = rate * seconds
        count = max(1, round(source.gauss(expected, math.sqrt(expected))))
        severity = severity_at(rate, knee, start) * math.exp(source.gauss(0, 0.05))
        share = attainment_at(severity)
        good = min(count, max(0, round(source.gauss(count * share, math.sqrt(count * share * (1 - share))))))
        windows.append(
            LoadWindow(i * seconds, seconds, count, count, good, severity=severity, margins={"tpot": severity})
        )
    return windows
