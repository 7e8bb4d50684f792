"""What a model's files store: sizes and parameters from headers, from the index, and from nothing that is unsure."""

import json

import pytest

from fakes.model_trees import header, write_header, write_index, write_json, write_safetensors
from pentameter.sources import SourceError
from pentameter.sources.safetensors_index import Stored, gguf_file, read_header, stored

# 2 x 3 numbers of 2 bytes, and 4 of 4 bytes.
TWO = {"a.weight": ("BF16", [2, 3], 12), "b.weight": ("F32", [4], 16)}


def refusal(path):
    with pytest.raises(SourceError) as caught:
        read_header(path)
    return caught.value.reason, str(caught.value)


def test_a_file_written_by_the_official_library_is_read(tmp_path):
    # By safetensors 0.8.0, of x: float16 of 2 x 3, and y: int32 of 5.
    text = (
        b'{"__metadata__":{"format":"pt"},"y":{"dtype":"I32","shape":[5],"data_offsets":[0,20]},'
        b'"x":{"dtype":"F16","shape":[2,3],"data_offsets":[20,32]}}'
    )
    text += b" " * (-len(text) % 8)
    (tmp_path / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(32))
    assert read_header(tmp_path / "model.safetensors") == Stored(32, None)


def test_bytes_are_the_tensors_alone_and_parameters_their_elements(tmp_path):
    write_safetensors(tmp_path / "model.safetensors", TWO)
    assert stored(tmp_path) == Stored(28, 10)


def test_several_files_are_added_up_whatever_the_index_claims(tmp_path):
    write_safetensors(tmp_path / "model-00001-of-00002.safetensors", TWO)
    write_safetensors(tmp_path / "model-00002-of-00002.safetensors", {"c": ("F16", [50], 100)})
    write_index(tmp_path, 64, "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    assert stored(tmp_path) == Stored(128, 60)


def test_files_that_the_index_does_not_name_do_not_count(tmp_path):
    write_safetensors(tmp_path / "model-00001-of-00001.safetensors", TWO)
    write_safetensors(tmp_path / "consolidated.safetensors", TWO)
    write_index(tmp_path, 28, "model-00001-of-00001.safetensors")
    assert stored(tmp_path) == Stored(28, 10)


def test_without_an_index_every_file_counts_but_copies_and_adapters(tmp_path):
    write_safetensors(tmp_path / "part-1.safetensors", TWO)
    write_safetensors(tmp_path / "part-2.safetensors", TWO)
    write_safetensors(tmp_path / "consolidated.safetensors", TWO)
    write_safetensors(tmp_path / "adapter_model.safetensors", TWO)
    assert stored(tmp_path) == Stored(56, 20)


def test_the_usual_name_goes_before_others(tmp_path):
    write_safetensors(tmp_path / "model.safetensors", TWO)
    write_safetensors(tmp_path / "medusa_lm_head.safetensors", TWO)
    assert stored(tmp_path) == Stored(28, 10)


def test_a_model_in_mistrals_format_alone_counts(tmp_path):
    write_safetensors(tmp_path / "consolidated.safetensors", TWO)
    assert stored(tmp_path) == Stored(28, 10)


@pytest.mark.parametrize("total", [14_483_464_192, 14_483_464_192.0])
def test_the_index_counts_where_a_file_is_missing(tmp_path, total):
    write_safetensors(tmp_path / "model-00001-of-00002.safetensors", TWO)
    write_index(tmp_path, total, "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    assert stored(tmp_path) == Stored(14_483_464_192, None)


@pytest.mark.parametrize("total", [0, -1, "28", True, None, float("inf"), [1]])
def test_an_index_without_a_usable_total_says_nothing(tmp_path, total):
    write_index(tmp_path, total, "model-00001-of-00001.safetensors")
    assert stored(tmp_path) is None


@pytest.mark.parametrize(
    "content", [{}, {"metadata": 1}, {"weight_map": []}, {"weight_map": {"w": "../x.safetensors"}}]
)
def test_an_index_that_names_no_file_of_the_folder_says_nothing(tmp_path, content):
    folder = tmp_path / "model"
    folder.mkdir()
    write_safetensors(tmp_path / "x.safetensors", TWO)
    write_json(folder / "model.safetensors.index.json", content)
    assert stored(folder) is None


def test_an_empty_folder_says_nothing(tmp_path):
    assert stored(tmp_path) is None
    assert stored(tmp_path / "missing") is None


@pytest.mark.parametrize(
    "packed",
    [
        ("I32", [4096, 512], 8_388_608),  # GPTQ: eight weights of four bits
        ("U8", [4096, 2048], 8_388_608),  # bitsandbytes, mxfp4, nvfp4: two weights
        ("F4", [4096, 4096], 8_388_608),
        ("I8", [4096, 2048], 8_388_608),  # one weight of eight bits, or two of four: unknown
    ],
)
def test_packed_weights_leave_the_number_of_parameters_unknown(tmp_path, packed):
    write_safetensors(tmp_path / "model.safetensors", {"q.qweight": packed, "norm.weight": ("F16", [4096], 8192)})
    assert stored(tmp_path) == Stored(8_396_800, None)


def test_one_packed_file_leaves_the_whole_number_unknown(tmp_path):
    write_safetensors(tmp_path / "a.safetensors", TWO)
    write_safetensors(tmp_path / "b.safetensors", {"q": ("U8", [100], 100)})
    assert stored(tmp_path) == Stored(128, None)


def test_masks_and_positions_are_not_parameters(tmp_path):
    tensors = {"w": ("F16", [100, 100], 20_000), "position_ids": ("I64", [1, 20], 160)}
    write_safetensors(tmp_path / "model.safetensors", tensors)
    assert stored(tmp_path) == Stored(20_160, 10_000)


def test_scales_are_stored_and_are_not_parameters(tmp_path):
    tensors = {
        "q.weight": ("F8_E4M3", [256, 256], 65_536),
        "q.weight_scale_inv": ("F32", [2, 2], 16),
        "k.weight_scale": ("BF16", [256, 1], 512),
        "k.weight_scale_2": ("F32", [], 4),
        "k.input_scale": ("F32", [1], 4),
        "experts.gate_up_proj_scale": ("BF16", [8], 16),
        "v.weight_blocks_exponent": ("F8_E8M0", [256, 8], 2048),
        "vision.layer_scale": ("F32", [5], 20),
    }
    write_safetensors(tmp_path / "model.safetensors", tensors)
    assert stored(tmp_path) == Stored(68_156, 65_541)


GOOD = header(TWO)[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a.weight", 3),
        ("a.weight", {}),
        ("a.weight", {"dtype": "F16", "shape": 3, "data_offsets": [0, 12]}),
        ("a.weight", {"dtype": "F16", "shape": [-2, 3], "data_offsets": [0, 12]}),
        ("a.weight", {"dtype": "F16", "shape": [2, 3], "data_offsets": [0]}),
        ("a.weight", {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12.0]}),
        ("a.weight", {"dtype": "F16", "shape": [2, 3], "data_offsets": [True, 12]}),
        ("a.weight", {"dtype": "F16", "shape": [2, 3], "data_offsets": [12, 0]}),
    ],
)
def test_a_header_with_an_odd_tensor_is_malformed(tmp_path, name, value):
    path = tmp_path / "model.safetensors"
    write_header(path, json.dumps({**GOOD, name: value}).encode(), 28)
    assert refusal(path)[0] == "malformed"
    assert stored(tmp_path) is None


