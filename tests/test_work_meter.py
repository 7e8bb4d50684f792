"""The account of a model's work: FLOPs and bytes by phase, page by page."""

import json
import math
import random

import pytest

from builders import A100, finished, value
from pentameter.attribution import Place
from pentameter.meter import Meter
from pentameter.readings import EngineReading, Histogram, ModelReading, VllmReading
from pentameter.records import EngineConfig, RecordsReading
from pentameter.served_models import ModelPlan
from pentameter.server_plan import ServerPlan
from pentameter.snapshot import SourceHealth
from pentameter.windows import Continuity, Track, Window
from pentameter.work_meter import KEYS, WorkMeter

PLACE = Place("a", "m", "0")
WINDOWS = (Window("1m", 60.0),)
LLAMA_2_7B = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "vocab_size": 32000,
    "tie_word_embeddings": False,
}
HALF = {**LLAMA_2_7B, "num_hidden_layers": 16}
STRANGE = {"architectures": ["NobodyKnowsForCausalLM"]}

# Llama-2-7B, all by hand. Layers: 32 x (4 x 4096^2 + 3 x 4096 x 11008) = 6,476,005,376 parameters; unembedding
# 131,072,000; norms 266,240. Per token 2 x layers, per sampled token 2 x unembedding; per position seen
# 32 x 2 x 32 x (128 + 128) FLOPs and 2 x 32 x 4096 x 2 B of cache, which happen to be the same number.
TOKEN, SAMPLE, POSITION = 12_952_010_752, 262_144_000, 524_288
STEP = 12_952_010_752 + 262_144_000 + 532_480  # bytes of weights, without the embedding's row of 8,192 B per token


def steps_seen(start, end):
    """Return the positions that the queries at start + 1 to end see."""
    return sum(range(start + 1, end + 1))


class Engine:
    """What the page of an engine counts up."""

    def __init__(self, name="0", cache_config=None, **missing):
        self.name = name
        self.cache_config = {"num_gpu_blocks": "1000", "block_size": "16"} if cache_config is None else cache_config
        self.missing = missing
        self.prompts = self.prompted = self.cached = self.generated = self.steps = self.gaps = 0
        self.running = self.usage = 0.0

    def serve(self, prompt=0, output=0, *, cached=0, requests=1, steps=None):
        """Count requests that ran one after the other, or in so many steps."""
        self.prompts += requests
        self.prompted += requests * prompt
        self.cached += requests * cached
        self.generated += requests * output
        self.steps += requests * output if steps is None else steps
        self.gaps += requests * max(0, output - 1)
        return self

    def decode(self, tokens, steps):
        """Count steps of requests that began before."""
        self.generated += tokens
        self.steps += steps
        self.gaps += tokens
        return self

    def page(self):
        counters = {
            "prompt_tokens": self.prompted,
            "prompt_tokens_by_source/local_compute": self.prompted - self.cached,
            "generation_tokens": self.generated,
        }
        histograms = {"ttft": self.prompts, "iteration_tokens": self.steps, "inter_token": self.gaps}
        return EngineReading(
            "m",
            self.name,
            {key: float(count) for key, count in counters.items() if key not in self.missing},
            {"running": self.running, "kv_cache_usage": self.usage},
            {
                # A gap takes 14 ms.
                key: Histogram((math.inf,), (float(count),), 0.014 * count)
                for key, count in histograms.items()
                if key not in self.missing
            },
            self.cache_config,
        )


class Driven(WorkMeter):
    """A meter that is shown the pages of one server."""

    def __init__(self, config=LLAMA_2_7B, **overrides):
        super().__init__(WINDOWS, {"a": ModelPlan(overrides=overrides)})
        self.tracks = {}
        if config is not None:
            self.find(config)

    def find(self, config, **more):
        self.take_model(ModelReading("a", "m", config, "file", **more))

    def show(self, time, *engines, recorded=False, told=None, gpus=None, continuity=Continuity.SAME):
        for engine in engines:
            reading, place = engine.page(), PLACE._replace(engine=engine.name)
            track = self.tracks.setdefault(place, Track(WINDOWS))
            gauges = dict(reading.gauges)
            track.observe(time, reading.counters, reading.histograms, continuity, gauges=gauges)
            self.take_page(
                place,
                reading,
                track.drain(),
                time,
                told=told,
                gpus_per_engine=gpus,
                recorded=recorded,
            )

    def window(self, name="0"):
        interval = self.rolled(PLACE._replace(engine=name)).windows.get("1m")
        return None if interval is None else interval.deltas

    def tick(self):
        return self.rolled(PLACE).tick


