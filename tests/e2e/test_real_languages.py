"""Tokens by language through a real vLLM's ``/tokenize``, against the tokenizer's own file, over a change of tokenizer.

vLLM's longest context is shorter than most articles here: ``/tokenize`` has no limit, and nothing may depend on one.
"""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from e2e.rig.completions import complete
from e2e.rig.exporter import ExporterProcess
from e2e.rig.install import CHECKOUT, vllm_python
from e2e.rig.model import tiny_llama
from e2e.rig.page import sample
from e2e.rig.process import free_port
from e2e.rig.vllm import VllmServer
from e2e.rig.waiting import wait_until

pytestmark = pytest.mark.real

TEXT = CHECKOUT / "exporter" / "pentameter" / "facts" / "udhr.json"
ENGLISH_WORDS = 1361
"""By ``wc -w``."""
LONGEST_CONTEXT = 128

COUNT = """
import json, sys
from tokenizers import Tokenizer
tokenizer = Tokenizer.from_file(sys.argv[1])
print(json.dumps({
    row["language"]: sum(len(tokenizer.encode(text, add_special_tokens=False).ids) for text in row["articles"])
    for row in json.load(open(sys.argv[2], encoding="utf-8"))
}))
"""


def text_by_language():
    return {row["language"]: row["articles"] for row in json.loads(TEXT.read_text(encoding="utf-8"))}


@pytest.fixture(scope="module")
def from_the_file(rig):
    """Return the tokens by language, by the library and the file that the model came with, without any server."""
    command = [str(vllm_python()), "-P", "-c", COUNT, str(tiny_llama() / "tokenizer.json"), str(TEXT)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.fixture(scope="module")
def bytes_folder(rig, tmp_path_factory):
    """Return the folder of a tokenizer that makes a token of every byte: the model's own without its merges."""
    folder = tmp_path_factory.mktemp("tokenizer")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_llama() / name, folder)
    made = json.loads((folder / "tokenizer.json").read_text())
    made["model"]["merges"] = []
    (folder / "tokenizer.json").write_text(json.dumps(made))
    return folder


class Beside:
    """A vLLM with Pentameter beside it, which asks all languages."""

    def __init__(self):
        self.port = free_port()
        self.server = self._vllm()
        settings = {
            "vllm": {"servers": [{"url": self.server.url, "name": "real", "gpu_count": 1}]},
            "nvml": {"enabled": False},
            "host": {"enabled": False},
            "economics": {"gpu_dollars_per_hour": 3.6},
            "windows": ["1m"],
        }
        self.exporter = ExporterProcess(settings=settings)

    def _vllm(self, *args):
        return VllmServer(self.port, ["--max-model-len", str(LONGEST_CONTEXT), *args], mfu=False)

    def start(self):
        self.server.start()
        self.exporter.start()

    def restart_with(self, *args):
        """End vLLM, and start it with other arguments at the same address and under the same name."""
        self.server.stop()
        self.server = self._vllm(*args)
        self.server.start()

    def stop(self):
        self.exporter.stop()
        self.server.stop()

    def told(self, name, **labels):
        return sample(self.exporter.metrics(), f"pentameter_{name}", server="real", **labels)

    def table(self):
        """Return the tokens per 1,000 words by language, as far as they are shown."""
        page = self.exporter.metrics()
        found = {
            language: sample(page, "pentameter_tokens_per_thousand_words", language=language)
            for language in text_by_language()
        }
        return {language: tokens for language, tokens in found.items() if tokens is not None}

    def whole_table(self):
        wait_until("every language is counted", lambda: len(self.table()) == len(text_by_language()), 180.0)
        return self.table()


@pytest.fixture(scope="module")
def beside(rig):
    made = Beside()
    try:
        made.start()
        yield made
    finally:
        made.stop()


def per_thousand(tokens):
    return {language: pytest.approx(count / ENGLISH_WORDS * 1000, rel=1e-12) for language, count in tokens.items()}


def test_the_servers_counts_are_those_of_the_tokenizers_own_file(beside, from_the_file):
    assert len(from_the_file) == 15
    assert beside.whole_table() == per_thousand(from_the_file)


def test_the_extra_cost_is_the_ratio_of_the_files_counts(beside, from_the_file):
    beside.whole_table()
    for language in ("de", "hi", "ja"):
        expected = from_the_file[language] / from_the_file["en"] - 1
        assert beside.told("language_extra_cost_ratio", language=language) == pytest.approx(expected, rel=1e-12)


def test_a_thousand_words_cost_their_tokens_at_the_price_on_the_same_page(beside):
    beside.whole_table()
    for _ in range(5):
        complete(beside.server, range(3, 40), 20)
    name = "pentameter_cost_per_thousand_words_dollars"
    wait_until("words have a cost", lambda: sample(beside.exporter.metrics(), name, language="hi") is not None)
    page = beside.exporter.metrics()
    blended = sample(page, "pentameter_cost_per_million_tokens_dollars", tokens="blended", method="all_tokens")
    for language in ("en", "hi", "ja"):
        tokens = sample(page, "pentameter_tokens_per_thousand_words", language=language)
        assert sample(page, name, language=language, tokens="blended") == pytest.approx(tokens * blended / 1e6)


def test_once_all_is_counted_the_server_is_left_alone(beside):
    """Each text was asked for once, and a minute's check adds one request."""
    beside.whole_table()
    texts = sum(map(len, text_by_language().values()))
    assert texts == 450
    asked = sample(beside.server.metrics(), "http_requests_total", handler="/tokenize", status="2xx")
    assert texts < asked <= texts + 10


def test_none_of_this_is_taken_for_traffic(beside):
    page = beside.server.metrics()
    finished = sample(page, "vllm:request_success_total")
    assert beside.told("requests_arrived_total") == finished


def test_another_tokenizer_under_the_same_name_is_noticed_and_nothing_old_is_shown(beside, bytes_folder):
    before = beside.whole_table()
    beside.restart_with("--tokenizer", str(bytes_folder))
    wait_until("Pentameter has read the new process", lambda: beside.told("source_up", source="vllm") == 1.0)
    sizes = {
        language: sum(len(article.encode()) for article in articles)
        for language, articles in text_by_language().items()
    }
    expected = per_thousand(sizes)
    # The tiny model's own tokenizer learnt from Python's sources, and knows no more than the bytes of some scripts.
    assert all(before[language] != expected[language] for language in ("en", "es", "de", "pl"))
    wrong = []

    def all_new():
        table = beside.table()
        wrong.extend(language for language, tokens in table.items() if tokens != expected[language])
        return len(table) == len(expected)

    wait_until("every language is counted anew", all_new, 240.0)
    assert beside.table() == expected
    assert wrong == []
