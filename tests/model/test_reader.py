"""From configurations, as people write and servers hold them, to models; and what is refused."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pentameter.facts import known_models
from pentameter.model.parameters import total_parameters, weight_bytes
from pentameter.model.reader import read_model, size_only
from pentameter.model.spec import Attention, Basis, Matrices, Precision, UnknownModelError

LLAMA = known_models()["meta-llama/Llama-3.1-8B-Instruct"]
MODELS = known_models()


def changed(config=LLAMA, **changes):
    return dict(config) | changes


def without(config, *keys):
    return {key: value for key, value in config.items() if key not in keys}


def test_layers_that_are_alike_are_one():
    (layer,) = read_model(LLAMA).layers
    assert layer.count == 32
    assert layer.attention == Attention(heads=32, kv_heads=8, qk_dim=128, v_dim=128, kv_elements=2048)
    assert layer.dense == (
        Matrices("attention", 4096 * (4096 + 1024 + 1024 + 4096), 16.0),
        Matrices("mlp", 3 * 4096 * 14336, 16.0),
    )
    assert layer.vectors == 2 * 4096
    assert layer.experts is None


def test_a_models_frame_is_kept():
    spec = read_model(LLAMA)
    assert (spec.architecture, spec.hidden_size, spec.vocab_size) == ("LlamaForCausalLM", 4096, 128_256)
    assert spec.max_context == 131_072
    assert spec.unembedding == Matrices("unembedding", 128_256 * 4096, 16.0)
    assert (spec.basis, spec.quantization, spec.kv_bits) == (Basis.CONFIG, "none", 16)
    assert not spec.tied


def test_a_tied_model_has_no_unembedding():
    assert read_model(changed(tie_word_embeddings=True)).tied
    assert read_model(MODELS["google/gemma-2-9b-it"]).tied
    assert not read_model(without(LLAMA, "tie_word_embeddings")).tied


def test_mla_caches_one_vector_for_all_heads_and_decodes_on_it():
    attention = read_model(MODELS["deepseek-ai/DeepSeek-V3"]).layers[0].attention
    assert attention == Attention(
        heads=128, kv_heads=1, qk_dim=192, v_dim=128, kv_elements=576, decode_qk_dim=576, decode_v_dim=512
    )


def test_deepseeks_first_layers_are_dense_and_the_others_have_routed_and_shared_experts():
    first, rest = read_model(MODELS["deepseek-ai/DeepSeek-V3"]).layers
    assert (first.count, first.experts) == (3, None)
    assert rest.count == 58
    assert (rest.experts.number, rest.experts.per_token) == (256, 8)
    assert rest.experts.expert.parameters == 3 * 7168 * 2048
    parts = {matrices.part: matrices.parameters for matrices in rest.dense}
    assert parts["shared_experts"] == 3 * 7168 * 2048
    assert parts["router"] == 7168 * 256


def test_an_experts_biases_are_counted_with_it():
    expert = read_model(MODELS["openai/gpt-oss-20b"]).layers[0].experts.expert
    assert expert.parameters == 3 * 2880 * 2880 + 3 * 2880
    assert expert.stored_bytes == 3 * 2880 * 2880 * 4.25 / 8 + 3 * 2880 * 2


def test_a_gated_delta_net_keeps_a_state_and_no_cache():
    delta, full = read_model(MODELS["Qwen/Qwen3-Next-80B-A3B-Instruct"]).layers
    assert (delta.count, full.count) == (36, 12)
    assert delta.attention is None
    # 32 states of 128 x 128 and three past inputs of 8,192 channels, in 16 bits.
    assert delta.recurrent.state_bytes == (32 * 128 * 128 + 3 * 8192) * 2
    assert delta.recurrent.flops_per_token == 7 * 32 * 128 * 128 + 2 * 4 * 8192
    assert full.recurrent is None


def test_mamba_2_keeps_its_state_in_32_bits_where_the_configuration_says_so():
    config = MODELS["nvidia/NVIDIA-Nemotron-Nano-9B-v2"]
    state = next(layer.recurrent for layer in read_model(config).layers if layer.recurrent)
    channels = 128 * 80 + 2 * 8 * 128
    assert state.state_bytes == 128 * 80 * 128 * 4 + 3 * channels * 2
    narrow = next(
        layer for layer in read_model(changed(config, mamba_ssm_cache_dtype="bfloat16")).layers if layer.recurrent
    )
    assert narrow.recurrent.state_bytes == 128 * 80 * 128 * 2 + 3 * channels * 2


def test_chunked_attention_says_so():
    chunked = next(layer for layer in read_model(MODELS["meta-llama/Llama-4-Scout-17B-16E-Instruct"]).layers)
    assert (chunked.attention.window, chunked.attention.chunked, chunked.count) == (8192, True, 36)


def test_a_flat_configuration_of_a_wrapper_is_read_too():
    flat = changed(MODELS["Qwen/Qwen2.5-7B-Instruct"], architectures=["Qwen2_5_VLForConditionalGeneration"])
    spec = read_model(flat | {"vision_config": {"depth": 32}})
    assert total_parameters(spec) == 7_615_616_512
    assert spec.unmodelled == ("vision",)


def test_whether_a_wrappers_text_is_tied_may_stand_outside():
    text = without(MODELS["Qwen/Qwen3-8B"], "tie_word_embeddings", "architectures")
    config = {"architectures": ["Qwen3VLForConditionalGeneration"], "text_config": text, "tie_word_embeddings": True}
    assert read_model(config).tied
    assert not read_model(config | {"text_config": text | {"tie_word_embeddings": False}}).tied


def test_a_text_taken_out_of_its_wrapper_is_known_by_its_model_type():
    text = MODELS["google/gemma-3-27b-it"]["text_config"]
    assert total_parameters(read_model(text)) == 27_009_346_304
    with pytest.raises(UnknownModelError, match="architectures is missing, and no type is not known"):
        read_model(without(LLAMA, "architectures", "model_type"))


def test_a_configuration_with_null_for_what_was_never_set_is_the_same_model():
    filled = changed(head_dim=None, layer_types=None, quantization_config=None, sliding_window=None, mlp_bias=None)
    assert read_model(filled) == read_model(LLAMA)


def test_sixteen_bits_unless_the_server_computes_in_32():
    for dtype in (None, "auto", "bfloat16", "torch.float16", "half"):
        assert read_model(changed(torch_dtype="float32"), dtype=dtype).dtype_bits == 16
    wide = read_model(LLAMA, dtype="torch.float32")
    assert wide.dtype_bits == 32
    assert wide.kv_bits == 32
    assert weight_bytes(wide) == 4 * 8_030_261_248
    assert {matrices.compute for matrices in wide.layers[0].dense} == {Precision.BITS32}
    with pytest.raises(UnknownModelError, match="the type float8 is not known"):
        read_model(LLAMA, dtype="float8")


def test_layers_that_are_left_out_of_a_quantisation_are_apart():
    config = changed(
        quantization_config={"quant_method": "fp8", "ignored_layers": ["model.layers.0", "model.layers.31"]}
    )
    layers = read_model(config).layers
    assert Counter({layer.dense[0].bits: layer.count for layer in layers}) == {16.0: 2, 8.0: 30}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": None}, "hidden_size is missing"),
        ({"hidden_size": -1}, "hidden_size is -1: not a whole number"),
        ({"hidden_size": 4096.0}, "hidden_size is 4096.0: not a whole number"),
        ({"num_hidden_layers": True}, "num_hidden_layers is True: not a whole number"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000"),
        ({"num_attention_heads": "32"}, "num_attention_heads is '32'"),
        ({"num_attention_heads": 33}, "hidden_size by heads: 4096 / 33 is not whole"),
        ({"num_key_value_heads": 5}, "32 query heads cannot share 5 heads of keys"),
        ({"head_dim": 0}, "head_dim is 0"),
        ({"vocab_size": 10**5000}, "vocab_size is a number of more than 40 digits"),
        ({"attention_bias": "yes"}, "attention_bias is 'yes': neither true nor false"),
        ({"sliding_window": 4096, "layer_types": ["odd"] * 32}, "odd is not known here"),
        ({"layer_types": ["full_attention"]}, "fewer than 32 layers"),
        ({"architectures": ["FancyForCausalLM"]}, "the architecture FancyForCausalLM is not known here"),
        ({"architectures": "LlamaForCausalLM"}, "architectures is 'LlamaForCausalLM': not a list"),
        ({"quantization_config": "fp8"}, "quantization_config is not an object"),
    ],
)
def test_what_is_odd_is_named(change, message):
    with pytest.raises(UnknownModelError, match=message):
        read_model(changed(**change))


def test_what_is_not_a_configuration_at_all_is_refused():
    for odd in ([], "config", None, 3):
        with pytest.raises(UnknownModelError, match="the configuration is not an object"):
            read_model(odd)


def test_sparse_attention_by_an_indexer_is_refused():
    with pytest.raises(UnknownModelError, match="index_topk"):
        read_model(changed(MODELS["deepseek-ai/DeepSeek-V3"], index_topk=2048))


def test_more_experts_per_token_than_there_are_is_refused():
    with pytest.raises(UnknownModelError, match="num_experts_per_tok is 9: more than the 8 experts"):
        read_model(changed(MODELS["mistralai/Mixtral-8x7B-Instruct-v0.1"], num_experts_per_tok=9))


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.integers(), st.floats(), st.text(max_size=3),
    st.lists(st.one_of(st.none(), st.integers(-1, 2), st.text(max_size=3)), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip
NESTED = ("text_config", "quantization_config", "vision_config")


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_no_odd_value_does_more_than_raise_the_one_error(data):
    config = dict(MODELS[data.draw(st.sampled_from(sorted(MODELS)))])
    place = config
    inner = [key for key in NESTED if key in config]
    if inner and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(inner))
        place = config[key] = dict(config[key])
    for _ in range(data.draw(st.integers(1, 3))):
        place[data.draw(st.sampled_from(sorted(place)))] = data.draw(ODD)
    try:
        spec = read_model(config)
    except UnknownModelError:
        return
    assert total_parameters(spec) > 0
    assert weight_bytes(spec) > 0


def test_a_size_alone_makes_one_matrix():
    spec = size_only(8_000_000_000, 5e9, Basis.INDEX, {"hidden_size": 4096})
    assert spec.layers[0].dense == (Matrices("all", 8_000_000_000, 5.0),)
    assert spec.layers[0].attention is None
    assert (spec.embedding, spec.unembedding, spec.basis) == (None, None, Basis.INDEX)
    assert weight_bytes(spec) == 5e9
    assert size_only(10, None, Basis.PARAMETERS, None).layers[0].dense[0].bits == 16


@pytest.mark.parametrize("config", [{"num_local_experts": 8}, {"text_config": {"n_routed_experts": 64}}])
def test_a_size_alone_says_nothing_where_there_are_experts(config):
    with pytest.raises(UnknownModelError, match="speaks of experts"):
        size_only(10**9, None, Basis.INDEX, config)


@pytest.mark.parametrize(
    ("parameters", "stored"), [(0, None), (-1, None), (10**400, None), (10, 1e9), (10, float("nan"))]
)
def test_a_size_that_cannot_be_is_refused(parameters, stored):
    with pytest.raises(UnknownModelError, match="cannot"):
        size_only(parameters, stored, Basis.PARAMETERS, None)
