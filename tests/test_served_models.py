"""Which model an engine serves and how it is spread over GPUs."""

import json
import math

import pytest

from pentameter.model.parallel import Parallel
from pentameter.model.parameters import total_parameters, weight_bytes
from pentameter.model.spec import Basis
from pentameter.readings import ModelReading
from pentameter.records import EngineConfig
from pentameter.served_models import ModelPlan, resolve, with_contexts
from pentameter.world import ServedModel, UnknownModel

# A small Llama; only the number of layers tells the sources apart.
SHAPE = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 1000,
    "tie_word_embeddings": False,
}
STRANGE = {"architectures": ["NobodyKnowsForCausalLM"]}


def config(layers):
    return {**SHAPE, "num_hidden_layers": layers}


def layers(model):
    assert isinstance(model, ServedModel), model
    return sum(layer.count for layer in model.spec.layers)


def told(layers=None, **facts):
    text = {} if layers is None else {"hf_config": json.dumps(config(layers))}
    return EngineConfig("m", "0", facts={**text, **facts})


def found(layers=None, origin="file", **more):
    return ModelReading("a", "m", {} if layers is None else config(layers), origin, **more)


def resolved(*, plan=None, told=None, found=None, page=None, gpus=None):
    return resolve(plan or ModelPlan(), told, found, page or {}, gpus)


# ---------------------------------------------------------------------------- which source counts


@pytest.mark.parametrize(
    ("origin", "number"),
    [
        pytest.param("configured", 2, id="pasted settings go before the plugin"),
        pytest.param("file", 2, id="a configured path goes before the plugin"),
        pytest.param("cache", 1, id="the plugin goes before the cache"),
        pytest.param("table", 1, id="the plugin goes before the table"),
    ],
)
def test_what_is_configured_goes_before_the_plugin_and_that_before_what_lies_about(origin, number):
    model = resolved(told=told(1), found=found(2, origin))
    assert layers(model) == number
    assert model.origin == (origin if number == 2 else "plugin")


def test_a_cache_is_better_than_nothing():
    model = resolved(found=found(2, "cache"))
    assert (layers(model), model.origin) == (2, "cache")


def test_a_configured_number_of_parameters_goes_before_all():
    model = resolved(plan=ModelPlan(parameters=7_000_000_000), told=told(1), found=found(2))
    assert (model.spec.basis, model.origin, total_parameters(model.spec)) == (
        Basis.PARAMETERS,
        "configured",
        7_000_000_000,
    )


def test_active_parameters_are_those_that_are_multiplied():
    model = resolved(plan=ModelPlan(parameters=47_000_000_000, active_parameters=13_000_000_000))
    [layer] = model.spec.layers
    assert [matrix.parameters for matrix in layer.dense] == [13_000_000_000]
    assert weight_bytes(model.spec) == 94e9


def test_the_next_source_is_asked_where_one_is_not_understood():
    strange = ModelReading("a", "m", STRANGE, "file")
    assert layers(resolved(told=told(1), found=strange)) == 1


def test_files_of_which_the_size_alone_is_understood_tell_that():
    # 16 billion bytes for 8 billion parameters
    strange = ModelReading("a", "m", STRANGE, "file", stored_bytes=16e9, parameters=8_000_000_000)
    model = resolved(found=strange)
    assert (model.spec.basis, total_parameters(model.spec), weight_bytes(model.spec)) == (
        Basis.INDEX,
        8_000_000_000,
        16e9,
    )


# ---------------------------------------------------------------------------- what is not known


def test_without_any_source_the_model_is_not_found():
    assert resolved().reason == "not_found"
    assert resolved(told=told()).reason == "not_found"


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"found": ModelReading("a", "m", STRANGE, "file")}, id="architecture"),
        pytest.param({"told": told(1, quantization="of_tomorrow")}, id="quantisation"),
        pytest.param({"told": told(1, cache_dtype="of_tomorrow")}, id="cache"),
        pytest.param({"told": told(1, dtype="float8")}, id="type"),
        pytest.param({"plan": ModelPlan(parameters=10**9, overrides={"quantization": "fp8"})}, id="a number alone"),
    ],
)
def test_what_is_not_understood_is_unsupported_and_says_what(more):
    model = resolved(**more)
    assert isinstance(model, UnknownModel)
    assert model.reason == "unsupported"
    assert model.message


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{", id="no JSON"),
        pytest.param("[1]", id="no object"),
        pytest.param("[" * 100_000, id="too deep"),
        pytest.param(None, id="nothing"),
        pytest.param(7, id="no text"),
    ],
)
def test_a_plugin_that_says_nothing_readable_is_not_listened_to(text):
    assert resolved(told=EngineConfig("m", "0", facts={"hf_config": text})).reason == "not_found"


