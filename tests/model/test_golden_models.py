"""Public models against what was published of them: parameters in all and per token, cache per token, bytes of weights.

Every total was also counted by transformers 5.19, which built each model without memory (on the meta device) from the
same configuration: all are equal to the last parameter. Balancing biases of routers, which it keeps as buffers, count
here, because they are stored.
"""

import json
import re
from importlib.resources import files

import pytest

from pentameter.facts import find_model, known_models
from pentameter.model.parameters import active_parameters, parameters_by_part, total_parameters, weight_bytes
from pentameter.model.reader import read_model
from pentameter.model.spec import Precision

TOTALS = {
    # The count of the safetensors at Hugging Face. Llama 2's files also hold 64 rotary frequencies per layer.
    "meta-llama/Llama-2-7b-hf": 6_738_417_664 - 32 * 64,
    "meta-llama/Llama-2-13b-hf": 13_015_866_880 - 40 * 64,
    "meta-llama/Llama-2-70b-hf": 68_976_653_312 - 80 * 64,
    "meta-llama/Llama-3.1-8B-Instruct": 8_030_261_248,
    "meta-llama/Llama-3.1-70B-Instruct": 70_553_706_496,
    "meta-llama/Llama-3.1-405B-Instruct": 405_853_388_800,
    "meta-llama/Llama-3.2-1B-Instruct": 1_235_814_400,
    "meta-llama/Llama-3.2-3B-Instruct": 3_212_749_824,
    "meta-llama/Llama-3.3-70B-Instruct": 70_553_706_496,
    "mistralai/Mistral-7B-v0.1": 7_241_732_096,
    "mistralai/Mistral-Nemo-Instruct-2407": 12_247_782_400,
    "mistralai/Mixtral-8x7B-Instruct-v0.1": 46_702_792_704,
    "Qwen/Qwen2.5-7B-Instruct": 7_615_616_512,
    "Qwen/Qwen2.5-72B-Instruct": 72_706_203_648,
    "Qwen/Qwen3-8B": 8_190_735_360,
    "Qwen/Qwen3-32B": 32_762_123_264,
    "Qwen/Qwen3-30B-A3B": 30_532_122_624,
    "Qwen/Qwen3-235B-A22B": 235_093_634_560,
    # That of Qwen3-Coder-Next, the same model without the layer that predicts further tokens.
    "Qwen/Qwen3-Next-80B-A3B-Instruct": 79_674_391_296,
    "google/gemma-2-9b-it": 9_241_705_984,
    "deepseek-ai/DeepSeek-V2-Lite": 15_706_484_224,
    "moonshotai/Kimi-K2-Instruct": 1_026_408_232_448,
    "openai/gpt-oss-20b": 20_914_757_184,
    "openai/gpt-oss-120b": 116_829_156_672,
    "microsoft/Phi-3-mini-4k-instruct": 3_821_079_552,
    "microsoft/Phi-4-mini-instruct": 3_836_021_760,
    "microsoft/phi-4": 14_659_507_200,
    "moonshotai/Kimi-K2-Thinking": 1_026_408_232_448,
    # Falcon's files hold the tied matrix twice.
    "tiiuae/falcon-7b": 7_217_189_760 - 65_024 * 4_544,
    "tiiuae/falcon-180B": 179_522_565_120 - 65_024 * 14_848,
    "allenai/OLMo-2-1124-7B": 7_298_617_344,
    "HuggingFaceTB/SmolLM3-3B": 3_075_098_624,
    "nvidia/NVIDIA-Nemotron-Nano-9B-v2": 8_888_227_328,
    "ibm-granite/granite-4.0-h-small": 32_207_337_984,
}

TEXT_ONLY = {
    # Counted by transformers, without encoders: published are 108,641,793,536 and 24,011,361,280 with them.
    "meta-llama/Llama-4-Scout-17B-16E-Instruct": 107_769_861_120,
    "mistralai/Mistral-Small-3.2-24B-Instruct-2506": 23_572_403_200,
}

ACTIVE = {
    # As published, without the table of embeddings: DeepSeek's and OpenAI's reports, IBM's and Moonshot's cards.
    "deepseek-ai/DeepSeek-V3": (36.6e9, False),
    "deepseek-ai/DeepSeek-V2-Lite": (2.4e9, False),
    "moonshotai/Kimi-K2-Instruct": (32e9, False),
    "openai/gpt-oss-20b": (3.61e9, False),
    "openai/gpt-oss-120b": (5.13e9, False),
    "ibm-granite/granite-4.0-h-small": (9e9, False),
    # As published, with it.
    "mistralai/Mixtral-8x7B-Instruct-v0.1": (12.9e9, True),
    "Qwen/Qwen3-30B-A3B": (3.3e9, True),
    "Qwen/Qwen3-235B-A22B": (22e9, True),
    "meta-llama/Llama-4-Scout-17B-16E-Instruct": (17e9, True),
}

