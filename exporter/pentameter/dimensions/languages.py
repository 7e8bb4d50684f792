"""Tokens and cost by language (lecture: "Token Efficiency by Language", "Cost Impact of Tokenization")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.cost.languages import (
    ENGLISH,
    dollars_per_thousand_words,
    extra_cost,
    tokens_per_thousand_words,
)
from pentameter.dimensions.economics import dollars_per_million, total_per_hour
from pentameter.metric import ENGINE, Dimension, Metric, Sample, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pentameter.readings import LanguageReading
    from pentameter.world import Deployment, World

_WORDS = (
    "Words are those of the English original in every language, so that the same content is compared. language: a BCP "
    "47 code."
)

TOKENS_PER_THOUSAND_WORDS = Metric(
    "pentameter_tokens_per_thousand_words",
    "gauge",
    Unit.NONE,
    Dimension.ECONOMICS,
    "Tokens that the served model's own tokenizer makes of what 1,000 English words say, measured on the Universal "
    f"Declaration of Human Rights through vLLM's /tokenize. {_WORDS}",
    "tokens of the 30 articles in the language / words of the 30 articles in English x 1000",
    (*ENGINE, "language"),
)
COST_PER_THOUSAND_WORDS = Metric(
    "pentameter_cost_per_thousand_words_dollars",
    "gauge",
    Unit.DOLLARS,
    Dimension.ECONOMICS,
    "Cost of what 1,000 English words say, read or written once, in the language, at the throughput of the window in "
    f"the label. tokens=blended: input and output tokens cost the same. {_WORDS}",
    "pentameter_tokens_per_thousand_words x pentameter_cost_per_million_tokens_dollars of the same tokens / 1,000,000",
    (*ENGINE, "window", "language", "tokens"),
)
EXTRA_COST = Metric(
    "pentameter_language_extra_cost_ratio",
    "gauge",
    Unit.RATIO,
    Dimension.ECONOMICS,
    "Extra cost of the language against English for the same content, whatever a token costs: 0.82 is 82 per cent "
    "more.",
    "tokens in the language / tokens in English - 1",
    (*ENGINE, "language"),
)
METRICS = (TOKENS_PER_THOUSAND_WORDS, COST_PER_THOUSAND_WORDS, EXTRA_COST)


def samples(world: World) -> Iterator[Sample]:
    """Yield the samples; what cannot be known is not yielded."""
    for deployment in world.deployments:
        reading = world.languages.get(deployment.server)
        if reading is None:
            continue
        measured = _measured(reading)
        for language, tokens in measured.items():
            yield TOKENS_PER_THOUSAND_WORDS(tokens, *deployment.labels, language)
        yield from _extra(deployment, reading)
        for window in world.windows:
            yield from _costs(deployment, window, measured)


def _measured(reading: LanguageReading) -> dict[str, float]:
    """Return the tokens per 1,000 words by language."""
    found = {
        language: tokens_per_thousand_words(tokens, reading.english_words)
        for language, tokens in reading.tokens.items()
    }
    return {language: tokens for language, tokens in found.items() if tokens is not None}


def _extra(deployment: Deployment, reading: LanguageReading) -> Iterator[Sample]:
    for language, tokens in reading.tokens.items():
        extra = extra_cost(tokens, reading.tokens.get(ENGLISH, 0))
        if extra is not None:
            yield EXTRA_COST(extra, *deployment.labels, language)


def _costs(deployment: Deployment, window: str, measured: Mapping[str, float]) -> Iterator[Sample]:
    hourly = total_per_hour(deployment, window)
    rate = deployment.token_rate(window, "prompt_tokens", "generation_tokens")
    price = None if hourly is None or rate is None else dollars_per_million(hourly, rate)
    if price is None:
        return
    for language, tokens in measured.items():
        dollars = dollars_per_thousand_words(tokens, price)
        yield COST_PER_THOUSAND_WORDS(dollars, *deployment.labels, window, language, "blended")
