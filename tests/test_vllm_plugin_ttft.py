"""A request's first token is found again when it ends."""

from hypothesis import given
from hypothesis import strategies as st

from pentameter.vllm_plugin_ttft import FirstTokens

WALL = st.floats(1.7e9, 2.0e9)
SECONDS = st.floats(0.0, 10_000.0)


@given(WALL, SECONDS, SECONDS)
def test_a_first_token_is_found_to_the_bit(arrival, until_first, until_end):
    """As vLLM computes it: both times are differences of doubles to the arrival."""
    first, end = arrival + until_first, arrival + until_end
    tokens = FirstTokens()
    tokens.note(first, [first - arrival])
    assert tokens.find(end - (end - arrival), 0.0) == first - arrival
    assert end - (end - arrival) == arrival


def test_requests_do_not_get_each_others_first_tokens():
    tokens = FirstTokens()
    tokens.note(1000.0, [0.5, 0.25])
    tokens.note(1001.0, [0.125])
    assert tokens.find(999.75, 0.0) == 0.25
    assert tokens.find(1000.875, 0.0) == 0.125
    assert tokens.find(999.5, 0.0) == 0.5
    assert tokens.find(999.25, 0.0) is None


def test_a_first_token_is_found_once():
    tokens = FirstTokens()
    tokens.note(1000.0, [0.5])
    assert tokens.find(999.5, 0.5) == 0.5
    assert tokens.find(999.5, 0.5) is None


def test_sequences_that_arrived_together_are_told_apart_by_their_decode_time():
    """A client that asks for two sequences: on two engines, say, one of them slower to begin."""
    tokens = FirstTokens()
    tokens.note(1000.25, [0.25])
    tokens.note(1000.75, [0.75])
    assert tokens.find(1000.0, 0.74) == 0.75
    assert tokens.find(1000.0, 0.74) == 0.25


def test_aborted_requests_which_never_end_do_not_pile_up():
    tokens = FirstTokens(most=3)
    for second in range(10):
        tokens.note(1000.0 + second, [0.5])
    assert [tokens.find(999.5 + second, 0.5) for second in range(10)] == [None] * 7 + [0.5] * 3
