"""The settings about tokens by language."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from pentameter.config_section import Section, items_of


class Languages(Section):
    """Tokens per 1,000 words by language, measured with the served model's own tokenizer."""

    enabled: bool = Field(
        True,  # noqa: FBT003
        description=(
            "Ask vLLM's /tokenize at the start and when the model changes: ten short texts a second until all are"
            " counted, then one a minute."
        ),
    )
    languages: Annotated[tuple[str, ...], BeforeValidator(items_of)] = Field(
        (), description="Languages by BCP 47 code, such as de, hi, ja; empty: all that are shipped. English always is."
    )
