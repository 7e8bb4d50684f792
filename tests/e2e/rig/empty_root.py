"""A root file system that begins empty, and a Dockerfile's steps executed in it by hand, where there is no engine.

What stands for the base image is less than the image has: Python with its standard library and pip, the shared
libraries that these and wheels may ask for, a shell and ``install``. Executed are the steps as they are written:
``COPY`` by copying, ``RUN`` with ``/bin/sh`` in a chroot, the program of ``ENTRYPOINT`` in mount and process namespaces
of its own, as the user of ``USER``, on a root that is read-only.

Not shown by it: the real base image, layers, labels, other architectures, and the network of a container. What pip asks
for it finds in a folder of wheels, fetched before by the same versions and hashes.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.rig.install import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from e2e.rig.dockerfile import Stage

PROGRAMS = {"/bin/sh": "sh", "/usr/bin/install": "install"}
"""What ``RUN`` asks for, and the image has it."""
LIBRARIES = ("libgcc_s.so.1", "libstdc++.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1")
"""What wheels are allowed to ask for beside libc and libm: Debian's smallest image has it too."""
LEFT_OUT = shutil.ignore_patterns(
    "test", "idlelib", "tkinter", "turtledemo", "ensurepip", "config-*", "__pycache__", "_tkinter*", "site-packages"
)
PATH_OF_IMAGE = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
BUILD_SECONDS = 300.0


def can_change_root() -> bool:
    """Tell whether this user may make namespaces and change the root."""
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("chroot") is None:
        return False
    return subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], check=False).returncode == 0


