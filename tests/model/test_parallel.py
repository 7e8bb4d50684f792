"""Shares of weights, cache and work on one GPU of several."""

from dataclasses import replace

import pytest

from model.specs import COUNTED, DEEPSEEK_V3, EVERY, GEMMA_3_27B, LLAMA_2_7B, LLAMA_31_8B, MISTRAL_7B, MIXTRAL_8X7B
from pentameter.facts import find_model
from pentameter.model.parallel import ONE_GPU, Parallel, flops_per_gpu, kv_share, matrix_share, weights_per_gpu
from pentameter.model.reader import read_model
from pentameter.model.spec import Matrices

every_model = pytest.mark.parametrize("spec", EVERY.values(), ids=EVERY)


@pytest.mark.parametrize(
    ("spec", "parameters"),
    [
        (LLAMA_2_7B, 6_738_415_616),
        (LLAMA_31_8B, 8_030_261_248),
        (MISTRAL_7B, 7_241_732_096),
        (MIXTRAL_8X7B, 46_702_792_704),
    ],
)
def test_one_gpu_keeps_the_published_number_of_parameters(spec, parameters):
    assert weights_per_gpu(spec, ONE_GPU) == 2 * parameters


def test_deepseek_v3_has_671_billion_parameters():
    assert weights_per_gpu(DEEPSEEK_V3, ONE_GPU) / 2 == pytest.approx(671e9, rel=1e-4)


def test_tensor_parallelism_divides_everything_but_norms():
    norms = 65 * 4096 * 2
    assert weights_per_gpu(LLAMA_31_8B, Parallel(tensor=8)) == (16_060_522_496 - norms) / 8 + norms


@every_model
def test_pipeline_stages_add_up_to_the_model(spec):
    spare_copy = spec.embedding.stored_bytes if spec.tied else 0
    assert 4 * weights_per_gpu(spec, Parallel(pipeline=4)) == weights_per_gpu(spec, ONE_GPU) + spare_copy


def test_a_tied_embedding_is_at_both_ends_of_a_pipeline():
    assert GEMMA_3_27B.tied
    extra = 2 * weights_per_gpu(GEMMA_3_27B, Parallel(pipeline=2)) - weights_per_gpu(GEMMA_3_27B, ONE_GPU)
    assert extra == 5376 * 262_208 * 2


def test_the_router_is_whole_on_every_gpu():
    spec = MIXTRAL_8X7B
    router, norms = 32 * 8 * 4096 * 2, 65 * 4096 * 2
    rest = 2 * 46_702_792_704 - router - norms
    assert weights_per_gpu(spec, Parallel(tensor=4)) == rest / 4 + router + norms


@pytest.mark.parametrize("expert", [False, True])
def test_data_parallel_ranks_spread_the_experts_and_repeat_the_rest(expert):
    experts = 32 * 8 * 3 * 4096 * 14336 * 2
    rest = 2 * 46_702_792_704 - experts
    assert weights_per_gpu(MIXTRAL_8X7B, Parallel(data=8, expert=expert)) == rest + experts / 8


@pytest.mark.parametrize("tensor", [2, 8])
def test_shared_experts_are_whole_where_the_tokens_are_divided_instead(tensor):
    divided = weights_per_gpu(DEEPSEEK_V3, Parallel(tensor, data=2))
    whole = weights_per_gpu(DEEPSEEK_V3, Parallel(tensor, data=2, expert=True))
    assert whole - divided == pytest.approx(58 * 3 * 7168 * 2048 * 2 * (1 - 1 / tensor))
    one_rank = Parallel(tensor=8, expert=True)
    assert weights_per_gpu(DEEPSEEK_V3, one_rank) == weights_per_gpu(DEEPSEEK_V3, Parallel(tensor=8))


def test_a_vision_encoder_is_in_memory():
    spec = replace(LLAMA_31_8B, other=Matrices("vision", 400_000_000, 16))
    assert weights_per_gpu(spec, Parallel(tensor=2)) == weights_per_gpu(LLAMA_31_8B, Parallel(tensor=2)) + 400e6


@pytest.mark.parametrize(
    ("tensor", "pipeline", "expected"),
    [(1, 1, 1), (2, 1, 1 / 2), (8, 1, 1 / 8), (16, 1, 1 / 8), (8, 4, 1 / 32)],
)
def test_eight_key_value_heads_divide_by_at_most_eight(tensor, pipeline, expected):
    assert kv_share(LLAMA_31_8B, Parallel(tensor, pipeline)) == expected


def test_mlas_cache_is_whole_on_every_gpu():
    assert kv_share(DEEPSEEK_V3, Parallel(tensor=8)) == 1
    assert kv_share(DEEPSEEK_V3, Parallel(tensor=8, pipeline=2)) == 1 / 2


def test_layers_with_different_heads_share_by_their_weight():
    # Two heads in 16 of 32 layers: on four GPUs half of a quarter of the elements there, a quarter of the rest.
    layer = LLAMA_31_8B.layers[0]
    few = replace(layer, count=16, attention=replace(layer.attention, kv_heads=2, kv_elements=512))
    spec = replace(LLAMA_31_8B, layers=(replace(layer, count=16), few))
    assert kv_share(spec, Parallel(tensor=4)) == (2048 / 4 + 512 / 2) / (2048 + 512)


def test_a_model_without_layers_known_shares_evenly():
    assert kv_share(COUNTED, Parallel(tensor=4)) == 1 / 4
    assert weights_per_gpu(COUNTED, Parallel(tensor=4)) == 14e9 / 4


def test_the_gpus_of_an_engine_divide_its_work():
    assert Parallel(tensor=4, pipeline=2, data=3).gpus == 8
    assert flops_per_gpu(Parallel(tensor=4, pipeline=2, data=3)) == 1 / 8


def test_the_projections_to_mlas_latents_are_whole_on_every_gpu():
    # DeepSeek-V3: 61 layers, hidden 7168, latents of 1536 and 512 + 64; ReplicatedLinear in vLLM.
    spec = read_model(find_model("deepseek-ai/DeepSeek-V3"))
    latents = [matrix for layer in spec.layers for matrix in layer.dense if matrix.part == "latent"]
    assert {matrix.parameters for matrix in latents} == {7168 * (1536 + 576)}
    [first, *_] = latents
    assert [matrix_share(first, Parallel(tensor=tensor)) for tensor in (1, 8)] == [1, 1]
