"""Contexts of requests: estimates while they run, the truth once they have ended."""

import random

import pytest

from builders import finished
from pentameter.model.contexts import Reach
from pentameter.recorded_contexts import HORIZON_SECONDS, RecordedContexts
from pentameter.work import Contexts, Counted

FULL, SLIDING = Reach(), Reach(8)
SECOND = 1.0


def made(prompt_tokens=0.0, decoded=0.0):
    """Return what a page's counters grew by."""
    return Counted(prompts=1.0, computed=prompt_tokens, cached=0.0, decoded=decoded, sampled=decoded, steps=decoded)


def page(prefill=0.0, decode=0.0):
    """Return what the page alone says of the positions."""
    return Contexts({FULL: prefill}, {FULL: decode}, {FULL: prefill})


def request(prompt, output, cached=0):
    return finished(output, prompt_tokens=prompt, cached_tokens=cached)


def end(contexts, *requests, reaches=(FULL,)):
    for one in requests:
        contexts.end(one, reaches, None)


def decode(contexts, tokens, positions, *, seconds=SECOND, trusted=True):
    return contexts.make(made(decoded=tokens), page(decode=positions), seconds, trusted=trusted).decode[FULL]


def test_before_any_record_the_pages_estimate_counts():
    assert decode(RecordedContexts(), 10, 5000) == 5000


def test_a_record_takes_the_estimate_of_its_tokens_back():
    contexts = RecordedContexts()
    assert decode(contexts, 10, 500) == 500
    end(contexts, request(100, 11))
    # 101 to 110 are 1,055 positions, of which 500 are booked.
    assert decode(contexts, 0, 0) == pytest.approx(555)


def test_what_was_booked_too_much_is_made_up_for_by_what_comes():
    contexts = RecordedContexts()
    assert decode(contexts, 10, 2000) == 2000
    end(contexts, request(100, 11))
    assert decode(contexts, 0, 0) == 0
    # Ten tokens more, at the mean of 105.5: 1,055, less the 945 that were too much.
    assert decode(contexts, 10, 2000) == pytest.approx(110)


def test_tokens_of_requests_that_run_count_with_the_mean_of_those_that_have_ended():
    contexts = RecordedContexts()
    end(contexts, request(100, 11))
    assert decode(contexts, 10, 1) == pytest.approx(1055)
    assert decode(contexts, 4, 1) == pytest.approx(4 * 105.5)


def test_where_records_are_not_all_there_other_tokens_count_as_the_page_says():
    contexts = RecordedContexts()
    end(contexts, request(100, 11))
    assert decode(contexts, 10, 1, trusted=False) == pytest.approx(1055)
    assert decode(contexts, 4, 40, trusted=False) == pytest.approx(40)


@pytest.mark.parametrize("seed", range(20))
def test_once_all_have_ended_the_sum_is_that_of_the_records_in_whatever_order_things_come(seed):
    dice = random.Random(seed)
    contexts, booked = RecordedContexts(), 0.0
    requests = [request(dice.randrange(1, 300), dice.randrange(2, 200)) for _ in range(50)]
    events = []
    for i, one in enumerate(requests):
        events.append((i, "tokens", one.output_tokens - 1))
        # The record comes up to ten requests later, or a little before the page.
        events.append((i + dice.uniform(-0.5, 10), "record", one))
    events.sort(key=lambda event: event[0])
    for _, kind, what in events:
        if kind == "record":
            end(contexts, what)
        else:
            positions = what * dice.uniform(1, 400)
            more = decode(contexts, what, positions, seconds=0.1, trusted=dice.random() < 0.8)
            assert more >= 0
            booked += more
    booked += decode(contexts, 0, 0)
    truth = sum(sum(range(one.prompt_tokens + 1, one.prompt_tokens + one.output_tokens)) for one in requests)
    assert booked >= truth * (1 - 1e-9)  # never less: only what was booked too much may be left over
    owed = booked - truth
    # What is left over is made up for.
    end(contexts, request(100, 100_001))
    later = decode(contexts, 100_000, 1)
    assert later == pytest.approx(sum(range(101, 100_101)) - owed)


def test_tokens_of_aborted_requests_stay_estimates_and_are_never_repriced():
    contexts = RecordedContexts()
    end(contexts, request(100, 11))
    assert decode(contexts, 10, 1) == pytest.approx(1055)
    assert decode(contexts, 1000, 1) == pytest.approx(105_500)  # aborted
    # Later requests are ten times as long.
    for _ in range(50):
        assert decode(contexts, 10, 1, seconds=HORIZON_SECONDS) >= 0
        end(contexts, request(1000, 11))
    total = decode(contexts, 0, 0)
    assert total < 50 * 1055 * 10


def test_after_a_silence_a_record_of_an_old_request_books_about_nothing():
    contexts = RecordedContexts()
    end(contexts, request(100, 11))
    decode(contexts, 10, 1)
    for _ in range(20):
        decode(contexts, 0, 0, seconds=HORIZON_SECONDS)
    end(contexts, request(100, 11))
    assert decode(contexts, 0, 0) == pytest.approx(0, abs=1e-6)


def test_prefill_is_exchanged_by_computed_tokens():
    contexts = RecordedContexts()
    first = contexts.make(made(prompt_tokens=36.0), page(prefill=1000.0), SECOND, trusted=True)
    assert first.prefill[FULL] == 1000
    end(contexts, request(100, 1, cached=64))
    second = contexts.make(made(), page(), SECOND, trusted=True)
    # 65 to 100 are 2,970 positions; the one chunk reads 100.
    assert second.prefill[FULL] == pytest.approx(2970 - 1000)
    assert first.prefill_cache[FULL] + second.prefill_cache[FULL] == pytest.approx(1000)


def test_every_reach_is_exchanged_for_itself():
    contexts = RecordedContexts()
    by_page = Contexts({}, {FULL: 100.0, SLIDING: 80.0}, {})
    assert contexts.make(made(decoded=10.0), by_page, SECOND, trusted=True).decode == {FULL: 100.0, SLIDING: 80.0}
    end(contexts, request(100, 11), reaches=(FULL, SLIDING))
    nothing = Contexts({}, {FULL: 0.0, SLIDING: 0.0}, {})
    assert contexts.make(made(), nothing, SECOND, trusted=True).decode == pytest.approx({FULL: 955.0, SLIDING: 0.0})
