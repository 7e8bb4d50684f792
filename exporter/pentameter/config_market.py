"""The settings about the commercial APIs that the server is held against."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from pentameter.config_section import Section, items_of

Ratio = Annotated[float, Field(gt=0, le=10)]


class Market(Section):
    """Commercial APIs to compare with."""

    compare: Annotated[tuple[str, ...], BeforeValidator(items_of)] = Field(
        (),
        max_length=100,
        description=(
            "APIs to compare with: names or shell patterns of MODEL or PROVIDER/MODEL, such as claude-*. Each makes "
            "about ten series for every server; at most 200 count. Empty: all of the price book that are sold now."
        ),
    )
    baseline: bool = Field(
        False,  # noqa: FBT003 - pydantic's default
        description="Compare with the lecture's prices of October 2025 too, of the same names.",
    )
    token_ratio: Ratio = Field(
        1.0, description="Tokens that an API counts for a text over those that the served model counts."
    )
    token_ratios: dict[Annotated[str, Field(min_length=1)], Ratio] = Field(
        {},
        max_length=100,
        description="The same by API, names or patterns as in `compare`; the first that fits counts.",
    )
    genai_prices: bool = Field(
        False,  # noqa: FBT003 - pydantic's default
        description=(
            "Renew the shipped API prices from the installed package genai-prices, and let `compare` name any of its "
            "models. It is read at start, without network; it tells no dates."
        ),
    )
