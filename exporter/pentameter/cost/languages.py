"""What a language costs: the same content takes more tokens in one language than in another.

The texts are translations of each other, and all are measured in words of the English one: *tokens per 1,000 words* of
Hindi are the tokens of what 1,000 words of English say. It is the only measure that serves languages that write no
spaces between words, and that makes the ratio to English the true premium for the same content, which is what Ahia et
al. (2023), "Do All Languages Cost the Same?", compare.

``LECTURE`` is the lecture's table, kept as the reference that its own worked example is checked against. It is not
what a tokenizer measures: 770 tokens for 1,000 English words would be fewer tokens than words, and one whose tokens
do not reach over spaces needs at least one for each (on the Declaration, Mistral's Tekken of 131,072 tokens makes
1,125, its first tokenizer of 32,000 makes 1,204; 770 is near the *words* in 1,000 tokens). What is exported is
measured, never taken from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.units import MILLION

if TYPE_CHECKING:
    from collections.abc import Sequence

ENGLISH = "en"
"""The language that the others are held against."""

WORDS = 1000
"""Figures are of so many words."""

LECTURE = {"en": 770, "es": 790, "de": 920, "ru": 1100, "ar": 1150, "hi": 1400, "ja": 1300}
"""Tokens per 1,000 words in the lecture, "Token Efficiency by Language"."""


def count_words(articles: Sequence[str]) -> int:
    """Return the number of words: what stands between white space; "co-operation" is one.

    >>> count_words(["No one shall be held in slavery or servitude;", "slavery and the slave trade"])
    14
    """
    return sum(len(article.split()) for article in articles)


def tokens_per_thousand_words(tokens: float, english_words: int) -> float | None:
    """Return the tokens of a translation over the thousands of words of the English original; None without words.

    >>> tokens_per_thousand_words(1540, 2000)
    770.0
    """
    return tokens / english_words * WORDS if english_words > 0 else None


def dollars_per_thousand_words(tokens_per_thousand: float, dollars_per_million_tokens: float) -> float:
    """Return what 1,000 words cost, in dollars: read or written once, at the price of a million such tokens.

    >>> round(dollars_per_thousand_words(770, 10), 4)  # the lecture's English read by GPT-4, at 10 dollars
    0.0077
    """
    return tokens_per_thousand * dollars_per_million_tokens / MILLION


def extra_cost(tokens: float, english_tokens: float) -> float | None:
    """Return the extra cost against English, as a ratio: 0.82 is 82 per cent more; None without English tokens.

    >>> round(extra_cost(1400, 770), 2)  # the lecture: Hindi costs 82 per cent more
    0.82
    """
    return tokens / english_tokens - 1 if english_tokens > 0 else None
