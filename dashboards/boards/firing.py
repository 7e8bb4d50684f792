"""What the overview shows of alerts: how many fire, and which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boards.kit import Column, query, stat, table
from boards.style import EMPTY

if TYPE_CHECKING:
    from grafana_foundation_sdk.models import dashboard

_FIRING = (
    'ALERTS{alertstate="firing",alertname=~"Pentameter.*",cluster=~"$cluster",namespace=~"$namespace",'
    'model_name=~"$model",engine=~"$engine|"}'
)
_RULES = 'model:pentameter_generated_tokens:rate5m{cluster=~"$cluster",namespace=~"$namespace"}'
"""A series that the shipped rules record wherever a server is read: without it none are loaded."""

_TEXT = "Alerts of the shipped rules, which Prometheus evaluates. Those that are of no single model, such as a silent"
_TEXT += " source, are left out where one model is chosen."


def how_many_fire(span: int) -> dashboard.Panel:
    """Return the number of firing alerts: 0 only where rules are loaded, and else nothing."""
    return stat(
        "Firing alerts",
        [query(f"count({_FIRING}) or 0 * count({_RULES})", "firing")],
        unit="none",
        decimals=0,
        span=span,
        steps={1: "red"},
        needs="alert rules",
        text=f"{_TEXT} 0 is shown only where the rules are loaded.",
    )


def firing(span: int, height: int) -> dashboard.Panel:
    """Return the table of the firing alerts."""
    named = f'label_replace({_FIRING}, "alert", "$1", "alertname", "Pentameter(.*)")'
    return table(
        "Which alerts fire",
        {"alert": "Alert", "severity": "Severity", "slo": "SLO"},
        (Column("Times", f"count by (alert, severity, slo) ({named})", "none", 0, width=60),),
        widths={"Alert": 200, "Severity": 80},
        span=span,
        height=height,
        needs=f"{EMPTY}no alert fires, or Prometheus has no alert rules (deploy/rules)",
        text=f"{_TEXT} Times: for how many models, places or servers. The runbook is linked from the alert itself.",
    )
