"""Exact conversion factors; no other module may contain a conversion literal.

Everything inside Pentameter is in base units (seconds, bytes, joules, watts, grams, dollars, ratios 0-1).
"""

NANO = 1e-9
"""SI nano: NVML's nanoseconds become seconds."""

MILLI = 1e-3
"""SI milli: NVML's milliwatts and millijoules become watts and joules."""

KILO = 1000
"""SI kilo: kilograms become grams."""

GIGA = 1e9
"""SI giga: a datasheet's GB/s become bytes per second."""

TERA = 1e12
"""SI tera: a datasheet's TFLOPS become FLOP/s."""

MEBI = 1024 * 1024
GIBI = 1024 * MEBI
"""IEC mebi: MiB become bytes."""

WATTS_PER_KILOWATT = 1000
"""Electricity and places for machines are paid by the kilowatt."""

PERCENT = 1e-2
"""A percentage becomes a ratio 0-1."""

SECONDS_PER_MINUTE = 60
SECONDS_PER_HOUR = 3600
SECONDS_PER_DAY = 86_400
SECONDS_PER_YEAR = 365 * SECONDS_PER_DAY
"""As the Software Carbon Intensity counts years."""

HOURS_PER_YEAR = 8760
"""365 days: as leases, depreciation and the Software Carbon Intensity count them."""

HOURS_PER_MONTH = HOURS_PER_YEAR / 12
"""730: as clouds turn monthly prices into hourly ones."""

JOULES_PER_KWH = 3_600_000
"""1 kWh = 1000 W x 3600 s."""

POUNDS_PER_MWH = 453.59237 / 1000
"""The international pound is 453.59237 g: pounds per megawatt-hour become grams per kilowatt-hour."""

MILLION = 1_000_000
"""Prices are quoted per million tokens."""


def joules_to_kwh(joules: float) -> float:
    """Return the energy in kilowatt-hours.

    >>> joules_to_kwh(40 * 1_000_000)  # lecture: 40 J/token for a million tokens, "about 11 kWh"
    11.11111111111111
    """
    return joules / JOULES_PER_KWH
