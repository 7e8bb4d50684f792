"""Public models, written down by hand from their published configurations."""

from dataclasses import replace

from pentameter.model.contexts import Reach
from pentameter.model.spec import Attention, Basis, Experts, Layer, Matrices, ModelSpec, Recurrent

FULL = Reach()


def gqa(heads, kv_heads, head_dim, **more):
    return Attention(heads, kv_heads, head_dim, head_dim, 2 * kv_heads * head_dim, **more)


def projections(hidden, attention):
    """Return the parameters of the query, key, value and output projections."""
    return hidden * attention.qk_dim * (2 * attention.heads + 2 * attention.kv_heads)


def dense_layer(count, hidden, attention, inner):
    return Layer(
        count,
        dense=(
            Matrices("attention", projections(hidden, attention), 16),
            Matrices("mlp", 3 * hidden * inner, 16),
        ),
        attention=attention,
        vectors=2 * hidden,
    )


def model(name, layers, hidden, vocab, *, tied=False, **more):
    table = hidden * vocab
    return ModelSpec(
        name,
        tuple(layers),
        embedding=Matrices("embedding", table, 16),
        unembedding=None if tied else Matrices("unembedding", table, 16),
        vectors=hidden,
        hidden_size=hidden,
        vocab_size=vocab,
        **more,
    )


LLAMA_2_7B = model("LlamaForCausalLM", [dense_layer(32, 4096, gqa(32, 32, 128), 11008)], 4096, 32000)
LLAMA_31_8B = model("LlamaForCausalLM", [dense_layer(32, 4096, gqa(32, 8, 128), 14336)], 4096, 128256)
MISTRAL_7B = model("MistralForCausalLM", [dense_layer(32, 4096, gqa(32, 8, 128, window=4096), 14336)], 4096, 32000)

MIXTRAL_8X7B = model(
    "MixtralForCausalLM",
    [
        Layer(
            32,
            dense=(
                Matrices("attention", projections(4096, gqa(32, 8, 128)), 16),
                Matrices("router", 8 * 4096, 16),
            ),
            attention=gqa(32, 8, 128),
            experts=Experts(8, 2, Matrices("experts", 3 * 4096 * 14336, 16)),
            vectors=2 * 4096,
        )
    ],
    4096,
    32000,
)

# MLA: 1536 and 512 are the ranks of queries and of keys and values, 64 the rotary part, 128 the rest.
_MLA = Attention(128, 1, 192, 128, 512 + 64, decode_qk_dim=512 + 64, decode_v_dim=512)
_MLA_LATENT = Matrices("latent", 7168 * 1536 + 7168 * (512 + 64), 16)
_MLA_PROJECTIONS = Matrices("attention", 1536 * 128 * 192 + 512 * 128 * (128 + 128) + 128 * 128 * 7168, 16)
_MLA_VECTORS = 2 * 7168 + 1536 + 512
DEEPSEEK_V3 = model(
    "DeepseekV3ForCausalLM",
    [
        Layer(
            3,
            dense=(_MLA_LATENT, _MLA_PROJECTIONS, Matrices("mlp", 3 * 7168 * 18432, 16)),
            attention=_MLA,
            vectors=_MLA_VECTORS,
        ),
        Layer(
            58,
            dense=(
                _MLA_LATENT,
                _MLA_PROJECTIONS,
                Matrices("shared_experts", 3 * 7168 * 2048, 16),
                Matrices("router", 256 * 7168, 16),
            ),
            attention=_MLA,
            experts=Experts(256, 8, Matrices("experts", 3 * 7168 * 2048, 16)),
            vectors=_MLA_VECTORS + 256,
        ),
    ],
    7168,
    129280,
    unmodelled=("multi-token prediction",),
)

# Gemma 3 27B: of 62 layers every sixth sees everything, the others 1,024 positions.
GEMMA_3_27B = model(
    "Gemma3ForCausalLM",
    [
        dense_layer(52, 5376, gqa(32, 16, 128, window=1024), 21504),
        dense_layer(10, 5376, gqa(32, 16, 128), 21504),
    ],
    5376,
    262208,
    tied=True,
)

# Like Qwen3-Next: three recurrent layers to one of attention; the projections are simplified.
RECURRENT_HYBRID = model(
    "Qwen3NextForCausalLM",
    [
        Layer(
            36,
            dense=(Matrices("recurrent", 2048 * 16384, 16), Matrices("router", 512 * 2048, 16)),
            recurrent=Recurrent(state_bytes=32 * 128 * 128 * 2, flops_per_token=32 * 128 * 128 * 8),
            experts=Experts(512, 10, Matrices("experts", 3 * 2048 * 512, 16)),
        ),
        Layer(
            12,
            dense=(
                Matrices("attention", projections(2048, gqa(16, 2, 256)), 16),
                Matrices("router", 512 * 2048, 16),
            ),
            attention=gqa(16, 2, 256),
            experts=Experts(512, 10, Matrices("experts", 3 * 2048 * 512, 16)),
        ),
    ],
    2048,
    151936,
)

COUNTED = ModelSpec(
    "unknown",
    (Layer(1, dense=(Matrices("all", 7_000_000_000, 16),)),),
    embedding=None,
    unembedding=None,
    basis=Basis.PARAMETERS,
)

EVERY = {
    "Llama-2-7B": LLAMA_2_7B,
    "Llama-3.1-8B": LLAMA_31_8B,
    "Mistral-7B": MISTRAL_7B,
    "Mixtral-8x7B": MIXTRAL_8X7B,
    "DeepSeek-V3": DEEPSEEK_V3,
    "Gemma-3-27B": GEMMA_3_27B,
    "recurrent hybrid": RECURRENT_HYBRID,
}


def chunked(window):
    """Return Llama-3.1-8B as if it had Llama 4's chunked attention."""
    layer = LLAMA_31_8B.layers[0]
    return replace(
        LLAMA_31_8B, layers=(replace(layer, attention=replace(layer.attention, window=window, chunked=True)),)
    )