def python(version: str) -> Path | None:
    """Return the base folder of an installed Python, such as of 3.13; None where there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    found: list[str | Path | None] = [
        shutil.which(f"python{version}"),
        *pyenv.glob(f"versions/{version}.*/bin/python{version}"),
    ]
    for program in filter(None, found):
        done = subprocess.run(
            [str(program), "-c", "import sys, pip; print(sys.base_prefix)"], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return Path(done.stdout.strip())
    return None


class EmptyRoot:
    """A folder that a stage of the Dockerfile is executed in.

    Args:
        folder: where it shall be; it is made.
        version: of Python, such as "3.13".
        base: folder of that Python.
    """

    def __init__(self, folder: Path, version: str, base: Path) -> None:
        self.folder = folder
        for name in ("usr/local/bin", "usr/bin", "bin", "tmp", "proc", "dev", "etc"):
            (folder / name).mkdir(parents=True)
        library = base / "lib" / f"python{version}"
        copy = folder / "usr/local/lib" / library.name
        shutil.copytree(library, copy, symlinks=True, ignore=LEFT_OUT)
        for package in (library / "site-packages").glob("pip*"):
            shutil.copytree(package, copy / "site-packages" / package.name)
        for file in (base / "lib").glob("libpython*.so*"):
            shutil.copy2(file, folder / "usr/local/lib", follow_symlinks=False)
        program = folder / f"usr/local/bin/python{version}"
        shutil.copy2(base / f"bin/python{version}", program)
        for alias in ("python", "python3"):
            program.with_name(alias).symlink_to(program.name)
        for place, name in PROGRAMS.items():
            shutil.copy2(_which(name), folder / place[1:])
        binaries: list[Path | str] = [base / f"bin/python{version}", *map(_which, PROGRAMS.values())]
        self._copy_libraries([*binaries, *copy.glob("lib-dynload/*.so")], base)

    def build(self, stage: Stage, others: dict[str, EmptyRoot], wheels: Path) -> None:
        """Execute the steps of a stage.

        Args:
            stage: the steps.
            others: the roots of the stages before it, for ``COPY --from``.
            wheels: folder that pip takes everything from.
        """
        shutil.copytree(wheels, self.folder / "given-wheels")
        offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/given-wheels"}
        environment = {"PATH": PATH_OF_IMAGE, "LD_LIBRARY_PATH": "/usr/local/lib", **offline}
        work = "/"
        for step in stage.steps:
            if step.word == "ENV":
                environment |= step.pairs()
            elif step.word == "WORKDIR":
                work = step.text
                (self.folder / work[1:]).mkdir(parents=True, exist_ok=True)
            elif step.word == "COPY":
                self._copy(shlex.split(step.text), others, work)
            elif step.word == "RUN":
                self._run(f"cd {work} && {step.text}", environment)
        shutil.rmtree(self.folder / "given-wheels")

    def command(self, program: list[str], user: str, volumes: Mapping[str, Path] | None = None) -> list[str]:
        """Return the command that runs a program as the first process on this root, where only volumes are writable.

        Args:
            program: with its arguments, as the image knows it.
            user: ``UID:GID``.
            volumes: folders of this machine by the place where the program sees them.
        """
        binds = ""
        for place, folder in (volumes or {}).items():
            self.path(place).mkdir(parents=True, exist_ok=True)
            binds += f" && mount --bind {shlex.quote(str(folder))} {shlex.quote(str(self.path(place)))}"
        root = shlex.quote(str(self.folder))
        script = (
            f"mount --bind {root} {root} && mount -t proc proc {root}/proc && mount --rbind /dev {root}/dev"
            f"{binds} && mount -o remount,bind,ro {root}"
            f" && exec {self._chroot(user)} {root} {shlex.join(program)}"
        )
        return [_which("unshare"), "--mount", "--pid", "--fork", "--kill-child", _which("sh"), "-c", script]

    @staticmethod
    def environment(stage: Stage) -> dict[str, str]:
        """Return the whole environment of the image's program: no HOME, as for a user without an entry."""
        return {"PATH": PATH_OF_IMAGE, "LD_LIBRARY_PATH": "/usr/local/lib"} | stage.environment()

    def path(self, place: str) -> Path:
        """Return where a path of the image is here."""
        return self.folder / place.lstrip("/")

    @staticmethod
    def _chroot(user: str) -> str:
        # Without groups of the host's root.
        return f"{_which('chroot')} --userspec={user} --groups={user.partition(':')[2]}"

    def _run(self, script: str, environment: dict[str, str]) -> None:
        done = subprocess.run(
            [_which("chroot"), str(self.folder), "/bin/sh", "-ec", script],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=BUILD_SECONDS,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"

    def _copy(self, words: list[str], others: dict[str, EmptyRoot], work: str) -> None:
        options = dict(word[2:].split("=", 1) for word in words if word.startswith("--"))
        *sources, target = (word for word in words if not word.startswith("--"))
        context = others[options["from"]].folder if "from" in options else CHECKOUT
        into = self.path(os.path.join(work, target))  # noqa: PTH118 - an absolute target replaces the folder
        for source in (context / place.lstrip("/") for place in sources):
            if source.is_dir():
                ignore = shutil.ignore_patterns("__pycache__", "*.pyc") if context == CHECKOUT else None
                shutil.copytree(source, into, symlinks=True, ignore=ignore, dirs_exist_ok=True)
            else:
                folder = into if target.endswith("/") or target == "." else into.parent
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, folder / source.name)
        if owner := options.get("chown"):
            uid, gid = map(int, owner.split(":"))
            for path in (into, *into.rglob("*")):
                os.chown(path, uid, gid, follow_symlinks=False)

    def _copy_libraries(self, binaries: Iterable[Path | str], base: Path) -> None:
        known = subprocess.run([_which("ldconfig"), "-p"], capture_output=True, text=True, check=True).stdout
        # The preferred of several comes first.
        paths = dict(re.findall(r"^\t(\S+) \(libc6,[^)]*\) => (\S+)", known, re.MULTILINE)[::-1])
        wanted = {paths[name] for name in LIBRARIES}
        for binary in binaries:
            listed = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=True).stdout
            wanted |= set(re.findall(r"(?:=> |^\t)(/\S+)", listed, re.MULTILINE))
        for library in wanted:
            if not library.startswith((str(base), str(self.folder))):
                place = self.path(library)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(library, place)


def _which(name: str) -> str:
    """Return the path of a program that every Debian has."""
    path = shutil.which(name)
    assert path is not None, name
    return path
