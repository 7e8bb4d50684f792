"""Prices of the package genai-prices: its classes made up, and the package itself where it is installed."""

import importlib
import sys
from datetime import date, time
from decimal import Decimal
from importlib.util import find_spec
from types import SimpleNamespace

import pytest

from pentameter.cost.book import ApiPrice
from pentameter.facts.prices import shipped_book
from pentameter.market.choice import Choice
from pentameter.sources import SourceError, genai_prices
from pentameter.sources.genai_prices import package_prices

TODAY = date(2026, 11, 23)


def price(read="3", made="15", **more):
    kinds = {"input_mtok": read, "output_mtok": made, **more}
    return SimpleNamespace(**{kind: Decimal(dollars) for kind, dollars in kinds.items() if dollars is not None})


def stepped(base, *tiers):
    return SimpleNamespace(base=Decimal(base), tiers=[SimpleNamespace(start=start, price=1) for start in tiers])


def since(day, prices):
    constraint = None if day is None else SimpleNamespace(start_date=day)
    return SimpleNamespace(constraint=constraint, prices=prices)


@pytest.fixture
def of_models(monkeypatch):
    """Return the rows of models that have these prices, called m0, m1 and so on."""

    def rows(*prices, deprecated=None, today=TODAY):
        models = [SimpleNamespace(id=f"m{i}", prices=one, deprecated=deprecated) for i, one in enumerate(prices)]
        data = SimpleNamespace(providers=[SimpleNamespace(name="Some Cloud", models=models)])
        monkeypatch.setitem(sys.modules, "genai_prices.data", data)
        monkeypatch.setattr(genai_prices, "version", {"genai-prices": "9.9"}.__getitem__)
        return package_prices(today)

    return rows


def test_a_model_is_a_row_without_a_date(of_models):
    assert of_models(price(cache_read_mtok="0.3")) == (
        ApiPrice("Some Cloud", "m0", 3.0, 15.0, 0.3, source="genai-prices 9.9", origin="genai-prices"),
    )


def test_a_model_without_a_price_for_cached_input_has_none(of_models):
    (row,) = of_models(price())
    assert row.cached_input is None


def test_a_price_in_steps_is_that_of_short_prompts(of_models):
    steps = SimpleNamespace(input_mtok=stepped("3", 200_000), output_mtok=stepped("15", 200_000, 400_000))
    (row,) = of_models(steps)
    assert (row.input, row.output, row.context_tier) == (3.0, 15.0, "<=200k")


@pytest.mark.parametrize(
    ("today", "dollars"), [(date(2026, 12, 31), 0.75), (date(2027, 1, 1), 1.5), (date(2028, 1, 1), 2.0)]
)
def test_the_last_price_that_has_begun_counts(of_models, today, dollars):
    history = [
        since(None, price("0.75")),
        since(date(2027, 1, 1), price("1.5")),
        since(date(2027, 6, 1), price("2")),
    ]
    (row,) = of_models(history, today=today)
    assert row.input == dollars


def test_a_price_that_has_not_begun_counts_where_there_is_no_other(of_models):
    (row,) = of_models([since(date(2027, 1, 1), price("1.5"))])
    assert row.input == 1.5


def test_what_has_no_one_price_per_token_is_left_out(of_models):
    by_night = SimpleNamespace(start_time=time(16, 30), end_time=time(0, 30))
    discount = [since(None, price()), SimpleNamespace(constraint=by_night, prices=price("1", "5"))]
    assert of_models(price(made=None), price(read=None), discount, []) == ()


def test_a_model_that_is_on_its_way_out_says_so(of_models):
    (row,) = of_models(price(), deprecated=True)
    assert row.status == "deprecated"


def test_data_that_are_laid_out_otherwise_are_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "genai_prices.data", SimpleNamespace(providers=[SimpleNamespace()]))
    monkeypatch.setattr(genai_prices, "version", lambda name: "9.9")
    with pytest.raises(SourceError, match=r"genai-prices 9\.9 is laid out") as caught:
        package_prices(TODAY)
    assert caught.value.reason == "invalid"


@pytest.mark.skipif(find_spec("genai_prices") is None, reason="the extra genai-prices is not installed")
class TestTheRealPackage:
    @pytest.fixture
    def rows(self):
        return package_prices(TODAY)

    def test_it_has_the_models_of_all_larger_providers(self, rows):
        providers = {row.provider for row in rows}
        assert {"OpenAI", "Anthropic", "Google", "Together AI", "AWS Bedrock", "Novita"} <= providers
        assert len(rows) > 1000
        assert len({row.key for row in rows}) == len(rows)

    def test_its_own_calculation_agrees_with_ours(self, rows):
        from pentameter.market.equivalent import Traffic, equivalent_dollars

        calc_price = importlib.import_module("genai_prices").calc_price
        usage = importlib.import_module("genai_prices").Usage(
            input_tokens=120_000, cache_read_tokens=8_000, output_tokens=30_000
        )
        for provider, model in (
            ("anthropic", "claude-sonnet-4-5"),
            ("openai", "gpt-5"),
            ("google", "gemini-2.5-flash"),
        ):
            (row,) = [row for row in rows if (row.provider.lower(), row.model) == (provider, model)]
            theirs = float(calc_price(usage, model, provider_id=provider).total_price)
            assert equivalent_dollars(row, Traffic(120e3, 8e3, 30e3)) == pytest.approx(theirs, rel=1e-12)

    def test_it_agrees_with_the_shipped_prices_of_models_that_both_have(self, rows):
        shipped = {row.key: row for row in shipped_book().apis}
        renewed = [
            row for row in Choice(package=rows).basis(shipped.values(), 0.0).prices if row.origin == "genai-prices"
        ]
        assert len(renewed) >= 12
        for row in renewed:
            before = shipped[row.key]
            assert (row.input, row.cached_input, row.output) == (before.input, before.cached_input, before.output)
