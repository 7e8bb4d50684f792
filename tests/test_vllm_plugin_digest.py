"""vLLM's stat objects of several releases, taken down as entries of messages."""

import math

import pytest

from fakes.vllm_stats import RELEASES, FinishReason, details, finished, iteration, scheduler
from pentameter.sketch import index_of
from pentameter.vllm_plugin_digest import EngineDigest


def entries(*steps):
    """Return what a digest makes of (scheduler stats, iteration stats) pairs, and its errors."""
    digest = EngineDigest("0")
    for wall, (scheduler_stats, iteration_stats) in enumerate(steps):
        digest.take_step(scheduler_stats, iteration_stats, 5000.0 + wall)
    return digest.cut(), digest.errors


def requests(*steps):
    found, errors = entries(*((None, step) for step in steps))
    assert errors == 0
    return [entry for entry in found if entry["kind"] == "request"]


def account(*steps):
    found, errors = entries(*steps)
    assert errors == 0
    return next(entry for entry in found if entry["kind"] == "iteration")


def request(*steps):
    (found,) = requests(*steps)
    return found


@pytest.mark.parametrize("release", RELEASES)
def test_a_finished_request_is_told_with_all_that_its_release_knows(release):
    told = request(
        iteration(release, at=1000.5, ttfts=[0.5]),
        iteration(release, at=1001.0, ended=[finished(release)]),
    )
    known_by_all = {
        "kind": "request",
        "engine": "0",
        "request_id": "",
        "finish_reason": "stop",
        "arrival": 1000.0,  # 1001 - 1
        "e2e": 1.0,
        "ttft": 0.5,
        "decode": 0.5,
        "queue": 0.125,
        "prefill": 0.25,
        "prompt_tokens": 100,
        "output_tokens": 5,
    }
    later = {"cached_tokens": (13, 64), "request_id": (20, "cmpl-1"), "preemptions": (30, 0)}
    assert told == known_by_all | {name: value for name, (since, value) in later.items() if release >= since}


@pytest.mark.parametrize("reason", list(FinishReason))
def test_the_reason_for_the_end_is_vllms_word(reason):
    told = request(iteration(ttfts=[1.0], ended=[finished(finish_reason=reason)]))
    assert told["finish_reason"] in {"stop", "length", "abort", "error", "repetition"}
    assert told["finish_reason"] == str(reason)


def test_the_reason_may_be_a_plain_word():
    assert request(iteration(ttfts=[1.0], ended=[finished(finish_reason="length")]))["finish_reason"] == "length"


def test_a_request_that_brought_no_token_has_no_time_to_one():
    """vLLM notes a first token for every first output of a request, an error without tokens included."""
    told = request(iteration(ttfts=[1.0], ended=[finished(num_generation_tokens=0, decode_time=0.0)]))
    assert told.keys().isdisjoint({"ttft", "decode"})
    assert told["output_tokens"] == 0


def test_a_request_that_was_never_scheduled_has_no_queue_and_prefill_time():
    """vLLM then subtracts the engine's clock from zero, and zero from it."""
    told = request(iteration(ended=[finished(queued_time=-12345.0, prefill_time=12345.5, num_generation_tokens=0)]))
    assert told.keys().isdisjoint({"queue", "prefill"})


def test_a_first_token_that_was_missed_is_estimated_and_counted_as_such():
    found, _ = entries((None, iteration(at=1001.0, ended=[finished(e2e_latency=1.0, decode_time=0.25)])))
    assert found[0]["ttft"] == 0.75
    assert found[1]["sums"]["ttft_estimates"] == 1


def test_an_exact_time_to_first_token_is_no_estimate():
    assert "ttft_estimates" not in account((None, iteration(ttfts=[1.0], ended=[finished()])))["sums"]


def test_no_time_to_first_token_is_made_up_where_the_clocks_disagree():
    """End-to-end is wall time and decode is monotonic: a wall clock set back makes end-to-end the shorter."""
    assert "ttft" not in request(iteration(ended=[finished(e2e_latency=0.2, decode_time=0.5)]))
    set_back = iteration(at=999.0, ttfts=[-0.25]), iteration(at=999.5, ended=[finished(e2e_latency=0.25)])
    assert "ttft" not in request(*set_back)


def test_an_unknown_number_of_cached_tokens_is_left_out():
    assert "cached_tokens" not in request(iteration(ended=[finished(num_cached_tokens=-1)]))


def test_a_long_request_id_is_cut():
    assert request(iteration(ended=[finished(request_id="x" * 2000)]))["request_id"] == "x" * 1024


def test_gaps_between_outputs_are_counted_by_bucket_and_summed():
    told = account((None, iteration(gaps=[0.01, 0.01, 0.02])), (None, iteration(gaps=[0.01])))
    assert told["gaps"] == {index_of(0.01): 3, index_of(0.02): 1}
    assert told["gap_sum"] == pytest.approx(0.05)


def test_gaps_that_are_no_durations_are_left_out():
    told = account((None, iteration(gaps=[-0.5, math.nan, math.inf, 0.01])))
    assert told["gaps"] == {index_of(0.01): 1}
    assert told["gap_sum"] == 0.01


