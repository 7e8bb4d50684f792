"""The committed dashboards keep every rule, and are what their builders would write."""

import os
import shutil
import subprocess
import sys

import pytest
import yaml

import board_files
import board_rules
import query_rules

BOARDS = [pytest.param(board_files.load(path), id=path.stem) for path in board_files.paths()]
DRILL_DOWNS = {"overview", "time", "computation", "memory", "energy", "economics", "fleet", "exporter"}


def queries(board):
    return [
        *board_files.panel_queries(board),
        *board_files.variable_queries(board),
        *board_files.annotation_queries(board),
    ]


def test_every_board_is_there():
    assert {path.stem.removeprefix("pentameter-") for path in board_files.paths()} == DRILL_DOWNS


@pytest.mark.parametrize("rule", board_rules.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("board", BOARDS)
def test_a_board_keeps_the_rule(board, rule):
    assert rule(board) == []


@pytest.mark.parametrize("rule", query_rules.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("board", BOARDS)
def test_the_queries_of_a_board_keep_the_rule(board, rule):
    faults = {f"{query.where}: {fault}": query.expr for query in queries(board) for fault in rule(query)}

    assert faults == {}


def test_no_two_boards_share_an_identity():
    uids = [board_files.load(path)["uid"] for path in board_files.paths()]

    assert uids == [path.stem for path in board_files.paths()]


def test_promtool_parses_every_query(tmp_path):
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    boards = [board_files.load(path) for path in board_files.paths()]
    exprs = {board_files.filled(query.expr, board_files.values(board)) for board in boards for query in queries(board)}
    rules = [{"record": f"query:{number}", "expr": expr} for number, expr in enumerate(sorted(exprs))]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))

    done = subprocess.run([program, "check", "rules", "--lint=none", file], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert f"{len(rules)} rules found" in done.stdout


def test_the_files_are_what_their_builders_write():
    environment = {**os.environ, "PYTHONPATH": "dashboards:exporter"}

    done = subprocess.run(
        [sys.executable, "-m", "boards.generate", "--check"],
        cwd=board_files.CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
