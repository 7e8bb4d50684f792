"""Memory bandwidth: bytes moved and MBU by phase."""

import math
from dataclasses import replace

import pytest

from builders import A100, COUNTED_7B, LECTURE_7B, deployment, engine, gpu, serving, value, work, world
from model.specs import LLAMA_2_7B
from pentameter.dimensions import bandwidth
from pentameter.readings import Histogram
from pentameter.world import Peaks

# Ten seconds of the lecture's LLaMA 7B: 14 GB of weights every 14 ms, 1 TB/s. Nothing written.
LECTURE = {"read_bytes_per_gpu": 10e12, "write_bytes_per_gpu": 0.0, "flops_per_gpu": 1e12}
NO_COUNT = dict.fromkeys(LECTURE, 0.0)
LLAMA = serving(LLAMA_2_7B)
# Ten seconds in which an A100 could move 20 TB.
PHASES = work(
    weights_prefill=2e12,
    kv_prefill=1e12,
    written_prefill=1e12,
    weights_decode=10e12,
    kv_decode=3e12,
    written_decode=1e12,
)


def measured(*engines, gpus=()):
    return list(bandwidth.samples(world(deployment(*engines, gpus=gpus))))


def grown(*engines):
    return list(bandwidth.increments(world(deployment(*engines))))


def by_phase(samples, name, **labels):
    return {phase: value(samples, name, phase=phase, **labels) for phase in ("prefill", "decode", "all")}


# ---------------------------------------------------------------------------- vLLM's own count


def test_the_lectures_llama_7b_uses_half_of_an_a100s_bandwidth():
    samples = measured(engine(LECTURE, seconds=10, spec=A100))
    assert value(samples, "mbu_ratio", phase="all", basis="vllm") == pytest.approx(0.5)


def test_written_bytes_take_bandwidth_as_well():
    samples = measured(engine({**LECTURE, "write_bytes_per_gpu": 2e12}, seconds=10, spec=A100))
    # (10 TB + 2 TB) / 10 s / 2 TB/s
    assert value(samples, "mbu_ratio") == pytest.approx(0.6)


def test_bytes_are_counted_up_read_and_written_apart():
    samples = grown(engine(LECTURE, tick={"read_bytes_per_gpu": 7e9, "write_bytes_per_gpu": 3e9}))
    assert value(samples, "memory_read_bytes_total", phase="all", basis="vllm", what="all") == 7e9
    assert value(samples, "memory_written_bytes_total", phase="all", basis="vllm", what="all") == 3e9


def test_bytes_that_vllm_does_not_count_are_no_counter_of_zero():
    assert grown(engine(NO_COUNT, tick=NO_COUNT)) == []
    assert grown(engine({"generation_tokens": 5.0})) == []


def test_without_a_new_page_the_counters_stand_still_and_stay():
    samples = grown(engine(LECTURE))
    assert value(samples, "memory_read_bytes_total") == 0
    assert value(samples, "memory_written_bytes_total") == 0


# ---------------------------------------------------------------------------- our own count


def test_mbu_by_phase_is_all_that_was_moved_over_what_could_have_been_and_adds_up():
    samples = measured(engine(served_model=LLAMA, work=PHASES, spec=A100))
    # 4 and 14 TB of 20
    shares = by_phase(samples, "mbu_ratio", basis="model", window="1m")
    assert shares == pytest.approx({"prefill": 0.2, "decode": 0.7, "all": 0.9})
    assert shares["prefill"] + shares["decode"] == pytest.approx(shares["all"])


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(engine(LECTURE, served_model=LLAMA, work=PHASES), id="the GPU is unknown"),
        pytest.param(engine(NO_COUNT, spec=A100), id="vLLM counts nothing"),
        pytest.param(engine({"generation_tokens": 1.0}, spec=A100), id="vLLM does not publish it"),
        pytest.param(engine(served_model=LLAMA, spec=A100), id="nothing was counted yet"),
        pytest.param(engine(served_model=LLAMA, work={"weights/decode": 1.0}, spec=A100), id="the account is partial"),
        pytest.param(engine(unknown="not_found", spec=A100), id="the model is unknown"),
        pytest.param(
            engine(served_model=serving(COUNTED_7B), work=PHASES, spec=A100), id="the model's cache is unknown"
        ),
    ],
)
def test_an_unknown_mbu_is_left_out(one):
    assert value(measured(one), "mbu_ratio") is None


def test_an_idle_engine_has_an_mbu_of_zero():
    samples = measured(engine(served_model=LLAMA, work=work(), spec=A100))
    assert by_phase(samples, "mbu_ratio") == {"prefill": 0, "decode": 0, "all": 0}


