"""The same requests through the project's own simulator, as the reference of the compiled one."""

from dataclasses import replace

import numpy as np

from pentameter.simulator.counters import EngineCounters
from pentameter.simulator.engine import Engine
from pentameter.simulator.kv_blocks import KvBlocks
from pentameter.simulator.power import PowerMeter
from pentameter.simulator.presets import H100_8B, Scheduling, StepCosts
from pentameter.simulator.traffic import Request


def serve_by_reference(workload, arrivals, prompts, outputs):
    """Return the times of the first and of the last token of every request."""
    w = workload
    preset = replace(
        H100_8B,
        costs=StepCosts(w.per_step, w.per_decode, w.per_prompt_token, w.per_context_token),
        scheduling=Scheduling(w.max_num_seqs, w.budget, block_size=1),
        traffic=replace(H100_8B.traffic, prefixes=()),
    )
    engine = Engine(preset, EngineCounters(preset.model.max_model_len), PowerMeter(preset.board, 0.0))
    engine.kv = KvBlocks(w.kv_tokens + 1, 1, 0)
    first, last = np.full(len(arrivals), np.nan), np.full(len(arrivals), np.nan)

    def note(step):
        for request in step.finished:
            first[request.number], last[request.number] = request.first_token, request.time

    engine.observer = note
    rows = zip(arrivals.tolist(), prompts.tolist(), outputs.tolist(), strict=True)
    for number, (arrival, prompt, output) in enumerate(rows):
        engine.advance_to(arrival)
        engine.submit(Request(number, arrival, prompt, output, output))
    engine.advance_to(float(arrivals[-1]) + 3600.0)
    return first, last
