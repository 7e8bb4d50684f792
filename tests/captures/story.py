"""What the written pages report: forty finished requests whose every figure follows from a few short formulas.

So that a test can state what a page must yield: 40 requests, 5,040 prompt tokens of which 256 came from
the prefix cache, 1,280 generated tokens.
"""

from __future__ import annotations

REQUESTS = 40
PROMPT_TOKENS = [70 + 16 * (i % 8) for i in range(REQUESTS)]
OUTPUT_TOKENS = [16 + 8 * (i % 5) for i in range(REQUESTS)]
TTFT_MS = [25 + 7 * (i % 11) for i in range(REQUESTS)]
TPOT_MS = [8 + 2 * (i % 7) for i in range(REQUESTS)]
QUEUE_MS = [i % 4 for i in range(REQUESTS)]

CACHED = [64 if i % 10 == 9 else 0 for i in range(REQUESTS)]
CACHED_TOKENS = sum(CACHED)
BLOCK_SIZE = 16
PARAMETERS = 8_000_000_000
STARTED = 1_793_500_000.25
"""Unix time at which the server's metrics were created."""

DECODE_MS = [tpot * (tokens - 1) for tpot, tokens in zip(TPOT_MS, OUTPUT_TOKENS, strict=True)]
PREFILL_MS = [ttft - queue for ttft, queue in zip(TTFT_MS, QUEUE_MS, strict=True)]
GAPS_MS = [tpot for tpot, tokens in zip(TPOT_MS, OUTPUT_TOKENS, strict=True) for _ in range(tokens - 1)]
DECODE_BATCH = 4
STEPS = [tokens + 1 for tokens in PROMPT_TOKENS] + [DECODE_BATCH] * (len(GAPS_MS) // DECODE_BATCH)
TOKENS = sum(PROMPT_TOKENS) + sum(OUTPUT_TOKENS)

MILLISECONDS = {
    "time_to_first_token_seconds": TTFT_MS,
    "time_per_output_token_seconds": GAPS_MS,
    "inter_token_latency_seconds": GAPS_MS,
    "request_time_per_output_token_seconds": TPOT_MS,
    "e2e_request_latency_seconds": [ttft + decode for ttft, decode in zip(TTFT_MS, DECODE_MS, strict=True)],
    "request_queue_time_seconds": QUEUE_MS,
    "request_prefill_time_seconds": PREFILL_MS,
    "request_decode_time_seconds": DECODE_MS,
    "request_inference_time_seconds": [p + d for p, d in zip(PREFILL_MS, DECODE_MS, strict=True)],
}
"""Observations of the histograms of time."""

COUNTS = {
    "request_prompt_tokens": PROMPT_TOKENS,
    "request_generation_tokens": OUTPUT_TOKENS,
    "iteration_tokens_total": STEPS,
    "request_max_num_generation_tokens": OUTPUT_TOKENS,
    "max_num_generation_tokens": OUTPUT_TOKENS,
    "request_params_n": [1] * REQUESTS,
    "request_params_max_tokens": OUTPUT_TOKENS,
    "request_prefill_kv_computed_tokens": [p - c for p, c in zip(PROMPT_TOKENS, CACHED, strict=True)],
}
"""Observations of the histograms of numbers."""

VALUES: dict[str, float] = {
    "num_requests_running": 2,
    "num_requests_waiting": 1,
    "gpu_cache_usage_perc": 0.03125,
    "kv_cache_usage_perc": 0.03125,
    "gpu_prefix_cache_queries": sum(PROMPT_TOKENS),
    "gpu_prefix_cache_hits": CACHED_TOKENS,
    "prefix_cache_queries": sum(PROMPT_TOKENS),
    "prefix_cache_hits": CACHED_TOKENS,
    "external_prefix_cache_queries": 0,
    "external_prefix_cache_hits": 0,
    "mm_cache_queries": 0,
    "mm_cache_hits": 0,
    "num_preemptions": 0,
    "prompt_tokens": sum(PROMPT_TOKENS),
    "prompt_tokens_cached": CACHED_TOKENS,
    "prompt_tokens_recomputed": 0,
    "generation_tokens": sum(OUTPUT_TOKENS),
    "estimated_flops_per_gpu": 2 * PARAMETERS * (TOKENS - CACHED_TOKENS),
    "estimated_read_bytes_per_gpu": 2 * PARAMETERS * len(STEPS),
    "estimated_write_bytes_per_gpu": 131_072 * (TOKENS - CACHED_TOKENS),
}
"""Gauges and counters of one series."""

SPLIT: dict[str, tuple[str, dict[str, float]]] = {
    "num_requests_waiting_by_reason": ("reason", {"capacity": 1, "deferred": 0}),
    "engine_sleep_state": ("sleep_state", {"awake": 1, "weights_offloaded": 0, "discard_all": 0}),
    "prompt_tokens_by_source": (
        "source",
        {
            "local_compute": sum(PROMPT_TOKENS) - CACHED_TOKENS,
            "local_cache_hit": CACHED_TOKENS,
            "external_kv_transfer": 0,
        },
    ),
    "request_success": ("finished_reason", {"stop": 10, "length": 30, "abort": 0, "error": 0, "repetition": 0}),
}
"""Gauges and counters that a label splits; not every release knows every value."""