def flops(work, phase):
    return sum(work[key] for key in KEYS if key.startswith(f"flops/{phase}/"))


def after(*actions, config=LLAMA_2_7B, recorded=False, requests=(), **overrides):
    """Return the work of ten seconds in which an engine did something."""
    meter, engine = Driven(config, **overrides), Engine()
    meter.show(0.0, engine, recorded=recorded)
    for action in actions:
        action(engine)
    for request in requests:
        meter.take_request(PLACE, request)
    meter.show(10.0, engine, recorded=recorded)
    return meter.window()


# ---------------------------------------------------------------------------- one request, by hand

ONE = {"prompt_tokens": 100, "cached_tokens": 0}


def one_request(engine):
    engine.serve(100, 11)


def test_flops_of_one_request_with_its_record():
    work = after(one_request, recorded=True, requests=[finished(11, **ONE)])
    # 100 prompt tokens that see 1 to 100, one sampled; ten decode steps that see 101 to 110.
    assert flops(work, "prefill") == 100 * TOKEN + SAMPLE + POSITION * 5050
    assert flops(work, "decode") == 10 * (TOKEN + SAMPLE) + POSITION * 1055
    assert work["flops/prefill/16bit"] == 1_298_110_873_600 == flops(work, "prefill")


def test_bytes_and_steps_of_one_request_with_its_record():
    work = after(one_request, recorded=True, requests=[finished(11, **ONE)])
    assert {key: work[key] for key in work if not key.startswith("flops/")} == pytest.approx(
        {
            "weights/prefill": STEP + 100 * 8192,
            "weights/decode": 10 * (STEP + 8192),
            "kv/prefill": 100 * POSITION,
            "kv/decode": 1055 * POSITION,
            "written/prefill": 100 * POSITION,
            "written/decode": 10 * POSITION,
            "steps/all": 11,
            "steps/decode": 10,
            "steps/prefill": 1,
            "steps/mixed": 0,
            "tokens/prefill": 100,
            "tokens/decode": 10,
            "saved/tokens": 0,
            "saved/flops": 0,
        },
        abs=1e-6,
    )


def test_what_the_cache_supplied_is_saved_and_not_computed():
    work = after(
        lambda engine: engine.serve(100, 1, cached=64),
        recorded=True,
        requests=[finished(1, prompt_tokens=100, cached_tokens=64)],
    )
    assert flops(work, "prefill") == 36 * TOKEN + SAMPLE + POSITION * steps_seen(64, 100)
    assert work["saved/tokens"] == 64
    # 64 tokens through the layers, and what their queries would have seen.
    assert work["saved/flops"] == pytest.approx(64 * TOKEN + POSITION * steps_seen(0, 64))
    # The computed rest reads the whole context once.
    assert work["kv/prefill"] == 100 * POSITION


def test_what_is_saved_is_of_all_requests():
    work = after(lambda engine: engine.serve(100, 1, cached=64, requests=3))
    assert work["saved/tokens"] == 3 * 64
    assert work["saved/flops"] == pytest.approx(3 * (64 * TOKEN + POSITION * steps_seen(0, 64)))


def test_prompts_in_chunks_read_the_cache_once_per_chunk():
    work = after(one_request, recorded=True, requests=[finished(11, **ONE)], max_num_batched_tokens=40)
    # 40, 80 and 100 positions; three steps, of which vLLM counts the last.
    assert work["kv/prefill"] == (40 + 80 + 100) * POSITION
    assert (work["steps/prefill"], work["steps/all"]) == (3, 11)


