"""The alias table: what each vLLM release calls a thing, and what Pentameter calls it.

This is the only place that knows vLLM's metric names. It covers 0.8.5 to 0.33, newest name first. A
concept that a server does not publish is simply missing from the reading.

Names are matched on samples, not on families: the Rust front end writes OpenMetrics text, where the
TYPE line carries the name without ``_total``. Ray Serve replaces the colon (``vllm_x``, behind a
``ray_`` prefix on the cluster's own page), which ``canonical_name`` undoes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Concept:
    """One thing that vLLM measures, under every name it has had."""

    key: str
    names: tuple[str, ...]
    label: str | None = None
    """The label that splits the concept, such as ``finished_reason``; its value joins the key."""
    since: str = "0.8.5"
    hidden: tuple[str, str] | None = None
    """First and last minor release that shows the concept only on request, for want of a newer name."""


COUNTERS: tuple[Concept, ...] = (
    Concept("prompt_tokens", ("vllm:prompt_tokens_total",)),
    Concept("generation_tokens", ("vllm:generation_tokens_total",)),
    Concept("prompt_tokens_by_source", ("vllm:prompt_tokens_by_source_total",), "source", "0.16"),
    Concept("prompt_tokens_cached", ("vllm:prompt_tokens_cached_total",), since="0.16"),
    Concept("prefix_cache_queries", ("vllm:prefix_cache_queries_total",), since="0.9.2"),
    Concept("prefix_cache_hits", ("vllm:prefix_cache_hits_total",), since="0.9.2"),
    # The older name counted blocks at first and tokens later: good for a ratio, not for a number of tokens.
    Concept("gpu_prefix_cache_queries", ("vllm:gpu_prefix_cache_queries_total",)),
    Concept("gpu_prefix_cache_hits", ("vllm:gpu_prefix_cache_hits_total",)),
    Concept("external_prefix_cache_queries", ("vllm:external_prefix_cache_queries_total",), since="0.11.1"),
    Concept("external_prefix_cache_hits", ("vllm:external_prefix_cache_hits_total",), since="0.11.1"),
    Concept("preemptions", ("vllm:num_preemptions_total",)),
    Concept("request_success", ("vllm:request_success_total",), "finished_reason"),
    Concept("corrupted_requests", ("vllm:corrupted_requests_total",), since="0.11.1"),
    Concept("flops_per_gpu", ("vllm:estimated_flops_per_gpu_total",), since="0.17"),
    Concept("read_bytes_per_gpu", ("vllm:estimated_read_bytes_per_gpu_total",), since="0.17"),
    Concept("write_bytes_per_gpu", ("vllm:estimated_write_bytes_per_gpu_total",), since="0.17"),
    Concept("spec_decode_drafts", ("vllm:spec_decode_num_drafts_total",)),
    Concept("spec_decode_draft_tokens", ("vllm:spec_decode_num_draft_tokens_total",)),
    Concept("spec_decode_accepted_tokens", ("vllm:spec_decode_num_accepted_tokens_total",)),
)

SERVER_COUNTERS: tuple[Concept, ...] = (
    # Written by the front end, which knows no engine.
    Concept("admission_rejections", ("vllm:admission_rejections_total",), "reason", "0.32"),
)

GAUGES: tuple[Concept, ...] = (
    Concept("running", ("vllm:num_requests_running",)),
    Concept("waiting", ("vllm:num_requests_waiting",)),
    Concept("waiting_by_reason", ("vllm:num_requests_waiting_by_reason",), "reason", "0.20"),
    Concept(
        "kv_cache_usage",
        ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
        hidden=("0.11.0", "0.11.1"),
    ),
    Concept("sleep_state", ("vllm:engine_sleep_state",), "sleep_state", "0.11.1"),
)

HISTOGRAMS: tuple[Concept, ...] = (
    Concept("ttft", ("vllm:time_to_first_token_seconds",)),
    Concept("tpot", ("vllm:request_time_per_output_token_seconds",), since="0.11"),
    # One observation per engine output. Up to 0.14 the same data also had the name of a per-token time.
    Concept(
        "inter_token",
        ("vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds"),
        hidden=("0.12", "0.14"),
    ),
    Concept("e2e", ("vllm:e2e_request_latency_seconds",)),
    Concept("queue", ("vllm:request_queue_time_seconds",)),
    Concept("prefill", ("vllm:request_prefill_time_seconds",)),
    Concept("decode", ("vllm:request_decode_time_seconds",)),
    Concept("inference", ("vllm:request_inference_time_seconds",)),
    Concept("request_prompt_tokens", ("vllm:request_prompt_tokens",)),
    Concept("request_generation_tokens", ("vllm:request_generation_tokens",)),
    Concept("iteration_tokens", ("vllm:iteration_tokens_total",)),
)

HTTP_REQUESTS = "http_requests_total"
"""Of the web framework, not of vLLM: requests answered, by handler and status. An answer that the client broke off
counts too, which vLLM's own counters do not do."""

GENERATING = frozenset({"/v1/completions", "/v1/chat/completions", "/v1/responses", "/v1/messages"})
"""Handlers that make tokens."""

CACHE_CONFIG_INFO = "vllm:cache_config_info"
START_TIME = "process_start_time_seconds"

KNOWN_PREFIX = "vllm:"


def canonical_name(name: str) -> str:
    """Undo Ray's spelling of a sample name; any other name comes back unchanged.

    >>> canonical_name("ray_vllm_num_requests_running"), canonical_name("vllm:num_requests_running")
    ('vllm:num_requests_running', 'vllm:num_requests_running')
    """
    bare = name.removeprefix("ray_")
    if bare.startswith("vllm_"):
        return "vllm:" + bare[5:]
    return name
