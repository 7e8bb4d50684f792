"""What the board of energy shows of carbon: by kind, per token, on other grids."""

from __future__ import annotations

from boards.kit import Column, Row, bars, query, rate, select, table, timeseries, total_rate
from boards.parts import ENERGY, GRAMS_PER_KWH, GRID, SCI, TRAFFIC, WHOSE, drift


def _grams_per_hour(series: str, by: str) -> str:
    return f"{total_rate(series, by=by)} * 3600"


CARBON = Row(
    "Carbon",
    (
        timeseries(
            "Carbon per hour",
            [query(_grams_per_hour("pentameter_carbon_grams_total", "kind"), "{{kind}}")],
            unit="massg",
            text="operational: of the energy; embodied: the hour's part of making the hardware, idle or not.",
            stacked=True,
            needs=GRID,
        ),
        timeseries(
            "Carbon per million generated tokens",
            [query(f"{select('pentameter_carbon_per_token_grams')} * 1e6", f"{{{{kind}}}} {WHOSE}")],
            unit="massg",
            needs=f"{GRID}, and {TRAFFIC}",
        ),
        timeseries(
            "Software Carbon Intensity per million tokens",
            [query(f"{select('pentameter_sci_per_token_grams')} * 1e6", f"{{{{bound}}}}, {{{{scope}}}} {WHOSE}")],
            unit="massg",
            text="ISO/IEC 21031. low, central and high differ in what making the hardware emitted.",
            span=8,
            needs=f"{SCI}, and {TRAFFIC}",
        ),
        timeseries(
            "Embodied share of all carbon",
            [query(select("pentameter_embodied_carbon_ratio"), f"{{{{bound}}}} {WHOSE}")],
            unit="percentunit",
            text="The cleaner the grid, the greater. The lecture has 17 to 45 %.",
            span=8,
            most=1,
            needs=SCI,
        ),
        timeseries(
            "Carbon per request and per page",
            [
                query(select("pentameter_carbon_per_request_grams"), f"request, {{{{kind}}}} {WHOSE}"),
                query(select("pentameter_carbon_per_page_grams"), f"page, {{{{kind}}}} {WHOSE}"),
            ],
            unit="massg",
            text="operational and embodied add up.",
            span=8,
            needs=f"{GRID}, and {TRAFFIC}",
        ),
    ),
)


PLACES = Row(
    "The same work elsewhere",
    (
        bars(
            "Operational carbon per hour on other grids",
            [
                query(
                    f"sort_desc ({_grams_per_hour('pentameter_other_region_carbon_grams_total', 'other_region')})",
                    "{{other_region}}",
                    instant=True,
                ),
                query(
                    f"sum by (region) ({rate('pentameter_carbon_grams_total', kind='operational')}) * 3600",
                    "here: {{region}}",
                    instant=True,
                ),
            ],
            unit="massg",
            text="The same energy on the yearly mean of other grids. A model that may run anywhere saves most here.",
            height=10,
            span=12,
            needs=f"{ENERGY} and grids to compare with (carbon.compare_regions)",
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
            unit=GRAMS_PER_KWH,
            text="It moves with a live provider only (grid.live). marginal: of one more kWh, for shifting load.",
            height=10,
            needs=GRID,
        ),
    ),
)

KNOWN = Row(
    "Details: how carbon is known",
    (
        table(
            "Grid",
            {"region": "Region", "step": "Found as", "source": "Source", "factor_type": "Factors"},
            (
                Column(
                    "Nearness, of 5",
                    "max by (region, step, source, factor_type)"
                    f" ({select('pentameter_grid_resolution_info')} * on (cluster, namespace, instance, region)"
                    f" group_left () {select('pentameter_grid_intensity_quality')})",
                    "none",
                ),
            ),
            span=12,
            height=6,
            needs=GRID,
        ),
        table(
            "Making the hardware",
            {"server": "Server", "bound": "Source"},
            (
                Column(
                    "Embodied carbon",
                    f"max by (server, bound) ({select('pentameter_embodied_carbon_grams')})",
                    "massg",
                ),
                Column(
                    "Share of all carbon",
                    f"max by (server, bound) ({select('pentameter_embodied_carbon_ratio')})",
                    "percentunit",
                ),
            ),
            span=12,
            height=6,
            needs=SCI,
        ),
        drift("Drift of carbon per token", "pentameter_carbon_drift_ratio"),
        timeseries(
            "Carbon per hour as bought",
            [query(f"{rate('pentameter_market_carbon_grams_total')} * 3600", WHOSE)],
            unit="massg",
            text="By contract or certificates; beside the location-based figure, never in its place.",
            needs="grid.market_grams_per_kwh",
        ),
    ),
    collapsed=True,
)