CACHED = {
    "meta-llama/Llama-2-7b-hf": 2 * 32 * 32 * 128 * 2,
    "meta-llama/Llama-2-70b-hf": 2 * 80 * 8 * 128 * 2,
    "meta-llama/Llama-3.1-8B-Instruct": 131_072,
    "meta-llama/Llama-3.1-405B-Instruct": 516_096,
    "mistralai/Mistral-7B-v0.1": 131_072,
    "Qwen/Qwen2.5-7B-Instruct": 57_344,
    "Qwen/Qwen3-8B": 147_456,
    "Qwen/Qwen3-30B-A3B": 98_304,
    "deepseek-ai/DeepSeek-V2-Lite": 27 * (512 + 64) * 2,
    "deepseek-ai/DeepSeek-V3": 70_272,
    "openai/gpt-oss-120b": 36 * 2 * 8 * 64 * 2,
    "Qwen/Qwen3-Next-80B-A3B-Instruct": 12 * 2 * 2 * 256 * 2,
    "google/gemma-2-9b-it": 42 * 2 * 8 * 256 * 2,
    "nvidia/NVIDIA-Nemotron-Nano-9B-v2": 4 * 2 * 8 * 128 * 2,
    "ibm-granite/granite-4.0-h-small": 4 * 2 * 8 * 128 * 2,
    "tiiuae/falcon-7b": 32 * 2 * 64 * 2,
}


def spec(name):
    return read_model(known_models()[name])


def quantised(model):
    """Return the parameters in FP8 and the number of their scales, of 32 bits each."""
    found = [(matrices, layer.count) for layer in model.layers for matrices in layer.dense]
    found += [
        (layer.experts.expert, layer.count * layer.experts.number)
        for layer in model.layers
        if layer.experts is not None
    ]
    eight = [(matrices, count) for matrices, count in found if matrices.compute is Precision.FP8]
    parameters = sum(matrices.parameters * count for matrices, count in eight)
    return parameters, (sum(matrices.stored_bytes * count for matrices, count in eight) - parameters) / 4


@pytest.mark.parametrize(("name", "published"), TOTALS.items())
def test_a_models_parameters_are_those_of_its_published_files(name, published):
    assert total_parameters(spec(name)) == published


@pytest.mark.parametrize(("name", "counted"), TEXT_ONLY.items())
def test_a_wrappers_text_is_counted_and_its_encoder_named(name, counted):
    assert total_parameters(spec(name)) == counted
    assert spec(name).unmodelled == ("vision",)


@pytest.mark.parametrize(("name", "published"), ACTIVE.items())
def test_a_tokens_parameters_are_those_published(name, published):
    number, embedding = published
    # Figures of two digits are cut as often as rounded.
    assert active_parameters(spec(name), embedding=embedding) == pytest.approx(number, rel=0.025)


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("deepseek-ai/DeepSeek-V3", "36.6"),
        ("openai/gpt-oss-20b", "3.61"),
        ("openai/gpt-oss-120b", "5.13"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "12.9"),
    ],
)
def test_a_tokens_parameters_are_those_published_to_three_digits(name, published):
    billions = active_parameters(spec(name), embedding=ACTIVE[name][1]) / 1e9
    assert f"{billions:.3g}" == published


@pytest.mark.parametrize(("name", "published"), CACHED.items())
def test_a_token_takes_the_published_bytes_of_cache_at_16_bits(name, published):
    layers = [layer for layer in spec(name).layers if layer.attention is not None]
    assert sum(layer.count * layer.attention.kv_elements for layer in layers) * 2 == published


def test_gemma_3_has_the_published_parameters_with_its_encoder():
    for name, published in (("google/gemma-3-27b-it", 27_432_406_640), ("google/gemma-3-4b-it", 4_300_079_472)):
        model = spec(name)
        assert model.other is not None
        assert total_parameters(model) + model.other.parameters == published
        assert model.unmodelled == ()


def test_deepseek_v3_has_the_published_671_billion_besides_the_prediction_of_further_tokens():
    model = spec("deepseek-ai/DeepSeek-V3")
    assert total_parameters(model) == 671_026_419_200
    assert model.unmodelled == ("multi-token prediction",)


def test_deepseek_v3s_files_hold_as_many_fp8_weights_and_scales_as_published():
    # The files hold the layer of multi-token prediction too, which is like the other layers with experts. Published:
    # 680,571,043,840 weights in FP8, and 41,555,600 numbers in FP32, which are scales and 59 routers' 256 biases.
    config = known_models()["deepseek-ai/DeepSeek-V3"] | {"num_hidden_layers": 62}
    assert quantised(read_model(config)) == (680_571_043_840, 41_555_600 - 59 * 256)


