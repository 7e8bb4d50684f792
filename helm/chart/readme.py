"""The chart's README: what it is for, and every value with its default and meaning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chart.values import Value

_HEAD = Path(__file__).with_name("readme_head.md")


def document(chart: dict[str, Any], values: Sequence[Value]) -> str:
    """Return the text."""
    head = _HEAD.read_text(encoding="utf-8")
    for mark, key in (("@VERSION@", "version"), ("@APPLICATION@", "appVersion"), ("@KUBERNETES@", "kubeVersion")):
        head = head.replace(mark, chart[key])
    return head + "".join(_row(value) for value in values)


def _row(value: Value) -> str:
    meaning = value.meaning.replace("|", "\\|")
    default = "" if value.is_section else f"`{json.dumps(value.default)}`"
    return f"| `{'.'.join(value.path)}` | {default} | {meaning} |\n"
