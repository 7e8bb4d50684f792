"""The Dockerfile's steps, executed by hand in an empty root, and the exporter that comes out of them.

There is no engine here: ``e2e/rig/empty_root.py`` says what is executed as it is written, and what is not shown by it.
"""

import importlib.metadata
import json
import shutil
import subprocess
import sys

import psutil
import pytest

from e2e.rig.compose_stack import SERVICES
from e2e.rig.dockerfile import parse
from e2e.rig.empty_root import EmptyRoot, can_change_root, python
from e2e.rig.install import CHECKOUT
from e2e.rig.page import sample
from e2e.rig.process import ServerProcess, free_port, http_get
from e2e.rig.waiting import wait_until
from pentameter import __version__

pytestmark = pytest.mark.real

FOLDER = CHECKOUT / "deploy/docker"
BUILD, FINAL = parse((FOLDER / "Dockerfile").read_text())
VERSION = ".".join(FINAL.image.rpartition(":")[2].split(".")[:2])
PLATFORM = ("--only-binary", ":all:", "--python-version", VERSION)
FILES = ("requirements.txt", "build-requirements.txt")
USER = FINAL.last("USER").text
ANY_USER = "1000770000:0"
"""As OpenShift runs images: a number without an entry anywhere, in group 0."""
PROGRAM = FINAL.last("ENTRYPOINT").items()
MEBIBYTE = 2**20


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """Yield the root that the last stage made."""
    base = python(VERSION)
    if not can_change_root():
        pytest.skip("only root may change the root")
    if base is None:
        pytest.skip(f"no Python {VERSION} is installed")
    place = tmp_path_factory.mktemp("image")
    place.parent.parent.chmod(0o755)  # pytest's own folders are closed to the user of the image
    place.parent.chmod(0o755)
    place.chmod(0o755)
    wheels = place / "wheels"
    for file in FILES:
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--no-deps", *PLATFORM]
        subprocess.run([*fetch, "-d", str(wheels), "-r", str(FOLDER / file)], check=True, timeout=300)
    build = EmptyRoot(place / "build", VERSION, base)
    build.build(BUILD, {}, wheels)
    final = EmptyRoot(place / "final", VERSION, base)
    final.build(FINAL, {BUILD.name: build}, wheels)
    yield final
    shutil.rmtree(place)  # some 400 MB, which pytest would keep three times


def once(image, *program, user=USER, volumes=None):
    """Run a program on the image's root to its end; return status and output."""
    done = subprocess.run(
        image.command(list(program), user, volumes),
        env=image.environment(FINAL),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(params=[USER, ANY_USER], ids=["its own user", "any user"])
def demo(image, request):
    """Return the address and the server process of the demo on the image's root."""
    address = f"127.0.0.1:{free_port()}"
    command = image.command([*PROGRAM, "demo", "--listen", address], request.param)
    server = ServerProcess(f"image-{address.rpartition(':')[2]}", command, image.environment(FINAL))
    server.start()
    try:
        server.wait_until_answers(f"http://{address}/healthz", 60)
        yield address, server
    finally:
        server.stop(1.0)


def test_the_program_is_there_for_any_user(image):
    for user in (USER, ANY_USER, "0:0"):
        assert once(image, *PROGRAM, "--version", user=user) == (0, f"pentameter {__version__}\n")


def test_serve_is_what_it_does_by_itself_and_it_says_what_is_missing(image):
    status, output = once(image, *PROGRAM, *FINAL.last("CMD").items())

    assert status == 2
    assert "no vLLM server is configured" in output


def test_the_demo_answers_on_a_read_only_root_without_privileges(demo):
    address, server = demo

    wait_until(
        "the simulated vLLM was read",
        lambda: sample(http_get(f"http://{address}/metrics"), "pentameter_source_up", source="vllm") == 1.0,
    )

    assert http_get(f"http://{address}/healthz") == "ok\n"
    assert json.loads(http_get(f"http://{address}/readyz"))["ready"] is True
    assert "Read-only file system" not in server.tail()


def test_it_ends_when_asked_though_it_is_the_first_process_of_its_container(demo):
    _, server = demo
    first = psutil.Process(server.pid).children()[0]

    first.terminate()

    first.wait(15)  # raises when it has not ended; a first process that has no handler of its own is deaf to SIGTERM


def test_the_extras_are_in_it(image):
    script = "import grpc, genai_prices, pynvml, pentameter.vllm_plugin; print('all there')"

    assert once(image, "python3", "-c", script) == (0, "all there\n")


def test_the_compose_file_copies_a_plugin_out_of_it_that_vllm_would_find(image, tmp_path):
    plugin = SERVICES["plugin"]

    status, output = once(image, *plugin["entrypoint"], user=plugin["user"], volumes={"/plugin": tmp_path})

    assert (status, output) == (0, "")
    (found,) = importlib.metadata.distributions(path=[str(tmp_path)])
    assert [(point.group, point.name) for point in found.entry_points] == [
        ("console_scripts", "pentameter"),
        ("vllm.stat_logger_plugins", "pentameter"),
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"pentameter", f"pentameter-{__version__}.dist-info"}
    assert (tmp_path / "pentameter/vllm_plugin.py").read_text() == (
        CHECKOUT / "exporter/pentameter/vllm_plugin.py"
    ).read_text()


def test_the_environment_has_every_file_of_the_package_and_no_installer(image):
    packages = image.path(f"opt/pentameter/lib/python{VERSION}/site-packages")
    ours = {path.relative_to(packages).as_posix() for path in (packages / "pentameter").rglob("*.py")}
    theirs = {path.relative_to(CHECKOUT / "exporter").as_posix() for path in (CHECKOUT / "exporter").rglob("*.py")}

    assert ours == theirs
    assert (packages / f"pentameter-{__version__}.dist-info/licenses/NOTICE").is_file()
    assert not (packages / "pip").exists()
    assert not list(packages.glob("hatchling*"))


def test_only_the_folder_for_the_state_belongs_to_the_user(image):
    state = image.path("var/lib/pentameter")
    others = [path for path in image.path("opt").rglob("*") if path.lstat().st_uid != 0]

    assert (state.stat().st_uid, state.stat().st_gid, state.stat().st_mode & 0o777) == (65532, 0, 0o770)
    assert others == []


def test_what_it_adds_to_the_base_image_is_small(image):
    size = sum(path.stat().st_size for path in image.path("opt").rglob("*") if path.is_file() and not path.is_symlink())

    assert size < 80 * MEBIBYTE
