"""Each method of quantisation: stored bits per parameter with scales, precision of products, and what is left out."""

import pytest

from pentameter.facts import known_models
from pentameter.model.parameters import weight_bytes
from pentameter.model.reader import read_model
from pentameter.model.spec import Precision, UnknownModelError

LLAMA = known_models()["meta-llama/Llama-3.1-8B-Instruct"]
MIXTRAL = known_models()["mistralai/Mixtral-8x7B-Instruct-v0.1"]
BITS16, FP8, INT8, FP4 = Precision.BITS16, Precision.FP8, Precision.INT8, Precision.FP4


def quantised(quantization, config=LLAMA):
    return read_model(dict(config) | {"quantization_config": quantization})


def attention(spec):
    """Return the bits and the precision of the first layer's projections."""
    matrices = next(matrices for matrices in spec.layers[0].dense if matrices.part == "attention")
    return matrices.bits, matrices.compute


def compressed(weights, activations=None, **more):
    group = {"targets": ["Linear"], "weights": weights, "input_activations": activations}
    return {"quant_method": "compressed-tensors", "ignore": ["lm_head"], "config_groups": {"group_0": group}} | more


def floats(bits, strategy, **more):
    return {"num_bits": bits, "type": "float", "strategy": strategy} | more


def ints(bits, strategy, **more):
    return {"num_bits": bits, "type": "int", "strategy": strategy} | more


# A scale for each row of the projections: q and o read 4,096 inputs with 4,096 rows, k and v with 1,024.
BY_ROW = 32 / 4096

