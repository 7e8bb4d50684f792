"""The architectures that are known, by the name that a configuration gives first; every other one is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pentameter.model import delta_net, mamba, mla, moe, older
from pentameter.model.dense import Habits, build
from pentameter.model.spec import UnknownModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pentameter.model.blueprint import Blueprint
    from pentameter.model.fields import Fields

BIAS = ("attention_bias", False)
MLP_BIAS = ("mlp_bias", False)
STARCODER_BIAS = ("use_bias", True)

DENSE: dict[str, Habits] = {
    "llama": Habits(qkv_bias=BIAS, output_bias=BIAS, mlp_bias=MLP_BIAS),
    "mistral": Habits(kv_heads=8, window=4096),
    "ministral3": Habits(kv_heads=8, head_dim=128),
    "qwen2": Habits(kv_heads=32, qkv_bias=True, window=4096, slides_if_told=True),
    "qwen3": Habits(
        kv_heads=32, head_dim=128, qkv_bias=BIAS, output_bias=BIAS, qk_norm="head", window=4096, slides_if_told=True
    ),
    "phi": Habits(
        qkv_bias=True, output_bias=True, mlp_bias=True, norms=1, norm_vectors=2, gated=False, up="mlp.fc1",
        down="mlp.fc2", output="dense", head_bias=True, reads_head_dim=False,
    ),
    "phi3": Habits(fused=True, reads_head_dim=False),
    "gemma": Habits(tied=True, kv_heads=16, head_dim=256, qkv_bias=BIAS, output_bias=BIAS),
    "gemma2": Habits(
        tied=True, kv_heads=4, head_dim=256, qkv_bias=BIAS, output_bias=BIAS, norms=4, window=4096, pattern=2
    ),
    "gemma3": Habits(
        tied=True, heads=8, kv_heads=4, head_dim=256, vocab_size=262208, qkv_bias=BIAS, output_bias=BIAS, norms=4,
        qk_norm="head", window=4096, pattern=6,
    ),
    "olmo": Habits(qkv_bias=BIAS, output_bias=BIAS, norm_vectors=0),
    "olmo2": Habits(qkv_bias=BIAS, output_bias=BIAS, qk_norm="all"),
    "olmo3": Habits(qkv_bias=BIAS, output_bias=BIAS, qk_norm="all", window=4096, pattern=4),
    "granite": Habits(qkv_bias=BIAS, output_bias=BIAS, mlp_bias=MLP_BIAS),
    "smollm3": Habits(tied=True, kv_heads=4, qkv_bias=BIAS, output_bias=BIAS, mlp_bias=MLP_BIAS, slides_if_told=True),
    "starcoder2": Habits(
        tied=True, kv_heads=2, qkv_bias=STARCODER_BIAS, output_bias=STARCODER_BIAS, mlp_bias=STARCODER_BIAS,
        norm_vectors=2, gated=False, up="mlp.c_fc", down="mlp.c_proj",
    ),
    "cohere": Habits(
        tied=True, qkv_bias=BIAS, output_bias=BIAS, norms=1, qk_norm="all", qk_normed=("use_qk_norm", False)
    ),
    "cohere2": Habits(tied=True, qkv_bias=BIAS, output_bias=BIAS, norms=1, window=4096, pattern=4),
    "glm": Habits(kv_heads=2, head_dim=128, qkv_bias=BIAS, fused=False),
    "glm4": Habits(kv_heads=2, head_dim=128, qkv_bias=BIAS, norms=4),
    "exaone4": Habits(norms=2, qk_norm="head", window=4096, pattern=4),
}  # fmt: skip
"""By family: what transformers' configuration classes and models do where a configuration is silent."""

OTHERS: dict[str, Callable[[Fields], Blueprint]] = {
    "mixtral": moe.mixtral,
    "qwen2_moe": moe.qwen2,
    "qwen3_moe": moe.qwen3,
    "glm4_moe": moe.glm4,
    "gpt_oss": moe.gpt_oss,
    "llama4": moe.llama4,
    "olmoe": moe.olmoe,
    "granitemoe": moe.granite,
    "deepseek_v2": mla.deepseek_v2,
    "deepseek_v3": mla.deepseek_v3,
    "gpt2": older.gpt2,
    "opt": older.opt,
    "gpt_neox": older.gpt_neox,
    "falcon": older.falcon,
}

RECURRENT: dict[str, Callable[[Fields, int], Blueprint]] = {
    "qwen3_next": delta_net.qwen3_next,
    "qwen3_5": delta_net.qwen3_5,
    "qwen3_5_moe": delta_net.qwen3_5_moe,
    "granitemoehybrid": mamba.granite,
    "nemotron_h": mamba.nemotron_h,
}

