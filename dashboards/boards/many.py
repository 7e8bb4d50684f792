"""Figures of many servers and GPUs in one graph: put together by weight, or the foremost of them."""

from __future__ import annotations

from boards.kit import select

SERVER = "cluster, namespace, instance, server"
"""The labels that tell a server from all others, whatever it serves."""

TOKENS = select("pentameter_tokens_per_second", phase="generation")
REQUESTS = select("pentameter_requests_per_second")
GOOD_REQUESTS = select("pentameter_goodput_requests_per_second")

CROWD = 12
"""Lines that a graph can show and a reader can tell apart."""


def together(value: str, weight: str, by: str, per: str = "") -> str:
    """Return a rolling figure of single servers, such as joules per token, for all of them together.

    Each counts by what its denominator is made of, such as tokens per second, so that it is the sum of the numerators
    over the sum of the denominators. By the exporter's own windows, it is right from the first scrape on.

    Args:
        value: selector of the figure; the labels of ``by`` and those of the server leave one series of each server.
        weight: selector of the denominator.
        by: labels that stay, divided by commas.
        per: a label that value and weight share besides those of the server, such as the SLO.
    """
    on = f"{SERVER}, {per}" if per else SERVER
    heavy = f"* on ({on}) group_left () (sum by ({on}) ({weight}) > 0)"
    return f"sum by ({by}) ({value} {heavy}) / sum by ({by}) (({value} * 0 + 1) {heavy})"


def foremost(expression: str, gauge: str, labels: str) -> str:
    """Return those lines of an expression whose gauge rose highest in the time shown: the same ones all along.

    Args:
        expression: what is drawn; it has the labels.
        gauge: selector of the gauge that decides.
        labels: what tells the lines apart.
    """
    highest = f"topk({CROWD}, max by ({labels}) (max_over_time({gauge}[$__range] @ end())))"
    return f"({expression}) and on ({labels}) {highest}"


def dearest(expression: str, count: int = 4) -> str:
    """Return the greatest values of an expression: of many models, as many as a panel of numbers can show."""
    return f"topk({count}, {expression})"
