"""GPU memory: what the weights take, what the cache may, and what is neither."""

from dataclasses import replace

import pytest

from builders import COUNTED_7B, deployment, engine, gpu, names, serving, value, world
from model.specs import DEEPSEEK_V3, GEMMA_3_27B, LLAMA_2_7B, LLAMA_31_8B
from pentameter.dimensions import memory

TOKENS = {"num_gpu_blocks": "6250", "block_size": "16"}  # 100,000
# Published: 6,738,415,616 and 8,030,261,248 parameters, 2 B each.
LLAMA_2_7B_BYTES = 13_476_831_232
LLAMA_31_8B_BYTES = 16_060_522_496


def measured(*engines, gpus=()):
    return list(memory.samples(world(deployment(*engines, gpus=gpus))))


def test_gpu_memory_is_what_is_read_and_nothing_where_it_is_not():
    gpus = (gpu(memory_used_bytes=70e9, memory_total_bytes=80e9), gpu(uuid="GPU-1", index=1))
    samples = measured(gpus=gpus)
    assert value(samples, "gpu_memory_used_bytes", gpu="GPU-0") == 70e9
    assert value(samples, "gpu_memory_total_bytes", gpu="GPU-0") == 80e9
    assert value(samples, "gpu_memory_used_bytes", gpu="GPU-1") is None
    assert value(samples, "gpu_memory_total_bytes", gpu="GPU-1") is None


def test_weights_are_all_parameters_in_their_bits():
    samples = measured(engine(served_model=serving(LLAMA_2_7B)))
    assert value(samples, "weights_bytes", basis="model") == LLAMA_2_7B_BYTES
    assert value(samples, "weights_per_gpu_bytes", basis="model") == LLAMA_2_7B_BYTES


def test_two_gpus_share_the_weights_but_each_has_the_norms():
    samples = measured(engine(served_model=serving(LLAMA_2_7B, tensor=2)))
    assert value(samples, "weights_bytes") == LLAMA_2_7B_BYTES
    # 266,240 of the parameters are norms: half of the others and all of these.
    assert value(samples, "weights_per_gpu_bytes") == (LLAMA_2_7B_BYTES - 532_480) / 2 + 532_480


def test_weights_of_a_model_known_by_its_size_say_so():
    samples = measured(engine(served_model=serving(COUNTED_7B)))
    assert value(samples, "weights_bytes", basis="parameters") == 14e9


def test_without_a_model_there_are_no_weights():
    assert measured(engine(unknown="not_found")) == []


# ---------------------------------------------------------------------------- what is neither weights nor cache


def running(spec=LLAMA_31_8B, *, name="0", config=TOKENS, **more):
    return engine(served_model=None if spec is None else serving(spec, **more), cache_config=config, name=name)


def used(*gigabytes):
    return [
        gpu(memory_used_bytes=None if one is None else one * 1e9, uuid=f"GPU-{i}", index=i)
        for i, one in enumerate(gigabytes)
    ]


def overhead(*engines, gpus):
    return value(measured(*engines, gpus=gpus), "gpu_memory_overhead_bytes")


def test_overhead_is_what_is_used_beyond_weights_and_cache():
    # 35 GB - 16,060,522,496 B of weights - 100,000 tokens x 131,072 B
    assert overhead(running(), gpus=used(35)) == 35_000_000_000 - 16_060_522_496 - 13_107_200_000
    assert overhead(running(kv_bits=8.0), gpus=used(35)) == 35_000_000_000 - 16_060_522_496 - 6_553_600_000


def test_overhead_is_of_all_gpus_of_the_engine():
    # Norms, 266,240 x 2 B, are on each.
    expected = 40e9 - (LLAMA_31_8B_BYTES + 532_480) - 13_107_200_000
    assert overhead(running(tensor=2), gpus=used(19, 21)) == pytest.approx(expected)


def test_a_cache_with_fewer_heads_than_gpus_is_there_more_than_once():
    # MLA's is whole on each of 8 GPUs: 8 x 100,000 tokens x 70,272 B.
    [weights] = [value(measured(running(DEEPSEEK_V3, tensor=8)), "weights_per_gpu_bytes")]
    found = overhead(running(DEEPSEEK_V3, tensor=8), gpus=used(*[300] * 8))
    assert found == pytest.approx(8 * (300e9 - weights) - 8 * 7_027_200_000)


def test_overhead_is_of_all_engines_of_the_server():
    two = [running(), running(name="1")]
    assert overhead(*two, gpus=used(35, 36)) == pytest.approx(71e9 - 2 * (LLAMA_31_8B_BYTES + 13_107_200_000))


@pytest.mark.parametrize(
    ("engines", "gpus"),
    [
        pytest.param([running()], [], id="no GPU is seen"),
        pytest.param([running()], used(None), id="its memory is unknown"),
        pytest.param([running(tensor=2)], used(35, None), id="the memory of one is unknown"),
        pytest.param([running(tensor=2)], used(35), id="one of two GPUs is seen"),
        pytest.param([running()], used(35, 35), id="there is one GPU too many"),
        pytest.param([running(None)], used(35), id="the model is unknown"),
        pytest.param([running(), running(None, name="1")], used(35, 35), id="one of two models is unknown"),
        pytest.param([running(COUNTED_7B)], used(35), id="only the model's size is known"),
        pytest.param([running(config={})], used(35), id="the cache is unknown"),
        pytest.param([running(GEMMA_3_27B)], used(90), id="layers cache unequally"),
        pytest.param([running()], used(20), id="it would be negative"),
        pytest.param([], used(35), id="the server is down"),
    ],
)
def test_overhead_is_left_out_where_any_part_is_unknown(engines, gpus):
    assert overhead(*engines, gpus=gpus) is None


def test_gpu_memory_stands_there_without_any_model():
    assert names(measured(replace(running(), model=None), gpus=used(35))) == {"gpu_memory_used_bytes"}
