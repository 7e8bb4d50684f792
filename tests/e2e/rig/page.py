"""Single figures out of a metrics page, by prometheus_client's parser and none of Pentameter's."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families


def sample(page: str, name: str, **labels: str) -> float | None:
    """Return the sum of the samples with this name and at least these labels; None when there are none."""
    # The parser is slow, and one metric of a large page is wanted.
    lines = [line for line in page.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
    values = [
        found.value
        for family in text_string_to_metric_families("\n".join([*lines, ""]))
        for found in family.samples
        if found.name == name and labels.items() <= found.labels.items()
    ]
    return sum(values) if values else None


def mean_between(before: str, after: str, histogram: str) -> float:
    """Return the mean of what a histogram observed between two pages: increase of sum / increase of count."""
    total = (sample(after, f"{histogram}_sum") or 0.0) - (sample(before, f"{histogram}_sum") or 0.0)
    count = (sample(after, f"{histogram}_count") or 0.0) - (sample(before, f"{histogram}_count") or 0.0)
    return total / count
