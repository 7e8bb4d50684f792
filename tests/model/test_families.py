"""Every family against transformers 5.19, which counted the parameters of small models without building them in memory.

``family_counts.json`` holds the configurations, as a ``config.json`` gives them, and the counts.
"""

import json
from pathlib import Path

import pytest

from pentameter.model.families import ARCHITECTURES, MULTIMODAL, family_of
from pentameter.model.parameters import total_parameters
from pentameter.model.reader import read_model
from pentameter.model.spec import UnknownModelError

CASES = json.loads((Path(__file__).parent / "family_counts.json").read_text(encoding="utf-8"))
NAMES = [f"{index}-{case['config']['model_type']}" for index, case in enumerate(CASES)]


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_a_small_model_has_the_parameters_that_transformers_builds(case):
    assert total_parameters(read_model(case["config"])) == case["parameters"]


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["known"]], ids=lambda case: case["config"]["model_type"]
)
def test_windows_and_states_are_in_as_many_layers_as_transformers_has_them(case):
    layers = read_model(case["config"]).layers
    windowed = sum(layer.count for layer in layers if layer.attention and layer.attention.window)
    recurrent = sum(layer.count for layer in layers if layer.recurrent)
    assert (windowed, recurrent) == (case["windowed"], case["recurrent"])


def test_every_plain_architecture_was_counted():
    counted = {case["config"]["architectures"][0] for case in CASES}
    aliases = {"LLaMAForCausalLM", "KimiK2ForCausalLM"}
    assert set(ARCHITECTURES) == counted | aliases


@pytest.mark.parametrize("name", ["DeepseekV32ForCausalLM", "DeepseekV4ForCausalLM", "JambaForCausalLM", "LlamaModel"])
def test_an_unknown_architecture_is_refused_by_its_name(name):
    with pytest.raises(UnknownModelError, match="is not known here"):
        family_of(name, "llama")


def test_a_wrapper_of_any_decoder_takes_the_family_of_its_text():
    assert family_of("Mistral3ForConditionalGeneration", "mistral") == "mistral"
    assert family_of("LlavaForConditionalGeneration", "llama") == "llama"
    with pytest.raises(UnknownModelError, match="around zamba2 is not known"):
        family_of("LlavaForConditionalGeneration", "zamba2")


def test_a_wrapper_of_one_decoder_takes_that():
    assert {family_of(name, "") for name in MULTIMODAL} <= set(ARCHITECTURES.values())
