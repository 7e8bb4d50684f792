"""Presets small enough that a step's outcome can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

from pentameter.simulator.counters import EngineCounters
from pentameter.simulator.engine import Engine
from pentameter.simulator.power import PowerMeter
from pentameter.simulator.presets import DEFAULT, Preset, Scheduling, StepCosts

LATER = 1e6
"""Long after everything has been served."""


def small_preset(blocks: int = 101, max_num_batched_tokens: int = 64, max_num_seqs: int = 8) -> Preset:
    """Return a preset with one-second steps and a KV cache of so many blocks (one is vLLM's null block)."""
    model = replace(DEFAULT.model, max_model_len=128)
    room = model.weight_bytes + blocks * 16 * model.kv_bytes_per_token
    return replace(
        DEFAULT,
        model=model,
        board=replace(DEFAULT.board, memory_bytes=room, overhead_bytes=0),
        scheduling=Scheduling(max_num_seqs, max_num_batched_tokens, gpu_memory_utilization=1.0),
        costs=StepCosts(per_step=1.0, per_decode=0.0, per_prefill_token=0.0, per_context_token=0.0),
    )


def engine_of(preset: Preset) -> Engine:
    """Return an idle engine at time 0."""
    return Engine(preset, EngineCounters(preset.model.max_model_len), PowerMeter(preset.board, 0.0))