def test_a_file_that_is_cut_off_is_malformed(tmp_path):
    path = tmp_path / "model.safetensors"
    write_header(path, json.dumps(GOOD).encode(), 27)
    assert refusal(path) == ("malformed", f"{path} is cut off")
    path.write_bytes(path.read_bytes()[:40])
    assert refusal(path)[0] == "malformed"
    path.write_bytes(b"")
    assert refusal(path)[0] == "malformed"


def test_a_pointer_of_git_lfs_is_no_model_and_the_index_counts(tmp_path):
    path = tmp_path / "model-00001-of-00001.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 28\n", encoding="ascii")
    write_index(tmp_path, 28, path.name)
    assert refusal(path) == ("malformed", f"{path} is not a safetensors file")
    assert stored(tmp_path) == Stored(28)


def gguf(folder, *sizes_by_name):
    for name, size in sizes_by_name:
        (folder / name).write_bytes(bytes(size))


def test_one_gguf_file_is_the_model_and_so_are_all_parts_of_one(tmp_path):
    gguf(tmp_path, ("m-Q4_K_M.gguf", 100))
    assert stored(tmp_path) == Stored(100)
    assert gguf_file(tmp_path / "m-Q4_K_M.gguf") == Stored(100)
    (tmp_path / "m-Q4_K_M.gguf").unlink()
    gguf(tmp_path, ("m-00001-of-00002.gguf", 100), ("m-00002-of-00002.gguf", 50))
    assert stored(tmp_path) == Stored(150)


def test_several_gguf_models_or_half_of_one_are_unknown(tmp_path):
    gguf(tmp_path, ("m-00001-of-00002.gguf", 100))
    assert stored(tmp_path) is None
    gguf(tmp_path, ("m-00002-of-00002.gguf", 100), ("m-Q8_0.gguf", 200))
    assert stored(tmp_path) is None
    assert gguf_file(tmp_path / "missing.gguf") is None
