"""One completion at a time, of exactly known lengths."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from e2e.rig.vllm import VllmServer

REQUEST_SECONDS = 120.0


def complete(server: VllmServer, prompt: Sequence[int], output: int, model: str | None = None) -> None:
    """Have a server complete token ids by exactly so many tokens, and wait for the answer.

    ``model`` is the name of one of its adapters; without it the model itself answers.

    Raises:
        OSError: there was none.
        AssertionError: it counted other numbers of tokens.
    """
    body = {"model": model or server.model_name, "prompt": list(prompt), "max_tokens": output, "ignore_eos": True}
    request = urllib.request.Request(
        f"{server.url}/v1/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    # No proxy, whatever the environment says.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=REQUEST_SECONDS) as response:
        usage = json.load(response)["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (len(prompt), output)
