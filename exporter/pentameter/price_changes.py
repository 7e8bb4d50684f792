"""Hands new prices from the settings to a meter at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.cost_settings import settings_to_costs
from pentameter.market_settings import settings_to_market
from pentameter.price_sources import settings_to_asked

if TYPE_CHECKING:
    from pentameter.config import Settings
    from pentameter.meter import Meter


def take_prices(meter: Meter, settings: Settings) -> None:
    """Let the prices of the settings hold from now on; raises ``ValueError`` before anything has changed."""
    costs, asked = settings_to_costs(settings), settings_to_asked(settings)
    market = settings_to_market(settings.economics)
    meter.take_costs(costs)
    meter.prices.ask(asked)
    meter.market.choose(market)
