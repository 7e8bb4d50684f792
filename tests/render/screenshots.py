"""Draw every dashboard on the figures of the demo, into ``docs/images/boards/``.

Run ``PYTHONPATH=tests:exporter python -m render.screenshots [--seconds 300] [--theme dark] [BOARD ...]``. It starts
the demo and a Prometheus, waits for figures, and draws. Needs Prometheus, Node with npm, and Chromium.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path
from typing import Any

import board_files
from board_files import Query
from e2e.rig.board_answers import Watched, watched_demo
from e2e.rig.process import end_tidily_when_terminated
from render import page_file, toolchain

PICTURES = board_files.CHECKOUT / "docs" / "images" / "boards"


def draw(board: dict[str, Any], prometheus: Watched, script: Path, folder: Path, theme: str) -> list[str]:
    """Draw one dashboard into ``folder`` and return the errors of its page."""
    now, given = time.time(), board_files.values(board)

    def answer(panel: dict[str, Any], target: dict[str, Any]) -> list[dict[str, Any]]:
        query = Query(
            board["uid"],
            panel["title"],
            target["expr"],
            target.get("legendFormat", ""),
            bool(target.get("instant")),
            target.get("format", "time_series"),
        )
        return prometheus.answer(query, given, now)

    page, height = page_file.write(board, answer, (prometheus.begun, now), script, theme)
    folder.mkdir(parents=True, exist_ok=True)
    said = toolchain.photograph(
        page, folder / f"{board['uid'].removeprefix('pentameter-')}.png", page_file.WIDTH, height
    )
    return re.findall(r"RENDER-ERROR.*|Uncaught.*", said)


def main() -> int:
    """Run the command; return the exit status: 1 where a panel could not be drawn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("boards", nargs="*", help="uid without 'pentameter-'; all if none is given")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long the demo runs first")
    parser.add_argument("--theme", choices=("light", "dark"), default="dark")
    parser.add_argument("--folder", type=Path, default=PICTURES, help="where the pictures go")
    parser.add_argument("--prometheus", help="URL of one that scrapes already, instead of the demo's own")
    given = parser.parse_args()
    end_tidily_when_terminated()
    script = toolchain.bundled()
    if given.prometheus:
        return draw_all(Watched(given.prometheus, time.time() - given.seconds), script, given)
    with watched_demo(given.seconds) as prometheus:
        return draw_all(prometheus, script, given)


def draw_all(prometheus: Watched, script: Path, given: argparse.Namespace) -> int:
    """Draw the boards that were asked for, and return the exit status."""
    failed = False
    for path in board_files.paths():
        if given.boards and path.stem.removeprefix("pentameter-") not in given.boards:
            continue
        errors = draw(board_files.load(path), prometheus, script, given.folder, given.theme)
        failed |= bool(errors)
        print(path.stem, *(errors or ["drawn"]), sep="\n  ", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
