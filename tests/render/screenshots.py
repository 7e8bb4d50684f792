"""Draw every dashboard: on some simulated days into ``docs/images/boards/``, or on a real vLLM into ``real/`` below.

Run ``PYTHONPATH=tests:exporter python -m render.screenshots [--real | --live | --prometheus URL] [BOARD ...]``:

* by default the demo's figures with a past of some days, which takes a few minutes to simulate;
* with ``--real`` the rig's vLLM under a load that changes, for seven minutes;
* with ``--live`` the demo itself, after ``--seconds``;
* with ``--prometheus`` the last ``--seconds`` of one that scrapes already.

Needs Prometheus, Node with npm, and Chromium.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import board_files
from board_files import Query
from e2e.rig.backfilled import remembered_past
from e2e.rig.board_answers import Watched, watched_demo, watched_fleet
from e2e.rig.process import end_tidily_when_terminated
from e2e.rig.watched_vllm import watched_vllm
from render import page_file, toolchain

if TYPE_CHECKING:
    from collections.abc import Container

PICTURES = board_files.CHECKOUT / "docs" / "images" / "boards"
WITHOUT_GPU = ("overview", "time", "computation", "memory", "economics", "fleet", "exporter")
"""Boards that a vLLM on processors has figures for; of energy and carbon hardly any are known there."""
LIVE = "Simulated: pentameter demo"
FLEET = "Simulated: three of pentameter demo"
OF_PROCESSES = frozenset({"exporter", "fleet"})
"""Boards that show the exporters' own processes, or many of them side by side."""


@dataclass(frozen=True)
class Studio:
    """What every picture of a run has in common."""

    prometheus: Watched
    script: Path
    camera: toolchain.Camera
    folder: Path
    theme: str
    note: tuple[str, ...] = ()
    """Whose figures these are, for the head of the page."""

    def draw(self, board: dict[str, Any]) -> list[str]:
        """Draw one dashboard, and return the errors of its page."""
        now, given = self.prometheus.now(), {**board_files.values(board), **self.prometheus.given}

        def answer(panel: dict[str, Any], target: dict[str, Any]) -> list[dict[str, Any]]:
            query = Query(
                board["uid"],
                panel["title"],
                target["expr"],
                target.get("legendFormat", ""),
                bool(target.get("instant")),
                target.get("format", "time_series"),
            )
            return self.prometheus.answer(query, given, now)

        asked = page_file.Asked(answer, (self.prometheus.begun, now), self.prometheus.step(now))
        shown = page_file.choices(board, self.prometheus.given)
        page, height = page_file.write(board, asked, self.script, self.theme, [*shown, *self.note])
        picture = self.folder / f"{board['uid'].removeprefix('pentameter-')}.png"
        return self.camera.photograph(page, picture, page_file.WIDTH, height)


def main() -> int:
    """Run the command; return the exit status: 1 where a panel could not be drawn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("boards", nargs="*", help="uid without 'pentameter-'; all if none is given")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long graphs are, of a demo or a Prometheus")
    parser.add_argument("--theme", choices=("light", "dark"), default="dark")
    parser.add_argument("--folder", type=Path, help="where the pictures go, if not below docs/images")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--real", action="store_true", help="a real vLLM under load")
    source.add_argument("--live", action="store_true", help="the demo as it is after --seconds")
    source.add_argument("--prometheus", help="URL of one that scrapes already")
    given = parser.parse_args()
    end_tidily_when_terminated()
    if given.prometheus:
        return draw_all(Watched(given.prometheus, time.time() - given.seconds), given)
    if given.real:
        given.boards = given.boards or [*WITHOUT_GPU]
        with watched_vllm() as prometheus:
            return draw_all(prometheus, given, "Real vLLM 0.32 with a tiny model on one CPU thread")
    if given.live:
        with watched_demo(given.seconds) as prometheus:
            return draw_all(prometheus, given, LIVE)
    failed = 0
    if not given.boards or set(given.boards) - OF_PROCESSES:
        with remembered_past() as prometheus:
            failed = draw_all(prometheus, given, "Simulated: some days of pentameter demo", without=OF_PROCESSES)
    if given.boards and not OF_PROCESSES.intersection(given.boards):
        return failed
    given.boards = [*OF_PROCESSES.intersection(given.boards or OF_PROCESSES)]
    with watched_fleet(given.seconds) as prometheus:
        return failed | draw_all(prometheus, given, FLEET)


def draw_all(prometheus: Watched, given: argparse.Namespace, *note: str, without: Container[str] = ()) -> int:
    """Draw the boards that were asked for, but for some, and return the exit status."""
    failed = False
    folder: Path = given.folder or (PICTURES / "real" if given.real else PICTURES)
    folder.mkdir(parents=True, exist_ok=True)
    with toolchain.bundled() as script, toolchain.Camera() as camera:
        studio = Studio(prometheus, script, camera, folder, given.theme, note)
        for path in board_files.paths():
            name = path.stem.removeprefix("pentameter-")
            if name in without or (given.boards and name not in given.boards):
                continue
            errors = studio.draw(board_files.load(path))
            failed |= bool(errors)
            print(path.stem, *(errors or ["drawn"]), sep="\n  ", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
