"""What distinguishes the page of one release from that of the next, beside its families."""

from __future__ import annotations

from dataclasses import dataclass, field

from captures import families, story

MODEL = "meta-llama/Llama-3.1-8B-Instruct"

Labels = dict[str, str]


@dataclass(frozen=True)
class Release:
    """What distinguishes a release's page."""

    names: tuple[str, ...]
    cache_config: Labels
    reasons: tuple[str, ...] = ("stop", "length", "abort")
    labels: Labels = field(default_factory=lambda: {"engine": "0", "model_name": MODEL})
    config_labels: Labels = field(default_factory=lambda: {"engine": "0"})
    help: dict[str, str] = field(default_factory=dict)
    """Help texts that differ from the newest."""
    values: dict[str, float] = field(default_factory=dict)
    """Values that differ from the story's."""
    zero_counters: bool = True
    """Whether a counter that never counted is shown."""


OLD_CACHE_CONFIG = {
    "block_size": "16",
    "cache_dtype": "auto",
    "calculate_kv_scales": "False",
    "cpu_offload_gb": "0",
    "enable_prefix_caching": "True",
    "gpu_memory_utilization": "0.9",
    "is_attention_free": "False",
    "num_cpu_blocks": "0",
    "num_gpu_blocks": "27264",
    "num_gpu_blocks_override": "None",
    "prefix_caching_hash_algo": "builtin",
    "sliding_window": "None",
    "swap_space": "4",
}
MAMBA = {"mamba_cache_dtype": "auto", "mamba_page_size_padded": "None", "mamba_ssm_cache_dtype": "auto"}
CACHE_CONFIG_0_10 = {
    **OLD_CACHE_CONFIG,
    **MAMBA,
    "cpu_kvcache_space_bytes": "None",
    "kv_cache_memory_bytes": "None",
    "kv_sharing_fast_prefill": "False",
    "num_cpu_blocks": "None",
}
CACHE_CONFIG_0_12 = {
    **CACHE_CONFIG_0_10,
    "kv_offloading_backend": "None",
    "kv_offloading_size": "None",
    "mamba_block_size": "None",
    "prefix_caching_hash_algo": "sha256",
}
CACHE_CONFIG_0_24 = {
    key: value
    for key, value in CACHE_CONFIG_0_12.items()
    if key not in {"cpu_kvcache_space_bytes", "cpu_offload_gb", "swap_space"}
} | {
    "_block_size_resolved": "True",
    "hash_block_size": "None",
    "kv_cache_max_concurrency": "3.328125",
    "kv_cache_size_tokens": "436224",
    "mamba_cache_mode": "none",
    "user_specified_block_size": "False",
}

# The first V1 releases counted whole blocks here; 0.9.2 and later count tokens.
IN_BLOCKS_HELP = {
    "gpu_prefix_cache_queries": "GPU prefix cache queries, in terms of number of queried blocks.",
    "gpu_prefix_cache_hits": "GPU prefix cache hits, in terms of number of cached blocks.",
}
IN_BLOCKS: dict[str, float] = {
    "gpu_prefix_cache_queries": sum(tokens // story.BLOCK_SIZE for tokens in story.PROMPT_TOKENS),
    "gpu_prefix_cache_hits": story.CACHED_TOKENS // story.BLOCK_SIZE,
}
WITH_ERROR = ("stop", "length", "abort", "error")
V0_24_0 = Release(families.V0_24_0, CACHE_CONFIG_0_24, (*WITH_ERROR, "repetition"))
RAY = Release(families.RAY, {}, zero_counters=False)
# The V0 engine knows no engine label, and shows a finish reason once it has happened.
V0_8_5_V0 = Release(
    families.V0_8_5_V0, OLD_CACHE_CONFIG, ("stop", "length"), labels={"model_name": MODEL}, config_labels={}
)
INFERENCE_SIM = Release(
    families.INFERENCE_SIM,
    {"block_size": "16", "num_gpu_blocks": "27264"},
    ("stop", "length"),
    labels={"model_name": MODEL},
    config_labels={},
)
SINGLE_PROCESS = {
    "vllm-0.8.5-v1": Release(
        families.V0_8_5_V1, OLD_CACHE_CONFIG, config_labels={}, help=IN_BLOCKS_HELP, values=IN_BLOCKS
    ),
    "vllm-0.10.2": Release(families.V0_10_2, CACHE_CONFIG_0_10),
    "vllm-0.12.0": Release(families.V0_12_0, CACHE_CONFIG_0_12),
    "vllm-0.16.0": Release(families.V0_16_0, {**CACHE_CONFIG_0_12, "mamba_cache_mode": "none"}, WITH_ERROR),
    "vllm-0.24.0": V0_24_0,
}
"""File name -> release, for servers of one process."""
