"""What draws: npm's packages, the page's bundle, and Chromium."""

from __future__ import annotations

import base64
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.rig import chromium
from render import png

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@contextmanager
def bundled() -> Iterator[Path]:
    """Hand over the page's script, bundled anew; its style lies beside it with the suffix ``.css``.

    The folder is thrown away in the end: two runs at one time do not see each other.
    """
    with tempfile.TemporaryDirectory(prefix="pentameter-render-") as folder:
        script = Path(folder) / "page.js"
        subprocess.run(["node", HERE / "page" / "bundle.mjs", installed(), script], check=True)
        yield script


class Camera:
    """One Chromium that draws page after page; a context manager."""

    def __init__(self) -> None:
        if chromium.program() is None:
            message = "no Chromium on PATH (Debian: apt-get install --no-install-recommends chromium)"
            raise ToolchainError(message)
        self._browser = chromium.Chromium()

    def __enter__(self) -> Camera:
        self._browser.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._browser.__exit__(*error)

    def photograph(self, page: Path, picture: Path, width: int, height: int) -> list[str]:
        """Draw a page's file into a PNG, and return the errors of the page.

        Raises ``BrowserError`` when the page never comes to its end.
        """
        self._browser.complaints.clear()
        self._browser.look(width=width, height=height, dark=True)
        self._browser.open(page.as_uri())
        self._browser.wait_for("window.DRAWN")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = self._browser.call("Page.captureScreenshot", format="png", clip=clip)["data"]
        small = self._browser.evaluate(f"window.IN_PALETTE('{shot}')")
        pixels = base64.b64decode(small["pixels"])
        picture.write_bytes(png.indexed(small["width"], small["height"], small["colours"], pixels))
        errors: list[str] = self._browser.evaluate("window.FAILED")
        # A font or an icon that is not there is no error of the page; what its script throws is.
        thrown = [told for told in self._browser.complaints if "exceptionDetails" in told]
        return [*errors, *thrown]
