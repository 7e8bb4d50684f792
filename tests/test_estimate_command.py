"""``pentameter estimate`` as it is typed: tables, JSON with stable keys, and what is refused."""

import json
import math
import os
import re

import pytest

from pentameter import cli
from pentameter.estimate_figures import SECTIONS, formulas
from pentameter.facts import known_models

LLAMA = ("--model", "meta-llama/Llama-2-7b-hf", "--gpu", "A100-SXM4-80GB")
INPUTS = {
    "model", "model_origin", "model_basis", "architecture", "weights_format", "cache_bits_per_element", "gpu",
    "gpu_memory_bytes", "gpu_bandwidth_bytes_per_second", "gpu_peak_flop_per_second", "gpus", "tensor_parallel_size",
    "pipeline_parallel_size", "batch_sequences", "context_tokens", "prompt_tokens", "output_tokens",
    "gpu_memory_utilization_ratio", "overhead_bytes_per_gpu", "mfu_given_ratio", "mbu_given_ratio", "watts_per_gpu",
    "watts_source", "grams_per_kwh", "grid", "dollars_per_gpu_hour",
}  # fmt: skip
PHASE = {
    "tokens", "flop", "moved_bytes_per_gpu", "compute_seconds", "traffic_seconds", "floor_seconds", "seconds",
    "tokens_per_second", "intensity_flop_per_byte", "ridge_flop_per_byte", "bound", "mfu_ratio", "mbu_ratio",
    "joules_per_token", "joules_per_million_tokens", "grams_per_million_tokens", "dollars_per_million_tokens",
}  # fmt: skip

