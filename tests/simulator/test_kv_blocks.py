"""Blocks are neither lost nor invented, and shared ones count once."""

from __future__ import annotations

import pytest

from pentameter.simulator.kv_blocks import KvBlocks
from pentameter.simulator.traffic import Request


@pytest.fixture
def kv():
    return KvBlocks(num_gpu_blocks=101, block_size=16, prefixes=1)


def request(prompt_tokens, prefix_tokens=0):
    prefix = 0 if prefix_tokens else -1
    return Request(1, 0.0, prompt_tokens, 10, 100, prefix, prefix_tokens)


def test_one_block_is_the_null_block(kv):
    assert (kv.total, kv.used, kv.usage) == (100, 0, 0.0)


def test_a_prompt_takes_whole_blocks(kv):
    assert kv.try_admit(request(17))
    assert (kv.used, kv.usage) == (2, 0.02)


def test_a_prompt_that_does_not_fit_changes_nothing(kv):
    assert not kv.try_admit(request(1601))
    assert kv.used == 0


def test_the_first_to_bring_a_system_prompt_computes_it_and_the_second_finds_it(kv):
    first, second = request(100, prefix_tokens=64), request(100, prefix_tokens=64)
    assert kv.try_admit(first)
    assert kv.try_admit(second)
    assert (first.computed, second.computed) == (0, 64)
    # 4 shared blocks and 3 private ones each
    assert kv.used == 10


def test_shared_blocks_are_freed_with_their_last_holder_and_stay_cached(kv):
    first, second, third = (request(100, prefix_tokens=64) for _ in range(3))
    kv.try_admit(first)
    kv.try_admit(second)
    kv.release(first)
    assert kv.used == 7
    kv.release(second)
    assert kv.used == 0
    kv.try_admit(third)
    assert (third.computed, kv.used) == (64, 7)


def test_a_preempted_request_finds_its_whole_blocks_again_if_nobody_took_them(kv):
    victim = request(50)
    kv.try_admit(victim)
    victim.computed = 50
    kv.preempt(victim)
    assert kv.used == 0
    victim.target = 60
    assert kv.try_admit(victim)
    assert victim.computed == 48


def test_a_preempted_request_loses_the_blocks_that_others_took_meanwhile(kv):
    victim = request(50)
    kv.try_admit(victim)
    victim.computed = 50
    kv.preempt(victim)
    # 96 blocks were free before the preemption; the next 2 come from the victim's 4.
    kv.take(98)
    kv.free += 98
    kv.try_admit(victim)
    assert victim.computed == 16


def test_the_last_token_is_computed_even_if_everything_is_cached(kv):
    victim = request(48)
    kv.try_admit(victim)
    victim.computed = 48
    kv.preempt(victim)
    kv.try_admit(victim)
    assert victim.computed == 32