def test_our_bytes_are_counted_up_by_phase_and_kind():
    samples = grown(engine(served_model=LLAMA, work_tick=PHASES))
    read, written = "memory_read_bytes_total", "memory_written_bytes_total"
    assert by_phase(samples, read, what="weights", basis="model") == {"prefill": 2e12, "decode": 10e12, "all": 12e12}
    assert by_phase(samples, read, what="kv", basis="model") == {"prefill": 1e12, "decode": 3e12, "all": 4e12}
    assert by_phase(samples, written, what="kv", basis="model") == {"prefill": 1e12, "decode": 1e12, "all": 2e12}


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(engine(served_model=LLAMA), id="nothing was counted yet"),
        pytest.param(engine(unknown="not_found", work_tick=PHASES), id="the model is unknown"),
        pytest.param(engine(served_model=serving(COUNTED_7B), work_tick=PHASES), id="the model's cache is unknown"),
    ],
)
def test_bytes_that_nobody_counts_are_no_counter_of_zero(one):
    assert grown(one) == []


# ---------------------------------------------------------------------------- one decode step


def gaps(mean, count=100.0):
    """Return inter-token latencies with this mean."""
    return {"inter_token": Histogram((math.inf,), (count,), mean * count)}


def decoding(model=LECTURE_7B, *, seconds_each=0.014, peak=A100, **done):
    return engine(
        {},
        histograms=gaps(seconds_each),
        served_model=serving(model),
        work=work(**{"steps_decode": 100, "tokens_decode": 100} | done),
        spec=peak,
    )


def test_a_decode_step_of_14_gb_in_14_ms_uses_half_of_an_a100s_bandwidth_as_in_the_lecture():
    assert value(measured(decoding()), "decode_step_mbu_ratio", window="1m") == pytest.approx(0.5)


def test_the_cache_and_steps_that_held_a_prefill_too_are_in_a_decode_step():
    # Of 100 steps each reads 10 GB and writes 4 GB of cache on average: 14 + 14 GB in 14 ms.
    one = decoding(steps_decode=75, steps_mixed=25, kv_decode=1e12, written_decode=0.4e12)
    assert value(measured(one), "decode_step_mbu_ratio") == pytest.approx(1.0)


def test_a_decode_step_of_a_batch_reads_the_weights_once():
    # Llama-2-7B: layers 6,476,005,376 x 2 B, unembedding 131,072,000 x 2 B, norms 266,240 x 2 B,
    # of the embedding one row of 4,096 x 2 B for each of 8 tokens.
    step = 12_952_010_752 + 262_144_000 + 532_480 + 8 * 8192
    one = decoding(LLAMA_2_7B, tokens_decode=800)
    assert value(measured(one), "decode_step_mbu_ratio") == pytest.approx(step / 0.014 / 2e12)


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(decoding(steps_decode=0, tokens_decode=0), id="nothing was decoded"),
        pytest.param(decoding(seconds_each=0.0), id="no time passed"),
        pytest.param(decoding(COUNTED_7B), id="the model's cache is unknown"),
        pytest.param(decoding(peak=None), id="the GPU is unknown"),
        pytest.param(replace(decoding(), model=None), id="the model is unknown"),
        pytest.param(engine({}, served_model=serving(LECTURE_7B), work=work(steps_decode=1), spec=A100), id="no gaps"),
        pytest.param(engine({}, histograms=gaps(0.014), served_model=serving(LECTURE_7B), spec=A100), id="no account"),
        pytest.param(
            engine(
                {}, histograms=gaps(0.014, 0.0), served_model=serving(LECTURE_7B), work=work(steps_decode=1), spec=A100
            ),
            id="no gap in the window",
        ),
    ],
)
def test_without_its_work_or_its_time_there_is_no_decode_step(one):
    assert value(measured(one), "decode_step_mbu_ratio") is None


# ---------------------------------------------------------------------------- peak and hardware


def test_the_peak_stands_beside_it_with_its_source():
    samples = measured(replace(engine(), peaks=Peaks({}, 4.8e12, "", "nvml")))
    assert value(samples, "gpu_peak_memory_bandwidth_bytes_per_second", source="nvml") == 4.8e12
    assert measured(engine()) == []


def test_what_the_hardware_measured_is_the_mean_of_all_gpus_or_of_none():
    def one(active, number):
        profile = {"dram_active_seconds": active * 10, "dram_active_profiled_seconds": 10.0}
        return gpu(profile=profile, uuid=f"GPU-{number}", index=number)

    both = measured(engine(), gpus=(one(0.7, 0), one(0.5, 1)))
    assert value(both, "mbu_ratio", phase="all", basis="measured") == pytest.approx(0.6)
    assert measured(engine(), gpus=(one(0.7, 0), gpu(uuid="GPU-1", index=1))) == []
