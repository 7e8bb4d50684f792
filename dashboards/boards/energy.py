"""The board of energy and carbon: what flows, what it is used for, and what it emits here and elsewhere."""

from __future__ import annotations

from boards.carbon import CARBON, KNOWN, PLACES
from boards.kit import Board, Column, Row, query, rate, select, stat, table, target, timeseries, total_rate
from boards.parts import ENERGY, GPU, GPUS, GRAMS_PER_KWH, GRID, RECORDS, TRAFFIC, WHO, WHOSE, drift, of_gpus

_INTENSIVE = "pentameter_energy_per_token_joules"
_SPLIT = "20 minutes of varied load (pentameter_energy_split_known says why not)"
_STATES = ("active", "idle", "asleep", "unobserved")


def _watts(state: str) -> str:
    return f"sum ({rate(f'pentameter_{state}_energy_joules_total')})"


FINE = Row(
    "Is it fine?",
    (
        stat(
            "Power",
            [query(f"sum ({select('pentameter_power_watts')})", "power")],
            unit="watt",
            text="GPUs, and where it is known the servers' part of their machines and of the building.",
            span=4,
            needs=GPUS,
        ),
        stat(
            "GPU energy per generated token",
            [query(select(_INTENSIVE, tokens="generated", scope="gpu"), WHOSE)],
            unit="joule",
            text="Idle time included. The lecture's 40 J (400 W, 10 tokens per second) is one stream without a batch.",
            span=4,
            decimals=3,
            needs=f"{ENERGY} and {TRAFFIC}",
        ),
        stat(
            "Energy without work",
            [
                query(
                    f"({_watts('idle')} + {_watts('asleep')}) / (sum ({rate('pentameter_energy_joules_total')}) > 0)",
                    "idle or asleep",
                )
            ],
            unit="percentunit",
            text="Share of all energy that flowed while no request ran.",
            span=4,
            decimals=1,
            steps={0.25: "orange", 0.5: "red"},
            needs=ENERGY,
        ),
        stat(
            "Carbon per page",
            [query(select("pentameter_carbon_per_page_grams"), f"{{{{kind}}}} {WHOSE}")],
            unit="massg",
            text="A page is 500 words. operational: of the energy; embodied: of making the hardware. The lecture quotes"
            " 15 g for Llama-3-70B and 0.18 g for Gemma-2B.",
            span=4,
            decimals=4,
            needs=f"{GRID}, and {TRAFFIC}",
        ),
        stat(
            "Grid intensity",
            [query(f"max by (region) ({select('pentameter_grid_intensity_grams_per_kwh')})", "{{region}}")],
            unit=GRAMS_PER_KWH,
            text="Location-based and average.",
            span=4,
            decimals=0,
            needs=GRID,
            names=True,
        ),
        stat(
            "Hottest GPU",
            [query(f"max ({of_gpus('pentameter_gpu_temperature_celsius')})", "hottest")],
            unit="celsius",
            text="NVIDIA's data-centre GPUs slow down somewhere above 85 degrees, by model.",
            span=4,
            decimals=0,
            steps={83: "orange", 90: "red"},
            needs=GPUS,
        ),
    ),
)

POWER = Row(
    "Power and energy per token",
    (
        timeseries(
            "Power by component",
            [query(f"sum by (component) ({select('pentameter_power_watts')})", "{{component}}")],
            unit="watt",
            text="All chosen servers together.",
            stacked=True,
            needs=GPUS,
        ),
        timeseries(
            "Power by what the server did",
            [query(_watts(state), state) for state in _STATES],
            unit="watt",
            text="Energy over the window by whether a request ran, none ran, vLLM slept, or it did not tell.",
            stacked=True,
            needs=ENERGY,
        ),
        timeseries(
            "Energy per generated token",
            [query(select(_INTENSIVE, tokens="generated"), f"{{{{scope}}}} {WHOSE}")],
            unit="joule",
            text="gpu: the GPUs alone; it: with the host; facility: with the building. It falls as batches grow.",
            needs=f"{ENERGY} and {TRAFFIC}",
        ),
        timeseries(
            "Energy per request",
            [
                query(select("pentameter_energy_per_request_joules", scope="gpu"), f"any request {WHOSE}"),
                query(select("pentameter_energy_per_good_request_joules", scope="gpu"), f"{{{{slo}}}} good {WHOSE}"),
            ],
            unit="joule",
            text="The GPUs' energy over all requests, and over those that kept the SLO alone.",
            needs=f"{ENERGY} and {TRAFFIC}; good requests need {RECORDS}",
        ),
    ),
)

