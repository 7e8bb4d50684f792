"""Which families each release publishes, in its order: facts for the pages that no server here can show.

Names, kinds, bucket bounds and help texts (without notes of deprecation) are those of the releases' own
sources, because a page without them would not be that release's page.
"""

from __future__ import annotations

TTFT_BOUNDS: tuple[float, ...] = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75)
TTFT_BOUNDS += (1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0)
TOKEN_BOUNDS: tuple[float, ...] = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75)
TOKEN_BOUNDS += (1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0)
REQUEST_BOUNDS: tuple[float, ...] = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0)
REQUEST_BOUNDS += (120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0)
STEP_BOUNDS = (1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
COUNT_BOUNDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
N_BOUNDS = (1, 2, 5, 10, 20)

GAUGES = {
    "num_requests_running": "Number of requests in model execution batches.",
    "num_requests_waiting": "Number of requests waiting to be processed.",
    "num_requests_waiting_by_reason": (
        "Number of waiting requests by reason. Reason labels: 'capacity' = waiting for scheduling capacity; 'deferred' "
        "= deferred by transient constraints (LoRA budget, KV transfer, blocked status). Sum of all reasons equals "
        "vllm:num_requests_waiting."
    ),
    "engine_sleep_state": (
        "Engine sleep state; awake = 0 means engine is sleeping; awake = 1 means engine is awake; "
        "weights_offloaded = 1 means sleep level 1; discard_all = 1 means sleep level 2."
    ),
    "gpu_cache_usage_perc": "GPU KV-cache usage. 1 means 100 percent usage.",
    "kv_cache_usage_perc": "KV-cache usage. 1 means 100 percent usage.",
    "cache_config_info": "Information of the LLMEngine CacheConfig",
    "lora_requests_info": "Running stats on lora requests.",
}

COUNTERS = {
    "gpu_prefix_cache_queries": "GPU prefix cache queries, in terms of number of queried tokens.",
    "gpu_prefix_cache_hits": "GPU prefix cache hits, in terms of number of cached tokens.",
    "prefix_cache_queries": "Prefix cache queries, in terms of number of queried tokens.",
    "prefix_cache_hits": "Prefix cache hits, in terms of number of cached tokens.",
    "external_prefix_cache_queries": (
        "External prefix cache queries from KV connector cross-instance cache sharing, in terms of number of queried "
        "tokens."
    ),
    "external_prefix_cache_hits": (
        "External prefix cache hits from KV connector cross-instance cache sharing, in terms of number of cached "
        "tokens."
    ),
    "mm_cache_queries": "Multi-modal cache queries, in terms of number of queried items.",
    "mm_cache_hits": "Multi-modal cache hits, in terms of number of cached items.",
    "num_preemptions": "Cumulative number of preemption from the engine.",
    "prompt_tokens": "Number of prefill tokens processed.",
    "prompt_tokens_by_source": "Number of prompt tokens by source.",
    "prompt_tokens_cached": "Number of cached prompt tokens (local + external).",
    "prompt_tokens_recomputed": "Number of cached tokens recomputed for forward pass.",
    "generation_tokens": "Number of generation tokens processed.",
    "request_success": "Count of successfully processed requests.",
    "estimated_flops_per_gpu": (
        "Estimated number of floating point operations per GPU (for Model Flops Utilization calculations)."
    ),
    "estimated_read_bytes_per_gpu": (
        "Estimated number of bytes read from memory per GPU (for Model Flops Utilization calculations)."
    ),
    "estimated_write_bytes_per_gpu": (
        "Estimated number of bytes written to memory per GPU (for Model Flops Utilization calculations)."
    ),
}

HISTOGRAMS = {
    "request_prompt_tokens": ("Number of prefill tokens processed.", COUNT_BOUNDS),
    "request_generation_tokens": ("Number of generation tokens processed.", COUNT_BOUNDS),
    "iteration_tokens_total": ("Histogram of number of tokens per engine_step.", STEP_BOUNDS),
    "request_max_num_generation_tokens": (
        "Histogram of maximum number of requested generation tokens.",
        COUNT_BOUNDS,
    ),
    "max_num_generation_tokens": ("Histogram of maximum number of requested generation tokens.", COUNT_BOUNDS),
    "request_params_n": ("Histogram of the n request parameter.", N_BOUNDS),
    "request_params_max_tokens": ("Histogram of the max_tokens request parameter.", COUNT_BOUNDS),
    "time_to_first_token_seconds": ("Histogram of time to first token in seconds.", TTFT_BOUNDS),
    "time_per_output_token_seconds": ("Histogram of time per output token in seconds.", TOKEN_BOUNDS),
    "inter_token_latency_seconds": ("Histogram of inter-token latency in seconds.", TOKEN_BOUNDS),
    "request_time_per_output_token_seconds": (
        "Histogram of time_per_output_token_seconds per request.",
        TOKEN_BOUNDS,
    ),
    "e2e_request_latency_seconds": ("Histogram of e2e request latency in seconds.", REQUEST_BOUNDS),
    "request_queue_time_seconds": ("Histogram of time spent in WAITING phase for request.", REQUEST_BOUNDS),
    "request_inference_time_seconds": ("Histogram of time spent in RUNNING phase for request.", REQUEST_BOUNDS),
    "request_prefill_time_seconds": ("Histogram of time spent in PREFILL phase for request.", REQUEST_BOUNDS),
    "request_decode_time_seconds": ("Histogram of time spent in DECODE phase for request.", REQUEST_BOUNDS),
    "request_prefill_kv_computed_tokens": (
        "Histogram of new KV tokens computed during prefill (excluding cached tokens).",
        COUNT_BOUNDS,
    ),
}

SCHEDULER = ("num_requests_running", "num_requests_waiting")
GPU_CACHE = ("gpu_cache_usage_perc", "gpu_prefix_cache_queries", "gpu_prefix_cache_hits")
KV_CACHE = ("kv_cache_usage_perc", "prefix_cache_queries", "prefix_cache_hits")
OTHER_CACHES = ("external_prefix_cache_queries", "external_prefix_cache_hits", "mm_cache_queries", "mm_cache_hits")
COUNTS = (
    "request_prompt_tokens",
    "request_generation_tokens",
    "iteration_tokens_total",
    "request_max_num_generation_tokens",
    "request_params_n",
    "request_params_max_tokens",
)
TOKENS = ("num_preemptions", "prompt_tokens", "generation_tokens", "request_success")
PHASES = (
    "e2e_request_latency_seconds",
    "request_queue_time_seconds",
    "request_inference_time_seconds",
    "request_prefill_time_seconds",
    "request_decode_time_seconds",
)
MFU = ("estimated_flops_per_gpu", "estimated_read_bytes_per_gpu", "estimated_write_bytes_per_gpu")

V0_8_5_V1 = (
    *SCHEDULER,
    *GPU_CACHE,
    *TOKENS,
    *COUNTS,
    "time_to_first_token_seconds",
    "time_per_output_token_seconds",
    *PHASES,
    "cache_config_info",
)
V0_8_5_V0 = (
    *SCHEDULER,
    "lora_requests_info",
    "gpu_cache_usage_perc",
    *TOKENS,
    "iteration_tokens_total",
    "time_to_first_token_seconds",
    "time_per_output_token_seconds",
    *PHASES,
    *(name for name in COUNTS if name != "iteration_tokens_total"),
    "cache_config_info",
)
V0_10_2 = (
    *SCHEDULER,
    *GPU_CACHE,
    *KV_CACHE,
    *TOKENS,
    *COUNTS,
    "time_to_first_token_seconds",
    "time_per_output_token_seconds",
    "inter_token_latency_seconds",
    *PHASES,
    "cache_config_info",
)
V0_12_0 = (
    *SCHEDULER,
    "engine_sleep_state",
    *KV_CACHE,
    *OTHER_CACHES,
    *TOKENS,
    *COUNTS,
    "time_to_first_token_seconds",
    "inter_token_latency_seconds",
    "request_time_per_output_token_seconds",
    *PHASES,
    "cache_config_info",
)
V0_16_0 = (
    *SCHEDULER,
    "engine_sleep_state",
    *KV_CACHE,
    *OTHER_CACHES,
    "num_preemptions",
    "prompt_tokens",
    "prompt_tokens_by_source",
    "prompt_tokens_cached",
    "prompt_tokens_recomputed",
    "generation_tokens",
    "request_success",
    *COUNTS,
    "time_to_first_token_seconds",
    "inter_token_latency_seconds",
    "request_time_per_output_token_seconds",
    *PHASES,
    "request_prefill_kv_computed_tokens",
    "cache_config_info",
)
V0_24_0 = (
    *MFU,
    *SCHEDULER,
    "num_requests_waiting_by_reason",
    *(name for name in V0_16_0 if name not in SCHEDULER and name != "prompt_tokens_recomputed"),
)
RAY = (
    *SCHEDULER,
    *KV_CACHE,
    *TOKENS,
    "prompt_tokens_by_source",
    "time_to_first_token_seconds",
    "inter_token_latency_seconds",
    "request_time_per_output_token_seconds",
    *PHASES,
)
"""A part of the page: two replicas and Ray's many labels make it long."""
INFERENCE_SIM = (
    *SCHEDULER,
    *KV_CACHE,
    "prompt_tokens",
    "generation_tokens",
    "request_success",
    "time_to_first_token_seconds",
    "time_per_output_token_seconds",
    "inter_token_latency_seconds",
    "request_time_per_output_token_seconds",
    *PHASES,
    "request_prompt_tokens",
    "request_generation_tokens",
    "max_num_generation_tokens",
    "request_params_max_tokens",
    "lora_requests_info",
    "cache_config_info",
)
