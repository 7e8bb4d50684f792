"""Sums over a model made by hand: all parameters, a token's, and bytes, in all and by part."""

from dataclasses import replace

from pentameter.facts import known_models
from pentameter.model.parameters import (
    active_parameters,
    parameters_by_part,
    total_parameters,
    weight_bytes,
    weight_bytes_by_part,
)
from pentameter.model.reader import read_model
from pentameter.model.spec import Experts, Layer, Matrices, ModelSpec

SPEC = ModelSpec(
    architecture="made up",
    layers=(
        Layer(2, dense=(Matrices("attention", 100, 16), Matrices("mlp", 300, 8)), vectors=10),
        Layer(
            3,
            dense=(Matrices("attention", 100, 16), Matrices("router", 8, 16)),
            experts=Experts(4, 2, Matrices("experts", 50, 4)),
            vectors=10,
        ),
    ),
    embedding=Matrices("embedding", 1000, 16),
    unembedding=Matrices("unembedding", 1000, 8),
    vectors=5,
    other=Matrices("vision", 70, 16),
)


def test_parameters_add_up_by_part():
    parts = {"attention": 500, "mlp": 600, "router": 24, "experts": 600, "embedding": 1000, "unembedding": 1000}
    assert parameters_by_part(SPEC) == parts | {"vectors": 55}
    assert total_parameters(SPEC) == sum(parts.values()) + 55


def test_a_token_passes_through_its_experts_alone_and_looks_its_embedding_up():
    assert active_parameters(SPEC) == total_parameters(SPEC) - 3 * 2 * 50 - 1000
    assert active_parameters(SPEC, embedding=True) == total_parameters(SPEC) - 3 * 2 * 50


def test_a_tied_table_is_multiplied_so_it_counts():
    tied = replace(SPEC, unembedding=None)
    assert active_parameters(tied) == active_parameters(tied, embedding=True) == active_parameters(SPEC)


def test_all_of_a_dense_model_is_active():
    for name in ("meta-llama/Llama-2-7b-hf", "google/gemma-2-9b-it"):
        spec = read_model(known_models()[name])
        assert active_parameters(spec, embedding=True) == total_parameters(spec)


def test_bytes_add_up_by_part_with_the_encoder():
    assert weight_bytes_by_part(SPEC) == {
        "attention": 1000, "mlp": 600, "router": 48, "experts": 300, "embedding": 2000, "unembedding": 1000,
        "vectors": 110, "other": 140,
    }  # fmt: skip
    assert weight_bytes(SPEC) == 5198


def test_llama_2_7b_takes_the_lectures_14_gigabytes():
    assert weight_bytes(read_model(known_models()["meta-llama/Llama-2-7b-hf"])) == 13_476_831_232
