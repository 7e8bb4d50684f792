"""One model's folder: the configuration, what lies beside it, and what changes when a file does."""

import os

import pytest

from fakes.model_trees import write_json, write_safetensors
from pentameter.sources import SourceError
from pentameter.sources.model_folder import ModelFolder
from pentameter.sources.safetensors_index import Stored

LLAMA = {"model_type": "llama", "hidden_size": 4096}
# As TensorRT Model Optimizer writes it.
MODELOPT = {
    "producer": {"name": "modelopt", "version": "0.23.0"},
    "quantization": {
        "quant_algo": "NVFP4",
        "kv_cache_quant_algo": "FP8",
        "group_size": 16,
        "exclude_modules": ["lm_head"],
    },
}


@pytest.fixture
def folder(tmp_path):
    write_json(tmp_path / "config.json", LLAMA)
    return tmp_path


def refusal(path):
    with pytest.raises(SourceError) as caught:
        ModelFolder(path).config()
    return caught.value.reason, str(caught.value)


def beside(folder, name, content):
    write_json(folder / name, content)
    return ModelFolder(folder).config()


def test_the_configuration_is_that_of_the_folder_or_of_the_file(folder):
    assert ModelFolder(folder).config() == LLAMA
    assert ModelFolder(folder / "config.json").config() == LLAMA


def test_a_file_may_have_another_name_and_then_stands_alone(folder):
    write_json(folder / "hf_quant_config.json", MODELOPT)
    write_safetensors(folder / "model.safetensors", {"w": ("F16", [10], 20)})
    other = ModelFolder(write_json(folder / "other.json", {"model_type": "qwen3"}))
    assert (other.config(), other.stored()) == ({"model_type": "qwen3"}, None)


def test_what_model_optimizer_wrote_is_put_in(folder):
    assert beside(folder, "hf_quant_config.json", MODELOPT) == {**LLAMA, "quantization": MODELOPT["quantization"]}


def test_the_configurations_own_quantisation_goes_before_files(folder):
    own = {**LLAMA, "quantization_config": {"quant_method": "fp8"}}
    write_json(folder / "config.json", own)
    assert beside(folder, "hf_quant_config.json", MODELOPT) == own
    assert beside(folder, "quantize_config.json", {"bits": 4}) == own


def test_an_empty_quantisation_of_its_own_is_none(folder):
    write_json(folder / "config.json", {**LLAMA, "quantization_config": None})
    assert beside(folder, "hf_quant_config.json", MODELOPT)["quantization"]["quant_algo"] == "NVFP4"


def test_what_autogptq_wrote_is_put_in(folder):
    old = {"bits": 4, "group_size": 128, "damp_percent": 0.1, "desc_act": True, "sym": True, "true_sequential": True}
    assert beside(folder, "quantize_config.json", old) == {
        **LLAMA,
        "quantization_config": {**old, "quant_method": "gptq"},
    }


@pytest.mark.parametrize("name", ["quantize_config.json", "quant_config.json"])
def test_what_autoawq_wrote_is_put_in_under_todays_names(folder, name):
    old = {"zero_point": True, "q_group_size": 128, "w_bit": 4, "version": "GEMM"}
    expected = {"zero_point": True, "group_size": 128, "bits": 4, "version": "GEMM", "quant_method": "awq"}
    assert beside(folder, name, old) == {**LLAMA, "quantization_config": expected}


def test_a_method_that_the_old_file_names_is_kept_and_one_that_it_does_not_show_is_not_guessed(folder):
    old = {"bits": 8, "desc_act": False, "quant_method": "marlin"}
    assert beside(folder, "quantize_config.json", old)["quantization_config"]["quant_method"] == "marlin"
    assert beside(folder, "quantize_config.json", {"bits": 8})["quantization_config"] == {"bits": 8}


@pytest.mark.parametrize("name", ["hf_quant_config.json", "quantize_config.json"])
def test_a_broken_file_about_quantisation_is_said(folder, name):
    (folder / name).write_text("{")
    reason, message = refusal(folder)
    assert (reason, message.split(" is ")[0]) == ("malformed", str(folder / name))


def test_a_gguf_file_goes_with_the_configuration_beside_it(folder):
    (folder / "m-Q4.gguf").write_bytes(bytes(100))
    (folder / "m-Q8.gguf").write_bytes(bytes(200))
    model = ModelFolder(folder / "m-Q4.gguf")
    assert model.config() == {**LLAMA, "quantization_config": {"quant_method": "gguf"}}
    assert model.stored() == Stored(100)
    assert ModelFolder(folder).stored() is None


def test_a_folder_without_a_configuration_says_so(tmp_path):
    assert refusal(tmp_path) == ("not_found", f"there is no {tmp_path / 'config.json'}")
    assert not ModelFolder(tmp_path).has_config()
    (tmp_path / "config.json").symlink_to("missing-blob")
    assert not ModelFolder(tmp_path).has_config()


def test_mistrals_own_format_is_named(tmp_path):
    write_json(tmp_path / "params.json", {"dim": 4096})
    reason, message = refusal(tmp_path)
    assert reason == "unsupported"
    assert "params.json, which is Mistral's own format" in message
    assert ModelFolder(tmp_path).is_mistral()
    write_json(tmp_path / "config.json", LLAMA)
    assert ModelFolder(tmp_path).config() == LLAMA
    assert not ModelFolder(tmp_path).is_mistral()


def test_a_configuration_that_is_too_large_is_refused(tmp_path):
    (tmp_path / "config.json").write_bytes(b"{" + b" " * (4 * 1024 * 1024) + b"}")
    assert refusal(tmp_path)[0] == "too_large"


def test_a_pipe_in_the_place_of_the_configuration_holds_nothing_up(tmp_path):
    os.mkfifo(tmp_path / "config.json")
    assert ModelFolder(tmp_path).has_config()
    assert refusal(tmp_path) == ("unreadable", f"{tmp_path / 'config.json'} is not a regular file")


def test_a_loop_of_links_is_there_and_unreadable(tmp_path):
    (tmp_path / "config.json").symlink_to("config.json")
    assert ModelFolder(tmp_path).has_config()
    assert refusal(tmp_path)[0] == "unreadable"


def test_the_fingerprint_changes_with_what_matters_and_with_nothing_else(folder):
    model = ModelFolder(folder)
    seen = [model.fingerprint()]
    assert model.fingerprint() == seen[0]
    (folder / "README.md").write_text("text")
    assert model.fingerprint() == seen[0]
    for change in (
        lambda: write_json(folder / "config.json", {**LLAMA, "more": 1}),
        lambda: os.utime(folder / "config.json", (1, 1)),
        lambda: write_json(folder / "hf_quant_config.json", MODELOPT),
        lambda: write_safetensors(folder / "model.safetensors", {}),
        lambda: (folder / "config.json").unlink(),
        lambda: (folder / "config.json").symlink_to("hf_quant_config.json"),
    ):
        change()
        seen.append(model.fingerprint())
    assert len(set(seen)) == 7


def test_the_fingerprint_of_a_link_is_that_of_its_file(tmp_path):
    blob = write_json(tmp_path / "blob", LLAMA)
    folder = tmp_path / "snapshot"
    folder.mkdir()
    (folder / "config.json").symlink_to("../blob")
    before = ModelFolder(folder).fingerprint()
    os.utime(blob, (1, 1))
    assert ModelFolder(folder).fingerprint() != before


def test_a_folder_that_is_gone_is_unreadable(tmp_path):
    with pytest.raises(SourceError) as caught:
        ModelFolder(tmp_path / "gone" / "config.json").fingerprint()
    assert caught.value.reason == "unreadable"
