"""Ask vLLM itself for its estimates of given steps: run by the interpreter that has vLLM, not imported.

Usage: ``python -P vllm_perf_oracle.py < QUESTIONS > ANSWERS``; a question is ``{"model": FOLDER, "quantization":
NAME or null, "kv_cache_dtype": NAME, "steps": [[[TOKENS, CONTEXT, PREFILL], ...], ...]}``, its answer a list of
``[FLOPS, READ BYTES, WRITTEN BYTES]`` per step. The answers are the last line of the output.
"""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any


def answer(question: dict[str, Any]) -> list[list[int]]:
    """Return vLLM's estimates of one question's steps."""
    from vllm.engine.arg_utils import EngineArgs
    from vllm.v1.metrics.perf import ExecutionContext, ModelMetrics

    config = EngineArgs(model=question["model"], max_model_len=2048, enforce_eager=True).create_engine_config()
    if question["quantization"] is not None:
        # Only its name is asked for.
        config.quant_config = SimpleNamespace(get_name=lambda: question["quantization"])
    config.cache_config.cache_dtype = question["kv_cache_dtype"]
    metrics = ModelMetrics(config)
    answers = []
    for step in question["steps"]:
        context = ExecutionContext()
        for tokens, positions, prefill in step:
            context.add(tokens, positions, is_prefill=prefill)
        asked = (metrics.get_num_flops, metrics.get_read_bytes, metrics.get_write_bytes)
        answers.append([ask(context) for ask in asked])
    return answers


if __name__ == "__main__":
    found = [answer(question) for question in json.load(sys.stdin)]
    print(json.dumps(found))
