"""What an API would bill for a server's own traffic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pentameter.units import MILLION

if TYPE_CHECKING:
    from pentameter.cost.book import ApiPrice


@dataclass(frozen=True, slots=True)
class Traffic:
    """Tokens of some time, as the served model's tokenizer counts them."""

    input: float
    """All prompt tokens, the cached ones among them."""
    cached: float | None
    """Prompt tokens that a cache supplied; None where nobody says."""
    output: float
    """All generated tokens: an API bills the reasoning too."""

    @property
    def total(self) -> float:
        """Return input + output."""
        return self.input + self.output


def equivalent_dollars(price: ApiPrice, traffic: Traffic, token_ratio: float = 1.0) -> float | None:
    """Return dollars that an API asks for some traffic.

    ((input - cached) x input price + cached x cached price + output x output price) x token ratio / 1e6, prices in
    dollars per million tokens; the token ratio is how many tokens the API counts for one of the served model.

    An API that lists no price for cached input asks the full one for it, and then it does not matter how much was
    cached. Otherwise the figure needs the cached tokens, and is None without them: to bill none of them, or all, would
    be off by up to the discount, which is a factor of 10 at many.

    >>> from pentameter.cost.book import ApiPrice
    >>> sonnet = ApiPrice("Anthropic", "Claude Sonnet 4.5", input=3, cached_input=0.3, output=15)
    >>> round(equivalent_dollars(sonnet, Traffic(input=12e6, cached=0.8e6, output=3e6)), 6)  # 33.6 + 0.24 + 45
    78.84
    """
    saved = 0.0
    if price.cached_input is not None and price.cached_input != price.input:
        if traffic.cached is None:
            return None
        saved = traffic.cached * (price.input - price.cached_input)
    return (traffic.input * price.input - saved + traffic.output * price.output) * token_ratio / MILLION
