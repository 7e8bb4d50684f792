"""What ``vllm_config`` says, as facts that can be sent."""

import json
import math
import sys
from enum import Enum
from types import SimpleNamespace

import pytest

from fakes.vllm_stats import HfConfig, dtype, vllm_config
from pentameter.vllm_plugin_facts import LARGEST_MODEL_CONFIG, facts, model_name


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch):
    monkeypatch.delitem(sys.modules, "vllm", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def hf_config(**items):
    told = facts(vllm_config(hf_config=HfConfig(**items)))["hf_config"]
    return json.loads(told)


def test_facts_bear_the_names_that_vllm_gives_its_fields():
    assert facts(vllm_config()) == {
        "model": "/models/tiny",
        "dtype": "bfloat16",
        "quantization": None,
        "max_model_len": 2048,
        "tensor_parallel_size": 2,
        "world_size": 2,
        "block_size": 16,
        "num_gpu_blocks": 4096,
        "cache_dtype": "auto",
        "max_num_seqs": 128,
        "max_num_batched_tokens": 2048,
        "vllm_version": None,
        "hf_config": '{"hidden_size":256,"num_hidden_layers":4}',
    }


def test_a_part_in_use_is_told_with_a_name_that_says_whose_it_is():
    config = vllm_config()
    config.speculative_config = SimpleNamespace(method="ngram", num_speculative_tokens=4)
    told = facts(config)
    assert (told["speculative_method"], told["speculative_num_speculative_tokens"]) == ("ngram", 4)


def test_the_process_says_its_version_and_gpus(monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(__version__="0.32.0"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    told = facts(vllm_config())
    assert (told["vllm_version"], told["cuda_visible_devices"]) == ("0.32.0", "2,3")


class Policy(Enum):
    FCFS = "fcfs"


class Fails:
    max_num_seqs = 7

    @property
    def max_num_batched_tokens(self):
        raise RuntimeError


def test_what_fails_or_is_no_plain_value_is_left_out():
    config = vllm_config(quantization={"method": "fp8"}, max_model_len=[1])
    config.scheduler_config = Fails()
    told = facts(config)
    assert told["max_num_seqs"] == 7
    assert told.keys().isdisjoint({"max_num_batched_tokens", "quantization", "max_model_len"})


def test_an_enumeration_is_told_by_its_value():
    config = vllm_config()
    config.scheduler_config.policy = Policy.FCFS
    assert facts(config)["policy"] == "fcfs"


@pytest.mark.parametrize("config", [None, SimpleNamespace(), SimpleNamespace(model_config=None), "odd"])
def test_a_configuration_that_says_nothing_gives_no_facts(config):
    assert facts(config) == {"vllm_version": None}
    assert model_name(config) == ""


def test_the_model_s_own_configuration_is_json_with_its_nesting():
    items = {"rope": {"theta": 1e4}, "layers": ["full", "sliding"], "tied": False, "window": None}
    assert hf_config(**items, dtype=dtype("float16")) == items | {"dtype": "float16"}


def test_items_of_the_model_s_configuration_that_are_no_json_are_left_out():
    assert hf_config(size=1, thing=object(), nan=math.nan, things=[object()]) == {"size": 1}


def test_the_longest_items_are_left_out_until_the_rest_fits():
    labels, layers = {str(i): f"LABEL_{i}" for i in range(5000)}, ["full_attention"] * 1000
    assert hf_config(labels=labels, layers=layers, size=7) == {"layers": layers, "size": 7}
    many = {f"item_{i}": "x" * 100 for i in range(1000)}
    assert 0.9 * LARGEST_MODEL_CONFIG < len(json.dumps(hf_config(**many))) < 1.1 * LARGEST_MODEL_CONFIG


@pytest.mark.parametrize(
    "broken", [object(), SimpleNamespace(to_dict=lambda: 1 / 0), SimpleNamespace(to_dict=lambda: 5)]
)
def test_a_model_without_a_configuration_of_its_own_has_none(broken):
    assert "hf_config" not in facts(vllm_config(hf_config=broken))


@pytest.mark.parametrize(
    ("served", "name"),
    [("tiny", "tiny"), (["first", "second"], "first"), (None, "/models/tiny"), ([], "/models/tiny")],
)
def test_the_model_is_named_as_on_the_metrics_page(served, name):
    assert model_name(vllm_config(served_model_name=served)) == name
