"""A real Alertmanager with the configuration that is shipped, and the rules that are shipped, both without the waiting.

What is changed is said here and nowhere else: in the rules how often a group is evaluated, for how long an expression
must hold and how long an alert goes on; in the configuration how long Alertmanager gathers, and where it posts to.
"""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from e2e.rig.install import ALERTMANAGER, CHECKOUT
from e2e.rig.process import ServerProcess, free_port, http_get

RULES = CHECKOUT / "deploy/rules/pentameter.rules.yml"
CONFIGURATION = CHECKOUT / "deploy/alertmanager/alertmanager.yml"
START_SECONDS = 30.0

SOON = "1s"
TIMES_OF_A_GROUP = ("interval",)
TIMES_OF_A_RULE = ("for", "keep_firing_for")
TIMES_OF_A_ROUTE = ("group_wait", "group_interval")

Tree = dict[str, Any]


def shipped(path: Path) -> Tree:
    """Return the content of a YAML file."""
    content: Tree = yaml.safe_load(path.read_text())
    return content


def hastened_rules(rules: Tree) -> Tree:
    """Return rules that are the same but for the waiting: each time that is set becomes ``SOON``, and nothing else."""
    changed = copy.deepcopy(rules)
    for group in changed["groups"]:
        _set_soon(group, TIMES_OF_A_GROUP)
        for rule in group["rules"]:
            _set_soon(rule, TIMES_OF_A_RULE)
    return changed


def hastened_configuration(configuration: Tree, webhook: str) -> Tree:
    """Return a configuration that posts at once to ``webhook``, with the last part of each URL as it was."""
    changed = copy.deepcopy(configuration)
    for route in (changed["route"], *changed["route"]["routes"]):
        _set_soon(route, TIMES_OF_A_ROUTE)
    for receiver in changed["receivers"]:
        for one in receiver["webhook_configs"]:
            one["url"] = f"{webhook}/{one['url'].rpartition('/')[2]}"
    return changed


def _set_soon(tree: Tree, keys: tuple[str, ...]) -> None:
    tree.update({key: SOON for key in keys if key in tree})


def amtool(*arguments: str) -> tuple[int, str]:
    """Return the exit status and the output of amtool."""
    done = subprocess.run(["amtool", *arguments], capture_output=True, text=True, check=False, timeout=30)
    return done.returncode, done.stdout + done.stderr


class AlertmanagerServer:
    """Alertmanager on a free loopback port, alone, with what it keeps thrown away.

    Args:
        configuration: what ``--config.file`` shall say.
    """

    def __init__(self, configuration: Tree) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        self._folder = tempfile.TemporaryDirectory(prefix="pentameter-alertmanager-")
        folder = Path(self._folder.name)
        self.config = folder / "alertmanager.yml"
        # JSON is YAML.
        self.config.write_text(json.dumps(configuration))
        program = next(name for name in ALERTMANAGER if shutil.which(name))
        self._process = ServerProcess(
            f"alertmanager-{self.address.rpartition(':')[2]}",
            [
                program,
                f"--config.file={self.config}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address={self.address}",
                "--cluster.listen-address=",
            ],
        )

    def start(self) -> None:
        """Start it and wait until it is ready; raise ``ServerFailedError`` when it is not."""
        self._process.start()
        self._process.wait_until_answers(f"{self.url}/-/ready", START_SECONDS)

    def stop(self) -> None:
        """End it and remove what it kept."""
        self._process.stop()
        self._folder.cleanup()

    def post(self, *alerts: dict[str, str]) -> None:
        """Hand in alerts by their labels, as a Prometheus does; they fire for five minutes."""
        body = json.dumps([{"labels": labels} for labels in alerts]).encode()
        request = urllib.request.Request(
            f"{self.url}/api/v2/alerts", body, {"Content-Type": "application/json"}, method="POST"
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=5.0):
            pass

    def states(self) -> list[tuple[dict[str, str], str]]:
        """Return labels and state of each alert: ``active``, ``suppressed``, or ``unprocessed`` yet."""
        return [(one["labels"], one["status"]["state"]) for one in json.loads(http_get(f"{self.url}/api/v2/alerts"))]
