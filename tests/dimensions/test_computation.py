"""Computation: FLOPs and MFU by phase."""

import math

import pytest

from builders import A100, COUNTED_7B, H100, LECTURE_7B, deployment, engine, gpu, names, serving, value, work, world
from model.specs import LLAMA_2_7B
from pentameter.dimensions import computation
from pentameter.dimensions.computation import utilization
from pentameter.model.spec import Precision
from pentameter.readings import Histogram
from pentameter.world import GpuSpec

# What vLLM counts in ten seconds; per GPU.
WORK = {"flops_per_gpu": 312e12, "read_bytes_per_gpu": 3e12, "write_bytes_per_gpu": 0.12e12}
NO_COUNT = dict.fromkeys(WORK, 0.0)
# What we count in ten seconds on an A100 of 312 TFLOP/s: two seconds' worth of prefill, one of decode.
PHASES = work(flops_prefill_16bit=624e12, flops_decode_16bit=312e12)
# A made-up GPU that is twice as fast in FP8.
FP8_GPU = GpuSpec("made-up", (), 100e12, 1e12, ((Precision.FP8, 200e12),))
LLAMA = serving(LLAMA_2_7B)


def measured(*engines, gpus=()):
    return list(computation.samples(world(deployment(*engines, gpus=gpus))))


def grown(*engines):
    return list(computation.increments(world(deployment(*engines))))


def by_phase(samples, name, **labels):
    return {phase: value(samples, name, phase=phase, **labels) for phase in ("prefill", "decode", "all")}


@pytest.mark.parametrize(
    ("tflops", "peak", "mfu"),
    [
        # The lecture's table, with the A100's 312 TFLOP/s as the peak.
        pytest.param(65.52e12, 312e12, 0.21, id="GPT-3"),
        pytest.param(143.52e12, 312e12, 0.46, id="PaLM 540B"),
    ],
)
def test_mfu_is_achieved_over_peak(tflops, peak, mfu):
    assert utilization(60 * tflops, 60, peak) == pytest.approx(mfu)


# ---------------------------------------------------------------------------- vLLM's own count


def test_mfu_is_vllms_flops_over_the_peak_of_one_gpu():
    samples = measured(engine(WORK, seconds=10, spec=A100))
    # 312 TFLOP in 10 s are 31.2 TFLOP/s of 312.
    assert value(samples, "mfu_ratio", phase="all", basis="vllm", window="1m") == pytest.approx(0.1)


def test_without_the_gpus_peak_there_is_no_mfu():
    assert measured(engine(WORK)) == []


def test_counters_that_stand_at_zero_for_ever_are_no_mfu_of_zero():
    one = engine(NO_COUNT, tick=NO_COUNT, spec=A100)
    assert names(measured(one)) == {"gpu_peak_flops_per_second"}
    assert grown(one) == []


def test_a_vllm_that_counts_but_idles_has_an_mfu_of_zero():
    assert value(measured(engine(NO_COUNT, counters=WORK, spec=A100)), "mfu_ratio") == 0


def test_a_vllm_that_does_not_publish_flops_has_no_mfu():
    assert names(measured(engine({"generation_tokens": 5.0}, spec=A100))) == {"gpu_peak_flops_per_second"}


def test_flops_are_counted_up():
    assert value(grown(engine(WORK, tick={"flops_per_gpu": 5e9})), "model_flops_total", basis="vllm") == 5e9


def test_without_a_new_page_the_counter_of_flops_stands_still_and_stays():
    assert value(grown(engine(WORK)), "model_flops_total") == 0


def test_each_engine_has_its_own_mfu_against_its_own_gpus():
    samples = measured(engine(WORK, spec=A100), engine({**WORK, "flops_per_gpu": 624e12}, spec=A100, name="1"))
    assert value(samples, "mfu_ratio", engine="0") == pytest.approx(0.1)
    assert value(samples, "mfu_ratio", engine="1") == pytest.approx(0.2)


# ---------------------------------------------------------------------------- our own count


def test_mfu_by_phase_is_our_own_count_over_the_peak_and_adds_up():
    samples = measured(engine(served_model=LLAMA, work=PHASES, spec=A100))
    # 624 and 312 TFLOP of 10 s x 312 TFLOP/s
    shares = by_phase(samples, "mfu_ratio", basis="model", window="1m")
    assert shares == pytest.approx({"prefill": 0.2, "decode": 0.1, "all": 0.3})
    assert shares["prefill"] + shares["decode"] == shares["all"]


def test_work_in_several_precisions_is_held_against_the_peak_of_each():
    done = work(flops_decode_fp8=200e12, flops_decode_16bit=100e12)
    samples = measured(engine(served_model=LLAMA, work=done, spec=FP8_GPU))
    # One second at each peak, of ten.
    assert value(samples, "mfu_ratio", phase="decode") == pytest.approx(0.2)


