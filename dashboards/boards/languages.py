"""The row of what the same content costs in different languages."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard

from boards.kit import Row, bars, query, select
from pentameter.facts.languages import translations

_WORDS = select("pentameter_cost_per_thousand_words_dollars", tokens="blended")


def _greatest_first(expression: str) -> str:
    return f"sort_desc(max by (language) ({expression}))"


def _named(panel: dashboard.Panel) -> dashboard.Panel:
    """Return a panel whose languages have names for their codes."""
    source = panel.field_config or dashboard.FieldConfigSource()
    source.overrides += [
        dashboard.DashboardFieldConfigSourceOverrides(
            matcher=dashboard.MatcherConfig(id_val="byName", options=translation.language),
            properties=[dashboard.DynamicConfigValue("displayName", translation.name)],
        )
        for translation in translations()
    ]
    panel.field_config = source
    return panel


LANGUAGES = Row(
    "Languages: what the same content costs",
    (
        _named(
            bars(
                "Cost of 1M words by language",
                [query(f"{_greatest_first(_WORDS)} * 1000", "{{language}}", instant=True)],
                unit="currencyUSD",
                height=12,
                span=12,
                needs="vLLM's /tokenize and a price",
                text="What is a million words in English, written or read once in each language.",
            )
        ),
        _named(
            bars(
                "Extra cost against English",
                [query(_greatest_first(select("pentameter_language_extra_cost_ratio")), "{{language}}", instant=True)],
                unit="percentunit",
                decimals=0,
                least=None,
                height=12,
                span=12,
                needs="vLLM's /tokenize",
                text="How many more tokens the served model's tokenizer makes of the same content than of English.",
            )
        ),
    ),
)
