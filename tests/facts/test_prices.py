"""The shipped price tables: the lecture's to the cent, literal rows of others, and what every row must have."""

import csv
from importlib.resources import files

import pytest

from pentameter.cost.book import OFFER, PRICINGS
from pentameter.cost.lookup import covers
from pentameter.facts import gpu_specs
from pentameter.facts.prices import shipped_book
from pentameter.quotes import quote_for

BOOK = shipped_book()
LECTURE = [row for row in BOOK.gpus if "lecture" in row.source]


def cells(table):
    text = files("pentameter.facts").joinpath(table).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def test_the_lectures_table_of_gpus_is_complete():
    assert {(row.gpu, row.provider, row.pricing): row.dollars_per_gpu_hour for row in LECTURE} == {
        ("L4", "Modal", "on-demand"): 0.80,
        ("A100-40GB", "AWS", "on-demand"): 2.74,
        ("A100-40GB", "GCP", "on-demand"): 4.05,
        ("A100-40GB", "Modal", "on-demand"): 2.10,
        ("A100-80GB", "GCP", "on-demand"): 6.25,
        ("A100-80GB", "Azure", "on-demand"): 3.67,
        ("A100-80GB", "Modal", "on-demand"): 2.50,
        ("A100-80GB", "Prime Intellect", "on-demand"): 0.79,
        ("H100-80GB", "AWS", "on-demand"): 6.88,
        ("H100-80GB", "GCP", "on-demand"): 11.06,
        ("H100-80GB", "Azure", "on-demand"): 6.98,
        ("H100-80GB", "Modal", "on-demand"): 3.95,
        ("H100-80GB", "SF Compute", "market-low"): 1.26,
        ("H100-80GB", "SF Compute", "market-high"): 1.55,
        ("H100-80GB", "Prime Intellect", "on-demand"): 1.49,
        ("B200", "AWS", "on-demand"): 14.24,
        ("B200", "Modal", "on-demand"): 6.25,
    }
    assert len(LECTURE) == 17
    assert {row.as_of for row in LECTURE} == {"2025-10-01"}


def test_the_same_gpu_costs_nearly_nine_times_as_much_at_another_provider_of_the_lecture():
    spread = {}
    for row in LECTURE:
        spread.setdefault(row.gpu, []).append(row.dollars_per_gpu_hour)
    ratio = {gpu: max(prices) / min(prices) for gpu, prices in spread.items()}
    assert ratio["H100-80GB"] == pytest.approx(11.06 / 1.26) == pytest.approx(8.8, abs=0.03)
    assert ratio["A100-80GB"] == pytest.approx(7.9, abs=0.02)
    assert max(ratio.values()) < 18, "the lecture speaks of 5 to 18 times; its own table has less than 9"


def test_the_lectures_twelve_models_are_the_baseline():
    baseline = {row.model: (row.provider, row.input, row.cached_input, row.output) for row in BOOK.apis if row.baseline}
    assert baseline == {
        "GPT-5": ("OpenAI", 1.25, None, 10.0),
        "GPT-5 mini": ("OpenAI", 0.25, None, 2.0),
        "GPT-5 nano": ("OpenAI", 0.05, None, 0.40),
        "Claude Sonnet 4.5": ("Anthropic", 3.0, 0.30, 15.0),
        "Claude Haiku 4.5": ("Anthropic", 1.0, 0.10, 5.0),
        "Claude Opus 4.1": ("Anthropic", 15.0, 1.50, 75.0),
        "Gemini 2.5 Pro": ("Google", 1.25, 0.125, 10.0),
        "Gemini 2.5 Flash": ("Google", 0.30, 0.03, 2.50),
        "Gemini 2.5 Flash-Lite": ("Google", 0.10, 0.01, 0.40),
        "Llama 4 Maverick": ("Together AI", 0.27, None, 0.85),
        "Llama 4 Scout": ("Together AI", 0.18, None, 0.59),
        "DeepSeek-V3": ("Together AI", 0.60, None, 1.70),
    }