@pytest.mark.parametrize("release", RELEASES)
def test_tokens_of_the_steps_are_added_up(release):
    told = account(
        (None, iteration(release, generated=3, prompt=100, cached=64, preempted=1, ttfts=[0.1, 0.2])),
        (None, iteration(release, generated=2, prompt=10)),
        (None, iteration(release, ended=[finished(release)])),
    )
    by_source = {
        "prompt_tokens_computed": 46,
        "prompt_tokens_cached": 64,
        "prompt_tokens_local_cache_hit": 64,
        "prompt_tokens_external": 0,
    }
    assert told["sums"] == {
        "first_tokens": 2,
        "finished_requests": 1,
        "generation_tokens": 5,
        "prompt_tokens": 110,
        "preemptions": 1,
        "ttft_estimates": 1,
        **(by_source if release >= 16 else {}),
    }


@pytest.mark.parametrize(("release", "waiting"), [(12, 7), (16, 7), (20, 9), (32, 9)])
def test_the_latest_step_gives_the_gauges(release, waiting):
    told = account(
        (scheduler(release, running=9, waiting=9, usage=0.9), None),
        (scheduler(release, running=4, waiting=7, deferred=2, usage=0.25), None),
    )
    assert told["gauges"] == {"running": 4, "waiting": waiting, "kv_cache_usage": 0.25, "wall": 5001.0}
    assert told["sums"] == {"steps": 2, "running_requests": 13}


def test_a_step_without_outputs_counts_and_outputs_without_scheduler_stats_are_no_step():
    """Of several API servers one gets the scheduler's figures, the others only their requests' outputs."""
    assert account((scheduler(), None), (None, iteration(generated=1)))["sums"]["steps"] == 1


def test_steps_are_told_apart_where_vllm_details_them():
    told = account(
        (scheduler(details=details(prefills=2, prefill_tokens=100, milliseconds=30.0)), None),
        (scheduler(details=details(decodes=5, decode_tokens=5, milliseconds=10.0)), None),
        (scheduler(details=details(1, 5, prefill_tokens=50, decode_tokens=5, milliseconds=20.0)), None),
        (scheduler(details=details(dummy=True, milliseconds=1000.0)), None),
        (scheduler(), None),
    )
    sums = {name: value for name, value in told["sums"].items() if name not in ("steps", "running_requests")}
    assert sums == {
        "detailed_steps": 3,
        "prefill_steps": 1,
        "decode_steps": 1,
        "mixed_steps": 1,
        "step_seconds": pytest.approx(0.06),
        "scheduled_prefill_tokens": 150,
        "scheduled_decode_tokens": 10,
    }


def test_sleep_and_rejections_are_told():
    digest = EngineDigest("3")
    digest.take_sleep(asleep=True)
    digest.take_rejection("max_num_queued_reqs")
    digest.take_rejection("max_num_queued_reqs")
    (told,) = digest.cut()
    assert (told["engine"], told["gauges"]) == ("3", {"asleep": 1.0})
    assert told["sums"] == {"admission_rejections/max_num_queued_reqs": 2}
    digest.take_sleep(asleep=False)
    assert digest.cut()[0]["gauges"] == {"asleep": 0.0}


def test_a_cut_begins_anew_but_remembers_first_tokens():
    digest = EngineDigest("0")
    digest.take_step(None, iteration(at=1000.0, ttfts=[0.5], generated=1), 0.0)
    digest.cut()
    assert digest.cut() == []
    digest.take_step(None, iteration(at=1000.5, ended=[finished(e2e_latency=1.0)]), 0.0)
    told = digest.cut()
    assert told[0]["ttft"] == 0.5
    assert told[1]["sums"]["finished_requests"] == 1
    assert told[1]["sums"]["generation_tokens"] == 0


class Explosive:
    """An object that raises at every touch."""

    def __getattr__(self, name):
        raise RuntimeError(name)


def test_odd_objects_cost_themselves_and_nothing_else():
    odd = [
        finished(e2e_latency=None),
        Explosive(),
        None,
        finished(num_generation_tokens="many"),
        finished(finish_reason=Explosive()),
    ]
    steps = iteration(generated=7, ended=[*odd, finished(request_id="good")], gaps=[0.01])
    found, errors = entries((Explosive(), steps), (scheduler(running=3), Explosive()), (1, 2))
    assert [entry["request_id"] for entry in found[:-1]] == ["good"]
    assert found[-1]["sums"]["generation_tokens"] == 7
    assert found[-1]["gauges"]["running"] == 3
    assert sum(found[-1]["gaps"].values()) == 1
    assert errors >= len(odd)


def test_fields_of_odd_types_are_left_out():
    stats = scheduler(running="many", usage=math.nan, waiting=True)
    told = account((stats, iteration(generated=None, prompt=5)))
    assert told["gauges"] == {"wall": 5000.0}
    assert "generation_tokens" not in told["sums"]
    strange = finished(queued_time=None, prefill_time="soon", num_prompt_tokens=1.5, num_preemptions=True, request_id=7)
    entry = request(iteration(ended=[strange]))
    assert entry["request_id"] == "7"
    assert entry.keys().isdisjoint({"queue", "prefill", "prompt_tokens", "preemptions"})