def test_glm_4_5_air_has_the_published_parameters_with_its_layer_that_predicts_further_tokens():
    # That layer joins two hidden states, has three norms more, and its own embedding and unembedding.
    config = known_models()["zai-org/GLM-4.5-Air"] | {"num_hidden_layers": 47}
    more = 2 * 4096 * 4096 + 3 * 4096 + 2 * 151_552 * 4096
    assert total_parameters(read_model(config)) + more == 110_468_824_832
    assert total_parameters(spec("zai-org/GLM-4.5-Air")) == 106_852_251_264


@pytest.mark.parametrize(
    ("name", "published"), [("openai/gpt-oss-20b", 13_761_264_768), ("openai/gpt-oss-120b", 65_248_815_744)]
)
def test_gpt_oss_takes_the_published_bytes_of_tensors_in_mxfp4(name, published):
    assert weight_bytes(spec(name)) == published


def test_kimi_k2_takes_the_published_bytes_of_tensors_in_fp8_and_in_4_bits():
    # Its files keep 32 bits of each routing bias instead of 16, and rotary frequencies; with 4 bits also the shape of
    # each expert's three matrices, in 8 bytes.
    biases = 60 * 384 * 2
    assert weight_bytes(spec("moonshotai/Kimi-K2-Instruct")) + biases + 61 * 112 == 1_029_173_256_720
    shapes = 60 * 384 * 3 * 8
    assert weight_bytes(spec("moonshotai/Kimi-K2-Thinking")) + biases + shapes + 61 * 256 == 594_205_920_512


def test_gpt_oss_has_the_parameters_by_part_of_its_model_card():
    # Billions, with the MLP's biases and routers: 114.71 and 0.96, 1.16 in embedding and unembedding.
    parts = parameters_by_part(spec("openai/gpt-oss-120b"))
    assert (parts["experts"] + parts["router"]) / 1e9 == pytest.approx(114.71, abs=0.01)
    assert parts["attention"] / 1e9 == pytest.approx(0.96, abs=0.01)
    assert (parts["embedding"] + parts["unembedding"]) / 1e9 == pytest.approx(1.16, abs=0.01)


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8", 8),
        ("RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w8a8", 8),
        ("RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16", 4.125),
    ],
)
def test_llama_3_1_8b_quantised_keeps_its_embeddings_and_norms_in_16_bits(name, bits):
    # 1,050,673,152 in embedding and unembedding, 266,240 in norms, 6,979,321,856 in the layers' matrices.
    expected = 2 * (1_050_673_152 + 266_240) + 6_979_321_856 * bits / 8
    assert weight_bytes(spec(name)) == pytest.approx(expected, rel=1e-3)
    assert total_parameters(spec(name)) == 8_030_261_248


def test_windows_are_where_the_models_have_them():
    def windows(name):
        return sorted((layer.attention.window or 0, layer.count) for layer in spec(name).layers if layer.attention)

    assert windows("mistralai/Mistral-7B-v0.1") == [(4096, 32)]
    assert windows("mistralai/Mixtral-8x7B-Instruct-v0.1") == [(0, 32)]
    assert windows("Qwen/Qwen2.5-7B-Instruct") == [(0, 28)]
    assert windows("google/gemma-2-9b-it") == [(0, 21), (4096, 21)]
    assert windows("google/gemma-3-27b-it") == [(0, 10), (1024, 52)]
    assert windows("openai/gpt-oss-20b") == [(0, 12), (128, 12)]
    assert windows("meta-llama/Llama-4-Scout-17B-16E-Instruct") == [(0, 12), (8192, 36)]


def test_the_shipped_models_are_many_and_each_is_read():
    models = known_models()
    assert len(models) >= 40
    for config in models.values():
        assert total_parameters(read_model(config)) > 1e9


def test_each_entry_names_its_source_and_its_month():
    folder = files("pentameter.facts").joinpath("models")
    for table in folder.iterdir():
        for name, entry in json.loads(table.read_text(encoding="utf-8")).items():
            assert set(entry) == {"source", "as_of", "config"}, name
            assert name in entry["source"]
            assert re.fullmatch(r"20\d\d-\d\d", entry["as_of"])


def test_a_model_is_found_by_its_whole_name_only():
    assert find_model("QWEN/qwen3-8b") == known_models()["Qwen/Qwen3-8B"]
    assert find_model("Qwen3-8B") == known_models()["Qwen/Qwen3-8B"]
    assert find_model("Qwen3-8") is None
    assert find_model("Qwen/Qwen3-8B-FP8") is None
    assert find_model("") is None
