"""Write every board's file, or check that the committed ones are what would be written."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from boards import computation, economics, energy, exporter, fleet, memory, overview, time
from boards.layout import document

if TYPE_CHECKING:
    from boards.kit import Board

BOARDS: tuple[Board, ...] = (
    overview.BOARD,
    time.BOARD,
    computation.BOARD,
    memory.BOARD,
    energy.BOARD,
    economics.BOARD,
    fleet.BOARD,
    exporter.BOARD,
)

FOLDER = Path(__file__).parent.parent / "json"


def documents() -> dict[str, str]:
    """Return every file's name and text."""
    return {f"pentameter-{board.slug}.json": document(board) for board in BOARDS}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit status: 1 where ``--check`` finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a file differs")
    check = parser.parse_args(arguments).check
    wanted = documents()
    present = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    stale = sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))
    if check:
        if stale:
            sys.stderr.write(f"run make generate: {', '.join(stale)} in {FOLDER} differ from the builders\n")
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for name in stale:
        if name in wanted:
            (FOLDER / name).write_text(wanted[name], encoding="utf-8")
        else:
            (FOLDER / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
