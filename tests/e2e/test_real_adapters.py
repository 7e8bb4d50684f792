"""The cost of LoRA adapters on a real vLLM: what each decoded is told to the token, and shares the cost."""

from __future__ import annotations

import os
import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from e2e.rig.completions import complete
from e2e.rig.exporter import ExporterProcess
from e2e.rig.model import FIRST_ORDINARY_TOKEN, VOCABULARY, tiny_lora
from e2e.rig.page import sample
from e2e.rig.tap import PluginTap
from e2e.rig.vllm import VllmServer
from e2e.rig.waiting import wait_until

pytestmark = pytest.mark.real

SOCKET, HERE = (f"@pentameter-adapters-{os.getpid()}-{end}" for end in ("plugin", "exporter"))
ADAPTERS = ("poet", "lawyer")
COST = "pentameter_adapter_cost_dollars_total"


def asked(number: int) -> list[tuple[str | None, int, int]]:
    """Return (adapter or None for the model itself, prompt tokens, output tokens) of requests."""
    dice = random.Random(7)
    return [
        (dice.choice((*ADAPTERS, "poet", None)), dice.randrange(10, 300), dice.randrange(2, 60)) for _ in range(number)
    ]


@pytest.fixture(scope="module")
def served(rig):
    """Return the requests, what the plugin said of adapters, and the exporter's page afterwards."""
    tap = PluginTap(SOCKET, [HERE])
    modules = [f"{name}={tiny_lora()}" for name in ADAPTERS]
    server = VllmServer(plugin=SOCKET, args=["--enable-lora", "--max-loras", "2", "--lora-modules", *modules])
    settings = {
        "vllm": {"servers": [{"name": "real", "url": server.url, "gpu_count": 1}]},
        "plugin": {"socket": HERE},
        "nvml": {"enabled": False},
        "host": {"enabled": False},
        "economics": {"gpu_dollars_per_hour": 3600.0},
    }
    exporter = ExporterProcess(settings=settings)
    requests = asked(80)
    try:
        tap.start()
        server.start()
        exporter.start()
        wait_until(
            "Pentameter hears the plugin",
            lambda: sample(exporter.metrics(), "pentameter_engine_steps_total") is not None,
        )
        dice = random.Random(8)

        def ask(adapter: str | None, prompt: int, output: int) -> None:
            tokens = [dice.randrange(FIRST_ORDINARY_TOKEN, VOCABULARY) for _ in range(prompt)]
            complete(server, tokens, output, adapter)

        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(ask, *request) for request in requests]:
                done.result()
        wait_until(
            "Pentameter has every record",
            lambda: sample(exporter.metrics(), "pentameter_request_records_total", outcome="counted") == len(requests),
        )
        time.sleep(2.0)  # the last snapshot is made of what had come by then
        yield requests, tap.adapters(), exporter.metrics()
    finally:
        exporter.stop()
        server.stop()
        tap.stop()


def decoded(requests, adapter):
    """Return the tokens of an adapter's requests after their first."""
    return sum(output - 1 for name, _, output in requests if name == adapter)


def test_vllm_tells_what_each_adapter_decoded_to_the_token(served):
    requests, told, _ = served
    assert told == {name or "": decoded(requests, name) for name in (*ADAPTERS, None)}


def test_adapters_share_the_cost_of_the_time_in_which_they_decoded(served):
    requests, _, page = served
    costs = {name: sample(page, COST, adapter=name) for name in (*ADAPTERS, "tiny-llama")}
    assert min(costs.values()) > 0
    # More tokens cost more; not in proportion, because the batch that shares a second differs in size.
    assert costs["poet"] > costs["lawyer"]
    assert decoded(requests, "poet") > decoded(requests, "lawyer")


def test_what_adapters_cost_is_no_more_than_what_the_server_costs(served):
    _, _, page = served
    whole = sample(page, "pentameter_cost_dollars_total")
    # The plugin spoke of adapters a few seconds after the exporter began to count.
    assert 0.3 * whole < sample(page, COST) <= whole * (1 + 1e-9)
