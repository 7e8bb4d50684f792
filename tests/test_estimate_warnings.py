"""The notes under an estimate: each is there when it applies, and only then."""

from dataclasses import replace

import pytest

from estimate_cases import A100, LLAMA, case
from model.specs import COUNTED, MIXTRAL_8X7B
from pentameter.estimate import estimate
from pentameter.estimate_warnings import warnings
from pentameter.model.impact import Format, converted
from pentameter.model.spec import Precision


def told(given):
    return " ".join(warnings(given, estimate(given)))


def test_an_ordinary_case_needs_no_note():
    assert told(LLAMA) == ""


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (case(spec=COUNTED), "attention and KV cache are left out"),
        (case(spec=replace(LLAMA.spec, unmodelled=("vision",))), "Left out of weights and work: vision."),
        (case(spec=replace(LLAMA.spec, max_context=2047)), "2,048 tokens is beyond the model's own 2,047"),
        (case(pipeline=33), "33 pipeline stages are more than the 32 layers"),
        (case(tensor=3), "Tensor parallelism of 3 does not divide"),
        (case(pipeline=2), "passes 2 stages alone"),
        (case(tensor=2), "communication between GPUs is left out"),
        (case(spec=converted(LLAMA.spec, Format.FP8)), "A100-SXM4-80GB has no fp8 peak in the table"),
        (case(spec=MIXTRAL_8X7B), "do not fit on 1 x A100-SXM4-80GB: it would take 2 of them (2 with the batch)."),
        (
            case(batch=100),
            "100 sequences of 2,048 tokens does not fit on 1 x A100-SXM4-80GB, 61 do: it would take 2 of them",
        ),
        (case(gpu=replace(A100, memory_bytes=1e6)), "no tensor-parallel size is enough"),
    ],
)
def test_what_has_to_be_known_is_said(given, words):
    assert words in told(given)


def test_an_unknown_32_bit_peak_is_named():
    layer = LLAMA.spec.layers[0]
    wide = tuple(replace(matrix, bits=32, compute=Precision.BITS32) for matrix in layer.dense)
    spec = replace(LLAMA.spec, layers=(replace(layer, dense=wide),))
    assert "32-bit peak" in told(case(spec=spec, gpu=replace(A100, other_peaks=())))
    assert told(case(spec=spec)) == ""


def test_a_context_as_long_as_the_models_own_is_fine():
    assert told(case(spec=replace(LLAMA.spec, max_context=2048))) == ""
