"""The prefix cache: how often it hits, and what that saves at least."""

from dataclasses import replace

import pytest

from builders import A100, COUNTED_7B, deployment, engine, gpu, names, serving, value, work, world
from model.specs import LLAMA_31_8B
from pentameter.dimensions import prefix_cache
from pentameter.model.spec import Precision
from pentameter.world import GpuSpec, Peaks

MODEL = serving(LLAMA_31_8B)
# What an A100 computes in ten seconds at its peak.
SAVED = work(saved_tokens=200_000, saved_flops=3120e12)


def measured(*engines):
    return list(prefix_cache.samples(world(deployment(*engines))))


def grown(*engines, **more):
    return list(prefix_cache.increments(world(deployment(*engines, **more))))


def saving(**more):
    return engine(**{"served_model": MODEL, "work_tick": SAVED, "spec": A100} | more)


def test_the_prefix_hit_ratio_is_hits_over_queries():
    deltas = {"prefix_cache_queries": 400.0, "prefix_cache_hits": 300.0}
    assert value(measured(engine(deltas)), "prefix_cache_hit_ratio", window="1m") == 0.75


def test_the_names_of_older_releases_tell_the_ratio_as_well():
    deltas = {"gpu_prefix_cache_queries": 40.0, "gpu_prefix_cache_hits": 10.0}
    assert value(measured(engine(deltas)), "prefix_cache_hit_ratio") == 0.25


def test_queries_without_a_hit_are_a_ratio_of_zero():
    deltas = {"prefix_cache_queries": 4.0, "prefix_cache_hits": 0.0}
    assert value(measured(engine(deltas)), "prefix_cache_hit_ratio") == 0


def test_without_queries_there_is_no_prefix_hit_ratio():
    assert names(measured(engine({"prefix_cache_queries": 0.0, "prefix_cache_hits": 0.0}))) == set()


def test_saved_tokens_and_flops_are_counted_up():
    samples = grown(saving())
    assert value(samples, "prefix_cache_saved_tokens_total") == 200_000
    assert value(samples, "prefix_cache_saved_flops_total", basis="model") == 3120e12


def test_saved_joules_are_at_least_the_saved_gpu_seconds_at_the_power_limit():
    # 3,120 TFLOP at 312 TFLOP/s are ten GPU seconds, of 400 W; one that may draw less makes the bound.
    gpus = (gpu(power_limit_watts=400.0), gpu(power_limit_watts=500.0, uuid="GPU-1", index=1))
    assert value(grown(saving(), gpus=gpus), "prefix_cache_saved_joules_total", basis="bound") == pytest.approx(4000)


def test_saved_dollars_are_at_least_the_price_of_the_saved_gpu_seconds():
    # Ten GPU seconds at 1.80 dollars an hour
    samples = grown(saving(), price=1.8)
    assert value(samples, "prefix_cache_saved_dollars_total", basis="bound") == pytest.approx(0.005)


def test_the_bound_takes_the_highest_peak_whatever_the_model_computes_in():
    fast = GpuSpec("made-up", (), 312e12, 2e12, ((Precision.FP8, 624e12),))
    samples = grown(saving(spec=fast), price=1.8)
    assert value(samples, "prefix_cache_saved_dollars_total") == pytest.approx(0.0025)


TOKENS_AND_FLOPS = {"prefix_cache_saved_tokens_total", "prefix_cache_saved_flops_total"}


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({}, id="no GPU is seen"),
        pytest.param({"gpus": [gpu()]}, id="no limit"),
        pytest.param({"gpus": [gpu(power_limit_watts=400.0), gpu(uuid="GPU-1")]}, id="one limit is missing"),
    ],
)
def test_without_every_power_limit_and_a_price_there_are_neither_joules_nor_dollars(more):
    assert names(grown(saving(), **more)) == TOKENS_AND_FLOPS


@pytest.mark.parametrize(
    "peaks", [pytest.param(Peaks(), id="no peak"), pytest.param(Peaks({Precision.FP8: 1e15}), id="not of 16 bits")]
)
def test_without_the_gpus_peaks_there_are_neither_joules_nor_dollars(peaks):
    one = replace(saving(), peaks=peaks)
    assert names(grown(one, gpus=[gpu(power_limit_watts=400.0)], price=1.8)) == TOKENS_AND_FLOPS


def test_of_a_model_known_by_its_size_the_savings_say_so():
    samples = grown(saving(served_model=serving(COUNTED_7B)))
    assert value(samples, "prefix_cache_saved_flops_total", basis="parameters") == 3120e12


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(saving(served_model=None), id="the model is unknown"),
        pytest.param(saving(work_tick=None), id="nothing was counted yet"),
    ],
)
def test_where_no_account_is_kept_nothing_is_said_of_savings(one):
    assert grown(one) == []


def test_while_nothing_new_is_read_the_counters_stand_still_and_stay():
    samples = grown(saving(work_tick=work()), gpus=[gpu(power_limit_watts=400.0)], price=1.0)
    assert names(samples) == TOKENS_AND_FLOPS | {"prefix_cache_saved_joules_total", "prefix_cache_saved_dollars_total"}
    assert {sample.value for sample in samples} == {0}
