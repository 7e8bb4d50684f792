"""The status page in a real browser: what a person sees, in both colour schemes and on a phone."""

import asyncio
import os
import threading
import time
from contextlib import contextmanager

import pytest
import uvicorn

from e2e.rig.chromium import Chromium, program
from e2e.rig.process import free_port
from e2e.rig.waiting import wait_until
from pentameter.dimensions.attainment import ATTAINMENT, TARGET, THRESHOLD
from pentameter.dimensions.economics import COST_PER_HOUR
from pentameter.dimensions.kv_cache import KV_USAGE
from pentameter.dimensions.timing import TOKENS_PER_SECOND
from pentameter.history import History
from pentameter.http import create_app
from pentameter.snapshot import Snapshot, SourceHealth

pytestmark = pytest.mark.real

EVIL = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>'
LINE = "svg .line"
DASH = "\u2013"
TEXT = "document.body.innerText"


@pytest.fixture(scope="module")
def browser():
    if program() is None:
        reason = "no Chromium is on PATH (Debian: apt-get install chromium)"
        if os.environ.get("PENTAMETER_E2E_REQUIRED") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    with Chromium() as one:
        yield one


class Exporter:
    """What the page asks, answered with what a test says."""

    def __init__(self):
        self.history = History()
        self.snapshot = None
        self._seconds = 0

    def tell(self, *samples, sources=()):
        """Let ten seconds pass and publish these samples."""
        self._seconds += 10
        wall, monotonic = time.time(), time.monotonic()
        self.history.take(Snapshot(samples, sources, wall, monotonic + self._seconds))
        self.snapshot = Snapshot(samples, sources, wall, monotonic)

    @contextmanager
    def serving(self):
        """Give the address under which it is served meanwhile."""
        port = free_port()
        app = create_app(lambda: self.snapshot, lambda: True, history=self.history)
        server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off", ws="none"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
        thread.start()
        try:
            wait_until("the page is served", lambda: server.started)
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.should_exit = True
            thread.join(10)


def of(model, *, server="a", tokens=1234.0, attained=0.95, dollars=2.5):
    """Return the samples of a server."""
    place = (server, model, "0")
    samples = [
        ATTAINMENT(attained, *place, "1m", "chat", "exact"),
        TARGET(0.9, *place, "chat"),
        THRESHOLD(0.5, *place, "chat", "ttft"),
        COST_PER_HOUR(dollars, *place, "total"),
        KV_USAGE(0.0, *place),
    ]
    return samples if tokens is None else [*samples, TOKENS_PER_SECOND(tokens, *place, "1m", "generation")]


def up(server="a"):
    return SourceHealth("vllm", server, True, "", "", last_success=time.time())


def tile(title):
    """Return an expression for the tile with a title."""
    return f"[...document.querySelectorAll('article')].find((one) => one.querySelector('h3').textContent === '{title}')"


def shown(browser, title):
    """Return what a tile says."""
    return browser.wait_for(f"{tile(title)}?.querySelector('.body').innerText").replace("\u202f", " ")


@pytest.fixture
def exporter():
    one = Exporter()
    for tokens in (1000.0, None, 1500.0, 1234.0):
        one.tell(*of("m", tokens=tokens), sources=(up(),))
    return one


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True)])
def test_a_person_reads_the_figures_and_the_console_is_silent(browser, exporter, width, dark):
    browser.complaints.clear()
    browser.look(width=width, height=900, dark=dark)
    with exporter.serving() as url:
        browser.open(url)
        attained = shown(browser, "Requests in time: chat")
        assert attained.startswith("95 %")
        assert "keeps the target of 90 % · TTFT ≤ 500 ms" in attained
        assert shown(browser, "Cost per hour").startswith("$2.50")
        assert shown(browser, "Generated tokens").startswith("1.23 k tokens/s")
        assert shown(browser, "KV cache in use").startswith("0 %")
        assert DASH in shown(browser, "Power of the GPUs")
        assert "no source tells the power" in shown(browser, "Power of the GPUs")
        browser.wait_for(f"document.querySelectorAll('{LINE}').length > 3")
        assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
            "the page is wider than the screen"
        )
        brightness = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).reduce((a, b) => a + +b, 0)"
        assert (browser.evaluate(brightness) < 380) is dark
        # A name for the icon, and nothing else, comes from elsewhere: the page's own four requests are all there are.
        hosts = browser.evaluate(
            "[...new Set(performance.getEntriesByType('resource').map((e) => new URL(e.name).origin))]"
        )
        assert hosts == [url.rstrip("/")]
    assert browser.complaints == []