ARCHITECTURES: dict[str, str] = {
    "LlamaForCausalLM": "llama",
    "LLaMAForCausalLM": "llama",
    "MistralForCausalLM": "mistral",
    "Ministral3ForCausalLM": "ministral3",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
    "PhiForCausalLM": "phi",
    "Phi3ForCausalLM": "phi3",
    "GemmaForCausalLM": "gemma",
    "Gemma2ForCausalLM": "gemma2",
    "Gemma3ForCausalLM": "gemma3",
    "OlmoForCausalLM": "olmo",
    "Olmo2ForCausalLM": "olmo2",
    "Olmo3ForCausalLM": "olmo3",
    "GraniteForCausalLM": "granite",
    "SmolLM3ForCausalLM": "smollm3",
    "Starcoder2ForCausalLM": "starcoder2",
    "CohereForCausalLM": "cohere",
    "Cohere2ForCausalLM": "cohere2",
    "GlmForCausalLM": "glm",
    "Glm4ForCausalLM": "glm4",
    "Exaone4ForCausalLM": "exaone4",
    "MixtralForCausalLM": "mixtral",
    "Qwen2MoeForCausalLM": "qwen2_moe",
    "Qwen3MoeForCausalLM": "qwen3_moe",
    "Glm4MoeForCausalLM": "glm4_moe",
    "GptOssForCausalLM": "gpt_oss",
    "Llama4ForCausalLM": "llama4",
    "OlmoeForCausalLM": "olmoe",
    "GraniteMoeForCausalLM": "granitemoe",
    "DeepseekV2ForCausalLM": "deepseek_v2",
    "DeepseekV3ForCausalLM": "deepseek_v3",
    "KimiK2ForCausalLM": "deepseek_v3",
    "Glm4MoeLiteForCausalLM": "deepseek_v3",
    "GPT2LMHeadModel": "gpt2",
    "OPTForCausalLM": "opt",
    "GPTNeoXForCausalLM": "gpt_neox",
    "FalconForCausalLM": "falcon",
    "Qwen3NextForCausalLM": "qwen3_next",
    "Qwen3_5ForCausalLM": "qwen3_5",
    "Qwen3_5MoeForCausalLM": "qwen3_5_moe",
    "GraniteMoeHybridForCausalLM": "granitemoehybrid",
    "NemotronHForCausalLM": "nemotron_h",
}

MULTIMODAL: dict[str, str] = {
    "Gemma3ForConditionalGeneration": "gemma3",
    "Llama4ForConditionalGeneration": "llama4",
    "Qwen2VLForConditionalGeneration": "qwen2",
    "Qwen2_5_VLForConditionalGeneration": "qwen2",
    "Qwen3VLForConditionalGeneration": "qwen3",
    "Qwen3VLMoeForConditionalGeneration": "qwen3_moe",
    "Qwen3_5ForConditionalGeneration": "qwen3_5",
    "Qwen3_5MoeForConditionalGeneration": "qwen3_5_moe",
}
"""Those whose text decoder is always of one family, behind a vision encoder."""

WRAPPERS = {"Mistral3ForConditionalGeneration", "LlavaForConditionalGeneration", "LlavaNextForConditionalGeneration"}
"""Those whose text decoder names its own family."""

TEXT_TYPES: dict[str, str] = {
    "gemma3_text": "gemma3",
    "llama4_text": "llama4",
    "qwen3_5_text": "qwen3_5",
    "qwen3_5_moe_text": "qwen3_5_moe",
    "kimi_k2": "deepseek_v3",
}
"""Model types of text that are not called as their family."""

MODEL_TYPES: dict[str, str] = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "ministral3": "Ministral3ForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "phi3": "Phi3ForCausalLM",
    "mixtral": "MixtralForCausalLM",
}
"""The decoders that wrappers are known to hold, by their model type."""


def family_of(architecture: str, text_model_type: str) -> str:
    """Return the family of an architecture; a wrapper's is that of the model type of its text.

    A configuration of text alone, taken out of its wrapper, may name no architecture, and then its model type decides.
    """
    if not architecture:
        known = TEXT_TYPES.get(text_model_type, text_model_type)
        if known not in ARCHITECTURES.values():
            said = text_model_type[:60] or "no type"
            raise UnknownModelError(f"architectures is missing, and {said} is not known here")
        return known
    if architecture in WRAPPERS:
        if text_model_type not in MODEL_TYPES:
            raise UnknownModelError(
                f"{architecture} around {text_model_type[:60] or 'nothing named'} is not known here"
            )
        return ARCHITECTURES[MODEL_TYPES[text_model_type]]
    family = ARCHITECTURES.get(architecture) or MULTIMODAL.get(architecture)
    if family is None:
        raise UnknownModelError(f"the architecture {architecture[:60]} is not known here")
    return family


def blueprint(family: str, fields: Fields, dtype_bits: int) -> Blueprint:
    """Return the shape of a model of a family."""
    if family in DENSE:
        return build(fields, DENSE[family])
    if family in RECURRENT:
        return RECURRENT[family](fields, dtype_bits)
    return OTHERS[family](fields)
