"""The words of --kv-cache-dtype."""

import pytest

from pentameter.model.cache_dtype import kv_cache_bits
from pentameter.model.spec import UnknownModelError


@pytest.mark.parametrize("word", ["fp8", "fp8_e4m3", "fp8_e5m2", "fp8_inc"])
def test_every_fp8_takes_a_byte(word):
    assert kv_cache_bits(word) == 8


@pytest.mark.parametrize("word", ["bfloat16", "float16", "torch.bfloat16"])
def test_sixteen_bits_are_two_bytes(word):
    assert kv_cache_bits(word) == 16


def test_deepseeks_own_fp8_layout_takes_656_bytes_for_576_elements():
    # vLLM's layout of FlashMLA: 512 x 1 + 4 x 4 + 64 x 2 bytes.
    assert kv_cache_bits("fp8_ds_mla") * 576 / 8 == 512 + 16 + 128


@pytest.mark.parametrize("word", ["auto", "", "None"])
def test_auto_leaves_it_to_the_model(word):
    assert kv_cache_bits(word) is None


def test_a_type_that_is_not_known_is_refused_and_not_guessed():
    with pytest.raises(UnknownModelError, match="turboquant_4bit_nc"):
        kv_cache_bits("turboquant_4bit_nc")
