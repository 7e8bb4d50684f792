"""vLLM's stat objects, with the fields that a release has and no others; values are what a test gives, or plain."""

from __future__ import annotations

import enum
from types import SimpleNamespace

RELEASES = (12, 16, 20, 26, 32)
"""Minor numbers: 0.12 is the first that loads plugins; at each of the others fields were added."""


class FinishReason(enum.IntEnum):
    STOP = 0
    LENGTH = 1
    ABORT = 2
    ERROR = 3
    REPETITION = 4

    def __str__(self):
        return self.name.lower()


def _of(release, fields, since):
    return SimpleNamespace(**{name: value for name, value in fields.items() if since.get(name, 0) <= release})


def finished(release=32, **fields):
    """Return a ``FinishedRequestStats``."""
    plain = {
        "finish_reason": FinishReason.STOP,
        "request_id": "cmpl-1",
        "e2e_latency": 1.0,
        "num_prompt_tokens": 100,
        "num_preemptions": 0,
        "num_generation_tokens": 5,
        "max_tokens_param": 16,
        "queued_time": 0.125,
        "prefill_time": 0.25,
        "inference_time": 0.75,
        "decode_time": 0.5,
        "mean_time_per_output_token": 0.125,
        "is_corrupted": False,
        "num_cached_tokens": 64,
    }
    return _of(release, plain | fields, {"num_cached_tokens": 13, "request_id": 20, "num_preemptions": 30})


def iteration(release=32, *, at=1000.0, ttfts=(), gaps=(), ended=(), generated=0, prompt=0, cached=0, preempted=0):
    """Return an ``IterationStats`` of a step at wall time ``at``."""
    return _of(
        release,
        {
            "iteration_timestamp": at,
            "num_generation_tokens": generated,
            "num_preempted_reqs": preempted,
            "finished_requests": list(ended),
            "max_num_generation_tokens_iter": [],
            "n_params_iter": [],
            "time_to_first_tokens_iter": list(ttfts),
            "inter_token_latencies_iter": list(gaps),
            "num_corrupted_reqs": 0,
            "num_prompt_tokens": prompt,
            "prompt_token_stats": SimpleNamespace(
                computed=prompt - cached,
                local_cache_hit=cached,
                external_kv_transfer=0,
                cached_tokens=cached,
                total=prompt,
            ),
        },
        {"prompt_token_stats": 16},
    )


def scheduler(release=32, *, running=0, waiting=0, deferred=0, usage=0.0, details=None):
    """Return a ``SchedulerStats``."""
    return _of(
        release,
        {
            "num_running_reqs": running,
            "num_waiting_reqs": waiting,
            "num_skipped_waiting_reqs": deferred,
            "kv_cache_usage": usage,
            "iteration_details": details,
        },
        {"num_skipped_waiting_reqs": 20, "iteration_details": 26},
    )


def details(prefills=0, decodes=0, *, prefill_tokens=0, decode_tokens=0, milliseconds=1.0, dummy=False):
    """Return the ``SchedulerIterationDetails`` of a step."""
    return SimpleNamespace(
        iteration_index=1,
        num_ctx_requests=prefills,
        num_ctx_tokens=prefill_tokens,
        num_generation_requests=decodes,
        num_generation_tokens=decode_tokens,
        elapsed_ms=milliseconds,
        is_dummy=dummy,
    )


class HfConfig:
    """A model's own configuration."""

    def __init__(self, **items):
        self._items = items

    def to_dict(self):
        return dict(self._items)


def dtype(name):
    """Return something that looks like PyTorch's ``torch.NAME``."""
    return type("dtype", (), {"__module__": "torch", "__str__": lambda _: f"torch.{name}"})()


def vllm_config(served_model_name="tiny", hf_config=None, **model):
    """Return a ``VllmConfig`` with a few of its parts."""
    plain = {"model": "/models/tiny", "dtype": dtype("bfloat16"), "quantization": None, "max_model_len": 2048}
    described = hf_config or HfConfig(hidden_size=256, num_hidden_layers=4)
    return SimpleNamespace(
        model_config=SimpleNamespace(served_model_name=served_model_name, **plain | {"hf_config": described} | model),
        parallel_config=SimpleNamespace(tensor_parallel_size=2, world_size=2),
        cache_config=SimpleNamespace(block_size=16, num_gpu_blocks=4096, cache_dtype="auto"),
        scheduler_config=SimpleNamespace(max_num_seqs=128, max_num_batched_tokens=2048),
        speculative_config=None,
    )
