"""What vLLM 0.32 hands to a stat logger, as far as the plugin looks: its objects, with its names and its arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from types import SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pentameter.simulator.presets import Preset
    from pentameter.simulator.reports import Finished, Step


class FinishReason(IntEnum):
    """Why a request ended."""

    STOP = 0
    LENGTH = 1
    ABORT = 2
    ERROR = 3
    REPETITION = 4


@dataclass(slots=True)
class FinishedRequestStats:
    """One request that ended; seconds and tokens."""

    finish_reason: FinishReason
    request_id: str
    e2e_latency: float
    num_prompt_tokens: int
    num_preemptions: int
    num_generation_tokens: int
    max_tokens_param: int
    queued_time: float
    prefill_time: float
    inference_time: float
    decode_time: float
    mean_time_per_output_token: float
    is_corrupted: bool
    num_cached_tokens: int


@dataclass(slots=True)
class PromptTokenStats:
    """The prompts that had their first token in a step."""

    computed: int
    local_cache_hit: int
    external_kv_transfer: int
    cached_tokens: int
    total: int


@dataclass(slots=True)
class IterationStats:
    """The outputs of one step."""

    iteration_timestamp: float
    num_generation_tokens: int
    prompt_token_stats: PromptTokenStats
    num_preempted_reqs: int
    finished_requests: list[FinishedRequestStats]
    max_num_generation_tokens_iter: list[int]
    n_params_iter: list[int]
    time_to_first_tokens_iter: list[float]
    inter_token_latencies_iter: list[float]
    num_corrupted_reqs: int = 0


@dataclass(slots=True)
class SchedulerStats:
    """The scheduler after one step."""

    num_running_reqs: int
    num_waiting_reqs: int
    kv_cache_usage: float
    num_skipped_waiting_reqs: int = 0
    iteration_details: None = None


def scheduler_stats(step: Step) -> SchedulerStats:
    """Return the scheduler's part of a step."""
    return SchedulerStats(step.running, step.waiting, step.kv_usage)


def iteration_stats(step: Step, wall_at_zero: float) -> IterationStats | None:
    """Return the front end's part of a step, None where the step had no output.

    Times of the front end (arrival, first token, end) are differences of Unix times, as in vLLM, so that a TTFT and
    an end-to-end time lead back to the same arrival to the last bit.
    """
    if not step.generated:
        return None
    now = wall_at_zero + step.end
    cached = sum(first.cached_tokens for first in step.first_tokens)
    total = sum(first.prompt_tokens for first in step.first_tokens)
    output_tokens = [request.output_tokens for request in step.finished]
    return IterationStats(
        iteration_timestamp=now,
        num_generation_tokens=step.generated,
        prompt_token_stats=PromptTokenStats(total - cached, cached, 0, cached, total),
        num_preempted_reqs=step.preemptions,
        finished_requests=[_finished(request, now, wall_at_zero) for request in step.finished],
        max_num_generation_tokens_iter=output_tokens,
        n_params_iter=[1] * len(output_tokens),
        time_to_first_tokens_iter=[now - (wall_at_zero + first.arrival) for first in step.first_tokens],
        inter_token_latencies_iter=[step.end - step.start] * step.decoded + step.resumed_gaps,
    )


def _finished(request: Finished, now: float, wall_at_zero: float) -> FinishedRequestStats:
    return FinishedRequestStats(
        finish_reason=FinishReason[request.reason.upper()],
        request_id=request.request_id,
        e2e_latency=now - (wall_at_zero + request.arrival),
        num_prompt_tokens=request.prompt_tokens,
        num_preemptions=request.preemptions,
        num_generation_tokens=request.output_tokens,
        max_tokens_param=request.max_tokens,
        queued_time=request.queue,
        prefill_time=request.prefill,
        inference_time=request.inference,
        decode_time=request.decode,
        mean_time_per_output_token=request.tpot,
        is_corrupted=False,
        num_cached_tokens=request.cached_tokens,
    )


def vllm_config(preset: Preset) -> SimpleNamespace:
    """Return the configuration of the server, as far as a preset knows it."""
    model, scheduling = preset.model, preset.scheduling
    return SimpleNamespace(
        model_config=SimpleNamespace(
            model=model.name,
            served_model_name=model.name,
            dtype="bfloat16",
            quantization=None,
            max_model_len=model.max_model_len,
            enforce_eager=False,
            hf_config=SimpleNamespace(to_dict=model.config_json),
        ),
        parallel_config=SimpleNamespace(
            tensor_parallel_size=1,
            pipeline_parallel_size=1,
            data_parallel_size=preset.engines,
            data_parallel_rank=0,
            enable_expert_parallel=False,
            world_size=1,
            world_size_across_dp=preset.engines,
        ),
        cache_config=SimpleNamespace(
            block_size=scheduling.block_size,
            num_gpu_blocks=preset.num_gpu_blocks * preset.engines,
            cache_dtype="auto",
            gpu_memory_utilization=scheduling.gpu_memory_utilization,
            enable_prefix_caching=True,
            kv_cache_memory_bytes=None,
            kv_cache_size_tokens=preset.kv_cache_tokens,
        ),
        scheduler_config=SimpleNamespace(
            max_num_seqs=scheduling.max_num_seqs,
            max_num_batched_tokens=scheduling.max_num_batched_tokens,
            enable_chunked_prefill=True,
            async_scheduling=True,
            policy="fcfs",
        ),
        device_config=SimpleNamespace(device_type="cuda"),
    )
