"""The rig's derivation of vLLM's estimate against vLLM's own code, without a server."""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path

import pytest

from e2e.rig.install import vllm_python
from e2e.rig.known_steps import SETUPS
from e2e.rig.model import tiny_model
from e2e.rig.vllm import ENVIRONMENT, plugin_environment
from e2e.rig.vllm_perf import Share, step_terms, total
from e2e.rig.vllm_sizes import sizes_of

pytestmark = pytest.mark.real

STORED = ((None, 2, "auto", 2), ("fp8", 1, "fp8", 1), ("compressed-tensors", 0.5, "auto", 2))
"""Quantisation, what vLLM takes for bytes per weight by its name, type of the cache, bytes of that."""


def random_steps(seed):
    """Return steps of up to five requests, some of none: vLLM's scheduler goes round with nothing to do too."""
    dice = random.Random(seed)

    def share():
        tokens = dice.choice([1, 1, dice.randrange(2, 1500)])
        return Share(tokens, tokens + dice.randrange(0, 2048 - tokens), prefill=tokens > 1 or dice.random() < 0.3)

    return [tuple(share() for _ in range(number % 6)) for number in range(40)]


def vllms_own_answers(questions):
    done = subprocess.run(
        [str(vllm_python()), "-P", str(Path(__file__).parent / "rig" / "vllm_perf_oracle.py")],
        input=json.dumps(questions),
        env={**os.environ, **ENVIRONMENT, **plugin_environment(None)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_the_rigs_arithmetic_is_vllms_for_any_step_and_for_quantised_weights_and_caches(rig):
    cases = [(tiny_model(name), *how, random_steps(name)) for name in SETUPS for how in STORED]
    questions = [
        {
            "model": str(folder),
            "quantization": quantization,
            "kv_cache_dtype": dtype,
            "steps": [[[share.tokens, share.context, share.prefill] for share in step] for step in steps],
        }
        for folder, quantization, _, dtype, _, steps in cases
    ]
    for (folder, _, weight_bytes, _, cache_bytes, steps), found in zip(
        cases, vllms_own_answers(questions), strict=True
    ):
        sizes = sizes_of(json.loads((folder / "config.json").read_text()), weight_bytes, cache_bytes)
        sums = [total(step_terms(sizes, step)) for step in steps]
        assert [[term.flops, term.read, term.written] for term in sums] == found