def test_fp8_on_a_gpu_without_it_is_held_against_the_16_bit_peak():
    done = work(flops_decode_fp8=312e12)
    assert value(measured(engine(served_model=LLAMA, work=done, spec=A100)), "mfu_ratio", phase="all") == 0.1


def test_work_in_a_precision_of_unknown_peak_leaves_no_mfu_of_the_rest():
    done = work(flops_prefill_16bit=312e12, flops_decode_32bit=1e12)
    assert by_phase(measured(engine(served_model=LLAMA, work=done, spec=A100)), "mfu_ratio") == {
        "prefill": pytest.approx(0.1),
        "decode": None,
        "all": None,
    }


def test_an_idle_engine_has_an_mfu_of_zero_where_its_peak_is_known_and_else_none():
    idle = {"served_model": LLAMA, "work": work()}
    assert by_phase(measured(engine(**idle, spec=A100)), "mfu_ratio") == {"prefill": 0, "decode": 0, "all": 0}
    assert measured(engine(**idle)) == []


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(engine(unknown="not_found", spec=A100), id="the model is unknown"),
        pytest.param(engine(served_model=LLAMA, spec=A100), id="nothing was counted yet"),
        pytest.param(engine(served_model=LLAMA, work=PHASES), id="the GPU is unknown"),
        pytest.param(engine(served_model=LLAMA, work={}, spec=A100), id="the window is without an account"),
    ],
)
def test_an_unknown_mfu_is_left_out(one):
    assert value(measured(one), "mfu_ratio") is None


def test_a_model_of_which_the_number_of_parameters_is_known_says_so():
    one = engine(served_model=serving(COUNTED_7B), work=PHASES, work_tick=PHASES, spec=A100)
    assert value(measured(one), "mfu_ratio", phase="all", basis="parameters") == pytest.approx(0.3)
    assert value(grown(one), "model_flops_total", phase="all", basis="parameters") == 936e12


def test_our_flops_are_counted_up_by_phase_over_all_precisions():
    tick = work(flops_prefill_16bit=5e9, flops_prefill_fp8=1e9, flops_decode_fp8=2e9)
    samples = grown(engine(served_model=LLAMA, work_tick=tick))
    assert by_phase(samples, "model_flops_total", basis="model") == {"prefill": 6e9, "decode": 2e9, "all": 8e9}


def test_where_no_account_is_kept_there_is_no_counter_of_zero():
    assert grown(engine(served_model=LLAMA)) == []
    assert grown(engine(unknown="unsupported")) == []


def test_both_counts_stand_beside_each_other():
    one = engine(WORK, served_model=serving(LECTURE_7B), work=PHASES, spec=A100)
    samples = measured(one)
    assert value(samples, "mfu_ratio", phase="all", basis="vllm") == pytest.approx(0.1)
    assert value(samples, "mfu_ratio", phase="all", basis="model") == pytest.approx(0.3)


def test_the_peaks_stand_beside_it_by_precision():
    samples = measured(engine(spec=FP8_GPU))
    assert value(samples, "gpu_peak_flops_per_second", precision="16bit", source="table") == 100e12
    assert value(samples, "gpu_peak_flops_per_second", precision="fp8", source="table") == 200e12


def test_steps_are_those_that_vllm_counted():
    seen = {"iteration_tokens": Histogram((8.0, math.inf), (70.0, 90.0), 1000.0)}
    now = {"iteration_tokens": Histogram((8.0, math.inf), (5.0, 7.0), 80.0)}
    one = engine({}, histograms=seen, tick={}, tick_histograms=now)
    assert value(grown(one), "engine_steps_total") == 7
    assert value(grown(engine({}, histograms=seen)), "engine_steps_total") == 0
    assert grown(engine({})) == []


# ---------------------------------------------------------------------------- what the hardware measures


def profile(active, seconds=10.0, what="tensor_active"):
    return {f"{what}_seconds": active * seconds, f"{what}_profiled_seconds": seconds}


def test_the_measured_share_is_the_mean_over_time_of_all_gpus():
    gpus = (gpu(profile=profile(0.5)), gpu(profile=profile(0.2, seconds=5.0), uuid="GPU-1", index=1))
    samples = measured(engine(spec=H100), gpus=gpus)
    # (5 s + 1 s) of 15 s
    assert value(samples, "mfu_ratio", phase="all", basis="measured", window="1m") == pytest.approx(0.4)


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(None, id="nothing"),
        pytest.param(profile(0.9, what="dram_active"), id="something else"),
        pytest.param(profile(0.9, seconds=0.0), id="no time"),
    ],
)
def test_one_gpu_that_measures_nothing_leaves_no_mean_of_the_others(second):
    gpus = (gpu(profile=profile(0.5)), gpu(profile=second, uuid="GPU-1", index=1))
    assert value(measured(engine(spec=H100), gpus=gpus), "mfu_ratio") is None


def test_without_gpus_nothing_is_measured():
    assert value(measured(engine(spec=H100)), "mfu_ratio") is None