def test_a_moment_without_a_figure_is_a_gap_in_its_line(browser, exporter):
    with exporter.serving() as url:
        browser.open(url)
        lines = f"{tile('Generated tokens')}.querySelectorAll('{LINE}').length"
        browser.wait_for(f"{tile('Generated tokens')}?.querySelector('{LINE}') != null")
        assert browser.evaluate(lines) == 2
        assert browser.evaluate(lines.replace("Generated tokens", "Cost per hour")) == 1


def test_a_source_that_goes_down_is_said_and_its_figures_become_dashes(browser, exporter):
    with exporter.serving() as url:
        browser.open(url)
        assert shown(browser, "Generated tokens").startswith("1.23 k")
        exporter.tell(sources=(SourceHealth("vllm", "a", False, "unreachable", "connection refused"),))
        browser.wait_for(
            "document.querySelector('[role=alert]').innerText.includes('vllm a is down: connection refused')"
        )
        said = shown(browser, "Generated tokens")
        assert DASH in said
        assert "vllm a is down: unreachable" in said
        assert browser.evaluate("document.title") == "Pentameter (!)"
        # The hour before is still there to be looked at.
        assert browser.evaluate(f"{tile('Generated tokens')}.querySelectorAll('{LINE}').length") == 2


def test_an_exporter_that_ends_is_said_to_be_silent(browser, exporter):
    with exporter.serving() as url:
        browser.open(url)
        shown(browser, "Cost per hour")
    browser.wait_for("document.querySelector('[role=alert]').innerText.includes('does not answer')", 40)
    browser.complaints.clear()


def test_names_and_messages_from_outside_are_text(browser, exporter):
    exporter.tell(*of(EVIL, server=EVIL), *of("m"), sources=(SourceHealth("vllm", EVIL, False, EVIL, EVIL),))
    browser.look(width=390, height=900)
    with exporter.serving() as url:
        browser.open(url)
        browser.wait_for("document.querySelectorAll('#fleet-rows button').length === 2")
        browser.evaluate("document.querySelector('#fleet-rows button').click()")
        browser.wait_for(f"{TEXT}.includes('window.hurt')")
        browser.wait_for(f"document.querySelectorAll('{LINE}').length > 1")
        assert browser.evaluate("window.hurt === undefined")
        assert browser.evaluate("document.querySelectorAll('img, main script').length") == 0
        assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_one_of_several_servers_is_chosen_by_keyboard(browser, exporter):
    exporter.tell(*of("m"), *of("n", server="b", attained=0.5, dollars=8.0), sources=(up("a"), up("b")))
    with exporter.serving() as url:
        browser.open(url)
        browser.wait_for("document.querySelectorAll('#fleet-rows button').length === 2")
        assert shown(browser, "Cost per hour").startswith("$2.50")
        browser.evaluate("document.querySelectorAll('#fleet-rows button')[1].focus()")
        for kind in ("keyDown", "keyUp"):
            browser.call(
                "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r"
            )
        browser.wait_for(f"{tile('Cost per hour')}.innerText.includes('$8.00')")
        assert "misses the target" in shown(browser, "Requests in time: chat")
        # The focus and what was opened outlive the next figures.
        browser.evaluate("document.querySelector('article summary').click()")
        exporter.tell(*of("m"), *of("n", server="b", dollars=9.0), sources=(up("a"), up("b")))
        browser.wait_for(f"{tile('Cost per hour')}.innerText.includes('$9.00')")
        assert browser.evaluate("document.querySelector('article details').open")
        assert browser.evaluate("document.activeElement.textContent") == "b · n"


def test_every_text_has_the_contrast_that_reading_needs(browser, exporter):
    # WCAG 2.1, success criterion 1.4.3: 4.5 to 1.
    contrasts = """(() => {
      const light = (text) => { const [r, g, b] = text.match(/[\\d.]+/g).map((one) => one / 255)
        .map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
      const behind = (one) => { const colour = getComputedStyle(one).backgroundColor;
        return colour === 'rgba(0, 0, 0, 0)' ? behind(one.parentElement) : colour; };
      return [...document.querySelectorAll('main *, header *, nav *')]
        .filter((one) => one.innerText && !one.closest('svg'))
        .map((one) => { const pair = [light(getComputedStyle(one).color), light(behind(one))];
          return [(Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05), one.className || one.tagName]; })
        .sort((one, other) => one[0] - other[0])[0];
    })()"""
    exporter.tell(
        *of("m", attained=0.2), sources=(up(), SourceHealth("nvml", "", False, "lost", "a GPU fell off the bus"))
    )
    with exporter.serving() as url:
        for dark in (False, True):
            browser.look(width=1280, height=900, dark=dark)
            browser.open(url)
            shown(browser, "Cost per hour")
            least, where = browser.evaluate(contrasts)
            assert least >= 4.5, where
