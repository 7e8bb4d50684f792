"""The page of one dashboard."""

import json
import re

import board_files
from render import page_file

PLACE = {"x": 0, "y": 0, "w": 24, "h": 4}
STAT = {"id": 7, "type": "stat", "title": "</script>", "gridPos": PLACE, "targets": [{"refId": "A", "expr": "up"}]}
BOARD = {"uid": "pentameter-x", "title": "X", "panels": [STAT], "templating": {"list": []}}


def written(folder):
    asked = page_file.Asked(lambda panel, target: [panel["id"], target["expr"]], (1, 2), 0.5)
    page, height = page_file.write(BOARD, asked, folder / "a.js", "dark", ["Model: All"])
    return page.read_text(), height


def test_the_page_holds_the_answers_by_panel_and_query(tmp_path):
    page, height = written(tmp_path)

    given = json.loads(re.search(r"window.RENDER = (.*?)</script>", page)[1])
    assert given["answers"] == {"7": {"A": [7, "up"]}}
    assert given["range"] == {"from": 1000, "to": 2000}
    assert given["step"] == 500
    assert given["head"] == ["Model: All"]
    assert height == 64 + 4 * 38 + 8


def test_a_title_cannot_end_the_script(tmp_path):
    page, _ = written(tmp_path)

    assert page.count("</script>") == 2


def test_every_board_fits_on_a_page():
    heights = [page_file.page_height(page_file.unfolded(board_files.load(path))) for path in board_files.paths()]

    # Chromium draws no more than 16384 pixels.
    assert heights
    assert max(heights) < 16_000


def test_the_line_of_choices_leaves_out_the_data_source():
    board = {
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource"},
                {"name": "model", "label": "Model", "type": "query", "includeAll": True},
                {"name": "window", "label": "Window", "type": "query", "current": {"value": "5m"}},
            ]
        }
    }

    assert page_file.choices(board, {}) == ["Model: All", "Window: 5m"]
    assert page_file.choices(board, {"window": "1m"}) == ["Model: All", "Window: 1m"]
