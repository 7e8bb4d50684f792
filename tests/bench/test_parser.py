"""The fast parser beside its reference on a real page: prints times and ratios."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

import bench_clock
from pentameter.sources.prometheus_text import TextParser
from pentameter.sources.vllm_page import PageReader

PAGE = Path(__file__).parents[1] / "captures" / "vllm-0.32.0-after-load.txt"
ROUNDS = 200


def best(call):
    """Return the fastest round in milliseconds."""
    return bench_clock.best(call, ROUNDS) * 1e3


@pytest.mark.bench
def test_parser_beside_prometheus_client():
    text = PAGE.read_text(encoding="utf-8")
    body = text.encode()

    def everything(name, labels):
        return name, labels

    warm, reader = TextParser(everything), PageReader("one")
    reference = best(lambda: list(text_string_to_metric_families(text)))
    rows = [
        ("prometheus_client.parser", reference),
        ("TextParser, first page", best(lambda: TextParser(everything).parse(text))),
        ("TextParser, page after page", best(lambda: warm.parse(text))),
        ("PageReader: page to reading", best(lambda: reader.read(body, "text/plain", monotonic=0, wall=0))),
    ]
    print(f"\n{PAGE.name}: {len(body)} bytes, {len(warm.parse(text))} samples, best of {ROUNDS}")
    for name, milliseconds in rows:
        print(f"  {name:30} {milliseconds:7.3f} ms  {reference / milliseconds:6.1f} x")