def test_drafts_that_are_rejected_are_work_too():
    meter, engine = Driven(), Engine()
    meter.show(0.0, engine)
    page = engine.decode(100, 40).page()
    deltas = {"spec_decode_draft_tokens": 120.0, "spec_decode_accepted_tokens": 60.0}
    track = meter.tracks[PLACE]
    track.observe(10.0, {**page.counters, **deltas}, page.histograms, Continuity.SAME)
    meter.take_page(PLACE, page, track.drain(), 10.0, told=None, gpus_per_engine=None, recorded=True)
    assert meter.window()["tokens/decode"] == 160
    # Nobody knows their contexts: each token sees at least itself.
    assert flops(meter.window(), "decode") == 160 * (TOKEN + SAMPLE + POSITION)


def test_the_work_is_divided_over_the_gpus_but_steps_and_tokens_are_the_engines():
    alone = after(one_request)
    shared = after(one_request, tensor_parallel_size=2, pipeline_parallel_size=2)
    assert flops(shared, "decode") == flops(alone, "decode") / 4
    assert shared["kv/decode"] == alone["kv/decode"] / 4
    assert {key: shared[key] for key in KEYS if key[:5] in ("steps", "token", "saved")} == {
        key: alone[key] for key in KEYS if key[:5] in ("steps", "token", "saved")
    }


def test_where_nobody_says_it_an_engine_is_spread_over_the_gpus_that_are_seen():
    meter, engine = Driven(), Engine()
    meter.show(0.0, engine)
    meter.show(10.0, engine.serve(100, 1), gpus=2)
    assert flops(meter.window(), "prefill") == (100 * TOKEN + SAMPLE + POSITION * 5050) / 2


def test_a_cache_in_8_bits_is_half_as_many_bytes():
    wide, narrow = after(one_request), after(one_request, cache_dtype="fp8")
    assert narrow["kv/decode"] == wide["kv/decode"] / 2
    assert narrow["written/prefill"] == wide["written/prefill"] / 2


# ---------------------------------------------------------------------------- contexts from the page


def test_without_records_the_context_is_what_the_cache_holds_over_those_that_run():
    meter, engine = Driven(block_size=16), Engine()  # 16,000 tokens
    engine.running, engine.usage = 10.0, 0.125
    meter.show(0.0, engine)
    engine.usage = 0.375
    meter.show(10.0, engine.decode(1000, 100))
    # 2,000 and 6,000 tokens of ten, of each 7.5 in its last block empty: 192.5 and 592.5, 392.5 on average.
    assert meter.window()["kv/decode"] == 1000 * 392.5 * POSITION


def test_a_context_is_remembered_while_nothing_runs_at_the_time_of_the_page():
    meter, engine = Driven(block_size=1), Engine()
    engine.running, engine.usage = 10.0, 0.125
    meter.show(0.0, engine)
    engine.running = engine.usage = 0.0
    meter.show(10.0, engine.decode(1000, 100))
    meter.show(20.0, engine.decode(1000, 100))
    assert meter.window()["kv/decode"] == 2000 * 200 * POSITION


def test_as_long_as_nobody_was_seen_running_the_context_is_the_mean_prompt():
    assert after(lambda engine: engine.serve(100, 11, requests=4))["kv/decode"] == 40 * 100 * POSITION


def test_where_the_capacity_is_unknown_the_context_is_the_mean_prompt():
    meter, engine = Driven(), Engine(cache_config={})
    engine.running, engine.usage = 10.0, 0.5
    meter.show(0.0, engine)
    meter.show(10.0, engine.serve(100, 11))
    assert meter.window()["kv/decode"] == 10 * 100 * POSITION


def test_records_and_page_agree_on_tokens_steps_and_weights():
    by_page, by_records = after(one_request), after(one_request, recorded=True, requests=[finished(11, **ONE)])
    same = [key for key in KEYS if key.partition("/")[0] in ("steps", "tokens", "weights", "written", "saved")]
    assert [by_page[key] for key in same] == [by_records[key] for key in same]


# ---------------------------------------------------------------------------- records that cover, or do not


def test_a_record_is_the_truth_about_its_request_even_where_not_all_come():
    """Sampled tracing: one request of 200 tokens of prompt among four of which the page knows the mean alone."""
    by_page = after(lambda engine: engine.serve(100, 11, requests=4))
    work = after(
        lambda engine: engine.serve(100, 11, requests=4),
        requests=[finished(11, prompt_tokens=100, cached_tokens=0)],
    )
    truth = sum(range(101, 111))
    # Without anybody seen running a page counts 100 positions for each of 40 tokens.
    assert by_page["kv/decode"] == 40 * 100 * POSITION
    assert work["kv/decode"] == pytest.approx((30 * 100 + truth) * POSITION)


