"""Make one of the tiny models with random weights, offline: run by the interpreter that has vLLM, not imported.

Usage: ``python -P tiny_models.py FOLDER TOKENIZER-FOLDER NAME``; the tokenizer is that of another model,
copied. ``-P`` keeps this folder, which holds a ``vllm.py``, from hiding the real vLLM.

Each model has what another one lacks, so that every term of the computation differs from zero somewhere.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

SEED = 20261101
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")

COMMON = {"vocab_size": 2048, "max_position_embeddings": 2048, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    # 8 experts, two per token; the first layer has none; heads whose size is not hidden size / heads.
    "tiny-moe": (
        "Qwen3Moe",
        {
            "hidden_size": 128,
            "intermediate_size": 320,
            "moe_intermediate_size": 96,
            "num_hidden_layers": 4,
            "num_attention_heads": 8,
            "num_key_value_heads": 2,
            "head_dim": 32,
            "num_experts": 8,
            "num_experts_per_tok": 2,
            "norm_topk_prob": True,
            "decoder_sparse_step": 1,
            "mlp_only_layers": [0],
            "tie_word_embeddings": False,
        },
    ),
    # Five layers that see the last 64 tokens and one that sees all; one head of keys and values; tied embeddings.
    "tiny-window": (
        "Gemma3",
        {
            "hidden_size": 128,
            "intermediate_size": 384,
            "num_hidden_layers": 6,
            "num_attention_heads": 4,
            "num_key_value_heads": 1,
            "head_dim": 64,
            "query_pre_attn_scalar": 64,
            "sliding_window": 64,
            "layer_types": ["sliding_attention"] * 5 + ["full_attention"],
            "tie_word_embeddings": True,
        },
    ),
    # Multi-head latent attention, a dense first layer, shared experts. vLLM's kernel for CPU knows one size of a
    # cached token, that of the real DeepSeek: 512 + 64.
    "tiny-mla": (
        "DeepseekV2",
        {
            "hidden_size": 128,
            "intermediate_size": 320,
            "moe_intermediate_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "q_lora_rank": 96,
            "kv_lora_rank": 512,
            "qk_nope_head_dim": 48,
            "qk_rope_head_dim": 64,
            "v_head_dim": 80,
            "n_routed_experts": 8,
            "num_experts_per_tok": 2,
            "n_shared_experts": 2,
            "first_k_dense_replace": 1,
            "moe_layer_freq": 1,
            "n_group": 1,
            "topk_group": 1,
            "topk_method": "greedy",
            "norm_topk_prob": False,
            "tie_word_embeddings": False,
        },
    ),
}


def make(folder: Path, tokenizer: Path, name: str) -> None:
    """Write config, weights and tokenizer."""
    import torch
    import transformers

    family, settings = MODELS[name]
    config_class = getattr(transformers, {"Gemma3": "Gemma3TextConfig"}.get(family, f"{family}Config"))
    model_class = getattr(transformers, f"{family}ForCausalLM")
    torch.manual_seed(SEED)
    model_class(config_class(**COMMON, **settings)).to(torch.bfloat16).save_pretrained(folder)
    for file in TOKENIZER_FILES:
        shutil.copy(tokenizer / file, folder)


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
