"""How many positions queries see, against counting them one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.specs import COUNTED, GEMMA_3_27B, LLAMA_31_8B, RECURRENT_HYBRID, chunked
from pentameter.model.contexts import Reach, decode_seen, prefill_read, prefill_seen, reach, reaches, seen
from pentameter.model.spec import Attention

windows = st.one_of(st.none(), st.integers(1, 40))
kinds = st.builds(Reach, windows, st.booleans()).map(lambda one: Reach(one.window, one.chunked and bool(one.window)))
positions = st.integers(0, 150)


def positions_of(reach, i):
    """Return the 1-based positions that the query at position i sees, one by one."""
    if reach.window is None:
        return range(1, i + 1)
    if reach.chunked:
        return range((i - 1) // reach.window * reach.window + 1, i + 1)
    return range(max(1, i - reach.window + 1), i + 1)


@given(kinds, positions, positions)
def test_the_closed_form_is_the_sum_over_single_queries(reach, start, end):
    assert seen(reach, start, end) == sum(len(positions_of(reach, i)) for i in range(start + 1, end + 1))


@given(kinds, positions, positions, positions)
def test_a_run_of_positions_may_be_cut_anywhere(reach, a, b, c):
    start, cut, end = sorted((a, b, c))
    assert seen(reach, start, cut) + seen(reach, cut, end) == seen(reach, start, end)


@given(kinds, positions, positions, st.integers(1, 60))
def test_a_chunk_reads_each_position_that_any_of_its_queries_sees_once(reach, cached, prompt, chunk):
    expected = 0
    for start in range(cached, prompt, chunk):
        queries = range(start + 1, min(start + chunk, prompt) + 1)
        expected += len({position for i in queries for position in positions_of(reach, i)})
    assert prefill_read(reach, prompt, cached, chunk) == expected


@pytest.mark.parametrize("chunk", [0, -512])
def test_chunks_of_nothing_are_refused(chunk):
    with pytest.raises(ValueError, match="chunks of"):
        prefill_read(Reach(), 100, 0, chunk)


@pytest.mark.parametrize(
    ("reach", "expected"),
    [
        (Reach(), 8192 * 8193 / 2),
        (Reach(4096), 4096 * 4097 / 2 + 4096 * 4096),
        (Reach(4096, chunked=True), 4096 * 4097),
        (Reach(8192), 8192 * 8193 / 2),
        (Reach(10_000), 8192 * 8193 / 2),
    ],
)
def test_a_prompt_of_8192_tokens(reach, expected):
    assert prefill_seen(reach, 8192, 0) == expected


def test_what_the_cache_held_asks_nothing_but_is_seen():
    assert prefill_seen(Reach(), 10, 7) == 8 + 9 + 10
    assert prefill_seen(Reach(), 10, 10) == 0


def test_the_first_output_token_is_the_prefills_and_the_last_is_never_fed_back():
    assert decode_seen(Reach(), 100, 4) == 101 + 102 + 103


@pytest.mark.parametrize("output_tokens", [0, 1])
def test_a_request_without_decode_steps_sees_nothing_in_decode(output_tokens):
    assert decode_seen(Reach(), 100, output_tokens) == 0


def test_long_contexts_stay_exact():
    assert seen(Reach(), 0, 10_000_000) == 50_000_005_000_000


def test_the_reaches_of_a_model_are_those_of_its_layers():
    assert reaches(LLAMA_31_8B) == {Reach()}
    assert reaches(GEMMA_3_27B) == {Reach(), Reach(1024)}
    assert reaches(chunked(8192)) == {Reach(8192, chunked=True)}
    assert reaches(RECURRENT_HYBRID) == {Reach()}
    assert reaches(COUNTED) == frozenset()


def test_chunks_without_a_size_are_no_chunks():
    assert reach(Attention(8, 8, 64, 64, 1024, chunked=True)) == Reach()