def test_a_record_counts_once_whichever_of_record_and_page_comes_first():
    before, after_ = Driven(), Driven()
    for meter in (before, after_):
        meter.show(0.0, Engine())
    engine = Engine().serve(100, 11)
    before.take_request(PLACE, finished(11, **ONE))
    before.show(10.0, engine, recorded=True)
    before.show(20.0, engine, recorded=True)
    after_.show(10.0, engine, recorded=True)
    after_.take_request(PLACE, finished(11, **ONE))
    after_.show(20.0, engine, recorded=True)
    for meter in (before, after_):
        assert meter.window()["kv/decode"] == pytest.approx(1055 * POSITION)


def test_a_record_of_tokens_that_no_page_ever_shows_books_nothing():
    """The plugin keeps records for seconds: a new exporter hears of requests from before its time."""
    meter, engine = Driven(), Engine()
    meter.show(0.0, engine)
    meter.take_request(PLACE, finished(11, **ONE))
    for time in (10.0, 20.0):
        meter.show(time, engine, recorded=True)
    assert meter.window()["kv/decode"] == 0


def test_the_model_says_where_its_contexts_come_from():
    meter, engine = Driven(), Engine()
    meter.show(0.0, engine, recorded=True)
    assert meter.model(PLACE).contexts == "records"
    meter.show(10.0, engine, recorded=False)
    assert meter.model(PLACE).contexts == "page"


def test_records_of_an_engine_that_no_page_has_shown_are_left_alone():
    meter = Driven()
    meter.take_request(PLACE, finished(11, **ONE))
    meter.show(0.0, Engine())
    meter.show(10.0, Engine(), recorded=True)
    assert meter.window()["kv/decode"] == 0


# ---------------------------------------------------------------------------- when counting begins and ends


def test_before_the_second_page_nothing_is_known_but_counters_begin_at_zero():
    meter = Driven()
    meter.show(0.0, Engine().serve(100, 11))
    assert meter.window() is None
    assert meter.tick().deltas == dict.fromkeys(KEYS, 0.0)


def test_the_tick_is_what_came_in_since_the_last_look():
    meter, engine = Driven(), Engine()
    meter.show(0.0, engine)
    meter.show(10.0, engine.serve(100, 11))
    assert meter.tick().delta("tokens/decode") == 10
    assert meter.tick().deltas == dict.fromkeys(KEYS, 0.0)


def test_an_idle_engine_does_no_work():
    assert set(after().values()) == {0.0}


def test_a_model_that_is_found_later_begins_with_the_page_after():
    meter, engine = Driven(None), Engine()
    meter.show(0.0, engine)
    meter.show(10.0, engine.serve(100, 11))
    assert meter.unknown(PLACE).reason == "not_found"
    assert (meter.model(PLACE), meter.window(), meter.tick()) == (None, None, None)
    meter.find(LLAMA_2_7B)
    meter.show(20.0, engine.serve(50, 1))
    assert meter.unknown(PLACE) is None
    assert meter.window()["tokens/prefill"] == 50
    assert meter.rolled(PLACE).windows["1m"].seconds == 10


def test_in_the_first_interval_of_a_model_contexts_are_the_pages_because_records_came_too_early():
    meter, engine = Driven(None), Engine()
    meter.show(0.0, engine, recorded=True)
    meter.take_request(PLACE, finished(11, **ONE))
    meter.find(LLAMA_2_7B)
    meter.show(10.0, engine.serve(100, 11), recorded=True)
    assert flops(meter.window(), "prefill") == 100 * TOKEN + SAMPLE + POSITION * 5050


def test_what_happened_while_the_model_was_unknown_is_no_idle_time():
    meter, engine = Driven(), Engine()
    meter.show(0.0, engine)
    meter.show(10.0, engine.serve(100, 11))
    meter.find(STRANGE)
    meter.show(20.0, engine.serve(100, 11))
    assert (meter.unknown(PLACE).reason, meter.window(), meter.tick()) == ("unsupported", None, None)
    meter.find(LLAMA_2_7B)
    meter.show(30.0, engine.serve(50, 1))
    interval = meter.rolled(PLACE).windows["1m"]
    assert (interval.seconds, interval.delta("tokens/prefill")) == (10, 50)