PHASES = Row(
    "Energy by phase",
    (
        timeseries(
            "Power by phase",
            [query(total_rate("pentameter_phase_energy_joules_total", by="phase"), "{{phase}}")],
            unit="watt",
            text="A fit over the last hour. idle is what flows without any work, all the time. unattributed: the split"
            " was not known.",
            stacked=True,
            span=10,
            needs=ENERGY,
        ),
        timeseries(
            "Energy per token by phase",
            [
                query(select("pentameter_energy_per_phase_token_joules"), f"{{{{phase}}}} {WHOSE}"),
                query(select("pentameter_energy_per_phase_token_error_joules"), f"{{{{phase}}}}, error {WHOSE}"),
            ],
            unit="joule",
            text="Beyond idle power, with the standard error of the fit.",
            span=8,
            needs=_SPLIT,
        ),
        table(
            "Is the split known?",
            {"server": "Server", "reason": "Why not"},
            (
                Column(
                    "Known",
                    f"max by (server, reason) ({select('pentameter_energy_split_known')})",
                    "bool_yes_no",
                ),
            ),
            span=6,
            needs=ENERGY,
        ),
    ),
)

BOARDS = Row(
    "GPUs",
    (
        timeseries(
            "Power of each GPU",
            [
                query(of_gpus("pentameter_gpu_power_watts"), GPU),
                target(of_gpus("pentameter_gpu_power_limit_watts"), GPU),
            ],
            unit="watt",
            text="A GPU that stays at its limit (dashed) is slowed down by it.",
            needs=GPUS,
        ),
        timeseries(
            "Temperature of each GPU",
            [query(of_gpus("pentameter_gpu_temperature_celsius"), GPU)],
            unit="celsius",
            text="Hot silicon leaks more, so joules per token rise with it. A GPU that is too hot slows down.",
            needs=GPUS,
        ),
    ),
)


DETAILS = Row(
    "Details: how energy is known",
    (
        table(
            "Energy of each GPU",
            {"gpu": "GPU", "method": "Method", "scope": "Scope"},
            (
                Column(
                    "Counter over power x time",
                    "max by (gpu, method, scope)"
                    f" ({select('pentameter_gpu_energy_info')} * on (cluster, namespace, instance, gpu) group_left ()"
                    f" {select('pentameter_gpu_energy_audit_ratio')})",
                    "none",
                    decimals=3,
                ),
                Column(
                    "Readings not believed, in the time shown",
                    "max by (gpu, method, scope)"
                    f" ({select('pentameter_gpu_energy_info')} * on (cluster, namespace, instance, gpu) group_left ()"
                    " sum by (cluster, namespace, instance, gpu)"
                    f" (increase({select('pentameter_gpu_energy_anomalies_total')}[$__range])))",
                    "short",
                ),
            ),
            span=12,
            height=6,
            needs=GPUS,
        ),
        table(
            "Fit of the split by phase",
            {"server": "Server"},
            (
                Column("R²", f"max by (server) ({select('pentameter_energy_split_fit_ratio')})", "none", decimals=3),
                Column("Condition", f"max by (server) ({select('pentameter_energy_split_condition')})", "none"),
                Column("Idle power", f"max by (server) ({select('pentameter_energy_split_idle_watts')})", "watt"),
            ),
            text="Told from R² of 0.98 and up to a condition of 60.",
            span=12,
            height=6,
            needs=_SPLIT,
        ),
        drift("Drift of energy per token", "pentameter_energy_drift_ratio"),
        timeseries(
            "Power that vLLM told nothing of",
            [query(rate("pentameter_unobserved_energy_joules_total"), f"{{{{component}}}} {WHO}")],
            unit="watt",
            needs=ENERGY,
        ),
    ),
    collapsed=True,
)

BOARD = Board(
    slug="energy",
    title="Energy and carbon",
    description="What power flows and for what, joules and grams per token, and what the same work emits elsewhere.",
    rows=(FINE, POWER, PHASES, BOARDS, CARBON, PLACES, DETAILS, KNOWN),
)
