"""What the board of time shows of the SLOs: attainment, misses, goodput, capacity, who is judged."""

from __future__ import annotations

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
from boards.parts import ESTIMATE, RECORDS, TOKENS_PER_SECOND, WHO

_CAPACITY = "pentameter_goodput_capacity_requests_per_second"


_STATE = select("pentameter_goodput_capacity_state") + " == 1"


_JUDGED = total_rate("pentameter_slo_requests_total", by="slo")


def _capacity_column(title: str, series: str, unit: str = "reqps", **matchers: str) -> Column:
    """Return a column of the table of capacities, with the state as one of its labels."""
    drop = ", ".join(["state", *(label for label in matchers if label != "window")])
    figure = f"{select(series, **matchers)} * ignoring ({drop}) group_left (state) ({_STATE})"
    return Column(title, f"max by (server, engine, slo, state) ({figure})", unit, decimals=2)


PROMISE = Row(
    "The SLO",
    (
        timeseries(
            "SLO attainment by engine",
            [
                query(select("pentameter_slo_attainment_ratio", bound="exact"), f"{{{{slo}}}} exact {WHO}"),
                query(
                    select("pentameter_slo_attainment_ratio", bound="=~lower|upper"), f"{{{{slo}}}} {{{{bound}}}} {WHO}"
                ),
                target(f"max by (slo) ({select('pentameter_slo_target_ratio')})", "{{slo}}"),
            ],
            unit="percentunit",
            text="The bounds come from vLLM's histograms and need no request records: the truth lies between them.",
            most=1,
        ),
        timeseries(
            "What was missed",
            [
                query(
                    f"{total_rate('pentameter_slo_objective_misses_total', by='slo, objective')}"
                    f" / on (slo) group_left () ({_JUDGED} > 0)",
                    "{{slo}}: {{objective}}",
                )
            ],
            unit="percentunit",
            text="Share of the judged requests beyond each threshold. A request may miss several.",
            needs=RECORDS,
            most=1,
        ),
        timeseries(
            "Goodput against rate and capacity",
            [
                query(select("pentameter_goodput_requests_per_second"), f"goodput {{{{slo}}}} {WHO}"),
                query(select("pentameter_offered_requests_per_second"), f"offered {WHO}"),
                query(select("pentameter_requests_per_second"), f"finished {WHO}"),
                query(select(_CAPACITY, bound="=~lower|upper"), f"capacity {{{{slo}}}}, {{{{bound}}}} {WHO}"),
                target(select(_CAPACITY, bound="estimate"), f"capacity {{{{slo}}}} {WHO}"),
            ],
            unit="reqps",
            text="Where offered and goodput part, requests come too late for the SLO. Capacities of replicas with"
            " different mixes do not add up, so they stand by engine.",
            span=24,
            height=9,
        ),
        table(
            "Goodput capacity",
            {"server": "Server", "engine": "Engine", "slo": "SLO", "state": "State"},
            (
                _capacity_column("At least", _CAPACITY, bound="lower"),
                _capacity_column("Estimate", _CAPACITY, bound="estimate"),
                _capacity_column("At most", _CAPACITY, bound="upper"),
                _capacity_column("Highest rate seen", "pentameter_goodput_capacity_highest_rate_requests_per_second"),
                _capacity_column("Burstiness", "pentameter_goodput_capacity_dispersion_ratio", "none"),
                _capacity_column("Windows", "pentameter_goodput_capacity_windows", "none"),
            ),
            text="State: unknown, lower_bound (the load has not come near the limit), extrapolated, observed."
            " The estimate rests on windows of 5 to 10 minutes and needs 20 of them, the lower bound 6.",
            span=16,
            height=6,
            needs=RECORDS,
        ),
        table(
            "What binds the capacity",
            {"server": "Server", "engine": "Engine", "slo": "SLO", "constraint": "Constraint"},
            (
                Column(
                    "Known",
                    "max by (server, engine, slo, constraint)"
                    f" ({select('pentameter_goodput_capacity_constraint_info')})",
                    "bool_yes_no",
                ),
            ),
            span=8,
            height=6,
            needs=ESTIMATE,
        ),
    ),
)


DETAILS = Row(
    "Details: who is judged",
    (
        timeseries(
            "Requests without a verdict",
            [query(total_rate("pentameter_slo_unjudged_requests_total", by="slo, reason"), "{{slo}}: {{reason}}")],
            unit="reqps",
            needs=RECORDS,
        ),
        timeseries(
            "Coverage of request records",
            [query(select("pentameter_request_record_coverage_ratio"), WHO)],
            unit="percentunit",
            text="Below 90 % attainment is not called exact.",
            needs=RECORDS,
        ),
        timeseries(
            "Goodput within bounds",
            [query(select("pentameter_goodput_bound_requests_per_second"), f"{{{{slo}}}} {{{{bound}}}} {WHO}")],
            unit="reqps",
            text="From vLLM's histograms, for servers without request records.",
            needs="an SLO",
        ),
        timeseries(
            "Good output tokens",
            [
                query(select("pentameter_goodput_tokens_per_second"), f"{{{{slo}}}} {WHO}"),
                query(select("pentameter_goodput_per_gpu_tokens_per_second"), f"{{{{slo}}}} per GPU {WHO}"),
            ],
            unit=TOKENS_PER_SECOND,
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
                    "For",
                    "max by (server, engine, slo, objective) (0 * "
                    f"{select('pentameter_slo_threshold_seconds')} + ignoring (objective) group_left ()"
                    f" {select('pentameter_slo_target_ratio')})",
                    "percentunit",
                ),
            ),
            span=12,
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
            span=12,
            needs="an SLO",
        ),
    ),
    collapsed=True,
)