def test_a_model_that_changes_costs_what_each_of_them_costs():
    meter, engine = Driven(), Engine()
    meter.show(0.0, engine)
    meter.show(10.0, engine.serve(100, 1))
    meter.find(HALF)
    meter.show(20.0, engine.serve(100, 1))
    assert flops(meter.window(), "prefill") == 1.5 * (100 * TOKEN + POSITION * 5050) + 2 * SAMPLE


def test_what_the_plugin_says_anew_is_heeded_even_in_the_same_place_of_memory():
    meter, engine = Driven(None), Engine()

    def say(layers):
        text = json.dumps({**LLAMA_2_7B, "num_hidden_layers": layers})
        return EngineConfig("m", "0", facts={"hf_config": text})

    for time in range(20):
        # The old one is gone before the new one is made, so that it may well lie where the old one lay.
        meter.show(float(time), engine, told=say(time + 1))
        assert sum(layer.count for layer in meter.model(PLACE).spec.layers) == time + 1


@pytest.mark.parametrize(
    "missing",
    ["prompt_tokens", "generation_tokens", "ttft", "iteration_tokens", "prompt_tokens_by_source/local_compute"],
)
def test_a_page_that_lacks_a_counter_makes_no_account_of_zero(missing):
    meter, engine = Driven(), Engine(**{missing: True})
    meter.show(0.0, engine)
    meter.show(10.0, engine.serve(100, 11))
    assert (meter.window(), meter.tick()) == (None, None)
    assert meter.model(PLACE) is not None


def test_an_engine_without_gaps_between_tokens_is_judged_by_those_that_run():
    meter, engine = Driven(), Engine(inter_token=True)
    engine.running = 1.0
    meter.show(0.0, engine)
    # Ten prefills that met nobody with probability 1/e, among 100 decodes of about one request each.
    meter.show(10.0, engine.serve(10, 11, requests=10, steps=105))
    assert meter.window()["steps/prefill"] == pytest.approx(max(105 - 100, 10 / math.e))


def test_how_many_decode_follows_from_the_gaps_between_their_tokens_and_the_time():
    # 2,000 tokens after 14 ms each are 28 s in ten: 2.8 requests on average, which a prefill misses with e^-2.8.
    work = after(lambda engine: engine.serve(10, 201, requests=10, steps=1000))
    assert work["steps/prefill"] == pytest.approx(10 * math.exp(-2.8))


def test_a_restart_loses_nothing_and_counters_never_fall():
    meter, engine = Driven(), Engine()
    meter.show(0.0, engine.serve(1000, 10))
    meter.show(10.0, engine.serve(100, 11))
    before = dict(meter.window())
    meter.show(20.0, Engine().serve(50, 6), continuity=Continuity.RESTARTED)
    grown = meter.window()
    assert grown["tokens/prefill"] == before["tokens/prefill"] + 50
    assert grown["tokens/decode"] == before["tokens/decode"] + 5
    assert all(grown[key] >= before[key] for key in KEYS)


def test_engines_are_kept_apart():
    meter, engines = Driven(), [Engine(), Engine("1")]
    meter.show(0.0, *engines)
    engines[0].serve(100, 11)
    engines[1].serve(200, 1)
    meter.show(10.0, *engines)
    assert [meter.window(name)["tokens/prefill"] for name in ("0", "1")] == [100, 200]
    meter.forget(PLACE)
    assert meter.model(PLACE) is None
    assert meter.unknown(PLACE) is None
    assert meter.window() is None
    assert meter.window("1")["tokens/prefill"] == 200


