"""What the exporter knows of the model that an engine serves."""

import pytest

from builders import COUNTED_7B, deployment, engine, names, serving, value, world
from model.specs import DEEPSEEK_V3, LLAMA_2_7B, MIXTRAL_8X7B
from pentameter.dimensions import served_model


def measured(*engines):
    return list(served_model.samples(world(deployment(*engines))))


def test_a_known_model_says_what_it_is_and_where_that_comes_from():
    model = serving(
        DEEPSEEK_V3, tensor=8, pipeline=2, data=4, origin="plugin", kv_cache_dtype="fp8", contexts="records"
    )
    samples = measured(engine(served_model=model))
    labels = {
        "architecture": "DeepseekV3ForCausalLM",
        "quantization": "none",
        "kv_cache_dtype": "fp8",
        "tensor_parallel_size": "8",
        "pipeline_parallel_size": "2",
        "data_parallel_size": "4",
        "spec": "config",
        "origin": "plugin",
        "contexts": "records",
    }
    assert value(samples, "model_info", **labels) == 1
    assert value(samples, "model_unknown") is None


def test_a_model_known_by_its_size_says_so():
    assert value(measured(engine(served_model=serving(COUNTED_7B))), "model_info", spec="parameters") == 1


@pytest.mark.parametrize(
    ("spec", "total", "active"),
    [
        # All but the table of embeddings, 32,000 x 4,096.
        pytest.param(LLAMA_2_7B, 6_738_415_616, 6_738_415_616 - 131_072_000, id="dense"),
        # Published: 46.7 and 12.9 billion, of which the table is 0.13; two of eight experts.
        pytest.param(MIXTRAL_8X7B, 46_702_792_704, 12_879_925_248 - 131_072_000, id="experts"),
        pytest.param(COUNTED_7B, 7_000_000_000, 7_000_000_000, id="only its size"),
    ],
)
def test_parameters_in_all_and_for_one_token(spec, total, active):
    samples = measured(engine(served_model=serving(spec)))
    assert value(samples, "model_parameters", kind="total") == total
    assert value(samples, "model_parameters", kind="active") == active


def test_an_unknown_model_says_why():
    samples = measured(engine(unknown="unsupported"), engine(unknown="not_found", name="1"))
    assert value(samples, "model_unknown", engine="0", reason="unsupported") == 1
    assert value(samples, "model_unknown", engine="1", reason="not_found") == 1
    assert names(samples) == {"model_unknown"}
