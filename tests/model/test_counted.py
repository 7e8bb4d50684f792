"""Models of which only the number of parameters is known."""

import pytest

from pentameter.model.counted import of_parameters
from pentameter.model.flops import attention_flops, sample_flops, token_flops
from pentameter.model.kv import kv_known
from pentameter.model.parameters import weight_bytes
from pentameter.model.spec import Basis, Precision, UnknownModelError


def test_seven_billion_parameters_are_the_lectures_14_gflop_per_token_and_14_gb():
    spec = of_parameters(7_000_000_000)
    assert token_flops(spec) == {Precision.BITS16: 14e9}
    assert weight_bytes(spec) == 14e9


def test_nothing_is_said_of_attention_or_cache():
    spec = of_parameters(7_000_000_000)
    assert spec.basis is Basis.PARAMETERS
    assert not kv_known(spec)
    assert attention_flops(spec, {}, decode=True) == 0
    assert sum(sample_flops(spec).values()) == 0


def test_of_a_mixture_only_the_active_parameters_work():
    spec = of_parameters(47_000_000_000, 13_000_000_000)
    assert token_flops(spec) == {Precision.BITS16: 26e9}
    assert weight_bytes(spec) == 94e9


def test_four_bytes_per_parameter_in_32_bits():
    spec = of_parameters(1_000_000, dtype="float32")
    assert weight_bytes(spec) == 4e6
    assert token_flops(spec) == {Precision.BITS32: 2e6}


@pytest.mark.parametrize("more", [{"quantization": "awq"}, {"dtype": "float4"}])
def test_what_a_number_cannot_tell_is_refused(more):
    with pytest.raises(UnknownModelError):
        of_parameters(1_000_000, **more)
