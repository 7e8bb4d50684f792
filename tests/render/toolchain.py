"""What draws: npm's packages, the page's bundle, and Chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from e2e.rig import chromium

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
CACHE = CHECKOUT / ".cache" / "render"


class ToolchainError(Exception):
    """A tool is missing, or a page could not be drawn."""


def installed() -> Path:
    """Return the folder of npm's packages, after installing them if they are not those of the lock file.

    Raises:
        ToolchainError: there is no npm.
        subprocess.CalledProcessError: npm failed; its own output says why.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    wanted = (HERE / "package-lock.json").read_text()
    stamp = CACHE / "installed-lock.json"
    if not (stamp.is_file() and stamp.read_text() == wanted):
        if shutil.which("npm") is None:
            message = "npm is not on PATH"
            raise ToolchainError(message)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, CACHE / name)
        # Nothing here runs on the server side, so no package needs to build anything.
        command = ["npm", "ci", "--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=CACHE, check=True)
        stamp.write_text(wanted)
    return CACHE / "node_modules"


def bundled() -> Path:
    """Return the page's script, bundled anew; its style lies beside it with the suffix ``.css``."""
    script = CACHE / "page.js"
    subprocess.run(["node", HERE / "page" / "bundle.mjs", installed(), script], check=True)
    return script


def photograph(page: Path, picture: Path, width: int, height: int) -> str:
    """Draw a page's file into a PNG, and return what the page and the browser had to say.

    Raises ``ToolchainError`` when there is no browser or no picture came out.
    """
    program = chromium.program()
    if program is None:
        message = "no Chromium on PATH (Debian: apt-get install --no-install-recommends chromium)"
        raise ToolchainError(message)
    picture.unlink(missing_ok=True)
    command = [
        program,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--enable-logging=stderr",
        "--virtual-time-budget=15000",
        f"--user-data-dir={CACHE / 'profile'}",
        f"--window-size={width},{height}",
        f"--screenshot={picture}",
        page.as_uri(),
    ]
    environment = {**os.environ, "TZ": "UTC"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False, env=environment)
    if not picture.is_file():
        message = f"{page.name}: no picture; {done.stderr[-2000:]}"
        raise ToolchainError(message)
    return done.stderr
