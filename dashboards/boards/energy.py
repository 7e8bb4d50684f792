"""The board of energy and carbon: what flows, what it is used for, and what it emits here and elsewhere."""

from __future__ import annotations

from boards import figures
from boards.carbon import CARBON, KNOWN, PLACES
from boards.energy_known import DETAILS
from boards.gpus import GPUS_OVER_TIME
from boards.kit import Board, Column, Row, query, rate, select, stat, table, timeseries, total_rate
from boards.many import GOOD_REQUESTS, REQUESTS, TOKENS, dearest, together
from boards.parts import ENERGY, GPUS, GRAMS_PER_KWH, GRID, RECORDS, TRAFFIC, of_gpus

MODEL = "{{model_name}}"
PHASES_KNOWN = "about 20 minutes of varied load; the panel beside says what is missing"
HOT = 85
"""Degrees from which the shipped alert PentameterGpuHot fires."""

_STATES = ("active", "idle", "asleep", "unobserved")
_NOW = "$__rate_interval"


def _joules(state: str = "", span: str = "$window") -> str:
    return f"sum ({rate(f'pentameter_{state}energy_joules_total', span)})"


_per_token = figures.energy_per_output_token(component="gpu")
_page = select("pentameter_carbon_per_page_grams")
_here = select("pentameter_grid_intensity_grams_per_kwh")

FINE = Row(
    "Is it fine?",
    (
        stat(
            "Power",
            [query(f"sum ({select('pentameter_power_watts')})", "power")],
            unit="watt", span=4, needs=GPUS,
            text="All chosen servers: their GPUs, and where it is known their part of the hosts and of the building.",
        ),
        stat(
            "GPU energy per output token",
            [query(dearest(_per_token), MODEL)],
            unit="joule", span=4, needs=f"{ENERGY} and {TRAFFIC}",
            text="Joules of the GPUs over generated tokens, idle time included; of many models, the four that need the "
            "most. It falls as batches grow: a GPU of 400 W at 10 tokens per second, one stream alone, takes 40 J.",
        ),
        stat(
            "Energy without work",
            [query(f"({_joules('idle_')} + {_joules('asleep_')}) / ({_joules()} > 0)", "idle or asleep")],
            unit="percentunit", decimals=1, span=4, needs=ENERGY,
            text="Share of all energy that flowed while no request ran, over the window.",
        ),
        stat(
            "Carbon per page",
            [query(dearest(f"sum by (model_name) ({together(_page, TOKENS, 'model_name, kind')})"), MODEL)],
            unit="massg", span=4, needs=f"{GRID}, and {TRAFFIC}",
            text="CO2-equivalent of 500 generated words: of the electricity, and the hardware's share. Published "
            "figures run from 0.18 g (Gemma-2B) to 15 g (Llama-3-70B).",
        ),
        stat(
            "Grid intensity",
            [query(f"max by (region) ({_here})", "{{region}}")],
            unit=GRAMS_PER_KWH, decimals=0, span=4, needs=GRID,
            text="Grams of CO2-equivalent that a kilowatt-hour of the grid emits here: location-based and average.",
        ),
        stat(
            "Hottest GPU",
            [query(f"max ({of_gpus('pentameter_gpu_temperature_celsius')})", "hottest")],
            unit="celsius", decimals=0, span=4, steps={HOT: "red"}, needs=GPUS,
            text=f"Red above {HOT} degrees, where the alert PentameterGpuHot fires: data-centre GPUs slow down soon "
            "after.",
        ),
    ),
)  # fmt: skip

POWER = Row(
    "Power, and energy per token and request",
    (
        timeseries(
            "Power by component",
            [query(f"sum by (component) ({select('pentameter_power_watts')})", "{{component}}")],
            unit="watt", stacked=True, height=10, needs=GPUS,
            text="All chosen servers together. gpu: measured; host: their part of the machines; overhead: what cooling "
            "and supply add (PUE).",
        ),
        timeseries(
            "Power by what the servers did",
            [query(_joules(f"{state}_", _NOW), state) for state in _STATES],
            unit="watt", stacked=True, height=10, needs=ENERGY,
            text="active: a request ran; idle: none did; asleep: vLLM slept; unobserved: vLLM did not answer.",
        ),
        timeseries(
            "Energy per output token",
            [
                query(_per_token, f"GPUs {MODEL}"),
                query(figures.energy_per_output_token(), f"all {MODEL}"),
            ],
            unit="joule", height=9, needs=f"{ENERGY} and {TRAFFIC}",
            text="Over the window, idle time included. GPUs: theirs alone; all: with hosts and buildings, as far as "
            "known. It falls as batches grow.",
        ),
        timeseries(
            "Energy per request",
            [
                query(together(select("pentameter_energy_per_good_request_joules", scope="gpu"), GOOD_REQUESTS,
                               "model_name, slo", "slo"), f"good: {{{{slo}}}} {MODEL}"),
                query(together(select("pentameter_energy_per_request_joules", scope="gpu"), REQUESTS, "model_name"),
                      f"any {MODEL}"),
            ],
            unit="joule", logarithmic=True, height=9,
            needs=f"{ENERGY} and {TRAFFIC}; good requests need {RECORDS}",
            text="The GPUs' energy over all finished requests, and over those alone that kept the SLO. Where the lines "
            "part, energy goes into requests that came too late.",
        ),
    ),
)  # fmt: skip

_known = select("pentameter_energy_split_known")
PHASES = Row(
    "Energy by phase: reading prompts (prefill) and writing answers (decode)",
    (
        timeseries(
            "Power by phase",
            [query(total_rate("pentameter_phase_energy_joules_total", by="phase", span=_NOW), "{{phase}}")],
            unit="watt", stacked=True, span=8, height=9, needs=ENERGY,
            text="Of the GPUs, by a fit over the last hour. idle: what flows without any work, all the time; "
            "unattributed: while the fit was not known.",
        ),
        timeseries(
            "Energy per token by phase",
            [
                query(f"max by (model_name, phase) ({select('pentameter_energy_per_phase_token_joules')})",
                      f"{{{{phase}}}} {MODEL}"),
                query(f"max by (model_name, phase) ({select('pentameter_energy_per_phase_token_error_joules')})",
                      f"error of {{{{phase}}}} {MODEL}"),
            ],
            unit="joule", span=8, height=9, needs=PHASES_KNOWN,
            text="Beyond idle power: of a prompt token that was computed (prefill) and of a generated one (decode), "
            "with the standard error of the fit. Of several servers, the greatest.",
        ),
        table(
            "Is the division by phase known?",
            {"reason": "State"},
            (
                Column(
                    "Servers",
                    f'count by (reason) (label_replace({_known} == 0 or {_known}, "reason", "known", "reason", ""))',
                    "short", width=90,
                ),
            ),
            span=8, height=9, needs=ENERGY,
            text="few_windows: less than 20 minutes seen. ill_conditioned: load varied too little to tell the phases "
            "apart. poor_fit, uncertain: the fit is too coarse to be told.",
        ),
    ),
)  # fmt: skip

BOARD = Board(
    slug="energy",
    title="Energy and carbon",
    description="What power flows and for what, joules and grams per token, and what the same work emits elsewhere.",
    rows=(FINE, POWER, PHASES, GPUS_OVER_TIME, CARBON, PLACES, DETAILS, KNOWN),
)