def test_the_lectures_price_of_deepseek_v3_is_that_of_v31_and_says_so():
    [lecture, now, v31] = [row for row in BOOK.apis if row.model.startswith("DeepSeek-V3")]
    assert (lecture.baseline, now.baseline, v31.model) == (True, False, "DeepSeek-V3.1")
    assert (lecture.input, lecture.output) == (v31.input, v31.output) == (0.60, 1.70)
    assert (now.input, now.output) == (1.25, 1.25)
    assert "DeepSeek-V3.1" in lecture.note


def test_what_is_no_longer_sold_is_marked():
    retired = {
        (row.provider, row.model, row.baseline): row.deprecation_date for row in BOOK.apis if row.status == "retired"
    }
    assert retired == {
        ("Anthropic", "Claude Opus 4.1", True): "",
        ("Together AI", "Llama 4 Maverick", True): "",
        ("Together AI", "Llama 4 Scout", True): "2026-02-06",
        ("Together AI", "Llama 4 Scout", False): "2026-02-06",
        ("Together AI", "DeepSeek-V3", True): "2026-05-14",
        ("Together AI", "DeepSeek-V3.1", False): "2026-05-14",
    }


@pytest.mark.parametrize(
    ("asked", "dollars", "gpu"),
    [
        ({"instance": "p5.48xlarge", "region": "us-west-2"}, 6.88, "H100-SXM-80GB"),
        ({"instance": "p5.4xlarge", "region": "us-east-1"}, 6.88, "H100-SXM-80GB"),
        ({"instance": "p5.4xlarge", "region": "ap-southeast-3"}, 9.4944, "H100-SXM-80GB"),
        ({"instance": "p6-b200.48xlarge", "region": "us-east-1"}, 14.2416, "B200-SXM"),
        ({"instance": "p5en.48xlarge", "region": "us-west-1", "pricing": "spot"}, 1.470525, "H200-SXM-141GB"),
        ({"provider": "AWS", "region": "us-west-2", "gpu": "H100-SXM-80GB"}, 6.88, "H100-SXM-80GB"),
        ({"provider": "GCP", "gpu": "H100-SXM-80GB"}, 11.06, "H100-80GB"),
    ],
)
def test_a_row_is_found(asked, dollars, gpu):
    quote = quote_for(BOOK, **asked)
    assert (quote.dollars_per_hour, quote.gpu, quote.origin) == (dollars, gpu, "shipped")


def test_no_row_is_there_twice():
    for table in (BOOK.gpus, BOOK.apis):
        assert len({row.key for row in table}) == len(table)


def test_every_row_has_a_source_a_day_and_the_basis_of_that_day():
    for table in ("gpu_prices.csv", "api_prices.csv"):
        for row in cells(table):
            assert None not in row, "more cells than columns: a comma in a cell is not quoted"
            assert "" not in (row["source"], row["as_of"], row["as_of_basis"])
            assert "2025-06-01" <= row["as_of"] <= "2026-11-23"


def test_models_and_indices_are_apart_from_offers():
    apart = {row.provider for row in BOOK.gpus if row.kind != OFFER}
    assert apart == {"SemiAnalysis", "AIMultiple"}
    assert not apart & {row.provider for row in BOOK.offers}
    assert {row.pricing for row in BOOK.offers} <= set(PRICINGS)


def test_every_offer_is_of_a_gpu_of_the_table():
    names = [spec.gpu for spec in gpu_specs()]
    for row in BOOK.offers:
        assert any(covers(row.gpu, name) for name in names), row


def test_every_price_is_plausible():
    assert all(0.1 <= row.dollars_per_gpu_hour <= 15 for row in BOOK.gpus)
    for row in BOOK.apis:
        assert 0.01 <= row.input <= row.output <= 100
        assert row.cached_input is None or 0 < row.cached_input <= row.input / 4
