"""Models whose bits only the size of their files tells."""

import pytest

from pentameter.facts import find_model
from pentameter.model.parameters import total_parameters, weight_bytes
from pentameter.model.reader import read_model
from pentameter.model.spec import Precision, UnknownModelError
from pentameter.model.spread import spread

# Llama-3.1-8B as Q4_K_M: 4.92 GB.
STORED = 4_920_734_272.0


def llama():
    return read_model(find_model("meta-llama/Llama-3.1-8B-Instruct"))


def test_the_matrices_of_a_gguf_take_what_its_file_takes_but_for_the_norms():
    spec = spread(llama(), STORED, "gguf")
    norms = 65 * 4096  # two per layer and the last one, in 16 bits
    bits = STORED * 8 / 8_030_261_248
    assert weight_bytes(spec) == pytest.approx(STORED + norms * (16 - bits) / 8)
    assert total_parameters(spec) == 8_030_261_248
    assert spec.quantization == "gguf"


def test_a_gguf_is_computed_in_16_bits_with_less_than_five_stored():
    [layer] = spread(llama(), STORED, "gguf").layers
    assert {matrix.compute for matrix in layer.dense} == {Precision.BITS16}
    assert {round(matrix.bits, 3) for matrix in layer.dense} == {4.902}


def test_the_experts_of_a_mixture_shrink_with_the_rest():
    spec = spread(read_model(find_model("Mixtral-8x7B-Instruct-v0.1")), 26.44e9, "gguf")
    [layer] = spec.layers
    assert layer.experts.expert.bits == pytest.approx(26.44e9 * 8 / 46_702_792_704)


@pytest.mark.parametrize("size", [0.0, 1e6, 1e12])
def test_a_size_that_cannot_be_that_models_is_refused(size):
    with pytest.raises(UnknownModelError, match="are not of a model of 8030261248 parameters"):
        spread(llama(), size, "gguf")
