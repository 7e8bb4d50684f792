"""A Prometheus that remembers a past that it has not scraped."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from e2e.rig.board_answers import Watched
from e2e.rig.past import KEPT_EVERY, past
from e2e.rig.prometheus import PrometheusServer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TARGET = 'job="rig",instance="pentameter:9184"'
"""Labels that Prometheus itself would add."""


@contextmanager
def remembered_past() -> Iterator[Watched]:
    """Hand over a Prometheus that holds the last hours of some simulated days; they take some minutes to simulate."""
    ended = time.time() // KEPT_EVERY * KEPT_EVERY
    prometheus = PrometheusServer([])
    try:
        begun = fill(prometheus.store, past(ended))
        prometheus.start()
        yield Watched(prometheus.url, begun, ended)
    finally:
        prometheus.stop()


def fill(store: Path, scrapes: Iterable[tuple[float, str]]) -> float:
    """Write the blocks of the scrapes, each a Unix time and a page, into a folder; return the first time."""
    times = []
    with TemporaryDirectory(prefix="pentameter-past-") as folder:
        file = Path(folder) / "past.txt"
        with file.open("w") as text:
            for moment, page in scrapes:
                times.append(moment)
                text.writelines(f"{line}\n" for line in stamped(page, moment))
            text.write("# EOF\n")
        subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", "-q", file, store], check=True)
    return times[0]


def stamped(page: str, moment: float) -> Iterator[str]:
    """Yield the samples of a page with their time, and with the labels and the ``up`` that a scrape adds.

    >>> list(stamped('# TYPE a gauge\\na{x="y"} 1\\nb 2', 60.0))
    ['up{job="rig",instance="pentameter:9184"} 1 60.000', \
'a{job="rig",instance="pentameter:9184",x="y"} 1 60.000', 'b{job="rig",instance="pentameter:9184"} 2 60.000']
    """
    yield f"up{{{TARGET}}} 1 {moment:.3f}"
    for line in page.splitlines():
        if line.startswith("#"):
            continue
        series, _, value = line.rpartition(" ")
        name, brace, labels = series.partition("{")
        inside = f"{{{TARGET},{labels}" if brace else f"{{{TARGET}}}"
        yield f"{name}{inside} {value} {moment:.3f}"
