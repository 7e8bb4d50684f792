"""The settings about a server's model: what is taken, what is refused and in which words."""

import json

import pytest

from given_settings import URL, refusal, server, settings, written
from pentameter.config_model import Model

PLACE = "vllm.servers.0.model"


def model(given):
    return settings(server(model=given)).vllm.servers[0].model


def model_refusal(given):
    return refusal(server(model=given))


def test_without_anything_all_is_found_out():
    assert settings({"vllm": {"servers": [URL]}}).vllm.servers[0].model == Model()
    assert set(Model().model_dump().values()) == {None}
    assert Model().overrides == {}


def test_a_yaml_file_sets_every_key(tmp_path):
    text = """
vllm:
  model_cache: /hub
  servers:
    - url: http://h:8000
      model:
        path: org/name
        dtype: bfloat16
        quantization: compressed-tensors
        kv_cache_dtype: fp8_e4m3
        tensor_parallel_size: 8
        pipeline_parallel_size: 2
        data_parallel_size: 4
        enable_expert_parallel: true
        max_num_seqs: 256
        max_num_batched_tokens: 8192
        block_size: 16
        max_model_len: 131072
"""
    chosen = settings(file=written(tmp_path, text)).vllm
    assert chosen.model_cache == "/hub"
    assert chosen.servers[0].model.path == "org/name"
    assert chosen.servers[0].model.overrides == {
        "dtype": "bfloat16",
        "quantization": "compressed-tensors",
        "cache_dtype": "fp8_e4m3",
        "tensor_parallel_size": 8,
        "pipeline_parallel_size": 2,
        "data_parallel_size": 4,
        "enable_expert_parallel": True,
        "max_num_seqs": 256,
        "max_num_batched_tokens": 8192,
        "block_size": 16,
        "max_model_len": 131_072,
    }


def test_a_pasted_configuration_is_taken_as_it_is(tmp_path):
    pasted = {"model_type": "llama", "hidden_size": 4096, "rope_scaling": None, "layers": [{"a": 1.5}], "ok": True}
    text = f"vllm: {{servers: [{{url: {URL}, model: {{config: {json.dumps(pasted)}}}}}]}}"
    assert settings(file=written(tmp_path, text)).vllm.servers[0].model.config == pasted


@pytest.mark.parametrize("empty", [None, {}, {"path": None}])
def test_an_empty_key_means_that_it_is_found_out(empty):
    assert model(empty) == Model()


def test_a_text_alone_is_the_path():
    assert model("org/name") == Model(path="org/name")


def test_values_may_be_text_as_variables_are():
    given = {"parameters": "8030261248", "tensor_parallel_size": "8", "enable_expert_parallel": "false"}
    assert model(given) == Model(parameters=8_030_261_248, tensor_parallel_size=8, enable_expert_parallel=False)
    assert model(given).overrides == {"tensor_parallel_size": 8, "enable_expert_parallel": False}


def test_the_folder_of_the_cache_can_be_a_variable():
    assert settings(environment={"PENTAMETER_VLLM__MODEL_CACHE": "/hub"}).vllm.model_cache == "/hub"


@pytest.mark.parametrize("seven", [7_000_000_000, 7e9, "7e9", "7.0e+9", "7000000000"])
def test_a_count_may_be_written_with_an_exponent(tmp_path, seven):
    text = f"vllm: {{servers: [{{url: {URL}, model: {{parameters: {seven}, active_parameters: 1}}}}]}}"
    chosen = settings(file=written(tmp_path, text)).vllm.servers[0].model
    assert (chosen.parameters, chosen.active_parameters) == (7_000_000_000, 1)


@pytest.mark.parametrize("text", ["7B", "7.5", "1e400", "nan", ""])
def test_a_count_is_a_whole_number(text):
    assert model_refusal({"parameters": text}).startswith(f"{PLACE}.parameters: Input should be a valid integer")


@pytest.mark.parametrize(
    "key",
    [
        "parameters",
        "active_parameters",
        "tensor_parallel_size",
        "pipeline_parallel_size",
        "data_parallel_size",
        "max_num_seqs",
        "max_num_batched_tokens",
        "block_size",
        "max_model_len",
    ],
)
@pytest.mark.parametrize("value", [0, -1])
def test_every_number_is_positive(key, value):
    assert model_refusal({key: value}) == f"{PLACE}.{key}: Input should be greater than or equal to 1"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"path": "a", "config": {"b": 1}}, "give one of path, config and parameters, not path and config"),
        (
            {"path": "a", "config": {"b": 1}, "parameters": 1},
            "give one of path, config and parameters, not path and config and parameters",
        ),
        ({"active_parameters": 3}, "active_parameters needs parameters beside it"),
        ({"parameters": 2, "active_parameters": 3}, "active_parameters 3 are more than parameters 2"),
    ],
)
def test_what_contradicts_itself_is_refused(given, message):
    assert model_refusal(given) == f"{PLACE}: {message}"


@pytest.mark.parametrize("config", [{}, [], "{}", "config.json", 3])
def test_a_pasted_configuration_is_a_mapping(config):
    expected = f"{PLACE}.config: must be the content of the model's config.json, a mapping of keys"
    assert model_refusal({"config": config}) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"path": ""}, ".path: String should have at least 1 character"),
        ({"dtype": "int4"},
         ".dtype: Input should be 'auto', 'half', 'float16', 'bfloat16', 'float' or 'float32'"),
        ({"quantization": "F P 8"}, ".quantization: String should match pattern '^[a-z][a-z0-9_.-]*$'"),
        ({"kv_cache_dtype": ""}, ".kv_cache_dtype: String should match pattern '^[a-z][a-z0-9_.-]*$'"),
        ({"enable_expert_parallel": "perhaps"},
         ".enable_expert_parallel: Input should be a valid boolean, unable to interpret input"),
        ({"tensor_parallel": 8}, ".tensor_parallel: unknown key; did you mean 'tensor_parallel_size'?"),
        ([1], ": must be a mapping of keys"),
    ],
)  # fmt: skip
def test_what_is_mistyped_is_named(given, message):
    assert model_refusal(given) == f"{PLACE}{message}"


def test_every_key_says_what_it_means():
    assert [name for name, field in Model.model_fields.items() if not field.description] == []
