"""What fits, by hand, and how many GPUs what does not fit would take."""

from dataclasses import replace

import pytest

from estimate_cases import A100, LLAMA, case
from model.specs import COUNTED, DEEPSEEK_V3, GEMMA_3_27B, MISTRAL_7B, MIXTRAL_8X7B
from pentameter.estimate_fit import fit, tensor_sizes

USABLE = 0.92 * 80 * 2**30


def test_what_is_left_beside_the_weights_holds_61_sequences_of_one_gib():
    found = fit(case(batch=8))
    assert found.usable_bytes == pytest.approx(USABLE)
    assert found.left_bytes == pytest.approx(USABLE - 13_476_831_232)
    assert found.sequences == 61
    assert found.tokens == 125_027
    assert found.weights_fit is found.batch_fits is True
    assert found.gpus_for_weights == found.gpus_for_batch == 1


def test_overhead_is_taken_away_from_the_cache():
    assert fit(case(overhead_bytes=2**30)).left_bytes == pytest.approx(fit(LLAMA).left_bytes - 2**30)


def test_a_batch_that_does_not_fit_says_so_and_takes_more_gpus():
    found = fit(case(batch=100))
    assert found.weights_fit is True
    assert found.batch_fits is False
    assert found.gpus_for_weights == 1
    # 100 GiB of cache and 12.55 of weights in 73.6 GiB each
    assert found.gpus_for_batch == 2


def test_weights_that_do_not_fit_say_so():
    found = fit(replace(LLAMA, spec=MIXTRAL_8X7B))
    assert found.weights_fit is found.batch_fits is False
    assert found.left_bytes == pytest.approx(USABLE - 2 * 46_702_792_704)
    assert found.sequences == found.tokens == 0
    assert found.gpus_for_weights == found.gpus_for_batch == 2


def test_pipeline_stages_count_as_gpus():
    assert fit(replace(case(pipeline=2), spec=MIXTRAL_8X7B)).gpus_for_weights == 2


def test_a_cache_that_cannot_be_divided_may_never_fit():
    # 50,000 sequences of 137 MiB each: MLA's cache is whole on every GPU.
    found = fit(replace(LLAMA, spec=DEEPSEEK_V3, batch=50_000))
    assert found.gpus_for_weights == 32
    assert found.gpus_for_batch is None


def test_deepseeks_sequence_takes_the_same_on_each_of_8_gpus():
    alone, shared = fit(replace(LLAMA, spec=DEEPSEEK_V3)), fit(replace(case(tensor=8), spec=DEEPSEEK_V3))
    assert alone.sequence_bytes == shared.sequence_bytes == 61 * 576 * 2 * 2048


@pytest.mark.parametrize("spec", [GEMMA_3_27B, MISTRAL_7B])
def test_tokens_are_not_one_number_where_layers_forget(spec):
    found = fit(replace(LLAMA, spec=spec))
    assert found.tokens is None
    assert found.sequences > 0


def test_a_gpu_of_unknown_memory_leaves_everything_open_but_the_weights():
    found = fit(case(gpu=replace(A100, memory_bytes=None)))
    assert found.weights_bytes == 13_476_831_232
    assert found.sequence_bytes == 1_073_741_824
    assert found.left_bytes is found.sequences is found.weights_fit is found.gpus_for_weights is None


def test_tensor_parallelism_divides_the_heads():
    assert list(tensor_sizes(LLAMA.spec)) == [1, 2, 4, 8, 16, 32]
    assert len(tensor_sizes(COUNTED)) == 1024