def test_random_traffic_keeps_all_identities_and_lets_no_account_fall():
    rng = random.Random(3)
    meter, engine = Driven(max_num_batched_tokens=512), Engine()
    meter.show(0.0, engine)
    last = dict.fromkeys(KEYS, 0.0)
    for page in range(1, 41):
        for _ in range(rng.randrange(5)):
            prompt, output = rng.randrange(1, 2000), rng.randrange(1, 50)
            cached = rng.choice([0, rng.randrange(prompt)])
            engine.serve(prompt, output, cached=cached, steps=rng.randrange(output, 2 * output))
            if rng.random() < 0.9:
                meter.take_request(PLACE, finished(output, prompt_tokens=prompt, cached_tokens=cached))
        engine.running, engine.usage = float(rng.randrange(9)), rng.random()
        meter.show(float(page), engine, recorded=rng.random() < 0.5)
        now = meter.window()
        assert all(now[key] >= last[key] for key in KEYS)
        assert now["steps/decode"] + now["steps/mixed"] <= now["steps/all"] + 1e-6
        last = dict(now)
    assert last["tokens/prefill"] + last["saved/tokens"] == engine.prompted
    assert last["tokens/decode"] == engine.generated - engine.prompts
    assert last["written/decode"] == pytest.approx(last["tokens/decode"] * POSITION)
    assert last["written/prefill"] == pytest.approx(last["tokens/prefill"] * POSITION)


# ---------------------------------------------------------------------------- through the whole meter


def vllm(time, *engines, start=1000.0):
    return VllmReading("a", time, 1000.0 + time, start, tuple(engine.page() for engine in engines), {}, "0.32.0")


def played(*, config=LLAMA_2_7B, **plan):
    meter = Meter(WINDOWS, [ServerPlan("a", gpu_spec=A100, **plan)], find_spec=lambda name: None)
    meter.take_health(SourceHealth("vllm", "a", up=True, reason=""))
    if config is not None:
        meter.take_model(ModelReading("a", "m", config, "file"))
    return meter


def test_the_lectures_decode_step_of_14_gb_in_14_ms_is_half_of_an_a100_on_the_page():
    # 16,000 tokens of cache in blocks of one; 1,497 of them hold the one sequence that runs: a step reads
    # 13,214,687,232 + 8,192 B of weights and 1,497 x 524,288 B of cache and writes 524,288 B, 14.0001 GB in all.
    engine = Engine(cache_config={"num_gpu_blocks": "16000", "block_size": "1"})
    engine.running, engine.usage = 1.0, 1497 / 16000
    meter = played()
    meter.take_vllm(vllm(0.0, engine.serve(1447, 1)))
    meter.take_vllm(vllm(10.0, engine.decode(500, 500)))
    samples = meter.measure(10.0, 1010.0).samples
    step = STEP + 8192 + 1498 * POSITION
    assert step == pytest.approx(14e9, rel=1e-5)
    assert value(samples, "decode_step_mbu_ratio", window="1m") == pytest.approx(0.5, rel=1e-5)
    # 500 of them in ten seconds, of 7 s in all: 35 % of the time's bandwidth.
    assert value(samples, "mbu_ratio", phase="decode", basis="model") == pytest.approx(0.35, rel=1e-5)
    assert value(samples, "mbu_ratio", phase="prefill", basis="model") == 0
    assert value(samples, "roofline_bound", phase="decode", bound="memory") == 1


def test_mfu_by_phase_stands_on_the_page():
    engine = Engine()
    meter = played()
    meter.take_vllm(vllm(0.0, engine))
    meter.take_vllm(vllm(10.0, engine.serve(1000, 1, requests=20)))
    samples = meter.measure(10.0, 1010.0).samples
    expected = 20 * (1000 * TOKEN + SAMPLE + POSITION * 500_500)
    assert value(samples, "mfu_ratio", phase="prefill", basis="model") == pytest.approx(expected / 10 / 312e12)
    assert value(samples, "model_flops_total", phase="prefill", basis="model") == expected
    assert value(samples, "engine_steps_total") == 20
    assert value(samples, "model_info", architecture="LlamaForCausalLM", origin="file", contexts="page") == 1


