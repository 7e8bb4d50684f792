"""The presets are what they claim to be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pentameter.simulator.presets import DEFAULT, PRESETS, Scheduling, preset_named


def test_the_default_preset_is_an_8b_model_on_one_h100():
    model = DEFAULT.model
    assert model.layer_parameters == 6_979_321_856
    assert model.head_parameters == 525_336_576
    assert model.weight_bytes == 16_059_990_016
    assert model.kv_bytes_per_token == 131_072
    assert DEFAULT.num_gpu_blocks == 28_909
    assert DEFAULT.kv_cache_tokens == 462_544


def test_one_decoded_token_at_context_1024_costs_what_vllm_estimates():
    # vLLM's own estimate for this shape is 15.55 GFLOP and 15.15 GB, of which 15.01 GB are weights.
    model = DEFAULT.model
    flops = 2 * (model.layer_parameters + model.head_parameters) + 1024 * model.attention_flops_per_pair
    read = model.weight_bytes_read_per_step + 1024 * model.kv_bytes_per_token
    assert flops == pytest.approx(15.55e9, rel=0.001)
    assert read == pytest.approx(15.15e9, rel=0.001)


def test_the_day_swings_between_its_low_and_its_high_and_repeats():
    traffic = DEFAULT.traffic
    assert traffic.rate(400.0) == pytest.approx(0.5)
    assert traffic.rate(130.0) == pytest.approx(14.64, abs=0.01)
    assert traffic.rate(130.0 + 600.0) == pytest.approx(traffic.rate(130.0))
    assert traffic.rate(-30.0) == pytest.approx(traffic.rate(570.0))


def test_the_overload_lasts_thirty_seconds_and_comes_every_day():
    rate = DEFAULT.traffic.rate
    assert [rate(t) for t in (75.0, 104.9, 675.0)] == [45.0, 45.0, 45.0]
    assert rate(74.9) < 15.0
    assert rate(105.0) < 15.0


def test_two_engines_get_twice_the_traffic():
    double = preset_named("h100x2-8b")
    assert double.engines == 2
    assert double.traffic.peak_rate == 90.0


def test_an_unknown_preset_is_refused_with_the_names_of_the_known_ones():
    with pytest.raises(ValueError, match=r"'a100'; there are: h100-8b, h100x2-8b"):
        preset_named("a100")


def test_a_preset_knows_its_own_name():
    assert all(preset.name == name for name, preset in PRESETS.items())


def test_a_step_too_small_for_its_own_decodes_is_refused():
    with pytest.raises(ValueError, match="max_num_batched_tokens"):
        Scheduling(max_num_seqs=65, max_num_batched_tokens=64)


def test_a_cache_too_small_for_one_longest_request_is_refused():
    with pytest.raises(ValueError, match="462544 tokens"):
        replace(DEFAULT, model=replace(DEFAULT.model, max_model_len=1_000_000))


def test_the_model_can_be_described_as_a_config_json():
    assert DEFAULT.model.config_json()["num_key_value_heads"] == 8