# ---------------------------------------------------------------------------- how it is run


def test_limits_and_types_are_what_the_plugin_says():
    model = resolved(
        told=told(
            1,
            max_num_seqs=256,
            max_num_batched_tokens="8192",
            max_model_len=4096.0,
            block_size=16,
            cache_dtype="fp8_e4m3",
            speculative_method="eagle",
        )
    )
    assert (model.max_num_seqs, model.max_num_batched_tokens, model.max_model_len) == (256, 8192, 4096)
    assert (model.block_size, model.kv_bits, model.kv_cache_dtype, model.speculative) == (16, 8, "fp8_e4m3", True)


@pytest.mark.parametrize("odd", [True, 0, -1, 1.5, math.inf, math.nan, "many", None, [], "1.5"])
def test_a_limit_that_is_no_number_of_things_is_unknown(odd):
    assert resolved(told=told(1, max_num_seqs=odd)).max_num_seqs is None


def test_the_settings_go_before_the_plugin_and_that_before_the_page():
    page = {"cache_dtype": "fp8", "block_size": "32"}
    plain = resolved(told=told(1), page=page)
    assert (plain.kv_bits, plain.block_size) == (8, 32)
    by_plugin = resolved(told=told(1, cache_dtype="bfloat16", block_size=64), page=page)
    assert (by_plugin.kv_bits, by_plugin.block_size) == (16, 64)
    plan = ModelPlan(overrides={"cache_dtype": "fp8_e5m2", "block_size": 128})
    by_settings = resolved(plan=plan, told=told(1, cache_dtype="bfloat16", block_size=64), page=page)
    assert (by_settings.kv_bits, by_settings.block_size, by_settings.kv_cache_dtype) == (8, 128, "fp8_e5m2")


def test_what_the_plugin_leaves_open_the_page_may_say():
    model = resolved(told=told(1, block_size=None, cache_dtype=None), page={"cache_dtype": "fp8", "block_size": "32"})
    assert (model.kv_bits, model.block_size) == (8, 32)


@pytest.mark.parametrize("word", ["None", ""])
def test_a_page_that_says_none_says_nothing(word):
    model = resolved(told=told(1), page={"cache_dtype": word, "block_size": word})
    assert (model.kv_bits, model.kv_cache_dtype, model.block_size) == (16, "auto", None)


def test_the_type_of_activations_is_vllms():
    assert resolved(told=told(1, dtype="float32")).spec.dtype_bits == 32
    assert resolved(told=told(1, dtype="auto")).spec.dtype_bits == 16


# ---------------------------------------------------------------------------- over how many GPUs


@pytest.mark.parametrize(
    ("facts", "gpus", "parallel"),
    [
        pytest.param({}, None, Parallel(), id="nobody says anything"),
        pytest.param({}, 4, Parallel(tensor=4), id="as many GPUs as are there"),
        pytest.param({"tensor_parallel_size": 2}, 4, Parallel(tensor=2), id="as told"),
        pytest.param({"pipeline_parallel_size": 2}, 4, Parallel(pipeline=2), id="by layers alone"),
        pytest.param(
            {
                "tensor_parallel_size": 2,
                "pipeline_parallel_size": 2,
                "data_parallel_size": 8,
                "enable_expert_parallel": True,
            },
            None,
            Parallel(2, 2, 8, expert=True),
            id="all of them",
        ),
        pytest.param({"data_parallel_size": 2, "enable_expert_parallel": "yes"}, 2, Parallel(2, 1, 2), id="odd words"),
    ],
)
def test_parallelism(facts, gpus, parallel):
    assert resolved(told=told(1, **facts), gpus=gpus).parallel == parallel


def test_the_word_for_contexts_changes_nothing_else():
    model = resolved(told=told(1))
    assert with_contexts(model, "page") is model
    recorded = with_contexts(model, "records")
    assert (recorded.contexts, recorded.spec) == ("records", model.spec)