COMPUTATION = {
    "parameters", "active_parameters", "matrices_flop_per_token", "unembedding_flop_per_sample",
    "attention_flop_per_token", "decode_flop_per_token", "prefill_flop", "prefill_flop_per_token",
    "lecture_two_n_flop_per_token", "lecture_slide_flop", "lecture_slide_flop_per_token",
}  # fmt: skip
MEMORY = {
    "weights_bytes", "weights_bits_per_parameter", "cache_bytes_per_token", "cache_bytes_per_sequence",
    "cache_bytes_of_batch",
}  # fmt: skip
FIT = {
    "memory_bytes", "usable_bytes", "weights_bytes", "overhead_bytes", "left_bytes", "sequence_bytes", "tokens",
    "sequences", "weights_fit", "batch_fits", "gpus_for_weights", "gpus_for_batch",
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_models_here(monkeypatch, tmp_path):
    """Take away what the developer's shell and disk may hold."""
    for variable in [name for name in os.environ if name.startswith(("PENTAMETER_", "HF_", "HUGGINGFACE_"))]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def ask(capsys):
    def run(*arguments):
        assert cli.main(["estimate", *arguments, "--format", "json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def refused(capsys, *arguments):
    try:
        status = cli.main(["estimate", *arguments])
    except SystemExit as end:  # argparse's own way
        status = end.code
    assert status == 2
    output = capsys.readouterr()
    assert output.out == ""
    return output.err


def numbers(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for item in value for number in numbers(item)]
    return [value] if isinstance(value, (int, float)) else []


def test_the_lectures_model_in_the_lectures_setting(ask):
    found = ask(*LLAMA, "--batch", "8", "--context", "2048")
    assert found["computation"]["parameters"] == 6_738_415_616
    assert found["memory"]["weights_bytes"] == 13_476_831_232
    assert found["memory"]["cache_bytes_of_batch"] == 8_589_934_592
    assert found["decode"]["bound"] == "memory"
    assert found["decode"]["floor_seconds"] == pytest.approx(10.70e-3, rel=1e-3)
    assert found["warnings"] == []


def test_the_keys_stay_and_every_number_is_finite(ask):
    found = ask(*LLAMA, "--grid-region", "POL", "--gpu-dollars-per-hour", "2.5")
    assert found.keys() == {"inputs", *SECTIONS, "warnings", "formulas"}
    assert found["inputs"].keys() == INPUTS
    assert found["prefill"].keys() == found["decode"].keys() == PHASE
    assert found["computation"].keys() == COMPUTATION
    assert found["memory"].keys() == MEMORY
    assert found["fit"].keys() == FIT
    assert found["request"].keys() == {
        "ttft_seconds", "decode_seconds", "e2e_seconds", "joules", "grams", "dollars", "joules_per_million_tokens",
        "grams_per_million_tokens", "dollars_per_million_tokens",
    }  # fmt: skip
    assert [row["format"] for row in found["quantization"]] == ["fp16", "fp8", "int4"]
    assert found["formulas"] == formulas()
    assert len(numbers(found)) > 90
    assert all(math.isfinite(number) for number in numbers(found))
    assert None not in [*found["request"].values(), *found["prefill"].values(), *found["decode"].values()]


@pytest.mark.parametrize("name", known_models())
def test_every_model_of_the_table_can_be_estimated(ask, name):
    found = ask("--model", name, "--gpu", "B200", "--gpus", "8", "--batch", "16", "--dtype", "fp8")
    assert found["inputs"]["model_basis"] == "config"
    assert all(math.isfinite(number) for number in numbers(found))
    assert found["fit"]["gpus_for_weights"] >= 1
    assert found["prefill"]["tokens_per_second"] > found["decode"]["tokens_per_second"] > 0


def test_what_is_not_given_is_null(ask):
    found = ask(*LLAMA)
    assert found["inputs"]["grams_per_kwh"] is found["inputs"]["dollars_per_gpu_hour"] is None
    assert found["decode"]["grams_per_million_tokens"] is found["decode"]["dollars_per_million_tokens"] is None
    assert found["decode"]["joules_per_token"] > 0
    assert (found["inputs"]["watts_per_gpu"], found["inputs"]["watts_source"]) == (400, "TDP")


def test_watts_and_grid_are_taken_as_given(ask):
    found = ask(*LLAMA, "--watts", "380", "--grams-per-kwh", "24")
    assert (found["inputs"]["watts_per_gpu"], found["inputs"]["watts_source"]) == (380, "given")
    decode = found["decode"]
    assert decode["joules_per_token"] == pytest.approx(380 * decode["seconds"])
    assert decode["grams_per_million_tokens"] == pytest.approx(decode["joules_per_million_tokens"] / 3.6e6 * 24)


def test_the_region_names_its_source(ask):
    inputs = ask(*LLAMA, "--grid-region", "POL")["inputs"]
    assert inputs["grams_per_kwh"] == 588.6
    assert inputs["grid"].startswith("POL, Ember")


def test_vllms_own_share_of_the_memory_is_the_default(ask):
    assert ask(*LLAMA)["inputs"]["gpu_memory_utilization_ratio"] == 0.92
    found = ask(*LLAMA, "--gpu-memory-utilization", "0.5", "--overhead-gb", "2")["fit"]
    assert found["left_bytes"] == pytest.approx(40 * 2**30 - 13_476_831_232 - 2e9)


def test_fp8_on_an_a100_is_computed_in_16_bits_and_said_so(ask):
    plain, fp8 = ask(*LLAMA), ask(*LLAMA, "--dtype", "fp8")
    assert fp8["prefill"]["compute_seconds"] == pytest.approx(plain["prefill"]["compute_seconds"])
    assert fp8["decode"]["seconds"] < 0.6 * plain["decode"]["seconds"]
    assert "no fp8 peak" in fp8["warnings"][0]
    assert "fp8" not in fp8["inputs"]["gpu_peak_flop_per_second"]
    hopper = ask(*LLAMA[:2], "--gpu", "H100-SXM", "--dtype", "fp8")
    assert hopper["warnings"] == []
    assert hopper["inputs"]["gpu"] == "H100-SXM-80GB"


def test_mixtral_reads_2_of_8_experts_alone_and_does_not_fit_on_one_gpu(ask):
    found = ask("--model", "mistralai/Mixtral-8x7B-Instruct-v0.1", "--gpu", "A100-SXM4-80GB")
    assert found["decode"]["moved_bytes_per_gpu"] == pytest.approx(25_766_281_216, rel=1e-9)
    assert found["fit"]["weights_fit"] is False
    assert found["fit"]["gpus_for_weights"] == 2
    assert "it would take 2 of them" in found["warnings"][0]


def test_deepseek_v3_fits_on_8_h200_but_not_on_8_h100(ask):
    model = ("--model", "deepseek-ai/DeepSeek-V3", "--gpus", "8")
    found = ask(*model, "--gpu", "H200-SXM")
    assert found["computation"]["parameters"] == pytest.approx(671e9, rel=1e-3)
    assert found["memory"]["cache_bytes_per_token"] == 70_272
    assert found["fit"]["weights_fit"] is True
    assert found["inputs"]["weights_format"] == "fp8"
    smaller = ask(*model, "--gpu", "H100-SXM")["fit"]
    assert smaller["weights_fit"] is False
    assert smaller["gpus_for_weights"] == 16


def test_a_context_beyond_the_models_own_is_warned_of(ask):
    assert "beyond the model's own 4,096" in ask(*LLAMA, "--context", "4097")["warnings"][0]
    assert ask(*LLAMA, "--context", "4096")["warnings"] == []


def test_a_model_is_found_in_a_folder_a_file_and_the_cache(ask, tmp_path):
    config = json.dumps(
        {
            "architectures": ["LlamaForCausalLM"], "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 100,
        }
    )  # fmt: skip
    folder = tmp_path / "cache" / "models--somebody--tiny" / "snapshots" / "1"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(config)
    wanted = 2 * (2 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128 + 2 * 64) + 64 + 2 * 6400)
    for place, origin in ((folder, "file"), (folder / "config.json", "file"), ("somebody/tiny", "cache")):
        found = ask("--model", str(place), "--gpu", "T4")
        assert found["memory"]["weights_bytes"] == wanted
        assert found["inputs"]["model_origin"] == origin


def test_the_table_is_the_default(capsys):
    assert cli.main(["estimate", *LLAMA, "--gpus", "2", "--grid-region", "USA", "--gpu-dollars-per-hour", "2"]) == 0
    head = capsys.readouterr().out.splitlines()
    assert head[0].startswith("meta-llama/Llama-2-7b-hf: LlamaForCausalLM, from its configuration (table)")
    assert head[1].startswith("2 x A100-SXM4-80GB (tensor 2 x pipeline 1): 2,039 GB/s, 312 TFLOP/s 16bit")
    assert head[2].startswith("400 W each (TDP), 384")
    assert head[2].endswith("$2 per GPU and hour")
    assert "prompt 1,024 + output 1,024" in head[3]


def test_formulas_are_explained(capsys):
    assert cli.main(["estimate", *LLAMA, "--explain"]) == 0
    assert "= max(compute, traffic)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*LLAMA[:2], "--gpu", "A100"), "could be A100-SXM4-40GB, A100-PCIE-40GB"),
        ((*LLAMA[:2], "--gpu", "MI300X"), "is not in the table; there are T4"),
        (("--model", "Mixtral-8x7B", *LLAMA[2:]), "the table has .*mistralai/Mixtral-8x7B-Instruct-v0.1"),
        (("--model", "/no/such/folder", *LLAMA[2:]), "there is no /no/such/folder"),
        ((*LLAMA, "--dtype", "fp7"), "'fp7' is not known; there are fp16"),
        ((*LLAMA, "--kv-cache-dtype", "fp7"), "'fp7' is not known"),
        ((*LLAMA, "--grid-region", "Atlantis"), "'Atlantis' is not in the table"),
        ((*LLAMA, "--grid-region", "USA", "--grams-per-kwh", "1"), "not allowed with"),
        ((*LLAMA, "--gpus", "3", "--pipeline-parallel-size", "2"), "3 GPUs do not make 2"),
        ((*LLAMA, "--context", "100", "--prompt", "100"), "no room"),
        ((*LLAMA, "--batch", "0"), "whole number above 0"),
        ((*LLAMA, "--batch", "1" * 5000), "whole number above 0"),
        ((*LLAMA, "--context", "1e3"), "whole number above 0"),
        ((*LLAMA, "--mfu", "1.1"), "at most 1"),
        ((*LLAMA, "--mbu", "nan"), "at most 1"),
        ((*LLAMA, "--watts", "0"), "above 0"),
        ((*LLAMA, "--gpu-dollars-per-hour", "-1"), "from 0"),
        ((*LLAMA, "--grams-per-kwh", "inf"), "from 0"),
        (LLAMA[:2], "--gpu"),
        (LLAMA[2:], "--model"),
    ],
)
def test_what_cannot_be_is_refused_with_status_2_and_said_why(capsys, arguments, words):
    assert re.search(words, refused(capsys, *arguments))


def test_a_broken_configuration_is_refused(capsys, tmp_path):
    (tmp_path / "config.json").write_text("{")
    assert "pentameter: " in refused(capsys, "--model", str(tmp_path), "--gpu", "T4")


def test_the_settings_of_a_server_are_not_read(ask, monkeypatch):
    monkeypatch.setenv("PENTAMETER_CONFIG", "/no/such/file.yaml")
    assert ask(*LLAMA)["inputs"]["gpu"] == "A100-SXM4-80GB"
