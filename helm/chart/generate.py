"""Write what derives from others in the chart, or check that the committed files are what would be written."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import yaml

from chart import readme, schema
from chart.values import values_of

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm/pentameter"
RULES = ROOT / "deploy/rules/pentameter.rules.yml"


def documents() -> dict[str, str]:
    """Return the text of every derived file by its path in the chart."""
    boards = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "dashboards/json").glob("*.json")}
    rules = RULES.read_text(encoding="utf-8")
    groups = yaml.safe_load(rules)["groups"]
    alerts = [rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule]
    values = values_of((CHART / "values.yaml").read_text(encoding="utf-8"))
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    names = sorted(name.removesuffix(".json") for name in boards)
    return {
        **{f"files/dashboards/{name}": text for name, text in boards.items()},
        f"files/rules/{RULES.name}": rules,
        "values.schema.json": json.dumps(schema.document(values, alerts, names), indent=2) + "\n",
        "README.md": readme.document(chart, values),
    }


def stale_files() -> list[str]:
    """Return the paths in the chart that differ from what would be written, and those that should not be there."""
    wanted = documents()
    derived = [path for folder in ("dashboards", "rules") for path in (CHART / "files" / folder).glob("*")]
    places = set(wanted) | {path.relative_to(CHART).as_posix() for path in derived}
    return sorted(place for place in places if wanted.get(place) != _present(place))


def _present(place: str) -> str | None:
    path = CHART / place
    return path.read_text(encoding="utf-8") if path.is_file() else None


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit status: 1 where ``--check`` finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a file differs")
    stale = stale_files()
    if parser.parse_args(arguments).check:
        if stale:
            sys.stderr.write(f"run make generate: {', '.join(stale)} in {CHART} differ\n")
        return 1 if stale else 0
    wanted = documents()
    for place in stale:
        path = CHART / place
        if place in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[place], encoding="utf-8")
        else:
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
