#!/usr/bin/env python3
"""Asks the exporter for its metrics, and Prometheus whether it sees the exporter; says what is wrong."""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def answer(url: str) -> str:
    """Return the text of a page."""
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - the chart's own address
        text: str = response.read().decode()
    return text


def complaints() -> Iterator[str]:
    """Yield what is not as it should be."""
    page = os.environ.get("METRICS_URL")
    if page and "pentameter_build_info" not in answer(page):
        yield f"{page} shows no metric of Pentameter"
    prometheus, query = os.environ.get("PROMETHEUS_URL"), os.environ.get("QUERY", "")
    if prometheus:
        address = f"{prometheus.rstrip('/')}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        result = json.loads(answer(address))["data"]["result"]
        if not result:
            yield f"Prometheus has no target for {query}: see the notes of the chart (helm get notes)"
        elif float(result[0]["value"][1]) < 1:
            yield f"Prometheus cannot scrape any target of {query}"


def main() -> int:
    """Ask until all is well or the time is over."""
    end = time.monotonic() + float(os.environ.get("SECONDS", "120"))
    while True:
        try:
            wrong = list(complaints())
        except (OSError, ValueError, KeyError) as error:
            wrong = [str(error)]
        sys.stdout.write(f"{'; '.join(wrong) or 'all is well'}\n")
        sys.stdout.flush()
        if not wrong:
            return 0
        if time.monotonic() > end:
            return 1
        time.sleep(3)


if __name__ == "__main__":
    sys.exit(main())
