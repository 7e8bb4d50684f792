"""Grams for a unit of work: the Software Carbon Intensity, and the 500-word page."""

from __future__ import annotations

from pentameter.units import joules_to_kwh

WORDS_PER_PAGE = 500
"""The functional unit of Ren et al. (2024, doi 10.1038/s41598-024-76682-6)."""

TOKENS_PER_WORD = 100 / 75
"""English, by OpenAI's rule of 100 tokens for 75 words. Mistral's tokenizers make 1.24 to 1.38 of licence texts. The
lecture's 770 tokens for 1,000 words are 770 words for 1,000 tokens."""

TOKENS_PER_PAGE = WORDS_PER_PAGE * TOKENS_PER_WORD
"""667: what is taken for a page where the settings say nothing."""


def operational_grams(joules: float, grams_per_kwh: float) -> float:
    """Return grams of CO2-equivalent: energy in kWh times the grid's intensity.

    >>> operational_grams(40e6, 588.6)  # a million tokens at the lecture's 40 J/token, Poland 2025
    6540.0
    """
    return joules_to_kwh(joules) * grams_per_kwh


def sci(joules: float, grams_per_kwh: float, embodied_grams: float, units: float) -> float | None:
    """Return the Software Carbon Intensity: SCI = (E x I + M) / R (ISO/IEC 21031:2024); None while R is 0.

    Args:
        joules: E, all energy of the hardware that is reserved, idle time and the facility included.
        grams_per_kwh: I, location-based; what was bought on a market must not enter.
        embodied_grams: M, of the same time.
        units: R, functional units done in that time; for an LLM: tokens.

    >>> sci(3_600_000, 400, 100, 1000)  # 1 kWh at 400 g/kWh and 100 g of hardware for 1000 tokens
    0.5
    """
    return (operational_grams(joules, grams_per_kwh) + embodied_grams) / units if units > 0 else None