def test_the_whole_page_keeps_prefill_plus_decode_equal_to_all():
    engine = Engine()
    engine.running, engine.usage = 3.0, 0.1
    meter = played()
    meter.take_vllm(vllm(0.0, engine))
    meter.take_vllm(vllm(10.0, engine.serve(700, 33, requests=9, cached=100, steps=120)))
    samples = meter.measure(10.0, 1010.0).samples
    for name, labels in (
        ("mfu_ratio", {}),
        ("mbu_ratio", {}),
        ("model_flops_total", {}),
        ("memory_read_bytes_total", {"what": "weights"}),
        ("memory_read_bytes_total", {"what": "kv"}),
        ("memory_written_bytes_total", {"what": "kv"}),
    ):
        parts = [value(samples, name, phase=phase, basis="model", **labels) for phase in ("prefill", "decode", "all")]
        assert parts[0] + parts[1] == pytest.approx(parts[2])
        assert min(parts) > 0


def test_records_from_the_plugin_make_contexts_exact():
    engine = Engine()
    meter = played(config=None)
    meter.take_health(SourceHealth("plugin", "", up=True, reason=""))
    told = EngineConfig("m", "0", facts={"hf_config": json.dumps(LLAMA_2_7B), "max_num_batched_tokens": 8192})
    meter.take_records(RecordsReading(0.0, 1000.0, configs=(told,)), "plugin")
    meter.take_vllm(vllm(0.0, engine))
    # Before its first page the server's engines are unknown, and so is whose configuration it was.
    meter.take_records(RecordsReading(0.1, 1000.1, configs=(told,)), "plugin")
    meter.measure(0.5, 1000.5)
    meter.take_vllm(vllm(1.0, engine))
    one = finished(11, prompt_tokens=100, cached_tokens=0, arrival=1002.0)
    meter.take_records(RecordsReading(5.0, 1005.0, (one,)), "plugin")
    meter.take_vllm(vllm(10.0, engine.serve(100, 11)))
    samples = meter.measure(10.0, 1010.0).samples
    assert value(samples, "model_info", origin="plugin", contexts="records") == 1
    assert value(samples, "memory_read_bytes_total", what="kv", phase="decode") == 1055 * POSITION


def test_of_an_unknown_model_the_page_says_only_that():
    engine = Engine()
    meter = played(config=None)
    meter.take_vllm(vllm(0.0, engine))
    meter.take_vllm(vllm(10.0, engine.serve(100, 11)))
    samples = meter.measure(10.0, 1010.0).samples
    assert value(samples, "model_unknown", reason="not_found") == 1
    told = {sample.metric.name for sample in samples if "model" in sample.labels}
    assert told == set()


@pytest.mark.parametrize(
    ("gpus", "engines", "each"),
    [
        pytest.param(2, 1, 2, id="two for one"),
        pytest.param(2, 2, 1, id="one for each of two"),
        pytest.param(5, 2, 1, id="nobody knows which"),
        pytest.param(None, 1, 1, id="nobody knows how many"),
    ],
)
def test_the_gpus_of_a_server_are_divided_among_its_engines(gpus, engines, each):
    meter = played(gpu_count=gpus)
    meter.take_vllm(vllm(0.0, *(Engine(str(number)) for number in range(engines))))
    assert meter.work.model(PLACE).parallel.gpus == each


def test_an_engine_that_left_long_ago_begins_anew_when_it_comes_back():
    meter, stays, leaves = played(), Engine("1"), Engine()
    meter.take_vllm(vllm(0.0, stays, leaves))
    meter.take_vllm(vllm(10.0, stays, leaves))
    meter.take_vllm(vllm(50.0, stays))
    assert meter.work.model(PLACE) is not None
    meter.take_vllm(vllm(100.0, stays))
    assert meter.work.model(PLACE) is None


def test_our_counters_stay_through_an_outage_and_go_on_after_it():
    engine = Engine()
    meter = played()
    meter.take_vllm(vllm(0.0, engine))
    meter.take_vllm(vllm(1.0, engine.serve(100, 1)))

    def counted(now):
        samples = meter.measure(now, 1000.0 + now).samples
        return value(samples, "prefix_cache_saved_tokens_total"), value(
            samples, "model_flops_total", phase="prefill", basis="model"
        )

    first = 100 * TOKEN + SAMPLE + POSITION * 5050
    assert counted(1.5) == (0, first)
    assert counted(1.6) == (0, first)
    # Longer than any window: the windows begin anew, the counters do not.
    meter.take_vllm(vllm(500.0, engine.serve(100, 1)))
    assert counted(500.5) == (0, 2 * first)
