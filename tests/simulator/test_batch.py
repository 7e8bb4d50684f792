"""The batch grows, lets go and gives back figures as if every request had been counted one by one."""

from __future__ import annotations

from random import Random

from pentameter.simulator.batch import DecodeBatch
from pentameter.simulator.traffic import Request


def prefilled(number, prompt, output, stays_for=None):
    """Return a request whose prefill has just brought the first token."""
    request = Request(number, 0.0, prompt, output, output, stays_for=stays_for)
    request.computed = prompt
    request.generated = 1
    return request


def test_a_request_leaves_with_the_last_token_for_which_it_stays():
    batch = DecodeBatch(block_size=16)
    whole, part = prefilled(1, 20, output=4), prefilled(2, 20, output=9, stays_for=3)
    batch.join(whole)
    batch.join(part)
    left = []
    for _ in range(3):
        batch.step()
        left.append(batch.pop_complete())
    assert left == [[], [part], [whole]]
    assert (part.generated, whole.generated, batch.size, batch.context_tokens) == (3, 4, 0, 0)


def test_a_request_taken_out_early_is_up_to_date_and_does_not_leave_again():
    batch = DecodeBatch(block_size=16)
    request = prefilled(1, 20, output=4)
    batch.join(request)
    batch.step()
    batch.remove(request)
    assert (request.generated, request.computed, request.private_blocks) == (2, 21, 2)
    for _ in range(3):
        batch.step()
        assert batch.pop_complete() == []


def test_contexts_and_blocks_are_those_of_counting_one_by_one():
    random, batch, contexts = Random(4), DecodeBatch(block_size=16), {}
    taken = 0
    for number in range(400):
        if number % 2 == 0:
            request = prefilled(number, random.randint(1, 90), random.randint(2, 60))
            batch.join(request)
            contexts[request] = request.computed
        # the next token of a context of 16 n tokens needs a block
        wanted = sum(context % 16 == 0 for context in contexts.values())
        assert batch.blocks_wanted == wanted
        taken += wanted
        batch.step()
        contexts = {each: context + 1 for each, context in contexts.items()}
        assert batch.context_tokens == sum(contexts.values())
        for request in batch.pop_complete():
            assert request.computed == contexts.pop(request)
        assert batch.size == len(contexts)
    assert taken > 100
