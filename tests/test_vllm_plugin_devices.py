"""Which GPUs a vLLM uses, by its configuration; placements as vLLM 0.32's worker and engine processes make them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pentameter.vllm_plugin_devices import NotOursError, UntoldError, devices_of


def config(device="cuda", **parallel):
    plain = {"world_size": 1, "data_parallel_size": 1, "data_parallel_size_local": 1, "_api_process_rank": 0}
    return SimpleNamespace(
        device_config=SimpleNamespace(device_type=device), parallel_config=SimpleNamespace(**plain | parallel)
    )


def run(vllm_config, **environment):
    found = devices_of(vllm_config, environment)
    return found.names, found.first, found.length, found.expected


@pytest.mark.parametrize(
    ("variable", "names"),
    [
        ("0", ("0",)),
        ("2,3", ("2", "3")),
        (" 2 , 3 ", ("2", "3")),
        ("GPU-1,GPU-2", ("GPU-1", "GPU-2")),
        ("MIG-1", ("MIG-1",)),
        ("0,1,-1,3", ("0", "1")),
        ("0,,1", ("0",)),
    ],
)
def test_the_visible_devices_are_those_that_cuda_takes_from_its_variable(variable, names):
    assert run(config(), CUDA_VISIBLE_DEVICES=variable)[0] == names


def test_without_the_variable_all_are_visible():
    assert run(config()) == (None, 0, 1, 1)


@pytest.mark.parametrize("variable", ["", " ", "-1", "-1,0"])
def test_where_all_are_hidden_nothing_is_said(variable):
    with pytest.raises(UntoldError, match="hides all"):
        devices_of(config(), {"CUDA_VISIBLE_DEVICES": variable})


def test_tensor_and_pipeline_parallel_workers_take_one_device_each():
    assert run(config(world_size=4)) == (None, 0, 4, 4)


def test_data_parallel_engines_take_runs_of_devices_and_each_is_known():
    found = devices_of(config(world_size=2, data_parallel_size=3, data_parallel_size_local=3), {})
    assert (found.first, found.length, found.expected) == (0, 6, 6)
    assert [found.engine(place) for place in range(6)] == ["0", "0", "1", "1", "2", "2"]


def test_a_server_of_which_some_engines_are_on_other_nodes_expects_their_gpus_too():
    assert run(config(world_size=2, data_parallel_size=4, data_parallel_size_local=1))[2:] == (2, 8)


@pytest.mark.parametrize("word", ["data_parallel_external_lb", "data_parallel_hybrid_lb"])
def test_a_server_of_its_own_node_expects_its_own_only_and_numbers_its_engines_on(word):
    parallel = {"data_parallel_size": 4, "data_parallel_size_local": 1, "data_parallel_rank": 2, word: True}
    found = devices_of(config(world_size=2, **parallel), {})
    assert (found.first, found.length, found.expected, found.engine(1)) == (0, 2, 2, "2")


def test_an_engine_that_spans_nodes_has_a_part_of_its_workers_here():
    assert run(config(world_size=16, local_world_size=8)) == (None, 0, 8, 16)


def test_a_rank_that_is_told_its_place_on_the_node_starts_there():
    assert run(config(world_size=2, data_parallel_rank_local=3, data_parallel_size=8))[1:3] == (6, 2)


def test_devices_that_vllm_was_given_by_number_are_nvmls():
    found = devices_of(config(world_size=2, assigned_physical_gpu_ids=[4, 6]), {"CUDA_VISIBLE_DEVICES": "2,3,4,6"})
    assert (found.names, found.pci_order) == (("4", "6"), True)


def test_an_older_release_that_lacks_fields_has_its_plain_arrangement():
    found = devices_of(
        SimpleNamespace(
            parallel_config=SimpleNamespace(world_size=2), device_config=SimpleNamespace(device_type="cuda")
        ),
        {},
    )
    assert (found.first, found.length, found.expected, found.engine(1)) == (0, 2, 2, "0")


@pytest.mark.parametrize("value", ["0", "false", "No", " off "])
def test_it_can_be_switched_off(value):
    with pytest.raises(NotOursError):
        devices_of(config(), {"PENTAMETER_PLUGIN__GPUS": value})


def test_of_several_api_servers_the_first_alone_tells():
    assert run(config(_api_process_rank=0))
    with pytest.raises(NotOursError):
        devices_of(config(_api_process_rank=1), {})


@pytest.mark.parametrize("device", ["cpu", "xpu", "tpu", None])
def test_a_vllm_on_something_else_uses_no_gpu(device):
    with pytest.raises(NotOursError, match=f"runs on {device}"):
        devices_of(config(device), {})


@pytest.mark.parametrize(
    "parallel",
    [
        {"distributed_executor_backend": "ray"},
        {"distributed_executor_backend": "external_launcher"},
        {"distributed_executor_backend": object},
        {"data_parallel_backend": "ray"},
        {"enable_elastic_ep": True},
    ],
)
def test_where_others_place_the_workers_nothing_is_guessed(parallel):
    with pytest.raises(UntoldError, match="visible") as caught:
        devices_of(config(**parallel), {})
    assert not isinstance(caught.value, NotOursError)


def test_by_its_setting_all_visible_ones_are_its_whatever_the_configuration_says():
    ray = config("cpu", world_size=16, distributed_executor_backend="ray")
    found = devices_of(ray, {"PENTAMETER_PLUGIN__GPUS": "Visible", "CUDA_VISIBLE_DEVICES": "1,2"})
    assert (found.names, found.first, found.length, found.expected) == (("1", "2"), 0, None, 16)
    assert found.engine(0) == ""


@pytest.mark.parametrize("parallel", [{"world_size": None}, {"world_size": 0}, {"data_parallel_size_local": 0}])
def test_a_configuration_that_does_not_say_how_many_says_nothing(parallel):
    with pytest.raises(UntoldError, match="how many"):
        devices_of(config(**parallel), {})


def test_a_property_that_fails_is_as_if_it_were_not_there():
    class Odd(SimpleNamespace):
        @property
        def local_world_size(self):
            raise ValueError

    odd = SimpleNamespace(device_config=SimpleNamespace(device_type="cuda"), parallel_config=Odd(world_size=2))
    assert devices_of(odd, {}).length == 2
