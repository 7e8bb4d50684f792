"""The roofline: arithmetic intensity by phase, and what limits it."""

from dataclasses import replace

import pytest

from builders import A100, COUNTED_7B, LECTURE_7B, deployment, engine, found, names, serving, value, work, world
from pentameter.dimensions import roofline
from pentameter.model.spec import Precision
from pentameter.world import GpuSpec, Peaks

VLLM = {"flops_per_gpu": 312e12, "read_bytes_per_gpu": 3e12, "write_bytes_per_gpu": 0.12e12}
NO_COUNT = dict.fromkeys(VLLM, 0.0)
MODEL = serving(LECTURE_7B)
# Prefill: 600 TFLOP over 2 TB, 300 FLOPs per byte. Decode: 40 TFLOP over 8 TB, 5 FLOPs per byte.
PHASES = work(
    flops_prefill_16bit=600e12,
    weights_prefill=1e12,
    kv_prefill=0.5e12,
    written_prefill=0.5e12,
    flops_decode_16bit=40e12,
    weights_decode=5e12,
    kv_decode=2e12,
    written_decode=1e12,
)


def measured(*engines):
    return list(roofline.samples(world(deployment(*engines))))


def limits(samples, phase):
    """Return what limits a phase, after a look that exactly one of the two does."""
    said = {
        word: value(samples, "roofline_bound", phase=phase, bound=word, window="1m") for word in ("compute", "memory")
    }
    assert sorted(said.values()) == [0, 1]
    return max(said, key=said.get)


def test_the_ridge_of_an_a100_is_156_flops_per_byte():
    # 312 TFLOP/s / 2 TB/s
    assert value(measured(engine(spec=A100)), "roofline_ridge_flops_per_byte") == 156


def test_every_precision_has_its_own_ridge():
    peaks = Peaks({Precision.BITS16: 989.4e12, Precision.FP8: 1979e12}, 3.35e12)
    samples = measured(replace(engine(), peaks=peaks))
    assert value(samples, "roofline_ridge_flops_per_byte", precision="16bit") == pytest.approx(295.34, abs=0.01)
    assert value(samples, "roofline_ridge_flops_per_byte", precision="fp8") == pytest.approx(590.75, abs=0.01)


@pytest.mark.parametrize(
    "peaks",
    [
        pytest.param(Peaks(), id="neither"),
        pytest.param(Peaks({}, 2e12), id="no FLOPs"),
        pytest.param(Peaks({Precision.BITS16: 312e12}), id="no bandwidth"),
    ],
)
def test_without_both_peaks_there_is_no_ridge(peaks):
    assert measured(replace(engine(), peaks=peaks)) == []


def test_arithmetic_intensity_by_phase_is_flops_over_all_that_was_moved():
    samples = measured(engine(served_model=MODEL, work=PHASES))
    intensities = {
        phase: value(samples, "arithmetic_intensity_flops_per_byte", phase=phase, basis="model", window="1m")
        for phase in ("prefill", "decode", "all")
    }
    # all: 640 TFLOP over 10 TB
    assert intensities == {"prefill": 300, "decode": 5, "all": 64}


def test_on_an_a100_prefill_is_limited_by_compute_and_decode_by_memory():
    samples = measured(engine(served_model=MODEL, work=PHASES, spec=A100))
    assert limits(samples, "prefill") == "compute"
    assert limits(samples, "decode") == "memory"
    assert limits(samples, "all") == "memory"


@pytest.mark.parametrize(
    ("flops", "limit"), [pytest.param(312e12, "compute", id="at the ridge"), pytest.param(311e12, "memory", id="below")]
)
def test_at_the_ridge_itself_it_is_compute(flops, limit):
    # 2 TB take an A100 one second, 312 TFLOP likewise.
    samples = measured(engine(served_model=MODEL, work=work(flops_decode_16bit=flops, weights_decode=2e12), spec=A100))
    assert limits(samples, "decode") == limit


def test_work_in_a_faster_precision_has_a_higher_ridge():
    gpu = GpuSpec("made-up", (), 100e12, 1e12, ((Precision.FP8, 400e12),))
    bytes_ = {"weights_decode": 1e12}
    # One byte-second of 1 TB: 200 TFLOP take 2 s in 16 bits, but half a second in FP8.
    slow, fast = (
        measured(engine(served_model=MODEL, work=work(**{key: 200e12}, **bytes_), spec=gpu))
        for key in ("flops_decode_16bit", "flops_decode_fp8")
    )
    assert (limits(slow, "decode"), limits(fast, "decode")) == ("compute", "memory")


def test_a_phase_without_work_has_neither_intensity_nor_limit():
    samples = measured(engine(served_model=MODEL, work=work(flops_decode_16bit=1e12, weights_decode=1e12), spec=A100))
    assert found(samples, "arithmetic_intensity_flops_per_byte", phase="prefill") == []
    assert found(samples, "roofline_bound", phase="prefill") == []
    assert limits(samples, "decode") == limits(samples, "all") == "memory"
    for nothing in (work(), work(weights_decode=1e12), work(flops_decode_16bit=1e12)):
        assert names(measured(engine(served_model=MODEL, work=nothing, spec=A100))) == {"roofline_ridge_flops_per_byte"}


def test_without_the_gpus_peaks_there_is_an_intensity_but_no_limit():
    assert names(measured(engine(served_model=MODEL, work=PHASES))) == {"arithmetic_intensity_flops_per_byte"}
    only_flops = replace(engine(served_model=MODEL, work=PHASES), peaks=Peaks({Precision.BITS16: 312e12}))
    assert names(measured(only_flops)) == {"arithmetic_intensity_flops_per_byte"}


def test_work_in_a_precision_of_unknown_peak_has_no_limit():
    done = work(flops_decode_32bit=1e12, weights_decode=1e12)
    assert found(measured(engine(served_model=MODEL, work=done, spec=A100)), "roofline_bound") == []


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(engine(unknown="unsupported", work=PHASES), id="unknown"),
        pytest.param(engine(served_model=serving(COUNTED_7B), work=PHASES), id="only its size"),
    ],
)
def test_a_model_whose_bytes_are_unknown_has_no_intensity(one):
    assert measured(one) == []


def test_vllms_own_intensity_is_its_flops_over_its_bytes_read_and_written():
    samples = measured(engine(VLLM))
    # 312 TFLOP / (3 TB + 0.12 TB)
    assert value(samples, "arithmetic_intensity_flops_per_byte", phase="all", basis="vllm") == pytest.approx(100)


def test_a_vllm_that_counts_nothing_or_idles_has_no_intensity():
    assert measured(engine(NO_COUNT)) == []
    assert measured(engine(NO_COUNT, counters=VLLM)) == []
    assert measured(engine({"flops_per_gpu": 1e12})) == []
