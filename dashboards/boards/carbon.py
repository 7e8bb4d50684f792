"""What the board of energy shows of carbon: by kind, per token, on other grids."""

from __future__ import annotations

from boards import figures
from boards.kit import Column, Row, bars, query, rate, select, table, timeseries, total_rate
from boards.many import REQUESTS, TOKENS, together
from boards.parts import ENERGY, GRAMS_PER_KWH, GRID, SCI, TRAFFIC, drift

MODEL = "{{model_name}}"
_NOW = "$__rate_interval"
_PER_OUTPUT = f"{GRID}, and {TRAFFIC}"


def _grams_per_hour(series: str, by: str, **matchers: str) -> str:
    return f"{total_rate(series, by, _NOW, **matchers)} * 3600"


_known = rate("pentameter_carbon_grams_total", kind="operational")
_tokens = (
    f"sum by (model_name) ({rate('pentameter_tokens_total', phase='generation')} and on ({figures.REPLICA}) {_known})"
)
_grams = total_rate("pentameter_carbon_grams_total", "model_name, kind")
_sci = together(select("pentameter_sci_per_token_grams"), TOKENS, "model_name, scope, bound")

CARBON = Row(
    "Carbon",
    (
        timeseries(
            "Carbon per hour",
            [query(_grams_per_hour("pentameter_carbon_grams_total", "kind"), "{{kind}}")],
            unit="massg", stacked=True, needs=GRID,
            text="operational: of the electricity; embodied: the hour's part of making the hardware, idle or not.",
        ),
        timeseries(
            "Carbon per 1M output tokens",
            [query(f"{_grams} * 1e6 / on (model_name) group_left () ({_tokens} > 0)", f"{{{{kind}}}} {MODEL}")],
            unit="massg", needs=_PER_OUTPUT,
            text="Over the window, idle time included. operational and embodied add up.",
        ),
        timeseries(
            "Software Carbon Intensity per 1M tokens",
            [query(f"{_sci} * 1e6", f"{{{{bound}}}}, {{{{scope}}}} {MODEL}")],
            unit="massg", span=8, height=9, needs=f"{SCI}, and {TRAFFIC}",
            text="ISO/IEC 21031: all carbon per generated token. low, central and high differ in what making the "
            "hardware emitted.",
        ),
        timeseries(
            "Embodied share of all carbon",
            [query(f"max by (model_name, bound) ({select('pentameter_embodied_carbon_ratio')})",
                   f"{{{{bound}}}} {MODEL}")],
            unit="percentunit", span=8, height=9, needs=SCI,
            text="The cleaner the grid, the greater is the share of making the hardware. Published: 17 to 45 %. "
            "Of several servers, the greatest.",
        ),
        timeseries(
            "Carbon per page and per request",
            [
                query(together(select("pentameter_carbon_per_page_grams"), TOKENS, "model_name, kind"),
                      f"page, {{{{kind}}}} {MODEL}"),
                query(together(select("pentameter_carbon_per_request_grams"), REQUESTS, "model_name, kind"),
                      f"request, {{{{kind}}}} {MODEL}"),
            ],
            unit="massg", span=8, height=9, needs=_PER_OUTPUT,
            text="A page is 500 words. operational and embodied add up.",
        ),
    ),
)  # fmt: skip


PLACES = Row(
    "The same work elsewhere",
    (
        bars(
            "Operational carbon per hour, here and on other grids",
            [
                query(_grams_per_hour("pentameter_carbon_grams_total", "region", kind="operational"),
                      "here: {{region}}", instant=True),
                query(f"sort_desc({_grams_per_hour('pentameter_other_region_carbon_grams_total', 'other_region')})",
                      "{{other_region}}", instant=True),
            ],
            unit="massg", height=11, needs=f"{ENERGY} and grids to compare with (carbon.compare_regions)", span=12,
            text="The power of this moment on the yearly mean of other grids, by their ISO 3166 codes. Work that may "
            "run anywhere saves most by moving.",
        ),
        timeseries(
            "Grid intensity over time",
            [
                query(
                    f"max by (region, factor_type, source) ({select('pentameter_grid_intensity_grams_per_kwh')})",
                    "{{region}}, {{factor_type}}, {{source}}",
                ),
                query(
                    f"max by (region, source) ({select('pentameter_grid_marginal_intensity_grams_per_kwh')})",
                    "{{region}}, marginal, {{source}}",
                ),
                query(f"max ({select('pentameter_market_intensity_grams_per_kwh')})", "as bought"),
            ],
            unit=GRAMS_PER_KWH, decimals=0, height=11, needs=GRID,
            text="It moves with a live provider only (grid.live); else it is a yearly mean. marginal: of one more kWh, "
            "for shifting load.",
        ),
    ),
)  # fmt: skip

KNOWN = Row(
    "Details: how carbon is known",
    (
        table(
            "Grid",
            {"region": "Region", "step": "Found as", "source": "Source", "factor_type": "Factors"},
            (
                Column(
                    "Nearness",
                    "max by (region, step, source, factor_type)"
                    f" ({select('pentameter_grid_resolution_info')} * on (cluster, namespace, instance, region)"
                    f" group_left () {select('pentameter_grid_intensity_quality')})",
                    "none",
                ),
            ),
            text="Nearness runs from 1, the mean of the world, to 5, measured where and when the energy was used.",
            span=12,
            height=6,
            needs=GRID,
            widths={"Source": 260},
        ),
        table(
            "Making the hardware",
            {"instance": "Exporter", "server": "Server", "bound": "Estimate"},
            (
                Column(
                    "Embodied carbon",
                    f"max by (instance, server, bound) ({select('pentameter_embodied_carbon_grams')}) / 1000",
                    "suffix: kg",
                    0,
                ),
                Column(
                    "Share of all",
                    f"max by (instance, server, bound) ({select('pentameter_embodied_carbon_ratio')})",
                    "percentunit",
                ),
            ),
            text="What making each server's GPUs and its part of the host emitted, by sources that differ.",
            span=12,
            height=6,
            needs=SCI,
            sort_by="Embodied carbon",
        ),
        drift("Drift of carbon per token", "pentameter_carbon_drift_ratio"),
        timeseries(
            "Carbon per hour as bought",
            [query(f"{total_rate('pentameter_market_carbon_grams_total', 'model_name', _NOW)} * 3600", MODEL)],
            unit="massg",
            text="By contract or certificates; beside the location-based figure, never in its place.",
            needs="the intensity of the electricity that is bought (grid.market_grams_per_kwh)",
        ),
    ),
    collapsed=True,
)