METHODS = [
    ({"quant_method": "fp8"}, 8, FP8, "fp8"),
    ({"quant_method": "fp8", "weight_block_size": [128, 128]}, 8 + 32 / 16384, FP8, "fp8"),
    ({"quant_method": "fbgemm_fp8"}, 8 + BY_ROW, FP8, "fbgemm-fp8"),
    ({"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}, 4 + 20 / 128, BITS16, "awq"),
    ({"quant_method": "awq", "bits": 4, "group_size": 64, "zero_point": False}, 4 + 16 / 64, BITS16, "awq"),
    ({"quant_method": "gptq", "bits": 2, "group_size": 64}, 2 + 18 / 64, BITS16, "gptq"),
    ({"quant_method": "gptq", "bits": 3, "group_size": 128}, 3 + 19 / 128, BITS16, "gptq"),
    ({"quant_method": "gptq", "bits": 4, "group_size": 128}, 4.15625, BITS16, "gptq"),
    ({"quant_method": "gptq", "bits": 8, "group_size": -1}, 8 + 24 / 4096, BITS16, "gptq"),
    ({"quant_method": "bitsandbytes", "load_in_8bit": True}, 8 + BY_ROW, INT8, "bitsandbytes-8bit"),
    ({"quant_method": "bitsandbytes", "load_in_4bit": True}, 4.5, BITS16, "bitsandbytes-4bit"),
    (
        {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_use_double_quant": True},
        4 + 8 / 64 + 32 / (64 * 256),
        BITS16,
        "bitsandbytes-4bit",
    ),
    ({"quant_method": "modelopt", "quant_algo": "FP8"}, 8, FP8, "modelopt-fp8"),
    ({"quantization": {"quant_algo": "NVFP4", "group_size": 16}}, 4.5, FP4, "modelopt-nvfp4"),
    ({"quant_method": "modelopt", "quant_algo": "W4A16_NVFP4"}, 4.5, BITS16, "modelopt-w4a16-nvfp4"),
    ({"quant_method": "modelopt", "quant_algo": "MXFP8"}, 8.25, FP8, "modelopt-mxfp8"),
    (compressed(floats(8, "tensor"), floats(8, "tensor")), 8, FP8, "compressed-tensors-fp8"),
    (compressed(floats(8, "channel"), floats(8, "token")), 8 + BY_ROW, FP8, "compressed-tensors-fp8"),
    (
        compressed(floats(8, "block", block_structure=[128, 128]), floats(8, "group", group_size=128)),
        8 + 32 / 16384,
        FP8,
        "compressed-tensors-fp8",
    ),
    (compressed(floats(8, "channel")), 8 + BY_ROW, BITS16, "compressed-tensors-w8a16"),
    (compressed(ints(8, "channel"), ints(8, "token")), 8 + BY_ROW, INT8, "compressed-tensors-w8a8"),
    (compressed(ints(4, "group", group_size=128)), 4.125, BITS16, "compressed-tensors-w4a16"),
    (compressed(ints(4, "group", group_size=32)), 4.5, BITS16, "compressed-tensors-w4a16"),
    (compressed(ints(4, "group", group_size=128, symmetric=False)), 4.15625, BITS16, "compressed-tensors-w4a16"),
    (compressed(ints(3, "group", group_size=128)), 3.125, BITS16, "compressed-tensors-w3a16"),
    (compressed(ints(4, "group", group_size=128), floats(8, "token")), 4.125, FP8, "compressed-tensors-w4a8"),
    (compressed(ints(4, "group", group_size=128), ints(8, "token")), 4.125, INT8, "compressed-tensors-w4a8"),
    (
        compressed(floats(4, "tensor_group", group_size=16), floats(4, "tensor_group", group_size=16)),
        4.5,
        FP4,
        "compressed-tensors-nvfp4",
    ),
    (compressed(floats(4, "tensor_group", group_size=16)), 4.5, BITS16, "compressed-tensors-nvfp4a16"),
    (compressed(floats(4, "group", group_size=32)), 4.25, BITS16, "compressed-tensors-mxfp4a16"),
]


@pytest.mark.parametrize(("quantization", "bits", "compute", "name"), METHODS)
def test_a_method_has_its_bits_with_scales_its_precision_and_its_name(quantization, bits, compute, name):
    spec = quantised(quantization)
    assert attention(spec) == (pytest.approx(bits, rel=1e-12), compute)
    assert spec.quantization == name
    assert spec.embedding.bits == 16
    assert spec.kv_bits == 16


@pytest.mark.parametrize("method", ["gguf", "torchao", "quark", "auto-round", "hqq", "aqlm", ""])
def test_a_method_that_is_not_understood_is_named(method):
    with pytest.raises(UnknownModelError, match=f"the quantisation {method or 'without a method'} is not known here"):
        quantised({"quant_method": method, "bits": 4})


@pytest.mark.parametrize(
    ("quantization", "message"),
    [
        ({"quant_method": "gptq"}, "quantization_config.bits is missing"),
        ({"quant_method": "gptq", "bits": 4, "group_size": 0}, "group_size is 0"),
        ({"quant_method": "awq", "bits": 40}, "bits is 40"),
        ({"quant_method": "fp8", "weight_block_size": [128]}, "weight_block_size"),
        ({"quant_method": "fp8", "weight_block_size": [0, 0]}, "weight_block_size"),
        ({"quant_method": "bitsandbytes"}, "neither load_in_4bit nor load_in_8bit"),
        ({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}, "modelopt MIXED_PRECISION"),
        ({"quant_method": "modelopt", "quant_algo": "FP8", "kv_cache_quant_algo": "odd"}, "kv_cache_quant_algo"),
        ({"quant_method": "compressed-tensors"}, "config_groups is not an object"),
        ({"quant_method": "compressed-tensors", "config_groups": {}}, "without groups"),
        (compressed(ints(4, "odd")), "strategy is 'odd'"),
        (compressed(ints(4, "group")), "group_size is missing"),
        (compressed({"num_bits": 4, "type": "odd"}), "type is 'odd'"),
        (compressed(ints(8, "channel"), ints(2, "token")), "activations of these bits"),
        (compressed(floats(8, "tensor"), sparsity_config={"format": "sparse-24-bitmask"}), "sparsity"),
        (compressed(floats(8, "tensor"), ignore=["re:(a+)+$"]), "too complex"),
    ],
)
def test_what_is_odd_in_a_quantisation_is_named(quantization, message):
    with pytest.raises(UnknownModelError, match=message):
        quantised(quantization)


def test_the_unembedding_is_quantised_only_where_the_configuration_says_so():
    gptq = {"quant_method": "gptq", "bits": 4, "group_size": 128}
    assert quantised(gptq).unembedding.bits == 16
    assert quantised(gptq | {"lm_head": True}).unembedding.bits == 4.15625
    assert quantised(compressed(floats(8, "tensor"))).unembedding.bits == 16
    assert quantised(compressed(floats(8, "tensor"), ignore=[])).unembedding.bits == 8
    assert quantised({"quant_method": "fp8"}).unembedding.bits == 16


def test_only_the_experts_are_in_mxfp4():
    spec = read_model(known_models()["openai/gpt-oss-20b"])
    assert attention(spec) == (16, BITS16)
    assert spec.layers[0].experts.expert.compute is BITS16
    only = quantised({"quant_method": "mxfp4"}, MIXTRAL).layers[0].experts.expert
    assert only.bits == 4.25


def test_routers_are_never_quantised():
    spec = quantised({"quant_method": "fp8"}, MIXTRAL)
    router = next(matrices for matrices in spec.layers[0].dense if matrices.part == "router")
    assert router.bits == 16
    assert spec.layers[0].experts.expert.bits == 8


def test_parts_with_different_precisions_stay_apart_and_bits_are_averaged_within_one():
    spec = quantised({"quant_method": "fp8", "ignored_layers": ["o_proj"]})
    found = [(matrices.compute, matrices.bits) for matrices in spec.layers[0].dense if matrices.part == "attention"]
    assert sorted(found) == [(BITS16, 16), (FP8, 8)]
    spec = quantised({"quant_method": "gptq", "bits": 4, "group_size": 128, "dynamic": {r"-:.*\.o_proj$": {}}})
    (only,) = (matrices for matrices in spec.layers[0].dense if matrices.part == "attention")
    assert only.stored_bytes == 4096 * 4096 * 2 + (4096 + 2048) * 4096 * 4.15625 / 8


def test_gptqs_exceptions_may_have_bits_of_their_own():
    dynamic = {r"+:.*\.mlp\.": {"bits": 8, "group_size": 64}}
    spec = quantised({"quant_method": "gptq", "bits": 4, "group_size": 128, "dynamic": dynamic})
    mlp = next(matrices for matrices in spec.layers[0].dense if matrices.part == "mlp")
    assert mlp.bits == 8 + 24 / 64
    assert attention(spec) == (4.15625, BITS16)


def test_groups_of_compressed_tensors_go_to_the_modules_that_they_name():
    named = {"targets": ["re:.*self_attn.*"], "weights": floats(8, "tensor"), "input_activations": floats(8, "tensor")}
    rest = {"targets": ["Linear"], "weights": ints(4, "group", group_size=128)}
    spec = quantised(
        {"quant_method": "compressed-tensors", "ignore": ["lm_head"], "config_groups": {"a": rest, "b": named}}
    )
    assert [(matrices.part, matrices.bits) for matrices in spec.layers[0].dense] == [("attention", 8), ("mlp", 4.125)]
    assert spec.quantization == "compressed-tensors-fp8-w4a16"


def test_the_cache_has_the_bits_that_the_checkpoint_says():
    assert quantised(compressed(floats(8, "tensor"), kv_cache_scheme={"num_bits": 8, "type": "float"})).kv_bits == 8
    modelopt = {"quant_method": "modelopt", "quant_algo": "FP8"}
    assert quantised(modelopt | {"kv_cache_quant_algo": "FP8"}).kv_bits == 8
    assert quantised(modelopt | {"kv_cache_quant_algo": None}).kv_bits == 16
    assert quantised(modelopt | {"kv_cache_scheme": {"num_bits": 8, "type": "float"}}).kv_bits == 8


@pytest.mark.parametrize(
    ("word", "bits", "compute"),
    [
        ("fp8", 8, FP8),
        ("fp8_per_block", 8 + 32 / 16384, FP8),
        ("fp8_per_channel", 8 + BY_ROW, FP8),
        ("int8_per_channel_weight_only", 8 + BY_ROW, BITS16),
        ("mxfp8", 8.25, FP8),
        ("bitsandbytes", 4.5, BITS16),
        ("w4a16", 4.125, BITS16),
        ("none", 16, BITS16),
        ("", 16, BITS16),
    ],
)
def test_a_servers_word_means_quantisation_while_loading_where_the_checkpoint_has_none(word, bits, compute):
    spec = read_model(LLAMA, quantization_override=word)
    assert attention(spec) == (pytest.approx(bits, rel=1e-12), compute)
    assert spec.unembedding.bits == 16


def test_experts_alone_may_be_quantised_while_loading():
    spec = read_model(MIXTRAL, quantization_override="experts_int8")
    assert attention(spec) == (16, BITS16)
    assert spec.layers[0].experts.expert.bits == pytest.approx(8, rel=0.01)


@pytest.mark.parametrize("word", ["awq_marlin", "auto_awq", "awq", "moe_wna16", "AWQ"])
def test_a_servers_word_for_the_checkpoints_method_changes_nothing(word):
    config = known_models()["Qwen/Qwen2.5-7B-Instruct-AWQ"]
    assert read_model(config, quantization_override=word) == read_model(config)


def test_a_servers_word_that_contradicts_the_checkpoint_is_refused():
    with pytest.raises(UnknownModelError, match="awq in the configuration but gguf in the server"):
        read_model(known_models()["Qwen/Qwen2.5-7B-Instruct-AWQ"], quantization_override="gguf")
    with pytest.raises(UnknownModelError, match="the quantisation gguf while loading is not known here"):
        read_model(LLAMA, quantization_override="gguf")


def test_an_awq_model_takes_the_bytes_of_its_layers_in_4_bits_and_of_the_rest_in_16():
    # Qwen2.5-7B: 6,525,288,448 weights in the layers' matrices, 1,090,328,064 parameters elsewhere.
    config = known_models()["Qwen/Qwen2.5-7B-Instruct-AWQ"]
    assert weight_bytes(read_model(config)) == 6_525_288_448 * 4.15625 / 8 + 1_090_328_064 * 2
