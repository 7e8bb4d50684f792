"""What the board of time shows of the SLOs: attainment, misses, goodput, capacity, who is judged."""

from __future__ import annotations

from boards import figures
from boards.kit import (
    Column,
    Row,
    query,
    select,
    table,
    target,
    timeseries,
    total_rate,
)
from boards.money import BY_SLO, MODEL
from boards.parts import ESTIMATE, RECORDS, WHO

_CAPACITY = "pentameter_goodput_capacity_requests_per_second"
_STATE = select("pentameter_goodput_capacity_state") + " == 1"
_GOODPUT = select("pentameter_goodput_requests_per_second")

_JUDGED = total_rate("pentameter_slo_requests_total", by="model_name, slo")
_MISSES = total_rate("pentameter_slo_objective_misses_total", by="model_name, slo, objective")


def _capacity_column(title: str, series: str, unit: str = "reqps", decimals: int = 2, **matchers: str) -> Column:
    """Return a column of the table of capacities, with the state as one of its labels."""
    drop = ", ".join(["state", *(label for label in matchers if label != "window")])
    figure = f"{select(series, **matchers)} * ignoring ({drop}) group_left (state) ({_STATE})"
    return Column(title, f"max by (instance, engine, slo, state) ({figure})", unit, decimals=decimals)


PROMISE = Row(
    "The SLO: is it kept, what breaks it, and how much more load fits?",
    (
        timeseries(
            "SLO attainment",
            [query(figures.attainment(), BY_SLO), target(figures.slo_target(), BY_SLO)],
            unit="percentunit",
            text="Good requests over judged requests, replicas added up. Dashed: the target.",
            span=8,
            height=9,
            most=1,
            needs=RECORDS,
        ),
        timeseries(
            "What was missed",
            [
                query(
                    f"{_MISSES} / on (model_name, slo) group_left () ({_JUDGED} > 0)",
                    "{{slo}}: {{objective}} {{model_name}}",
                )
            ],
            unit="percentunit",
            text="Share of the judged requests beyond each threshold: ttft waits for the first token (queue, prefill), "
            "tpot is the pace after it (batch, memory bandwidth). A request may miss several.",
            span=8,
            height=9,
            needs=RECORDS,
            most=1,
        ),
        timeseries(
            "Goodput against the load",
            [
                query(f"sum by (model_name) ({select('pentameter_offered_requests_per_second')})", f"offered {MODEL}"),
                query(f"sum by (model_name, slo) ({_GOODPUT})", f"good {BY_SLO}"),
                target(figures.capacity("estimate"), f"capacity {BY_SLO}"),
            ],
            unit="reqps",
            text="Where offered and good part, requests come too late for the SLO. Dashed: the most that could be, "
            "known after about two hours of traffic near the limit, and drawn once it is known of every replica.",
            span=8,
            height=9,
        ),
        table(
            "Goodput capacity of each replica",
            {"instance": "Replica", "engine": "Engine", "slo": "SLO", "state": "State"},
            (
                _capacity_column("At least", _CAPACITY, bound="lower"),
                _capacity_column("Estimate", _CAPACITY, bound="estimate"),
                _capacity_column("At most", _CAPACITY, bound="upper"),
                _capacity_column("Highest seen", "pentameter_goodput_capacity_highest_rate_requests_per_second"),
                _capacity_column("Burstiness", "pentameter_goodput_capacity_dispersion_ratio", "none"),
                _capacity_column("Windows", "pentameter_goodput_capacity_windows", "none", 0),
            ),
            text="State: unknown, lower_bound (the load has not come near the limit), extrapolated, observed. The "
            "estimate rests on windows of 5 to 10 minutes and needs 20 of them, the lower bound 6: figures come after "
            "about two hours. Burstiness: variance of the arrivals over that of a Poisson process.",
            span=16,
            height=7,
            needs=RECORDS,
        ),
        table(
            "What binds the capacity",
            {"instance": "Replica", "engine": "Engine", "slo": "SLO", "constraint": "Constraint"},
            (
                Column(
                    "Binds",
                    "max by (instance, engine, slo, constraint)"
                    f" ({select('pentameter_goodput_capacity_constraint_info')})",
                    "bool_yes_no",
                ),
            ),
            text="The threshold that is missed first when the load grows.",
            span=8,
            height=7,
            needs=ESTIMATE,
        ),
    ),
)


DETAILS = Row(
    "Details: who is judged",
    (
        timeseries(
            "Requests without a verdict",
            [
                query(
                    total_rate("pentameter_slo_unjudged_requests_total", "slo, reason", "$__rate_interval"),
                    "{{slo}}: {{reason}}",
                )
            ],
            unit="reqps",
            text="Requests that count neither as good nor as bad, by the reason.",
            needs=RECORDS,
        ),
        timeseries(
            "Coverage of request records",
            [query(select("pentameter_request_record_coverage_ratio"), WHO)],
            unit="percentunit",
            text="Share of the finished requests of which a record came. Below 90 % attainment is not called exact.",
            needs=RECORDS,
        ),
        table(
            "Thresholds and targets",
            {"server": "Server", "engine": "Engine", "slo": "SLO", "objective": "Objective"},
            (
                Column(
                    "At most",
                    f"max by (server, engine, slo, objective) ({select('pentameter_slo_threshold_seconds')})",
                    "s",
                ),
                Column(
                    "For at least",
                    "max by (server, engine, slo, objective) (0 * "
                    f"{select('pentameter_slo_threshold_seconds')} + ignoring (objective) group_left ()"
                    f" {select('pentameter_slo_target_ratio')})",
                    "percentunit",
                ),
            ),
            text="What the settings promise: so large a share of the requests within so much time.",
            span=11,
            height=6,
            needs="an SLO",
        ),
        table(
            "Policy",
            {
                "server": "Server",
                "slo": "SLO",
                "aborted": "Aborted",
                "failed": "Failed",
                "rejected": "Rejected",
                "one_token": "One token",
                "preempted": "Preempted",
            },
            (
                Column(
                    "In force",
                    "max by (server, slo, aborted, failed, rejected, one_token, preempted)"
                    f" ({select('pentameter_slo_policy_info')})",
                    "bool_yes_no",
                ),
            ),
            text="How requests are counted that are no plain case.",
            span=13,
            height=6,
            needs="an SLO",
        ),
    ),
    collapsed=True,
)
